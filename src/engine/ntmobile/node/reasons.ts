/** What an NTMobile node counts. No RFC: docs/reference/ntmobile.md §6. */
export const NTMOBILE_NODE_COUNTERS = {
  login: 'the account server gave a credential',
  'login-failed': 'the account server gave none',
  registered: 'the direction coordinator granted a registration',
  'registration-refused': 'the direction coordinator refused one',
  'registration-unanswered': 'the direction coordinator did not answer',
  moved: 'the node is elsewhere',
  'direction-refused': 'nobody has the name, or it cannot be reached',
  'credential-refused':
    'a Route Direction whose credential is not valid, not of that name or not of those addresses',
  'direction-unasked': 'a direction without what it needs',
  'message-unexpected': 'a message that belongs to another role or session',
  'leg-refused': 'a relay gave no leg',
  'path-made': 'a path to another node stands',
  'path-ended': 'a path to another node is no more',
  'path-silent': 'another node does not answer over the relay',
  'direct-path-found': 'a direct way answered',
  'direct-path-lost': 'a direct way answers no more',
  'path-switched': 'a path took another way',
} as const;
export type NtmobileNodeCounter = keyof typeof NTMOBILE_NODE_COUNTERS;
