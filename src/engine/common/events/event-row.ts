/**
 * What an event may consist of: levels, fields, and the row that describes it.
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

export function row(
  levels: EventLevel | readonly EventLevel[],
  about: string,
  ...fields: readonly EventFieldName[]
): EventRow {
  return { levels: typeof levels === 'string' ? [levels] : levels, about, fields };
}
