/**
 * `sojourn setup …`: writes the first configuration of a daemon.
 *
 * docs/guides/home-agent.md
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { formatAnswer } from '#daemon/answers/views.ts';
import { ControlUnavailable } from '#daemon/control/control-client.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import {
  becomeDaemon,
  runCommandProgram,
  runDaemonBeside,
  runOption,
  STANDARD_ERROR,
  startCommands,
  startUnit,
} from './command-program.ts';
import { answerOf, CommandFailure, type GlobalOptions } from './daemon-request.ts';
import { addedText } from './enroll-commands.ts';

/** The default name of the daemon. */
const DAEMON = 'ha';
const STARTS_WITHIN_MS = 60_000;
const RETRY_MS = 100;
const ADMIT = '\nAdmit a node:\n\nsojourn enroll add NAME\n';

interface SetupOptions {
  readonly address?: readonly string[];
  readonly homePrefix?: string;
  readonly ipv4HomePrefix?: string;
  readonly prefixPool?: string;
  readonly enroll?: string;
  readonly now?: true;
  readonly run?: true;
  readonly force?: true;
  readonly config?: string;
  readonly stateDirectory?: string;
}

export function addSetupCommands(root: Command): void {
  root
    .command('setup')
    .description('write the first configuration of a daemon')
    .command('ha')
    .description(
      'write ha.yaml of a home agent, from the addresses of this host; sojourn enroll add admits ' +
        'its nodes',
    )
    .option(
      '--address <address...>',
      'addresses at which nodes reach this host; default: those of the interfaces with a default ' +
        'route',
    )
    .option(
      '--home-prefix <prefix>',
      'IPv6 network of home addresses that is routed to this host; default: a unique local one, ' +
        'translated to the address of this host',
    )
    .option(
      '--ipv4-home-prefix <prefix>',
      'IPv4 network of home addresses that is routed to this host; default: a private one, ' +
        'translated to the address of this host; needs --home-prefix',
    )
    .option(
      '--prefix-pool <prefix>',
      'IPv6 network for mobile routers that is routed to this host; default: a unique local one ' +
        'without --home-prefix, else none; needs --home-prefix',
    )
    .option('--now', 'start the home agent, now and at each boot')
    .addOption(runOption())
    .option(
      '--enroll <name>',
      'with --now or --run: admit a first node, as sojourn enroll add does',
    )
    .option('--force', 'replace an existing configuration, which is kept as <file>.old')
    .option('--config <file>', 'file to write (default: /etc/sojourn/ha.yaml)')
    .option(
      '--state-directory <directory>',
      "directory of the daemon's state, if not the usual one",
    )
    .action((given: SetupOptions, command: Command) => setUp(given, command.optsWithGlobals()));
}

async function setUp(given: SetupOptions, options: GlobalOptions): Promise<void> {
  const { now, run, enroll, config, address, ...others } = given;
  const starts = now === true || run === true;
  if (enroll !== undefined && !starts)
    throw new CommandFailure(ExitCode.usage, 'setup ha: --enroll needs --now or --run');
  const job = { ...others, file: config, addresses: address, run };
  const done = await runCommandProgram('setup/setup-home-agent.ts', job, 'setup ha');
  const file = String(done['file']);
  // With --json, there is one document: the enrolment is part of it.
  if (!options.json) process.stdout.write(doneText(done, given));
  else if (enroll === undefined) process.stdout.write(json(done));
  if (now === true) await startUnit(DAEMON, 'setup ha: the configuration is written');
  if (enroll === undefined) {
    if (run === true) becomeDaemon(DAEMON, file);
    return;
  }
  const show = (enrolment: JsonValue): void => {
    if (options.json) process.stdout.write(json({ ...done, enrolment }));
    else if (enrolment !== null) process.stdout.write(`\n${addedText(enrolment, true)}`);
  };
  if (run !== true) {
    await admit(enroll, options, () => false, show);
    return;
  }
  let isOver = false;
  const output = options.json ? STANDARD_ERROR : 'inherit';
  const ended = runDaemonBeside(DAEMON, file, output).finally(() => {
    isOver = true;
  });
  await Promise.all([ended, admit(enroll, options, () => isOver, show)]);
}

function doneText({ note, ...done }: JsonObject, given: SetupOptions): string {
  const { now, run, enroll, force } = given;
  const starts = now === true || run === true;
  const start =
    '\nStart the home agent, now and at each boot:\n\n' + startCommands(DAEMON, force === true);
  return [
    ...[formatAnswer('setup', done, Date.now()), '\n'],
    ...(note === undefined ? [] : [`\n${String(note)}\n`]),
    ...(starts ? [] : [start]),
    ...(enroll === undefined ? [ADMIT] : []),
  ].join('');
}

/** Shows the enrolment line of a first node; null if the home agent ends before. */
async function admit(
  name: string,
  options: GlobalOptions,
  hasEnded: () => boolean,
  show: (enrolment: JsonValue) => void,
): Promise<void> {
  const ownOptions = { ...options, daemon: DAEMON };
  const isUp = await answers(ownOptions, hasEnded);
  show(isUp ? await answerOf(ownOptions, 'enroll-add', { name }) : null);
}

function json(value: JsonValue): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** Waits for a home agent that may still be starting; false if it has ended. */
async function answers(options: GlobalOptions, hasEnded: () => boolean): Promise<boolean> {
  const end = performance.now() + STARTS_WITHIN_MS;
  while (!hasEnded()) {
    try {
      await answerOf(options, 'status', {});
      return true;
    } catch (thrown) {
      if (!isStarting(thrown) || performance.now() > end) throw thrown;
      await sleep(RETRY_MS);
    }
  }
  return false;
}

/** A daemon refuses every command until it has started. */
function isStarting(thrown: unknown): boolean {
  if (thrown instanceof CommandFailure) return thrown.code === ExitCode.negative;
  return thrown instanceof ControlUnavailable && thrown.reason !== 'permission';
}
