/**
 * `sojourn enroll …`: one line enrols a mobile node or router at a home agent.
 *
 * docs/guides/enrolling-nodes.md
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { renderUnicodeCompact } from 'uqr';
import type { JsonObject } from '#base/json.ts';
import { formatAnswer } from '#daemon/answers/views.ts';
import { ControlUnavailable } from '#daemon/control/control-client.ts';
import { CONFIGURATION_DIRECTORY } from '#daemon/directories.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import {
  becomeDaemon,
  runCommandProgram,
  runOption,
  startCommands,
  startUnit,
} from './command-program.ts';
import {
  type AnswerPrinter,
  answerOf,
  CommandFailure,
  type GlobalOptions,
} from './daemon-request.ts';

/** The default name of the daemon. */
const DAEMON = 'ha';
const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

interface AddOptions {
  readonly homeAddress?: string;
  readonly ipv4HomeAddress?: string;
  readonly prefix?: readonly string[];
  readonly router?: true;
  readonly group?: string;
  readonly expires?: number;
  readonly qr: boolean;
}

interface UseOptions {
  readonly config?: string;
  readonly stateDirectory?: string;
  readonly networkDevice?: readonly string[];
  readonly force?: true;
  readonly now?: true;
  readonly run?: true;
}

export function addEnrollCommands(root: Command, printAnswer: AnswerPrinter): void {
  const group = root
    .command('enroll')
    .description('enrol mobile nodes and routers at a home agent by one line');
  addAdd(group);
  addUse(group);
  group
    .command('list')
    .description('list the enrolments of a home agent')
    .action((_, command: Command) => printAnswer(atHomeAgent(command), 'enroll-list', {}));
  named(group, 'show <name>', 'show one enrolment', (options, name) =>
    printAnswer(options, 'enroll-show', { name }),
  );
  named(
    group,
    'revoke <name>',
    'end an enrolment; an enrolled node loses its binding at once',
    (options, name) => printAnswer(options, 'enroll-revoke', { name }),
  );
}

function named(
  group: Command,
  syntax: string,
  about: string,
  act: (options: GlobalOptions, name: string) => Promise<void>,
): void {
  group
    .command(syntax)
    .description(about)
    .action((name: string, _, command: Command) => act(atHomeAgent(command), name));
}

function addAdd(group: Command): void {
  group
    .command('add <name>')
    .description('at the home agent: print the enrolment line of a new node, and its QR code')
    .option('--home-address <address>', 'IPv6 home address; default: a free one of homePrefixes')
    .option(
      '--ipv4-home-address <address>',
      'IPv4 home address, dynamic or none; default: dynamic with an ipv4Pool, else none',
    )
    .option('--prefix <prefix...>', 'prefixes of its mobile networks; makes it a mobile router')
    .option('--router', 'a mobile router; without --prefix it gets a /64 of prefixPool')
    .option('--group <name>', 'the node reaches only nodes of this group by their tunnels')
    .option('--expires <time>', 'lifetime of the line: 30m, 12h, 7d; default 1d', seconds)
    .option('--no-qr', 'print no QR code')
    .action(async (name: string, given: AddOptions, command: Command) => {
      const options = atHomeAgent(command);
      const { homeAddress, ipv4HomeAddress, prefix: prefixes, router, expires, group } = given;
      const answer = await answerOf(options, 'enroll-add', {
        ...{ name, homeAddress, ipv4HomeAddress, prefixes, router, group, expiresSeconds: expires },
      }).catch(throwWithSetup);
      process.stdout.write(options.json ? json(answer) : addedText(answer, given.qr));
    });
}

/** A host without a home agent can become one. */
function throwWithSetup(thrown: unknown): never {
  const missing = thrown instanceof ControlUnavailable && thrown.reason === 'no daemon';
  if (!missing || existsSync(join(CONFIGURATION_DIRECTORY, `${DAEMON}.yaml`))) throw thrown;
  throw new CommandFailure(
    ExitCode.unavailable,
    `${thrown.message}. This host becomes a home agent by: sojourn setup ha --now`,
  );
}

function json(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** The line stands alone on standard output's last line, so that scripts can take it. */
export function addedText(answer: unknown, qr: boolean): string {
  const { line, ...row } = isRecord(answer) ? answer : {};
  const code = qr ? `${renderUnicodeCompact(String(line), { ecc: 'L', border: 2 })}\n\n` : '';
  return (
    `${formatAnswer('enroll-show', row, Date.now())}\n\n${code}` +
    `Run at the node, before the line expires (it works once):\n\n` +
    `sojourn enroll use ${String(line)}\n`
  );
}

function isRecord(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function addUse(group: Command): void {
  group
    .command('use <line>')
    .description(
      'at the node: prove the line to the home agent and write mn.yaml, or mr.yaml of a router; ' +
        '"-" reads the line from standard input',
    )
    .option('--network-device <name...>', 'interfaces of the mobile networks, of a router')
    .option('--now', 'start the node, now and at each boot')
    .addOption(runOption())
    .option(
      '--force',
      'replace the registration of an existing configuration; its other keys stay, such as ' +
        'killSwitch, and the former file is kept as <file>.old',
    )
    .option('--config <file>', 'file to write (default: /etc/sojourn/mn.yaml or mr.yaml)')
    .option('--state-directory <directory>', "directory of the node's key, if not the usual one")
    .action(async (line: string, given: UseOptions, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const job = {
        line: line === '-' ? await standardInput() : line,
        file: given.config,
        stateDirectory: given.stateDirectory,
        networkDevices: given.networkDevice,
        force: given.force,
        run: given.run,
      };
      const enrolled = await runCommandProgram('enrolment/enroll-node.ts', job, 'enroll use');
      const role = String(enrolled['role']);
      process.stdout.write(options.json ? json(enrolled) : usedText(enrolled, given));
      if (given.now === true) await startUnit(role, 'enroll use: the node is enrolled');
      if (given.run === true) becomeDaemon(role, String(enrolled['file']));
    });
}

async function standardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text;
}

function usedText(enrolled: JsonObject, { now, run, force }: UseOptions): string {
  const commands = startCommands(String(enrolled['role']), force === true);
  const next =
    now === true || run === true ? '' : `\nStart the node, now and at each boot:\n\n${commands}`;
  return `${formatAnswer('enroll-use', enrolled, Date.now())}\n${next}`;
}

/** The home agent is called ha unless the command line says otherwise. */
function atHomeAgent(command: Command): GlobalOptions {
  const options = command.optsWithGlobals<GlobalOptions>();
  return options.socket === undefined ? { daemon: DAEMON, ...options } : options;
}

function seconds(text: string): number {
  const [, digits, unit = 's'] = /^(\d{1,8})([smhd]?)$/.exec(text) ?? [];
  if (digits === undefined) throw new InvalidArgumentError('must be like 30m, 12h or 7d.');
  return Number(digits) * (UNITS[unit === '' ? 's' : unit] ?? 1);
}
