/**
 * What a run of vitest came to, from the report that it wrote as JSON.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';

/**
 * How many tests of a file passed, and what failed of it: each one's file and name, then its
 * reason.
 */
interface FileTally {
  readonly passed: number;
  readonly failures: readonly string[];
}

/**
 * By the files' paths. `faults`: what failed and was no test. `unstable`: what failed, and passed
 * when its file was run once more.
 */
export interface Tally {
  readonly files: ReadonlyMap<string, FileTally>;
  readonly faults: readonly string[];
  readonly unstable: readonly string[];
}

export const NOTHING: Tally = { files: new Map(), faults: [], unstable: [] };

/**
 * The part of the report that is of use here. A file that could not be run at all has a message and
 * no tests.
 */
const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
});
type FileReport = z.infer<typeof Report>['testResults'][number];

/**
 * Lines of a reason that are worth reading again at the end of a long run, and how long they may
 * be.
 */
const REASON_LINES = 12;
const REASON_LINE_LENGTH = 500;

function shortened(reason: string): string {
  const lines = stripVTControlCharacters(reason).trimEnd().split('\n');
  const rest = lines.length - REASON_LINES;
  if (rest > 0) lines.splice(REASON_LINES, rest, `… ${rest} more lines above, where it failed`);
  return lines.map((line) => `  ${line.slice(0, REASON_LINE_LENGTH)}`).join('\n');
}

function fileTallyOf(path: string, { status, message, assertionResults }: FileReport): FileTally {
  const failures = assertionResults
    .filter((test) => test.status === 'failed')
    .map(
      ({ fullName, failureMessages }) =>
        `${path} > ${fullName}\n${shortened(failureMessages?.join('\n') ?? '')}`,
    );
  if (status === 'failed' && failures.length === 0)
    failures.push(`${path}\n${shortened(message ?? '')}`);
  return { passed: assertionResults.filter((test) => test.status === 'passed').length, failures };
}

/**
 * The tally of the report in the file `report`, of a run called `run` that ended with `code`. A run
 * without a report, and one that failed although no test did, count as one fault each.
 */
export function tallyOf(report: string, code: number, run: string): Tally {
  try {
    const { testResults } = Report.parse(JSON.parse(readFileSync(report, 'utf8')));
    const files = new Map(
      testResults.map((file) => {
        const path = relative(process.cwd(), file.name);
        return [path, fileTallyOf(path, file)] as const;
      }),
    );
    const silent = code !== 0 && [...files.values()].every(({ failures }) => failures.length === 0);
    return {
      ...NOTHING,
      files,
      faults: silent ? [`${run}: exit code ${code}, and no test failed`] : [],
    };
  } catch (error) {
    return { ...NOTHING, faults: [`${run}: no report (exit code ${code}): ${String(error)}`] };
  }
}

/** Several runs as one. */
export function sumOf(tallies: readonly Tally[]): Tally {
  return {
    files: new Map(tallies.flatMap(({ files }) => [...files])),
    faults: tallies.flatMap(({ faults }) => faults),
    unstable: tallies.flatMap(({ unstable }) => unstable),
  };
}

/** Files with a failure. */
export function failedFiles({ files }: Tally): readonly string[] {
  return [...files].flatMap(([path, { failures }]) => (failures.length > 0 ? [path] : []));
}

/** `again` is of some files that failed: those of which all passes now were unstable. */
export function settledBy(tally: Tally, again: Tally): Tally {
  const settled = failedFiles(tally).filter((path) => again.files.get(path)?.failures.length === 0);
  return {
    files: new Map([
      ...tally.files,
      ...[...again.files].filter(([path]) => settled.includes(path)),
    ]),
    faults: tally.faults,
    unstable: [
      ...tally.unstable,
      ...settled.flatMap((path) => tally.files.get(path)?.failures ?? []),
    ],
  };
}
