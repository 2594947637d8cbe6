/** Whether a daemon runs already, before a command starts it in the foreground. */
import { join } from 'node:path';
import { ControlClient } from '#daemon/control/control-client.ts';
import { RUN_DIRECTORY } from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { CommandProgramFailure } from './command-program.ts';

interface DaemonNames {
  readonly name?: string;
  readonly controlSocket?: string | undefined;
}

/**
 * Throws if a daemon of `role` answers, of a unit or started by hand: a second one could not serve,
 * and a request meant for it would reach the first one.
 */
export async function refuseBesideRunning(
  role: string,
  { name = role, controlSocket }: DaemonNames = {},
): Promise<void> {
  const [own] = (process.env['RUNTIME_DIRECTORY'] ?? '').split(':');
  const directories = [...(own ? [own] : []), join(RUN_DIRECTORY, role), RUN_DIRECTORY];
  const usual = directories.map((directory) => join(directory, `${name}.sock`));
  for (const path of controlSocket === undefined ? usual : [controlSocket])
    if (await isAnswering(path))
      throw new CommandProgramFailure(
        ExitCode.negative,
        `a daemon answers at ${path} already; nothing was changed. Stop it first (systemctl stop ` +
          `sojourn-${role}), or use --now in the place of --run, which restarts the unit`,
      );
}

async function isAnswering(path: string): Promise<boolean> {
  try {
    using _ = await ControlClient.connect(path);
    return true;
  } catch {
    return false;
  }
}
