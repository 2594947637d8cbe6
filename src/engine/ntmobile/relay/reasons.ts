/**
 * The counters of a relay, besides those of its sessions.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
export const RELAY_COUNTERS = {
  registered: 'registrations and refreshes that a direction coordinator granted',
  'registration-failed': 'registrations that a direction coordinator refused or did not answer',
  attached: 'legs that were granted or refreshed',
  'attach-wrong-token':
    'a Relay Attach Request with a token that is forged, expired, or of another node',
  'attach-limit': 'a Relay Attach Request beyond the limit of legs in total',
  'attach-share': 'a Relay Attach Request beyond the legs of the node that asked for the path',
  'leg-superseded': 'legs that a newer path of the same two nodes replaced',
  'first-datagram-passed':
    'Tunnel Requests inside a Relay Attach Request that were forwarded to the other node',
  'first-datagram-refused':
    'first datagrams that are no Tunnel Request of the initiator, or exceed the rate limit',
  'first-datagram-late': 'first datagrams whose other node did not attach in time',
  released: 'legs that their node released',
  'leg-unpaired': 'legs that were removed because they had no peer leg',
  'node-idle': 'nodes that were detached because they were silent',
  'node-moved': 'nodes whose path changed',
  'path-validated': 'paths that a node validated by a Path Response or its handshake',
  'path-validation-failed': 'Path Challenges that were not answered on their path',
  'credential-expired': 'nodes that were detached because their credential expired',
  directed: 'Relay Directions that were granted',
  'direction-malformed': 'a Relay Direction that lacks a required option',
  'direction-conflict':
    'a Relay Direction with virtual addresses that are not for general nodes, or are in use',
  'direction-limit':
    'a Relay Direction beyond a limit in total: general nodes, or name resolutions',
  'direction-share':
    'a Relay Direction beyond the share of its node: general nodes, or name resolutions',
  'direction-no-name': 'a Relay Direction for a name that does not exist or has no address',
  'direction-unresolved': 'a Relay Direction for a name that was not resolved in time',
  'direction-forbidden': 'a Relay Direction for a name with forbidden addresses only',
  'direction-unreachable':
    'a Relay Direction for a server in address families that the relay lacks',
  'general-ended': 'general nodes that expired, or were evicted at the limit',
  'general-forbidden': 'general nodes whose real address became forbidden',
  'message-unexpected': 'a message of a type that a relay does not handle',
} as const;
export type RelayCounter = keyof typeof RELAY_COUNTERS;
