/** Starts programs of the command line, units and daemons. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Option } from 'commander';
import type { JsonObject } from '#base/json.ts';
import { isJsonObject, parseObject } from '#daemon/control/json-lines.ts';
import { useDirectoriesOfUnit } from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { CommandFailure } from './daemon-request.ts';

/** For the output of others, which would mix with JSON on standard output. */
export const STANDARD_ERROR = 2;

const PROGRAMS_DIRECTORY = join(import.meta.dirname, '../composition');
/** Watches the pipe at descriptor 3. */
const ENDS_WITH_PARENT = join(import.meta.dirname, 'ends-with-parent.ts');
const DAEMONS_DIRECTORY = join(import.meta.dirname, '../../daemons');

/** Runs a program below src/composition with a job; `title` begins the text of a failure. */
export async function runCommandProgram(
  path: string,
  job: JsonObject,
  title: string,
): Promise<JsonObject> {
  const program = join(PROGRAMS_DIRECTORY, path);
  const child = spawn(process.execPath, [program], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(JSON.stringify(job));
  let text = '';
  for await (const chunk of child.stdout.setEncoding('utf8')) text += String(chunk);
  const { ok, result, error, exitCode } = parseObject(text) ?? {};
  if (ok === true && isJsonObject(result)) return result;
  const code = Object.values(ExitCode).find((one) => one === exitCode) ?? ExitCode.internal;
  throw new CommandFailure(code, `${title}: ${String(error ?? 'no result')}`);
}

/**
 * Starts the unit of a daemon, now and at each boot; resolves when the daemon is ready. A unit that
 * runs is restarted: `enable --now` would leave it with its former configuration.
 */
export async function startUnit(role: string, done: string): Promise<void> {
  const unit = `sojourn-${role}`;
  const failure = (await failureOf('enable', unit)) || (await failureOf('restart', unit));
  if (failure !== '')
    throw new CommandFailure(
      ExitCode.unavailable,
      `${done}, but ${unit} was not started: ${failure}`,
    );
}

/** Empty if systemctl succeeds. */
async function failureOf(verb: string, unit: string): Promise<string> {
  const child = spawn('systemctl', [verb, unit], {
    stdio: ['inherit', STANDARD_ERROR, 'inherit'],
  });
  const failed = once(child, 'error').then(() => 'there is no systemctl (--run needs none)');
  const ended = once(child, 'exit').then(([code]) => (code === 0 ? '' : `exit code ${code}`));
  return await Promise.race([failed, ended]);
}

/** The commands that start the unit, for the operator; a running one needs a restart. */
export function startCommands(role: string, mayRun: boolean): string {
  const unit = `sojourn-${role}`;
  return mayRun
    ? `systemctl enable ${unit}\nsystemctl restart ${unit}\n`
    : `systemctl enable --now ${unit}\n`;
}

/** Of commands that write a configuration. */
export function runOption(): Option {
  const about = 'run the daemon in the foreground, without systemd, as in a container';
  return new Option('--run', about).conflicts('now');
}

/** The daemon uses the directories of its unit, where the key of an enrolment is. */
function commandLine(role: string, file: string): readonly [string, ...string[]] {
  useDirectoriesOfUnit(role);
  return [process.execPath, join(DAEMONS_DIRECTORY, role, 'main.ts'), '--config', file];
}

/** This process becomes the daemon, so that signals reach it and its output appears here. */
export function becomeDaemon(role: string, file: string): void {
  const argv = commandLine(role, file);
  if (process.execve === undefined)
    throw new CommandFailure(ExitCode.internal, 'this Node cannot execute another program');
  process.execve(argv[0], argv, process.env);
}

/**
 * Runs the daemon until it ends; this program ends with its exit code. Forwards signals.
 *
 * The daemon has a process group of its own: Ctrl-C at a terminal reaches the whole group of this
 * program, and a daemon ends at once at the second signal.
 */
export function runDaemonBeside(
  role: string,
  file: string,
  standardOutput: 'inherit' | typeof STANDARD_ERROR,
): Promise<void> {
  const [program, ...parameters] = commandLine(role, file);
  const child = spawn(program, ['--import', ENDS_WITH_PARENT, ...parameters], {
    stdio: ['ignore', standardOutput, 'inherit', 'pipe'],
    detached: true,
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
    process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => {
      process.exitCode = code ?? ExitCode.internal;
      resolve();
    });
  });
}
