/**
 * Every event and log line there is, by its stable id: the single source of
 * docs/reference/events.md. What is not here does not type-check; that events have no other levels
 * and fields than here, the simulations and the lab look after.
 *
 * No RFC: book-keeping that every engine, and what is around them, shares.
 */

export const EVENT_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type EventLevel = (typeof EVENT_LEVELS)[number];

/**
 * What the members of `fields` are; the same name means the same wherever it comes. Keys, tokens
 * and passwords are none.
 */
export const EVENT_FIELDS = {
  account: 'name of the account',
  address: 'an IP address that the sentence of the event tells of',
  addressAtMs: 'when the address could first be used; monotonic',
  aheadSeconds: 'how much the other clock is ahead, in seconds',
  atMs: 'when it happened; monotonic, in milliseconds, comparable with the other …AtMs of the event',
  authentic: 'whether the message was authenticated',
  careOfAddress: 'care-of address',
  certificate: 'fingerprint, subject, end, and whether the daemon made it itself',
  column: 'column in the file, from 1',
  confirmed: 'whether the home agent said so',
  controlSocket: 'path of the control socket',
  coordinator: 'name of the direction coordinator',
  credentialUntil: 'when the last credential of the device ends',
  deregistered: 'whether the home agent confirmed the de-registration',
  device: 'domain name of the device',
  devices: 'how many devices went with it',
  encapsulation: 'ipip, udp or sealed',
  error: 'what the system said',
  exitCode: 'exit code of the process',
  expiresAt: 'when it ends',
  failure: 'why it could not be resolved',
  file: 'path of the file',
  fingerprint: 'SHA-256 of the certificate',
  previousDurationMs: 'how long it was as it was before, in milliseconds',
  fqdn: 'domain name of the account',
  from: 'where from: a care-of address, home, or none',
  groups: 'groups of the account',
  home: 'name of the home',
  homeAddress: 'IPv6 home address',
  homeAgent: 'IPv6 address of the home agent',
  identifier: 'network access identifier of the mobile node',
  interface: 'network interface',
  ipv4: 'IPv4 address of the access network',
  ipv4Device: 'interface of ipv4',
  ipv4HomeAddress: 'IPv4 home address',
  ipv6: 'IPv6 address of the access network',
  ipv6Device: 'interface of ipv6',
  keyId: 'id of a public signing key',
  lastRefusal: 'last status of a refused registration',
  lifetimeSeconds: 'granted lifetime, in seconds',
  line: 'line in the file, from 1',
  local: 'own address',
  meaning: 'the status in words',
  method: 'password, enrolment-token or renewal-token',
  message: 'what the other end said',
  mobileNetworkPrefixes: 'each prefix, and whether it was refused',
  name: 'domain name',
  nat: 'whether a NAT is on the way, or its kind',
  new: 'new value of a key of the configuration; null: none',
  nodeId: 'id of the device, a hash of its public key',
  notAfter: 'when it ends',
  notAfterWallMs: 'when the credential ends, in milliseconds since 1970',
  old: 'former value of a key of the configuration; null: none',
  homeAgentOuterAddress: 'address of the home agent that the message went to',
  overdueMs: 'how late the daemon is with what was due, in milliseconds',
  port: 'port number',
  prefix: 'prefix of the mobile network',
  reason: 'why, as an id',
  registrationMode: 'explicit or implicit (RFC 3963 §5)',
  remedy: 'what to do about it',
  remote: 'address of the other end',
  remotePort: 'port of the other end',
  renewed: 'whether it was a renewal',
  resolver: 'by what the host asks the stub: resolv-conf or systemd-resolved',
  retryInMs: 'when it is tried again, in milliseconds',
  roundTripMs: 'from the request to its answer, in milliseconds',
  selfSigned: 'whether the daemon made the certificate itself',
  setting: 'key of the configuration, as mobileNodes[0].homeAddresses',
  servers: 'addresses of name servers',
  signsFrom: 'from when on the key signs',
  source: 'address of who asked',
  stack: 'where in the code; only of defects',
  status: 'status code or its name',
  statusName: 'name of the status',
  subject: 'names in the certificate',
  timeoutMs: 'for how long was waited, in milliseconds',
  to: 'where to: a care-of address, or home',
  updateAtMs: 'when the first Binding Update to there was sent; monotonic',
  version: 'version of Sojourn',
  virtualIpv4: 'virtual IPv4 address',
  virtualIpv6: 'virtual IPv6 address',
  waiting: 'how many records wait for the store',
  pathKind: 'direct, relayed, general or none',
  what: 'which address, route, rule or tunnel',
  why: 'why, in words',
} as const;
export type EventFieldName = keyof typeof EVENT_FIELDS;

