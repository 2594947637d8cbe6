/**
 * What a run of vitest came to, from the report that it wrote as JSON.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { z } from 'zod';

/** How many tests passed, and what failed: each one's file and name, then its reason. */
export interface Tally {
  passed: number;
  failures: readonly string[];
}

/** The part of the report that is of use here. A file that could not be run at all has a message and no tests. */
const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});

/** Lines of a reason that are worth reading again at the end of a long run. */
const REASON_LINES = 12;

function shortened(reason: string): string {
  const lines = stripVTControlCharacters(reason).trimEnd().split('\n');
  const rest = lines.length - REASON_LINES;
  if (rest > 0) lines.splice(REASON_LINES, rest, `… ${rest} more lines above, where it failed`);
  return lines.map((line) => `  ${line}`).join('\n');
}

/** The tally of the report in the file `report`, of a run called `run` that ended with `code`.
 * A run that died before its report, and one that failed although no test of it did, are one failure each. */
export function tallyOf(report: string, code: number, run: string): Tally {
  let passed = 0;
  const failures: string[] = [];
  try {
    for (const file of Report.parse(JSON.parse(readFileSync(report, 'utf8'))).testResults) {
      const name = relative(process.cwd(), file.name);
      let failed = false;
      for (const { status, fullName, failureMessages } of file.assertionResults) {
        if (status === 'passed') passed++;
        if (status !== 'failed') continue;
        failed = true;
        failures.push(`${name} > ${fullName}\n${shortened(failureMessages?.join('\n') ?? '')}`);
      }
      if (file.status === 'failed' && !failed) failures.push(`${name}\n${shortened(file.message ?? '')}`);
    }
  } catch (error) {
    return { passed, failures: [...failures, `${run}: no report (exit code ${code}): ${String(error)}`] };
  }
  if (code !== 0 && failures.length === 0) failures.push(`${run}: exit code ${code}, and no test failed`);
  return { passed, failures };
}
