/**
 * Events of every daemon.
 *
 * No RFC: they are about the process.
 */
import { row } from './event-row.ts';

const CHANGE = ['setting', 'old', 'new'] as const;
const FAILURE = ['error', 'stack', 'remedy'] as const;

/**
 * Of every daemon; those that are about the process are logged, and not told by `sojourn events`.
 */
export const DAEMON_EVENTS = {
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