export interface EventRow {
  readonly levels: readonly EventLevel[];
  readonly about: string;
  /** A field may be absent where there is nothing to say. */
  readonly fields: readonly EventFieldName[];
}

function row(
  levels: EventLevel | readonly EventLevel[],
  about: string,
  ...fields: readonly EventFieldName[]
): EventRow {
  return { levels: typeof levels === 'string' ? [levels] : levels, about, fields };
}

/** Of every event about a binding. */
const BINDING = ['homeAddress', 'careOfAddress', 'identifier', 'encapsulation'] as const;
const DEVICE = ['method', 'account', 'source', 'device', 'nodeId', 'virtualIpv4'] as const;
const CERTIFICATE = ['fingerprint', 'selfSigned', 'subject', 'notAfter'] as const;
const CHANGE = ['setting', 'old', 'new'] as const;
const FAILURE = ['error', 'stack', 'remedy'] as const;
const ENDPOINTS = ['local', 'remote', 'remotePort'] as const;
const ROLE = ['home', 'registrationMode', 'mobileNetworkPrefixes', 'lastRefusal', 'atMs'] as const;

/** The home agent's. */
const HOME_AGENT_EVENTS = {
  'binding-created': row('info', 'A mobile node registered that had no binding.', ...BINDING),
  'binding-refreshed': row(
    'debug',
    'A mobile node registered again from where it was.',
    ...BINDING,
  ),
  'binding-moved': row(
    'info',
    'A mobile node registered from elsewhere.',
    ...BINDING,
    'from',
    'to',
    'remote',
  ),
  'binding-deleted': row('info', 'A mobile node de-registered.', ...BINDING),
  'binding-expired': row('info', 'A mobile node was not heard of within its lifetime.', ...BINDING),
  'binding-revoked': row(
    'info',
    'The operator ended a binding, or grants it no longer.',
    ...BINDING,
  ),
} as const;

/** Of mobile nodes and routers; `registered` is an NTMobile node's and a relay's as well. */
const MOBILE_EVENTS = {
  handover: row(
    'info',
    'The node moved; the Binding Update is on its way.',
    ...([
      'home',
      'from',
      'to',
      'careOfAddress',
      'encapsulation',
      'interface',
      'addressAtMs',
      'atMs',
    ] as const),
  ),
  registered: row(
    'info',
    'Registered from a new place: with the home agent, or (with `coordinator`) with the direction coordinator.',
    ...([
      'home',
      'careOfAddress',
      'interface',
      'encapsulation',
      'roundTripMs',
      'status',
      'nat',
    ] as const),
    ...([
      'lifetimeSeconds',
      'ipv4HomeAddress',
      'addressAtMs',
      'updateAtMs',
      'atMs',
      'coordinator',
      'remote',
    ] as const),
  ),
  refreshed: row(
    'debug',
    'The registration was prolonged.',
    ...([
      'home',
      'careOfAddress',
      'interface',
      'encapsulation',
      'roundTripMs',
      'status',
      'nat',
    ] as const),
    ...(['lifetimeSeconds', 'ipv4HomeAddress', 'addressAtMs', 'updateAtMs', 'atMs'] as const),
  ),
  'registration-refused': row(
    ['info', 'warn'],
    'A registration was refused: by this home agent (info), or to this mobile node (warn).',
    ...([
      'home',
      'homeAddress',
      'careOfAddress',
      'identifier',
      'status',
      'statusName',
      'meaning',
    ] as const),
    ...(['authentic', 'atMs'] as const),
  ),
  'registration-lapsed': row(
    'warn',
    'The lifetime ran out before it was prolonged.',
    'home',
    'careOfAddress',
    'atMs',
  ),
  'registration-mode-changed': row(
    'warn',
    'The mobile network prefixes are registered in the other mode.',
    ...ROLE,
  ),
  'registration-stopped': row(
    'warn',
    'No home agent serves the mobile networks; it is not tried again.',
    ...ROLE,
    'remedy',
  ),
  'mobile-router-not-supported': row(
    'warn',
    'The home agent serves no mobile routers.',
    'home',
    'homeAgent',
    'atMs',
  ),
  'mobile-network-prefix-refused': row(
    'warn',
    'An IPv4 prefix was not granted.',
    'home',
    'prefix',
    'status',
  ),
  'ipv4-home-address-refused': row(
    'warn',
    'The IPv4 home address was not granted.',
    'home',
    'status',
    'address',
  ),
  'home-agent-silent': row(
    'warn',
    'Three Binding Updates in a row were not answered.',
    ...(['home', 'homeAgent', 'homeAgentOuterAddress', 'careOfAddress', 'atMs'] as const),
  ),
  'home-agent-not-resolved': row(
    'warn',
    'The name of the home agent has no address.',
    'home',
    'name',
    'failure',
  ),
  'no-care-of-address': row('warn', 'No network is left.', 'home', 'from', 'atMs'),
  'returned-home': row(
    'info',
    'The node is on its home link.',
    ...(['home', 'interface', 'addressAtMs', 'atMs', 'deregistered', 'roundTripMs'] as const),
  ),
  'home-address-duplicate': row(
    'warn',
    'Another host has the home address; it is given up.',
    'home',
    'homeAddress',
    'atMs',
  ),
  deregistered: row('info', 'The registration was ended on request.', 'home', 'confirmed', 'atMs'),
} as const;

