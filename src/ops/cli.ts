#!/usr/bin/env node
/** `sojourn`: asks daemons over their control sockets, checks configurations, cleans up after a crash. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import type { JsonObject, JsonValue } from '#engine/contract.ts';
import { addAccountCommands, type GlobalOptions } from './account-commands.ts';
import { ask, ControlClient, ControlUnavailable } from './control-client.ts';
import { CONFIGURATION_DIRECTORY, RUN_DIRECTORY } from './directories.ts';
import { DockerError } from './docker-lab/engine.ts';
import { ExitCode } from './exit-codes.ts';
import { addInstallationCommands } from './installation/commands.ts';
import { InstallationRefused } from './installation/payload.ts';
import { isJsonList, isJsonObject, parseObject } from './json-lines.ts';
import { addLabCommands } from './lab-commands.ts';
import { chooseSocket } from './sockets.ts';
import { packageVersion } from './version.ts';
import { formatAnswer, formatEvent } from './views.ts';

const DAEMONS_DIRECTORY = join(import.meta.dirname, '../../daemons');

/** Ends the command with this exit code; the message goes to standard error. */
class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string) {
    super(message);
    this.code = code;
  }
}

const EXIT_CODES_HELP = `
Exit codes: 0 yes; 1 no (not registered, request refused); 64 usage; 69 no daemon answers; 77 not permitted; 78 wrong configuration.`;

function program(): Command {
  const root = new Command('sojourn')
    .description('Asks and checks the daemons of Sojourn.')
    .version(packageVersion())
    .option('--json', 'print JSON, complete and stable, instead of tables')
    .option('--daemon <name>', 'which daemon, by name (default: the only one that runs here)')
    .option('--socket <path>', 'which daemon, by its control socket')
    .option('--timeout <ms>', 'give up after so many milliseconds', Number, 5000)
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText('after', EXIT_CODES_HELP);
  query(root, 'status', 'how the daemon is; exit 1 when a home, or a relay, is not registered');
  query(root, 'bindings', 'registrations: binding cache of a home agent, binding list of a mobile node');
  query(root, 'prefixes', 'mobile networks that a home agent may serve, and where each is forwarded to');
  query(root, 'registrations', 'nodes that are registered with a direction coordinator, and from where');
  query(root, 'legs', 'sides of paths that a relay joins: whose, where, with which rate');
  query(root, 'general', 'servers that a relay serves, with their virtual and real addresses');
  query(root, 'tunnels', 'tunnels: their ends, MTU and traffic');
  query(root, 'stats', 'counters: control messages by kind and reason, packets, drops');
  root
    .command('events')
    .description('what happened lately')
    .option('-f, --follow', 'go on with what happens from now')
    .option('-n, --last <count>', 'how many of the past', Number, 50)
    .action((options, command) => events(command.optsWithGlobals(), options));
  root
    .command('request <command> [parameters]')
    .description('send any command, with parameters as a JSON object, and print the answer')
    .action((name, parameters, _, command) => print(command.optsWithGlobals(), name, parametersOf(parameters)));
  root
    .command('check <daemon> [file]')
    .description(`check a configuration file (default: ${CONFIGURATION_DIRECTORY}/<daemon>.yaml) and name every fault`)
    .action((daemon, file = `${CONFIGURATION_DIRECTORY}/${daemon}.yaml`, _, command) => {
      const { json } = command.optsWithGlobals();
      runDaemon(daemon, ['--check', ...(json === true ? ['--json'] : []), '--config', file]);
    });
  root
    .command('cleanup <daemon> <file>')
    .description('remove what a killed daemon with this configuration left in the kernel')
    .action((daemon, file) => runDaemon(daemon, ['--cleanup', '--config', file]));
  addAccountCommands(root, print);
  addInstallationCommands(root);
  addLabCommands(root);
  return root;
}

function query(root: Command, name: string, description: string): void {
  root
    .command(name)
    .description(description)
    .action((_, command) => print(command.optsWithGlobals(), name, {}));
}

