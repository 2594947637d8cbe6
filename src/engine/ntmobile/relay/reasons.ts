/**
 * What a relay counts beside its sessions.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
export const RELAY_COUNTERS = {
  registered: 'registrations and refreshes that a direction coordinator granted',
  'registration-failed': 'registrations that a direction coordinator refused or did not answer',
  attached: 'legs that were given, or given again',
  'attach-wrong-token':
    'a Relay Attach Request with a token that is forged, over, or of another node',
  'attach-taken': 'a Relay Attach Request for a place in a path that another node has',
  'attach-limit': 'a Relay Attach Request beyond the limit, of the node or of all',
  'first-datagram-passed':
    'Tunnel Requests that came along with a request for a leg, and went on to the other node',
  'first-datagram-refused':
    'what came along with a request for a leg and is no Tunnel Request of this path’s initiator, or one too many',
  'first-datagram-late': 'Tunnel Requests whose other node did not ask for its leg in time',
  released: 'legs whose node gave them back',
  'leg-unpaired': 'legs whose other one did not come, or went long ago',
  'node-idle': 'nodes that were not heard of for so long that their legs went',
  'node-moved': 'nodes that were heard of from elsewhere',
  'path-validated': 'nodes that answered a Path Challenge where they said they were',
  'path-validation-failed': 'nodes that did not, and have their former place again',
  'credential-expired': 'nodes whose credential ended, and nobody gave them another one',
  directed: 'nodes that were directed to general nodes',
  'direction-malformed': 'a Relay Direction without what it needs',
  'direction-conflict':
    'a Relay Direction with virtual addresses that are no general node’s, or another one’s',
  'direction-limit':
    'a Relay Direction beyond a limit: general nodes of one node, of all, or names that are looked for',
  'direction-no-name': 'a Relay Direction for a name that nobody has, or that has no address',
  'direction-unresolved':
    'a Relay Direction for a name that no name server gave an answer about in time',
  'direction-forbidden': 'a Relay Direction for a name that leads only where the relay does not go',
  'direction-unreachable':
    'a Relay Direction for a server that the relay cannot reach by any family it has',
  'general-ended': 'general nodes that nobody was directed to for long, or that made room',
  'general-forbidden': 'general nodes whose real address became one where the relay does not go',
  'message-unexpected': 'a message that a relay has nothing to do with',
} as const;
export type RelayCounter = keyof typeof RELAY_COUNTERS;