const NTMOBILE_EVENTS = {
  'logged-in': row(
    'info',
    'The account server gave a credential.',
    ...(['name', 'virtualIpv6', 'virtualIpv4', 'notAfterWallMs', 'renewed'] as const),
  ),
  'login-failed': row(
    'warn',
    'The account server gave no credential.',
    'reason',
    'message',
    'retryInMs',
  ),
  'credential-ended': row('warn', 'The credential ended before there was a new one.', 'name'),
  'clock-skew': row(
    'warn',
    'The clock of the account server differs much from ours.',
    'aheadSeconds',
    'remedy',
  ),
  moved: row('info', 'An NTMobile node is elsewhere.', 'ipv6', 'ipv6Device', 'ipv4', 'ipv4Device'),
  'coordinator-lost': row(
    'warn',
    'The direction coordinator answers no more: to this node, or to this relay.',
    'coordinator',
  ),
  'nat-detected': row('info', 'What kind of NAT is on the way.', 'nat', 'address', 'port'),
  'path-established': row('info', 'Data goes to another node.', 'name', 'pathKind', ...ENDPOINTS),
  'path-direct': row(
    'info',
    'Data goes directly from now on.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'path-relayed': row(
    'info',
    'Data goes through a relay from now on.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'path-general': row(
    'info',
    'Data goes through a relay to a host without NTMobile.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'path-interrupted': row(
    'info',
    'Data goes nowhere at present.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'resolver-set': row(
    'info',
    'Applications of this host ask the stub from now on.',
    'resolver',
    'servers',
  ),
  'resolver-not-configured': row(
    'info',
    'Nothing makes applications ask the stub, unless it was set up.',
    'why',
    'remedy',
  ),
  'resolver-refused': row(
    'warn',
    'The host could not be made to ask the stub.',
    'resolver',
    'file',
    'error',
    'remedy',
  ),
  'resolver-contested': row(
    'warn',
    'Somebody else writes resolv.conf again and again.',
    'file',
    'remedy',
  ),
  'path-ended': row(
    'info',
    'There is no path to that node any more.',
    'name',
    'previousDurationMs',
  ),
} as const;

const COORDINATOR_EVENTS = {
  'node-revoked': row(
    'info',
    'The operator ended the registration of a node with a direction coordinator, or no longer believes who vouches for it.',
    ...(['name', 'nodeId', 'virtualIpv6', 'virtualIpv4', 'remote'] as const),
  ),
} as const;

const RELAY_EVENTS = {
  'node-attached': row('debug', 'A node has a session with the relay.', 'name', ...ENDPOINTS),
  'node-gone': row('debug', 'A node has none any more.', 'name', 'reason'),
  'destination-refused': row('info', 'A name leads only where the relay does not go.', 'name'),
} as const;

