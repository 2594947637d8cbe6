/**
 * Exit codes of every daemon and of the command line, after sysexits.h, so that systemd and scripts
 * can tell them apart.
 */
export const ExitCode = {
  ok: 0,
  /** The command line asked, and the answer is "no": not registered, request refused. */
  negative: 1,
  /** Wrong arguments. */
  usage: 64,
  /** No daemon answers, or something that this daemon needs is missing. */
  unavailable: 69,
  /** Our defect. */
  internal: 70,
  /** A capability, or access to a file or socket, is missing. */
  permission: 77,
  /** The configuration is wrong; a restart will not help. */
  configuration: 78,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
