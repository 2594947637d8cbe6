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

export const COORDINATOR_EVENTS = {
  'node-revoked': row(
    'info',
    'The operator ended the registration of a node with a direction coordinator, or no longer believes who vouches for it.',
    ...(['name', 'nodeId', 'virtualIpv6', 'virtualIpv4', 'remote'] as const),
  ),
} as const;

export const RELAY_EVENTS = {
  'node-attached': row('debug', 'A node has a session with the relay.', 'name', ...ENDPOINTS),
  'node-gone': row('debug', 'A node has none any more.', 'name', 'reason'),
  'destination-refused': row('info', 'A name leads only where the relay does not go.', 'name'),
} as const;
