/**
 * Events of NTMobile nodes, direction coordinators and relays.
 *
 * No RFC: NTMobile has none.
 */
import { row } from './event-row.ts';

const ENDPOINTS = ['local', 'remote', 'remotePort'] as const;

export const NTMOBILE_EVENTS = {
  'logged-in': row(
    'info',
    'The account server issued a credential.',
    ...(['name', 'virtualIpv6', 'virtualIpv4', 'notAfterWallMs', 'renewed'] as const),
  ),
  'login-failed': row(
    'warn',
    'The account server issued no credential.',
    'reason',
    'message',
    'retryInMs',
  ),
  'credential-ended': row('warn', 'The credential expired before the node got a new one.', 'name'),
  'clock-skew': row(
    'warn',
    'The clock of the account server differs much from the local clock.',
    'aheadSeconds',
    'remedy',
  ),
  moved: row(
    'info',
    'The NTMobile node has another address.',
    'ipv6',
    'ipv6Device',
    'ipv4',
    'ipv4Device',
  ),
  'coordinator-lost': row(
    'warn',
    'The direction coordinator does not answer this node or this relay any more.',
    'coordinator',
  ),
  'nat-detected': row(
    'info',
    'The node detected the type of the NAT in front of it.',
    'nat',
    'address',
    'port',
  ),
  'direction-refused': row(
    'warn',
    'The direction coordinator says what no credential and no account server confirms; at most ' +
      'one event a minute for each reason.',
    ...(['name', 'reason'] as const),
  ),
  'path-established': row(
    'info',
    'A path to another node is established.',
    'name',
    'pathKind',
    ...ENDPOINTS,
  ),
  'path-direct': row('info', 'The path is direct now.', 'name', ...ENDPOINTS, 'previousDurationMs'),
  'path-relayed': row(
    'info',
    'The path leads through a relay now.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'path-general': row(
    'info',
    'The path leads through a relay to a host without NTMobile.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'path-interrupted': row(
    'info',
    'The path is interrupted; data is held or dropped.',
    'name',
    ...ENDPOINTS,
    'previousDurationMs',
  ),
  'resolver-set': row(
    'info',
    'Applications of this host use the stub resolver, or the name servers of the home agent.',
    'resolver',
    'servers',
  ),
  'resolver-not-configured': row(
    'info',
    'The daemon did not configure the host to use the stub resolver.',
    'why',
    'remedy',
  ),
  'resolver-refused': row(
    'warn',
    'The host cannot use the stub resolver, or the name servers of the home agent.',
    'resolver',
    'file',
    'error',
    'remedy',
  ),
  'resolver-contested': row(
    'warn',
    'Another program overwrites resolv.conf repeatedly.',
    'file',
    'remedy',
  ),
  'path-ended': row('info', 'The path to another node has ended.', 'name', 'previousDurationMs'),
} as const;

export const COORDINATOR_EVENTS = {
  'node-revoked': row(
    'info',
    'The operator ended a registration, or no longer trusts the issuer of its credential.',
    ...(['name', 'nodeId', 'virtualIpv6', 'virtualIpv4', 'remote'] as const),
  ),
} as const;

export const RELAY_EVENTS = {
  'node-attached': row(
    'debug',
    'A node has established a session with the relay.',
    'name',
    ...ENDPOINTS,
  ),
  'node-gone': row('debug', 'The session of a node with the relay has ended.', 'name', 'reason'),
  'destination-refused': row(
    'info',
    'All addresses of a name are destinations that the relay refuses.',
    'name',
  ),
} as const;
