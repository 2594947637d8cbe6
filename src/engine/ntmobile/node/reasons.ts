/** Counters of an NTMobile node. No RFC: docs/reference/ntmobile.md §6. */
export const NTMOBILE_NODE_COUNTERS = {
  login: 'the account server issued a credential',
  'login-failed': 'the account server issued no credential',
  registered: 'the direction coordinator granted a registration',
  'registration-refused': 'the direction coordinator refused a registration',
  'registration-unanswered': 'the direction coordinator did not answer',
  moved: 'the attachment of the node changed',
  'direction-refused': 'the name does not exist or cannot be reached',
  'credential-refused':
    'a Route Direction whose credential is not valid, or has another name or other addresses',
  'direction-unasked': 'a direction without a mandatory option',
  'message-unexpected': 'a message that does not belong to the role or session of its sender',
  'leg-refused': 'a relay refused a leg',
  'path-made': 'a path to another node was established',
  'path-ended': 'a path to another node ended',
  'path-unestablished':
    'paths that another node asked for and did not establish, or replaced by another one',
  'path-silent': 'another node does not answer through the relay',
  'direct-path-found': 'a direct path answered a check',
  'direct-path-lost': 'a direct path does not answer any more',
  'path-switched': 'the data of a path takes another UDP path',
} as const;
export type NtmobileNodeCounter = keyof typeof NTMOBILE_NODE_COUNTERS;