async function print(options: GlobalOptions, command: string, parameters: JsonObject): Promise<void> {
  const { ok, value } = await ask(socketOf(options), command, parameters, options.timeout);
  if (!ok) throw new Failure(ExitCode.negative, `${command}: ${errorText(value)}`);
  const text = options.json ? JSON.stringify(value, undefined, 2) : formatAnswer(command, value, Date.now());
  process.stdout.write(`${text}\n`);
  if (command === 'status' && !isSettled(value)) process.exitCode = ExitCode.negative;
}

/** A mobile side is settled when each home is registered or at home, a relay when a coordinator knows it; other daemons always are. */
function isSettled(status: JsonValue): boolean {
  if (!isJsonObject(status)) return true;
  const { registrations } = status;
  if (isJsonList(registrations) && !registrations.some((one) => isJsonObject(one) && one['registered'] === true))
    return false;
  if (!isJsonList(status['homes'])) return true;
  return status['homes'].every((home) => isJsonObject(home) && SETTLED_PHASES.has(String(home['phase'])));
}

const SETTLED_PHASES: ReadonlySet<string> = new Set(['registered', 'refreshing', 'at-home']);

async function events(options: GlobalOptions, { follow, last }: { follow?: true; last: number }): Promise<void> {
  using client = await ControlClient.connect(socketOf(options));
  await client.events({ follow: follow === true, last }, (event) => {
    process.stdout.write(`${options.json ? JSON.stringify(event) : formatEvent(event)}\n`);
  });
}

function socketOf(options: GlobalOptions): string {
  const chosen = chooseSocket(options);
  if (chosen.ok) return chosen.path;
  throw new Failure(chosen.reason === 'several' ? ExitCode.usage : ExitCode.unavailable, chosen.message);
}

function parametersOf(text: string | undefined): JsonObject {
  if (text === undefined) return {};
  const parameters = parseObject(text);
  if (parameters === undefined)
    throw new Failure(ExitCode.usage, 'parameters must be one JSON object, like \'{"id":1}\'');
  return parameters;
}

function errorText(value: JsonValue): string {
  const text = isJsonObject(value) ? (value['error'] ?? value['message']) : value;
  return typeof text === 'string' ? text : JSON.stringify(value);
}

/** Daemons know their own configuration; this process only starts them. */
function runDaemon(daemon: string, parameters: readonly string[]): void {
  const main = join(DAEMONS_DIRECTORY, daemon, 'main.ts');
  if (!/^[a-z]+$/.test(daemon) || !existsSync(main)) {
    throw new Failure(ExitCode.usage, `no daemon "${daemon}"; there are: ${readdirSync(DAEMONS_DIRECTORY).join(', ')}`);
  }
  // Where a unit's daemon kept what `--cleanup` looks for.
  const own = join(RUN_DIRECTORY, daemon);
  const env = existsSync(own) ? { ...process.env, RUNTIME_DIRECTORY: own } : process.env;
  const { status } = spawnSync(process.execPath, [main, ...parameters], { stdio: 'inherit', env });
  process.exitCode = status ?? ExitCode.internal;
}

function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof Failure) return thrown.code;
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (thrown instanceof InstallationRefused) return ExitCode.unavailable;
  if (isPermission(thrown)) return ExitCode.permission;
  if (thrown instanceof DockerError) return ExitCode.unavailable;
  if (!(thrown instanceof ControlUnavailable)) return ExitCode.internal;
  return thrown.reason === 'permission' ? ExitCode.permission : ExitCode.unavailable;
}

function isPermission(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && (thrown.code === 'EACCES' || thrown.code === 'EPERM');
}

// `sojourn events | head` is no failure.
process.stdout.on('error', () => process.exit(ExitCode.ok));

try {
  await program().parseAsync();
} catch (thrown) {
  process.exitCode = exitCodeOf(thrown);
  // Commander has said what it has to say.
  if (!(thrown instanceof CommanderError))
    process.stderr.write(`sojourn: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
}
