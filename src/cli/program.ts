/**
 * The commands of `sojourn`, put together: completion and documents are made of what is declared
 * here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import type { JsonObject } from '#base/json.ts';
import { parseObject } from '#daemon/control/json-lines.ts';
import { CONFIGURATION_DIRECTORY } from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { packageVersion } from '#daemon/version.ts';
import { addInstallationCommands } from '#installer/commands.ts';
import { addAccountCommands } from './account-commands.ts';
import { completion, SHELLS, type Shell } from './completion.ts';
import { CommandFailure, printAnswer, socketOf } from './daemon-request.ts';
import { addLabCommands } from './lab-commands.ts';
import { addInterventions, addQueries } from './query-commands.ts';
import { reload } from './reload-command.ts';
import { addStreams } from './stream-commands.ts';

const DAEMONS_DIRECTORY = join(import.meta.dirname, '../../daemons');

const EXIT_CODES_HELP = `
Exit codes: 0 yes; 1 no (not registered, request refused); 64 usage; 69 no daemon answers; 77 not permitted; 78 wrong configuration.`;

export function program(): Command {
  const root = new Command('sojourn')
    .description('Asks and checks the daemons of Sojourn.')
    .version(packageVersion())
    .option('--json', 'print JSON, complete and stable, instead of tables')
    .option('--daemon <name>', 'which daemon, by name (default: the only one that runs here)')
    .option('--socket <path>', 'which daemon, by its control socket')
    .option('--timeout <ms>', 'give up after so many milliseconds', milliseconds, 5000)
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', EXIT_CODES_HELP);
  addQueries(root);
  addStreams(root);
  addInterventions(root, printAnswer);
  root
    .command('request <command> [parameters]')
    .description('send any command, with parameters as a JSON object, and print the answer')
    .action((name, parameters, _, command) =>
      printAnswer(command.optsWithGlobals(), name, parametersOf(parameters)),
    );
  root
    .command('check <daemon> [file]')
    .description(
      `check a configuration file (default: ${CONFIGURATION_DIRECTORY}/<daemon>.yaml) and name every fault`,
    )
    .action((daemon, file = `${CONFIGURATION_DIRECTORY}/${daemon}.yaml`, _, command) => {
      const { json } = command.optsWithGlobals();
      runDaemon(daemon, ['--check', ...(json === true ? ['--json'] : []), '--config', file]);
    });
  root
    .command('reload')
    .description(
      'read the configuration anew: what a running daemon can take is in force, the rest needs a restart',
    )
    .action(async (_, command) => {
      const options = command.optsWithGlobals();
      process.exitCode = await reload(socketOf(options), options);
    });
  root
    .command('cleanup <daemon> <file>')
    .description('remove what a killed daemon with this configuration left in the kernel')
    .action((daemon, file) => runDaemon(daemon, ['--cleanup', '--config', file]));
  addAccountCommands(root, printAnswer);
  addInstallationCommands(root);
  addLabCommands(root);
  root
    .command('completion')
    .description('a script that completes this command: source <(sojourn completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => void process.stdout.write(completion(shell, root, daemons())));
  return root;
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('must be a whole number, at least 1.');
  return value;
}

function parametersOf(text: string | undefined): JsonObject {
  if (text === undefined) return {};
  const parameters = parseObject(text);
  if (parameters === undefined)
    throw new CommandFailure(
      ExitCode.usage,
      'parameters must be one JSON object, like \'{"id":1}\'',
    );
  return parameters;
}

function daemons(): readonly string[] {
  return readdirSync(DAEMONS_DIRECTORY).filter((name) =>
    existsSync(join(DAEMONS_DIRECTORY, name, 'main.ts')),
  );
}

/** Daemons know their own configuration; this process only starts them. */
function runDaemon(daemon: string, parameters: readonly string[]): void {
  const main = join(DAEMONS_DIRECTORY, daemon, 'main.ts');
  if (!/^[a-z]+$/.test(daemon) || !existsSync(main)) {
    throw new CommandFailure(
      ExitCode.usage,
      `no daemon "${daemon}"; there are: ${daemons().join(', ')}`,
    );
  }
  const { status } = spawnSync(process.execPath, [main, ...parameters], { stdio: 'inherit' });
  process.exitCode = status ?? ExitCode.internal;
}
