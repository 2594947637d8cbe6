/**
 * Events of home agents, mobile nodes and mobile routers.
 *
 * No RFC: they report what the engines do.
 */
import { row } from './event-row.ts';

/** Of every event about a binding. */
const BINDING = ['homeAddress', 'careOfAddress', 'identifier', 'encapsulation'] as const;
const ROLE = ['home', 'registrationMode', 'mobileNetworkPrefixes', 'lastRefusal', 'atMs'] as const;

/** The home agent's. */
export const HOME_AGENT_EVENTS = {
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
export const MOBILE_EVENTS = {
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
