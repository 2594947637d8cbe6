/**
 * `sojourn killswitch`: asks the daemon, or opens the host itself where the daemon does not run.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, type Command } from 'commander';
import { KILL_SWITCH_FILE, KILL_SWITCH_GUARD, KILL_SWITCH_TABLE } from '#base/kill-switch-names.ts';
import { ControlUnavailable } from '#daemon/control/control-client.ts';
import { stateDirectory } from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { type AnswerPrinter, CommandFailure, type GlobalOptions } from './daemon-request.ts';

const STATES = ['on', 'off'] as const;
type State = (typeof STATES)[number];

export function addKillSwitch(root: Command, printAnswer: AnswerPrinter): void {
  root
    .command('killswitch')
    .description(
      'show the kill switch of a mobile node or router, open it (off) until it is closed again ' +
        '(on) or the daemon starts again; off works for a stopped daemon too',
    )
    .addArgument(new Argument('[state]').choices(STATES))
    .action(async (state: State | undefined, _, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      try {
        await printAnswer(options, 'killswitch', state === undefined ? {} : { state });
      } catch (thrown) {
        if (!isWithoutDaemon(thrown)) throw thrown;
        answerAlone(state, options);
      }
    });
}

function isWithoutDaemon(thrown: unknown): boolean {
  if (thrown instanceof ControlUnavailable) return thrown.reason === 'no daemon';
  return thrown instanceof CommandFailure && thrown.code === ExitCode.unavailable;
}

/** Without a daemon to ask. */
function answerAlone(state: State | undefined, { json }: GlobalOptions): void {
  if (state === 'on')
    throw new CommandFailure(ExitCode.unavailable, 'no daemon answers: start it to close the host');
  const closed = ownTables();
  if (state === 'off') open(closed);
  const isClosed = state === undefined && closed.length > 0;
  const answer = { killSwitch: isClosed ? 'closed' : 'open', daemon: 'not running' };
  const text = `killSwitch  ${answer.killSwitch} (the daemon does not run)`;
  process.stdout.write(`${json === true ? JSON.stringify(answer, undefined, 2) : text}\n`);
}

function ownTables(): readonly string[] {
  const listed = nft('list tables inet\n');
  return listed.split('\n').flatMap((line) => {
    const [, , name = ''] = line.split(' ');
    return [KILL_SWITCH_TABLE, KILL_SWITCH_GUARD].some((prefix) => name.startsWith(prefix))
      ? [name]
      : [];
  });
}

function open(tables: readonly string[]): void {
  nft(tables.map((name) => `delete table inet ${name}\n`).join(''));
  const directory = stateDirectory();
  if (!existsSync(directory)) return;
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  for (const file of files) if (file.endsWith(KILL_SWITCH_FILE)) rmSync(join(directory, file));
}

function nft(commands: string): string {
  const { error, status, stdout, stderr } = spawnSync('nft', ['-f', '-'], {
    input: commands,
    encoding: 'utf8',
  });
  if (error === undefined && status === 0) return stdout;
  // Without nft nothing closed the host.
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return '';
  const isDenied = stderr?.includes('Operation not permitted') === true;
  throw new CommandFailure(
    isDenied ? ExitCode.permission : ExitCode.negative,
    `killswitch: nft: ${error?.message ?? stderr.trim()}`,
  );
}
