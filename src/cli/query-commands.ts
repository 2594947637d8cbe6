/** The commands of `sojourn` that printAnswer daemons, and those by which an operator steps in. */
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
  query(root, 'metrics', 'metrics as Prometheus reads them (docs/reference/metrics.md)');
}

function query(root: Command, name: string, about: string): void {
  root
    .command(name)
    .description(about)
    .option('-w, --watch [seconds]', 'again and again, every 2 seconds unless given', seconds)
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
      'end a binding of a home agent (by home address), or a registration of a direction coordinator (by name, node id or address)',
    )
    .action((who: string, _, command: Command) =>
      printAnswer(optionsOf(command), 'revoke', { homeAddress: who, node: who }),
    );
  root
    .command('move [care-of-address]')
    .description('have a mobile node use this address, or this interface, as long as it can')
    .option('-i, --interface <name>', 'the best address of that interface')
    .option('--home <name>', 'for this home only')
    .option('--release', 'let it choose by itself again')
    .action(async (careOfAddress: string | undefined, options: MoveOptions, command: Command) => {
      const given = [careOfAddress, options.interface, options.release].filter(
        (one) => one !== undefined,
      );
      if (given.length !== 1) {
        throw new CommandFailure(
          ExitCode.usage,
          'move: give one of: an address, --interface, --release',
        );
      }
      const { interface: device, home } = options;
      await printAnswer(optionsOf(command), 'move', { careOfAddress, interface: device, home });
    });
  ofHome(
    root,
    printAnswer,
    'reregister',
    'have a mobile node register anew now, also after it has stopped',
  );
  ofHome(
    root,
    printAnswer,
    'deregister',
    'have a mobile node de-register, until it is told to register',
  );
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
