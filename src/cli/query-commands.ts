/** The commands of `sojourn` that query daemons, and those that change their state. */
import { type Command, InvalidArgumentError } from 'commander';
import { QUERIES } from '#daemon/answers/answer-table.ts';
import { ExitCode } from '#daemon/exit-codes.ts';
import {
  type AnswerPrinter,
  CommandFailure,
  type GlobalOptions,
  printQuery,
} from './daemon-request.ts';

const SHORTEST_WATCH_SECONDS = 0.1;

export function addQueries(root: Command): void {
  for (const [name, { about }] of Object.entries(QUERIES)) query(root, name, about);
  query(root, 'metrics', 'metrics in the text format of Prometheus (docs/reference/metrics.md)');
}

function query(root: Command, name: string, about: string): void {
  root
    .command(name)
    .description(about)
    .option('-w, --watch [seconds]', 'repeat the query, every 2 seconds unless given', seconds)
    .action((_, command: Command) => printQuery(command.optsWithGlobals<GlobalOptions>(), name));
}

function seconds(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value < SHORTEST_WATCH_SECONDS) {
    throw new InvalidArgumentError(
      `must be a number of seconds, at least ${SHORTEST_WATCH_SECONDS}.`,
    );
  }
  return value;
}

interface MoveOptions {
  readonly interface?: string;
  readonly home?: string;
  readonly release?: true;
}

export function addInterventions(root: Command, printAnswer: AnswerPrinter): void {
  root
    .command('revoke <who>')
    .description(
      'end a binding of a home agent (by home address), or a registration of a direction ' +
        'coordinator (by name, node id or address)',
    )
    .action((who: string, _, command: Command) =>
      printAnswer(optionsOf(command), 'revoke', { homeAddress: who, node: who }),
    );
  root
    .command('move [care-of-address]')
    .description('make a mobile node use this care-of address or interface while it is usable')
    .option('-i, --interface <name>', 'use the best address of this interface')
    .option('--home <name>', 'for this home only')
    .option('--release', 'return to the automatic choice')
    .action(async (careOfAddress: string | undefined, options: MoveOptions, command: Command) => {
      const given = [careOfAddress, options.interface, options.release].filter(
        (one) => one !== undefined,
      );
      if (given.length !== 1) {
        throw new CommandFailure(
          ExitCode.usage,
          'move: give exactly one of an address, --interface and --release',
        );
      }
      const { interface: device, home } = options;
      await printAnswer(optionsOf(command), 'move', { careOfAddress, interface: device, home });
    });
  ofHome(
    root,
    printAnswer,
    'reregister',
    'make a mobile node register again now, even after it has stopped',
  );
  ofHome(root, printAnswer, 'deregister', 'make a mobile node de-register until reregister');
}

function ofHome(root: Command, printAnswer: AnswerPrinter, name: string, about: string): void {
  root
    .command(name)
    .description(about)
    .option('--home <name>', 'for this home only')
    .action((options: { home?: string }, command: Command) =>
      printAnswer(optionsOf(command), name, { home: options.home }),
    );
}

function optionsOf(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}
