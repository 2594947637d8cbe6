/**
 * `sojourn lab … --docker`: the container lab of compose.yaml. The lab in network namespaces is
 * `npm run lab`.
 */
import { Argument, type Command, InvalidArgumentError } from 'commander';
import { formatTable } from '#daemon/answers/tables.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import { CommandFailure } from './daemon-request.ts';
import { demo, reportText } from './docker-lab/demo.ts';
import {
  containers,
  move,
  NO_CONTAINERS,
  reset,
  statusRows,
  waitUntilHealthy,
  waitUntilRegistered,
} from './docker-lab/lab.ts';
import {
  ACCESS_NETWORKS,
  isAccessNetwork,
  isMovingNode,
  MOVING_NODES,
} from './docker-lab/topology.ts';

interface LabOptions {
  readonly docker?: true;
  readonly json?: true;
}

export function addLabCommands(root: Command): void {
  const lab = root
    .command('lab')
    .description('control the container lab (compose.yaml): status, moving nodes, a demonstration');
  add(lab, 'status', 'list the containers, their health and their networks')
    .option(
      '--wait [seconds]',
      'wait until all are healthy; exit code 1 after the timeout (default 120)',
      seconds,
    )
    .action((options: LabOptions & { wait?: number | true }, command: Command) =>
      status(options, command),
    );
  add(lab, 'move', 'move a node to another access network')
    .addArgument(new Argument('<node>').choices(Object.keys(MOVING_NODES)))
    .addArgument(new Argument('<network>').choices(Object.keys(ACCESS_NETWORKS)))
    .action((node: string, network: string, options: LabOptions, command: Command) =>
      moveNode(node, network, options, command),
    );
  add(lab, 'reset', 'move every node to its first network').action(
    async (options: LabOptions, command: Command) => {
      requireDocker(options, command);
      await reset();
    },
  );
  add(lab, 'demo', 'run downloads through every move; exit code 1 if one breaks').action(
    (options: LabOptions, command: Command) => runDemo(options, command),
  );
}

function add(lab: Command, syntax: string, description: string): Command {
  return lab
    .command(syntax)
    .description(description)
    .option('--docker', 'the container lab (required)');
}

function seconds(text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a number of seconds.');
}

/** Another program controls the namespace lab; the option makes the choice explicit. */
function requireDocker(options: LabOptions, command: Command): void {
  if (options.docker !== true)
    command.error(
      'sojourn: give --docker for the container lab; for the namespace lab run: npm run lab ' +
        '-- shell',
      {
        exitCode: ExitCode.usage,
      },
    );
}

async function status(
  options: LabOptions & { wait?: number | true },
  command: Command,
): Promise<void> {
  requireDocker(options, command);
  const { json } = command.optsWithGlobals<LabOptions>();
  const { wait } = options;
  const waiting =
    wait === undefined ? [] : await waitUntilHealthy(wait === true ? 120 : wait, toStandardError);
  const all = await containers();
  const rows = statusRows(all);
  process.stdout.write(`${json ? JSON.stringify(rows, undefined, 2) : formatTable(rows)}\n`);
  if (all.length === 0) {
    toStandardError(NO_CONTAINERS);
    process.exitCode = ExitCode.unavailable;
  } else if (waiting.length > 0 || all.some(({ state }) => state !== 'healthy'))
    process.exitCode = ExitCode.negative;
}

async function moveNode(
  node: string,
  network: string,
  options: LabOptions,
  command: Command,
): Promise<void> {
  requireDocker(options, command);
  if (!isMovingNode(node) || !isAccessNetwork(network)) return;
  const started = performance.now();
  await move(node, network);
  const registered = await waitUntilRegistered(node);
  const elapsed = ((performance.now() - started) / 1000).toFixed(1);
  toStandardError(
    registered
      ? `${node} is registered from ${network} (${elapsed} s)`
      : `${node} did not register from ${network}; see: sojourn lab status --docker`,
  );
  if (!registered) process.exitCode = ExitCode.negative;
}

async function runDemo(options: LabOptions, command: Command): Promise<void> {
  requireDocker(options, command);
  const { json } = command.optsWithGlobals<LabOptions>();
  if ((await containers()).length === 0)
    throw new CommandFailure(ExitCode.unavailable, NO_CONTAINERS);
  const report = await demo(toStandardError);
  process.stdout.write(
    `${json ? JSON.stringify(report, undefined, 2) : `\n${reportText(report)}`}\n`,
  );
  if (!report.ok) process.exitCode = ExitCode.negative;
}

function toStandardError(text: string): void {
  process.stderr.write(`${text}\n`);
}
