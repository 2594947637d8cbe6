/** Failures of a daemon: the log entry, and the exit code that stands for it. */
import type { EventName } from '#engine/common/event-table.ts';
import { ControlSocketError } from './control/control-socket.ts';
import { ExitCode } from './exit-codes.ts';
import type { Log } from './log.ts';

/** Logs `thrown` and returns its exit code. */
export function reportFailure(
  log: Log,
  event: EventName,
  thrown: unknown,
  permissions = 'run as root, or with CAP_NET_ADMIN and CAP_NET_RAW',
): ExitCode {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const code = exitCodeOf(error);
  const stack = code === ExitCode.internal ? { stack: error.stack ?? '' } : {};
  const text = remedyOf(error, code, permissions);
  const remedy = text === undefined ? {} : { remedy: text };
  log.error(event, { error: error.message, ...stack, ...remedy }, error.message);
  return code;
}

/** What the error itself says, or `permissions` for a missing permission. */
export function remedyOf(error: Error, code: ExitCode, permissions: string): string | undefined {
  if ('remedy' in error && typeof error.remedy === 'string') return error.remedy;
  return code === ExitCode.permission ? permissions : undefined;
}

export function exitCodeOf(error: Error): ExitCode {
  if (error instanceof ControlSocketError) return ExitCode.unavailable;
  if (!('code' in error) || typeof error.code !== 'string') return ExitCode.internal;
  if (error.code === 'EPERM' || error.code === 'EACCES') return ExitCode.permission;
  // ERR_ codes mean that this program misused Node, a bug; every other code is the host's answer.
  return error.code.startsWith('ERR_') ? ExitCode.internal : ExitCode.unavailable;
}
