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

const PROGRAMS_DIRECTORY = join(import.meta.dirname, '../composition');
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

/** Starts the unit of a daemon, now and at each boot; resolves when the daemon is ready. */
export async function startUnit(role: string, done: string): Promise<void> {
  const unit = `sojourn-${role}`;
  const child = spawn('systemctl', ['enable', '--now', unit], { stdio: 'inherit' });
  const failed = once(child, 'error').then(() => 'there is no systemctl (--run needs none)');
  const ended = once(child, 'exit').then(([code]) => (code === 0 ? '' : `exit code ${code}`));
  const failure = await Promise.race([failed, ended]);
  if (failure !== '')
    throw new CommandFailure(
      ExitCode.unavailable,
      `${done}, but ${unit} was not started: ${failure}`,
    );
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

/** Runs the daemon until it ends; this program ends with its exit code. Forwards signals. */
export function runDaemonBeside(role: string, file: string): Promise<void> {
  const [program, ...parameters] = commandLine(role, file);
  const child = spawn(program, parameters, { stdio: ['ignore', 'inherit', 'inherit'] });
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
