/**
 * The levels and fields of events, and the row that describes an event.
 *
 * No RFC: shared by all engines and daemons.
 */

const EVENT_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type EventLevel = (typeof EVENT_LEVELS)[number];

/**
 * The meaning of each member of `fields`, the same in every event. No field holds a key, a token or
 * a password.
 */
export const EVENT_FIELDS = {
  account: 'name of the account',
  address: 'the IP address that the text of the event is about',
  addressAtMs: 'when the address became usable; monotonic',
  aheadSeconds: 'how much the other clock is ahead, in seconds',
  atMs: 'when it happened; monotonic, in milliseconds, comparable with the other …AtMs',
  authentic: 'whether the message was authenticated',
  careOfAddress: 'care-of address',
  certificate: 'fingerprint, subject, expiry, and whether the daemon made it itself',
  column: 'column in the file, from 1',
  confirmed: 'whether the home agent confirmed it',
  controlSocket: 'path of the control socket',
  coordinator: 'name of the direction coordinator',
  credentialUntil: 'when the last credential of the device expires',
  deregistered: 'whether the home agent confirmed the de-registration',
  device: 'domain name of the device',
  devices: 'number of devices that were removed with it',
  encapsulation: 'ipip, udp or sealed',
  error: 'error message of the system',
  exitCode: 'exit code of the process',
  expiresAt: 'when it expires',
  failure: 'why the name was not resolved',
  file: 'path of the file',
  fingerprint: 'SHA-256 of the certificate',
  previousDurationMs: 'duration of the previous state, in milliseconds',
  family: 'address family: 4 or 6',
  fqdn: 'domain name of the account',
  from: 'previous point of attachment: a care-of address, home, or none',
  gateway: 'default router of the interface',
  groups: 'groups of the account',
  home: 'name of the home',
  homeAddress: 'IPv6 home address',
  homeAgent: 'IPv6 address of the home agent',
  identifier: 'network access identifier of the mobile node',
  interface: 'network interface',
  ipv4: 'IPv4 address of the access network',
  ipv4Device: 'network interface of `ipv4`',
  ipv4HomeAddress: 'IPv4 home address',
  ipv6: 'IPv6 address of the access network',
  ipv6Device: 'network interface of `ipv6`',
  keyId: 'id of a public signing key',
  lastRefusal: 'last status of a refused registration',
  lifetimeSeconds: 'granted lifetime, in seconds',
  line: 'line in the file, from 1',
  local: 'local address',
  meaning: 'meaning of the status',
  method: 'password, enrolment-token or renewal-token',
  message: 'message of the peer',
  mobileNetworkPrefixes: 'each prefix, and whether the home agent refused it',
  name: 'domain name',
  nat: 'whether a NAT is in the path, or its type',
  new: 'new value of the configuration key; null: none',
  nodeId: 'id of the device, a hash of its public key',
  notAfter: 'when it expires',
  notAfterWallMs: 'when the credential expires, in milliseconds since 1970',
  old: 'previous value of the configuration key; null: none',
  homeAgentOuterAddress: 'destination address of the message to the home agent',
  overdueMs: 'how long the timer is overdue, in milliseconds',
  port: 'port number',
  prefix: 'prefix of the mobile network',
  reason: 'reason, as an id',
  registrationMode: 'explicit or implicit (RFC 3963 §5)',
  remedy: 'how to correct it',
  remote: 'address of the peer',
  remotePort: 'port of the peer',
  renewed: 'whether it was a renewal',
  resolver: 'how the host uses the stub resolver: resolv-conf or systemd-resolved',
  retryInMs: 'time until the next attempt, in milliseconds',
  roundTripMs: 'time from the request to its answer, in milliseconds',
  selfSigned: 'whether the daemon made the certificate itself',
  setting: 'configuration key, such as mobileNodes[0].homeAddresses',
  servers: 'addresses of name servers',
  signsFrom: 'when the key begins to sign',
  source: 'address of the client',
  stack: 'stack trace; only of bugs in this program',
  status: 'status code or its name',
  statusName: 'name of the status',
  subject: 'names in the certificate',
  timeoutMs: 'time that the daemon waited, in milliseconds',
  to: 'new point of attachment: a care-of address, or home',
  updateAtMs: 'when the first Binding Update for the new point of attachment was sent; monotonic',
  version: 'version of Sojourn',
  virtualIpv4: 'virtual IPv4 address',
  virtualIpv6: 'virtual IPv6 address',
  waiting: 'number of records that wait for the store',
  pathKind: 'direct, relayed, general or none',
  what: 'the address, route, rule or tunnel',
  why: 'reason, in words',
} as const;
export type EventFieldName = keyof typeof EVENT_FIELDS;

export interface EventRow {
  readonly levels: readonly EventLevel[];
  readonly about: string;
  /** A field without value is left out. */
  readonly fields: readonly EventFieldName[];
}

export function row(
  levels: EventLevel | readonly EventLevel[],
  about: string,
  ...fields: readonly EventFieldName[]
): EventRow {
  return { levels: typeof levels === 'string' ? [levels] : levels, about, fields };
}
