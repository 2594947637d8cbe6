/**
 * All commands of `sojourn`. Completion and documents are generated from these declarations.
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
import { addEnrollCommands } from './enroll-commands.ts';
import { addKillSwitch } from './kill-switch-command.ts';
import { addLabCommands } from './lab-commands.ts';
import { addInterventions, addQueries } from './query-commands.ts';
import { reload } from './reload-command.ts';
import { addSetupCommands } from './setup-command.ts';
import { addStreams } from './stream-commands.ts';

const DAEMONS_DIRECTORY = join(import.meta.dirname, '../../daemons');

const EXIT_CODES_HELP = `
Exit codes: 0 success; 1 negative (not registered, request refused); 64 usage; 69 no daemon answers;
77 not permitted; 78 wrong configuration.`;

export function program(): Command {
  const root = new Command('sojourn')
    .description('Queries and controls the daemons of Sojourn.')
    .version(packageVersion())
    .option('--json', 'print complete, stable JSON instead of tables')
    .option('--daemon <name>', 'daemon to use, by name (default: the only one on this host)')
    .option('--socket <path>', 'daemon to use, by the path of its control socket')
    .option('--timeout <ms>', 'timeout of a request, in milliseconds', milliseconds, 5000)
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', EXIT_CODES_HELP);
  addQueries(root);
  addStreams(root);
  addInterventions(root, printAnswer);
  addKillSwitch(root, printAnswer);
  root
    .command('request <command> [parameters]')
    .description('send any command, with parameters as a JSON object, and print the answer')
    .action((name, parameters, _, command) =>
      printAnswer(command.optsWithGlobals(), name, parametersOf(parameters)),
    );
  root
    .command('check <daemon> [file]')
    .description(
      `check a configuration file (default: ${CONFIGURATION_DIRECTORY}/<daemon>.yaml) and ` +
        'list every fault',
    )
    .action((daemon, file = `${CONFIGURATION_DIRECTORY}/${daemon}.yaml`, _, command) => {
      const { json } = command.optsWithGlobals();
      runDaemon(daemon, ['--check', ...(json === true ? ['--json'] : []), '--config', file]);
    });
  root
    .command('reload')
    .description(
      'reload the configuration: reloadable changes take effect, other changes need a restart',
    )
    .action(async (_, command) => {
      const options = command.optsWithGlobals();
      process.exitCode = await reload(socketOf(options), options);
    });
  root
    .command('cleanup <daemon> <file>')
    .description('remove the kernel state of a killed daemon with this configuration')
    .action((daemon, file) => runDaemon(daemon, ['--cleanup', '--config', file]));
  addAccountCommands(root, printAnswer);
  addSetupCommands(root);
  addEnrollCommands(root, printAnswer);
  addInstallationCommands(root);
  addLabCommands(root);
  root
    .command('completion')
    .description('print a completion script for this command: source <(sojourn completion bash)')
    .addArgument(new Argument('<shell>').choices(SHELLS))
    .action((shell: Shell) => void process.stdout.write(completion(shell, root, daemons())));
  return withRemedies(root, root.name());
}

/** A wrong command line ends with the command that shows the right one. */
function withRemedies(command: Command, path: string): Command {
  command
    .showHelpAfterError(`(${path} --help shows the usage)`)
    .configureHelp({ showGlobalOptions: true });
  for (const child of command.commands) withRemedies(child, `${path} ${child.name()}`);
  return command;
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

/** Starts the daemon's program, which knows its own configuration. */
function runDaemon(daemon: string, parameters: readonly string[]): void {
  const main = join(DAEMONS_DIRECTORY, daemon, 'main.ts');
  if (!/^[a-z]+$/.test(daemon) || !existsSync(main)) {
    throw new CommandFailure(
      ExitCode.usage,
      `unknown daemon "${daemon}"; known daemons: ${daemons().join(', ')}`,
    );
  }
  const { status } = spawnSync(process.execPath, [main, ...parameters], { stdio: 'inherit' });
  process.exitCode = status ?? ExitCode.internal;
}
