/** Counters of an NTMobile node. No RFC: docs/reference/ntmobile.md §6. */
export const NTMOBILE_NODE_COUNTERS = {
  login: 'the account server issued a credential',
  'login-failed': 'the account server issued no credential',
  registered: 'the direction coordinator granted a registration',
  'registration-refused': 'the direction coordinator refused a registration',
  'registration-unanswered': 'the direction coordinator did not answer',
  moved: 'the attachment of the node changed',
  'direction-refused': 'the name does not exist or cannot be reached',
  'credential-refused': 'a Route Direction with a credential that no authority signed for its key',
  'credential-expired': 'a Route Direction with a credential that is not valid now',
  'credential-superseded': 'a Route Direction with a credential that a later one replaced',
  'credential-other-zone': 'a Route Direction with a credential of another zone',
  'direction-incomplete': 'a Route Direction without a credential, a relay or an address',
  'direction-unasked': 'a Route Direction for which this node did not ask',
  'direction-wrong-role': 'an answer to a Direction Request with a role of another message',
  'direction-general-in-zone':
    'a Route Direction to a server for a name of the zone, where only nodes have names',
  'direction-general-address':
    'a Route Direction to a server with an address that is not one of servers',
  'direction-address-taken':
    'a Route Direction to a server with an address of another server that is in use',
  'direction-other-name':
    'a Route Direction for another name, or with the credential of another node',
  'direction-other-address': 'a Route Direction with other addresses than the credential',
  'direction-other-path': 'a Route Direction with the path id of another exchange or node',
  'direction-other-groups': 'a Route Direction to or from a node of other groups',
  'direction-own-node': 'a Route Direction to or from this node itself',
  'relay-unknown': 'a relay that the account server does not name',
  'message-unexpected': 'a message that does not belong to the role or session of its sender',
  'leg-refused': 'a relay refused a leg',
  'candidate-skipped':
    'an endpoint of another node where no node can be, or in a private network of others',
  'check-unpaid': 'a Path Challenge to an endpoint without answer that the budget did not cover',
  'path-made': 'a path to another node was established',
  'path-ended': 'a path to another node ended',
  'path-unestablished':
    'paths that another node asked for and did not establish, or replaced by another one',
  'path-silent': 'another node does not answer through the relay',
  'path-checked': 'data was not answered: the node checked whether its path still works',
  'direct-path-found': 'a direct path answered a check',
  'direct-path-lost': 'a direct path does not answer any more',
  'path-switched': 'the data of a path takes another UDP path',
} as const;
export type NtmobileNodeCounter = keyof typeof NTMOBILE_NODE_COUNTERS;
