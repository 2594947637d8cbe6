/**
 * The counters of a direction coordinator, besides those of its sessions.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
export const COORDINATOR_COUNTERS = {
  registered: 'registrations and refreshes that were granted',
  'registration-refused':
    'a registration without a credential, of a relay that is not configured, or beyond the limit',
  'registration-evicted': 'expired registrations that made room for a new one',
  'request-rate': 'a Registration or Address Request beyond the rate of its node',
  'registration-ended': 'registrations whose lifetime expired',
  'registration-revoked': 'registrations that the operator ended',
  directed: 'directions that were granted',
  'direction-not-registered': 'a Direction Request of a node that is not registered',
  'direction-unknown-name': 'a Direction Request for an unknown name of the zone',
  'direction-not-allowed': 'a Direction Request for a node that shares no group with the requester',
  'direction-no-relay': 'a Direction Request that needs a relay while none is available',
  'direction-unreachable': 'a Direction Request for a node that did not answer',
  'direction-relay-refused': 'a Direction Request that the relay refused',
  'direction-rate': 'a Direction Request beyond the rate of its node or account',
  'direction-pending': 'a Direction Request for another path while one to that peer is pending',
  'direction-limit': 'a Direction Request of a node that has too many pending ones',
  'direction-names': 'a Direction Request of a node that uses too many names of general nodes',
  'general-expired': 'names of general nodes whose hold is over',
  'message-unexpected': 'a message of a type that a direction coordinator does not handle',
} as const;
export type CoordinatorCounter = keyof typeof COORDINATOR_COUNTERS;
