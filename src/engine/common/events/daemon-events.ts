/**
 * Events of every daemon.
 *
 * No RFC: they are about the process.
 */
import { row } from './event-row.ts';

const CHANGE = ['setting', 'old', 'new'] as const;
const FAILURE = ['error', 'stack', 'remedy'] as const;

/** Events of every daemon. Those about the process are logged, but `sojourn events` omits them. */
export const DAEMON_EVENTS = {
  started: row('info', 'The daemon is ready.', 'version', 'controlSocket'),
  stopping: row('info', 'The daemon stops, on request or because it cannot continue.', 'reason'),
  stopped: row('info', 'The daemon removed its state from the host and ends.', 'exitCode'),
  'config-warning': row('warn', 'The configuration is valid, but should be checked.'),
  'config-reloaded': row(
    'info',
    'A configuration key has a new value, which is in force.',
    ...CHANGE,
  ),
  'config-needs-restart': row(
    'warn',
    'A configuration key has a new value, which takes effect after a restart.',
    ...CHANGE,
    'why',
  ),
  'config-unchanged': row('info', 'The daemon read its configuration again and found no change.'),
  'config-refused': row(
    'warn',
    'The daemon found a fault in its new configuration; the previous one stays in force.',
    ...(['file', 'line', 'column', 'setting', 'why', 'remedy'] as const),
  ),
  'config-not-applied': row(
    'error',
    'The daemon failed to apply the new configuration.',
    ...FAILURE,
  ),
  'start-failed': row('error', 'The daemon cannot start.', ...FAILURE),
  'internal-error': row(
    'error',
    'The daemon cannot continue: a bug in this program, or the system withdrew a resource.',
    ...FAILURE,
  ),
  overdue: row('error', 'A timer of the daemon is overdue.', 'overdueMs'),
  'stop-timeout': row(
    'error',
    'The daemon did not stop in time; the process ends without cleaning up.',
    'timeoutMs',
  ),
  'stop-failure': row(
    'error',
    'The daemon could not remove a part of its state from the host.',
    ...FAILURE,
  ),
  'cleanup-failed': row(
    'error',
    'The daemon could not remove the state that a killed daemon left on the host.',
    ...FAILURE,
  ),
  'service-manager-unreachable': row(
    ['warn', 'debug'],
    'The daemon could not notify systemd.',
    'reason',
  ),
  'kernel-refused': row(
    'warn',
    'The kernel refused an address, a route, a rule or a tunnel; the daemon tries again.',
    'what',
    'error',
  ),
  'tunnel-device-repaired': row(
    'warn',
    'Another program changed or removed the TUN device; the daemon made it as it was.',
    'why',
  ),
  'store-write-failed': row(
    'warn',
    'The daemon cannot use its store: its state is in memory only and would not survive a ' +
      'restart; it tries again.',
    'error',
    'waiting',
  ),
  'store-recovered': row('info', 'The store has the whole state again.'),
} as const;
