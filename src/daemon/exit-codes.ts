/**
 * Exit codes of the daemons and the command line, after sysexits.h, for systemd and scripts.
 */
export const ExitCode = {
  ok: 0,
  /** The command line got a negative answer: not registered, request refused. */
  negative: 1,
  /** Wrong arguments. */
  usage: 64,
  /** No daemon answers, or a resource that the daemon needs is missing. */
  unavailable: 69,
  /** A bug in this program. */
  internal: 70,
  /** A capability, or access to a file or socket, is missing. */
  permission: 77,
  /** The configuration is wrong; a restart does not help. */
  configuration: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
