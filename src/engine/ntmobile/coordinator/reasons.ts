/**
 * What a direction coordinator counts beside its sessions.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
export const COORDINATOR_COUNTERS = {
  registered: 'registrations and refreshes that were granted',
  'registration-refused':
    'a registration without a credential, of a relay that is not configured, or beyond the limit',
  'registration-ended': 'registrations whose lifetime ended',
  'registration-revoked': 'registrations that the operator ended',
  directed: 'directions that were given',
  'direction-not-registered': 'a Direction Request of who is not registered',
  'direction-unknown-name': 'a Direction Request for a name that is nobody’s',
  'direction-not-allowed': 'a Direction Request for a node that shares no group',
  'direction-no-relay': 'a Direction Request that needs a relay where none is',
  'direction-unreachable': 'a Direction Request whose other node did not answer',
  'direction-relay-refused': 'a Direction Request that the relay could not serve',
  'message-unexpected': 'a message that a direction coordinator has nothing to do with',
} as const;
export type CoordinatorCounter = keyof typeof COORDINATOR_COUNTERS;
