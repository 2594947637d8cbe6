/** The result of a run of vitest, from its JSON report. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';

/**
 * The number of passed tests of a file, and its failures: file and name of each test, then the
 * reason.
 */
interface FileTally {
  readonly passed: number;
  readonly failures: readonly string[];
}

/**
 * Results by path of the file. `faults`: failures outside tests. `unstable`: tests that failed
 * first and passed when their file was run again.
 */
export interface Tally {
  readonly files: ReadonlyMap<string, FileTally>;
  readonly faults: readonly string[];
  readonly unstable: readonly string[];
}

export const NOTHING: Tally = { files: new Map(), faults: [], unstable: [] };

/** The used part of the report. A file that could not be run has a message and no tests. */
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

/** Number and length of the lines of a reason that are repeated at the end of a long run. */
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
 * Reads the result from the file `report` of the run `run`, which ended with `code`. A run without
 * a report counts as one fault, and so does a failed run without a failed test.
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

/** The sum of several runs. */
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

/** `again` is the result of repeated files: a file whose tests all pass now was unstable. */
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
