/**
 * Events of home agents, mobile nodes and mobile routers.
 *
 * No RFC: they report what the engines do.
 */
import { row } from './event-row.ts';

/** The fields of every event about a binding. */
const BINDING = ['homeAddress', 'careOfAddress', 'identifier', 'encapsulation'] as const;
const ROLE = ['home', 'registrationMode', 'mobileNetworkPrefixes', 'lastRefusal', 'atMs'] as const;

/** Events of the home agent. */
export const HOME_AGENT_EVENTS = {
  'binding-created': row(
    'info',
    'The home agent accepted the first registration of a mobile node.',
    ...BINDING,
  ),
  'binding-refreshed': row('debug', 'A mobile node prolonged its registration.', ...BINDING),
  'binding-moved': row(
    'info',
    'A mobile node registered another care-of address or tunnel endpoint.',
    ...BINDING,
    'from',
    'to',
    'remote',
  ),
  'binding-deleted': row('info', 'A mobile node de-registered.', ...BINDING),
  'binding-expired': row(
    'info',
    'The lifetime of a binding ended without a new registration.',
    ...BINDING,
  ),
  'binding-revoked': row(
    'info',
    'The operator ended a binding, or the configuration does not grant it any more.',
    ...BINDING,
  ),
  'enrolment-added': row(
    'info',
    'The operator added an enrolment.',
    ...(['identifier', 'homeAddress'] as const),
  ),
  'node-enrolled': row(
    'info',
    'A mobile node proved the secret of its enrolment line and may register from now on.',
    ...(['identifier', 'homeAddress', 'nodeId', 'source'] as const),
  ),
  'enrolment-refused': row(
    'warn',
    'A request to be enrolled was refused; with `identifier`, its secret was right.',
    ...(['identifier', 'reason', 'source'] as const),
  ),
  'enrolment-revoked': row('info', 'The operator revoked an enrolment.', 'identifier'),
  'enrolment-conflict': row(
    'warn',
    'The configuration gives the name or the grants of an enrolled node to another node, and wins.',
    ...(['identifier', 'why'] as const),
  ),
} as const;

/** Events of mobile nodes and routers; an NTMobile node and a relay report `registered` too. */
export const MOBILE_EVENTS = {
  handover: row(
    'info',
    'The node moved and sent a Binding Update.',
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
    'The node is registered from a new address; with `coordinator`: at that coordinator.',
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
    'A registration was refused: by this home agent (info), or of this mobile node (warn).',
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
  'clock-behind': row(
    'warn',
    "This home agent's clock is behind registrations that it accepted before. Until it is set, a " +
      'clock that continues from them judges timestamps.',
    'aheadSeconds',
    'remedy',
  ),
  'clock-differs': row(
    ['warn', 'info'],
    'The home agent refused a timestamp, because its clock differs from this one (warn; info: ' +
      'the clocks agree again). The next timestamps follow its clock.',
    ...(['home', 'homeAgent', 'aheadSeconds', 'why', 'remedy', 'atMs'] as const),
  ),
  'registration-lapsed': row(
    'warn',
    'The lifetime of the registration ended before it was prolonged.',
    'home',
    'careOfAddress',
    'atMs',
  ),
  'registration-mode-changed': row(
    'warn',
    'The mobile router registers its prefixes in the other mode (explicit or implicit).',
    ...ROLE,
  ),
  'registration-stopped': row(
    'warn',
    'No home agent serves the mobile networks; the mobile router does not try again.',
    ...ROLE,
    'remedy',
  ),
  'mobile-router-not-supported': row(
    'warn',
    'The home agent does not support mobile routers.',
    'home',
    'homeAgent',
    'atMs',
  ),
  'mobile-network-prefix-refused': row(
    'warn',
    'The home agent did not grant an IPv4 prefix.',
    'home',
    'prefix',
    'status',
  ),
  'ipv4-home-address-refused': row(
    'warn',
    'The home agent did not grant the IPv4 home address.',
    'home',
    'status',
    'address',
  ),
  'home-agent-silent': row(
    'warn',
    'The home agent did not answer three Binding Updates in a row.',
    ...(['home', 'homeAgent', 'homeAgentOuterAddress', 'careOfAddress', 'atMs'] as const),
  ),
  'home-agent-without-mobility': row(
    'warn',
    'The host at the home agent’s address answered a Binding Update by ICMPv6 Parameter Problem: ' +
      'no home agent runs there.',
    ...(['home', 'homeAgent', 'careOfAddress', 'why', 'atMs'] as const),
  ),
  'path-dead': row(
    'warn',
    'Three Binding Updates over the path in use were not answered; other paths are tried.',
    ...(['home', 'careOfAddress', 'interface', 'gateway', 'family', 'atMs'] as const),
  ),
  'home-agent-not-resolved': row(
    'warn',
    'The name of the home agent has no address.',
    'home',
    'name',
    'failure',
  ),
  'no-care-of-address': row(
    'warn',
    'No network with a usable address is left.',
    'home',
    'from',
    'atMs',
  ),
  'returned-home': row(
    'info',
    'The node is on its home link.',
    ...(['home', 'interface', 'addressAtMs', 'atMs', 'deregistered', 'roundTripMs'] as const),
  ),
  'home-address-duplicate': row(
    'warn',
    'Another host uses the home address; the node gives it up.',
    'home',
    'homeAddress',
    'atMs',
  ),
  'post-quantum-established': row(
    'info',
    'The keys of the tunnel depend on ML-KEM-768 too.',
    'home',
  ),
  'post-quantum-missing': row(
    'warn',
    'One end wants post-quantum keys and the other has none: `postQuantum` says what follows.',
    'home',
    'why',
  ),
  'post-quantum-failed': row(
    'warn',
    'The keys of the tunnel do not depend on ML-KEM-768 yet; the node tries again.',
    'home',
    'why',
  ),
  'kill-switch-lifted': row(
    'warn',
    'The operator opened the kill switch: traffic may leave outside the tunnel.',
  ),
  'kill-switch-closed': row('info', 'The operator closed the kill switch again.'),
  'kill-switch-restored': row(
    'warn',
    'Another program removed the rules of the kill switch; they are in force again.',
  ),
  deregistered: row(
    'info',
    'The node ended its registration on request.',
    'home',
    'confirmed',
    'atMs',
  ),
} as const;