const ACCOUNT_EVENTS = {
  'login-granted': row('info', 'A device logged in.', ...DEVICE),
  'login-refused': row(
    ['warn', 'debug'],
    'A login was refused; debug where it came too often.',
    ...DEVICE,
    'reason',
  ),
  'renewal-granted': row('info', 'A device got a new credential.', ...DEVICE),
  'renewal-refused': row(
    ['warn', 'debug'],
    'A renewal was refused; debug where it came too often.',
    ...DEVICE,
    'reason',
  ),
  'account-added': row('info', 'The operator made an account.', 'account', 'fqdn'),
  'account-password-set': row('info', 'The operator set a password.', 'account'),
  'account-groups-set': row(
    'info',
    'The operator set the groups of an account.',
    'account',
    'groups',
  ),
  'account-disabled': row('info', 'The operator disabled an account.', 'account'),
  'account-enabled': row('info', 'The operator enabled an account.', 'account'),
  'account-removed': row('info', 'The operator removed an account.', 'account', 'devices'),
  'enrolment-token-made': row(
    'info',
    'The operator made a token for one login.',
    'account',
    'expiresAt',
  ),
  'device-removed': row(
    'info',
    'The operator removed a device.',
    'device',
    'nodeId',
    'credentialUntil',
  ),
  'authority-rotation': row(
    'info',
    'The operator had a new signing key made.',
    'keyId',
    'signsFrom',
  ),
  'certificate-read': row('info', 'The certificate was read anew.', ...CERTIFICATE),
  listening: row('info', 'The account server takes logins.', 'address', 'port', 'certificate'),
} as const;

/**
 * Of every daemon; those that are about the process are logged, and not told by `sojourn events`.
 */
const DAEMON_EVENTS = {
  started: row('info', 'The daemon is ready.', 'version', 'controlSocket'),
  stopping: row('info', 'The daemon was told to stop, or cannot go on.', 'reason'),
  stopped: row('info', 'The daemon undid what it had made, and ends.', 'exitCode'),
  'config-warning': row('warn', 'Something in the configuration is worth a thought.'),
  'config-reloaded': row(
    'info',
    'Another value of a key of the configuration is in force.',
    ...CHANGE,
  ),
  'config-needs-restart': row(
    'warn',
    'Another value of a key counts only after a restart.',
    ...CHANGE,
    'why',
  ),
  'config-unchanged': row('info', 'The configuration was read anew, and says the same.'),
  'config-refused': row(
    'warn',
    'The configuration was read anew and is wrong, one event for each fault; nothing was changed.',
    ...(['file', 'line', 'column', 'setting', 'why', 'remedy'] as const),
  ),
  'config-not-applied': row(
    'error',
    'The daemon could not take the new configuration.',
    ...FAILURE,
  ),
  'start-failed': row('error', 'The daemon cannot start.', ...FAILURE),
  'internal-error': row(
    'error',
    'The daemon cannot go on: a defect, or the system took something away.',
    ...FAILURE,
  ),
  overdue: row('error', 'The daemon did not do in time what was due.', 'overdueMs'),
  'stop-timeout': row('error', 'Stopping took too long; the process ends as it is.', 'timeoutMs'),
  'stop-failure': row('error', 'Something could not be undone.', ...FAILURE),
  'cleanup-failed': row('error', 'What a killed daemon left could not be removed.', ...FAILURE),
  'service-manager-unreachable': row(['warn', 'debug'], 'systemd could not be told.', 'reason'),
  'kernel-refused': row(
    'warn',
    'The kernel refused an address, a route or the like; it is tried again.',
    'what',
    'error',
  ),
  'store-write-failed': row(
    'warn',
    'The store could not be written; it is tried again.',
    'waiting',
  ),
} as const;

export const EVENTS = {
  ...HOME_AGENT_EVENTS,
  ...MOBILE_EVENTS,
  ...NTMOBILE_EVENTS,
  ...COORDINATOR_EVENTS,
  ...RELAY_EVENTS,
  ...ACCOUNT_EVENTS,
  ...DAEMON_EVENTS,
} as const satisfies Readonly<Record<string, EventRow>>;
export type EventName = keyof typeof EVENTS;

/** For the page: the same, in parts. */
export const EVENT_GROUPS = {
  'home agent': HOME_AGENT_EVENTS,
  'mobile node and mobile router': MOBILE_EVENTS,
  'NTMobile node': NTMOBILE_EVENTS,
  'direction coordinator': COORDINATOR_EVENTS,
  relay: RELAY_EVENTS,
  'account server': ACCOUNT_EVENTS,
  'every daemon': DAEMON_EVENTS,
} as const;
