/** The command line of `test/vm/run`. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { defaultParts, PARTS } from './parts.ts';

const MEMORY_MIB = '3072';
const MINUTES = '60';
/** More machines than this gain nothing: the longest part alone takes as long as half of all. */
const MOST_MACHINES = 2;

export const USAGE = `usage: test/vm/run [--only PART,…] [--machines N] [--memory MIB] [--minutes N]
                   [--keep DIRECTORY]
       test/vm/run [options] -- command arguments…

Boots Debian's stock kernel under qemu (software emulation, one processor a machine) and runs the
demos and the tests with real packets that touch the kernel. The machines have no network. They see
the host's files, but what they write vanishes with them. The kernel's package is kept below
build/vm/.

  --only PART,…      these parts: ${Object.keys(PARTS).join(', ')}
  --machines N       machines at the same time, which share the parts; default: one for each
                     processor of the host, at most ${MOST_MACHINES}
  --memory MIB       memory of each machine; default ${MEMORY_MIB}
  --minutes N        stops the machines after this time; default ${MINUTES}
  --keep DIRECTORY   keeps the reports and the kernel's logs there
  -- command…        runs this command in one machine instead, for example
                     test/vm/run -- node lab/enter.ts -- vitest run --project netns FILE
  --help

Ends with \`N passed, N failed\`. Exit code 1: something failed, or a machine did not finish;
64: wrong usage; 69: the host lacks something; with a command, the command's exit code.

Parts:
${Object.entries(PARTS)
  .map(([name, { about, onRequest }]) => {
    const when = onRequest === true ? ' (only by --only)' : '';
    return `  ${name.padEnd(14)} ${about}${when}`;
  })
  .join('\n')}`;

export interface Options {
  /** Names of parts, or a command of the caller. */
  readonly work: { readonly parts: readonly string[] } | { readonly command: string[] };
  readonly machines: number;
  readonly memoryMiB: number;
  readonly minutes: number;
  readonly keep: string | undefined;
}

/** Throws with a message for the user. */
export function optionsOf(argv: readonly string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      machines: { type: 'string' },
      memory: { type: 'string', default: MEMORY_MIB },
      minutes: { type: 'string', default: MINUTES },
      keep: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const parts = values.only?.split(',') ?? defaultParts();
  for (const name of parts) {
    if (!Object.hasOwn(PARTS, name)) throw new Error(`no part '${name}'`);
  }
  return {
    work: positionals.length > 0 ? { command: positionals } : { parts },
    machines:
      values.machines === undefined
        ? Math.min(MOST_MACHINES, availableParallelism())
        : positive('machines', values.machines),
    memoryMiB: positive('memory', values.memory),
    minutes: positive('minutes', values.minutes),
    keep: values.keep,
  };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${option} ${text}: not a number above 0`);
  return value;
}
