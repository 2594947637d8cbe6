/**
 * What a relay counts beside its sessions.
 *
 * No RFC: docs/ntmobile.md §6
 */
export const RELAY_COUNTERS = {
  registered: 'registrations and refreshes that a direction coordinator granted',
  'registration-failed': 'registrations that a direction coordinator refused or did not answer',
  attached: 'legs that were given, or given again',
  'attach-wrong-token': 'a Relay Attach Request with a token that is forged, over, or of another node',
  'attach-taken': 'a Relay Attach Request for a place in a path that another node has',
  'attach-limit': 'a Relay Attach Request beyond the limit, of the node or of all',
  released: 'legs whose node gave them back',
  'leg-alone': 'legs whose other one did not come, or went long ago',
  'node-idle': 'nodes that were not heard of for so long that their legs went',
  'node-moved': 'nodes that were heard of from elsewhere',
  'place-validated': 'nodes that answered a Path Challenge where they said they were',
  'place-unanswered': 'nodes that did not, and have their former place again',
  'message-unexpected': 'a message that a relay has nothing to do with',
} as const;
export type RelayCounter = keyof typeof RELAY_COUNTERS;
