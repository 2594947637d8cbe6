import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { failedFiles, settledBy, type Tally, tallyOf } from '#test/tally.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-tally-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function reportOf(testResults: readonly unknown[]): string {
  const path = join(directory, 'report.json');
  writeFileSync(path, JSON.stringify({ testResults }));
  return path;
}

function fileOf(
  name: string,
  assertionResults: readonly unknown[],
  status = 'passed',
  message = '',
) {
  return { name: join(process.cwd(), name), status, message, assertionResults };
}

const failuresOf = ({ files, faults }: Tally): readonly string[] => [
  ...[...files.values()].flatMap(({ failures }) => failures),
  ...faults,
];

describe('the tally of a run', () => {
  it('counts passed tests and names failed ones with their reason', () => {
    const report = reportOf([
      fileOf('test/a.test.ts', [
        { fullName: 'a works', status: 'passed', failureMessages: [] },
        {
          fullName: 'a fails',
          status: 'failed',
          failureMessages: ['\u001b[31mexpected 1, got 2\u001b[39m\n    at here'],
        },
        { fullName: 'a waits', status: 'skipped' },
      ]),
    ]);
    const tally = tallyOf(report, 1, 'pure 1/1');
    expect(tally.files.get('test/a.test.ts')?.passed).toBe(1);
    expect(failuresOf(tally)).toEqual([
      'test/a.test.ts > a fails\n  expected 1, got 2\n      at here',
    ]);
  });

  it('counts a file that could not be run', () => {
    const report = reportOf([fileOf('test/b.test.ts', [], 'failed', 'cannot find module')]);
    expect(failuresOf(tallyOf(report, 1, 'pure 1/1'))).toEqual([
      'test/b.test.ts\n  cannot find module',
    ]);
  });

  it('counts a run without a report, and one that failed although no test did', () => {
    const [died] = failuresOf(tallyOf(join(directory, 'none.json'), 137, 'netns 1/2'));
    expect(died).toContain('netns 1/2: no report (exit code 137)');
    const report = reportOf([
      fileOf('test/a.test.ts', [{ fullName: 'a works', status: 'passed', failureMessages: [] }]),
    ]);
    expect(failuresOf(tallyOf(report, 1, 'pure 1/1'))).toEqual([
      'pure 1/1: exit code 1, and no test failed',
    ]);
  });

  it('shortens a long reason', () => {
    const reason = Array.from({ length: 40 }, (_, at) => `line ${at}`).join('\n');
    const report = reportOf([
      fileOf('test/a.test.ts', [
        { fullName: 'a fails', status: 'failed', failureMessages: [reason] },
      ]),
    ]);
    const [failure = ''] = failuresOf(tallyOf(report, 1, 'pure 1/1'));
    expect(failure.split('\n')).toHaveLength(14);
    expect(failure).toContain('28 more lines');
  });
});

describe('repeated files', () => {
  const passed = { fullName: 'works', status: 'passed', failureMessages: [] };
  const failed = { fullName: 'fails', status: 'failed', failureMessages: ['why'] };
  const first = () =>
    tallyOf(
      reportOf([
        fileOf('test/a.test.ts', [passed, failed]),
        fileOf('test/b.test.ts', [passed, passed]),
        fileOf('test/c.test.ts', [], 'failed', 'no lab'),
      ]),
      1,
      'netns',
    );

  it('include only files with a failure', () => {
    expect(failedFiles(first())).toEqual(['test/a.test.ts', 'test/c.test.ts']);
  });

  it('count as unstable when all tests pass, and as failed otherwise', () => {
    const before = first();
    const again = reportOf([
      fileOf('test/a.test.ts', [passed, failed]),
      fileOf('test/c.test.ts', [passed, passed]),
    ]);
    const tally = settledBy(before, tallyOf(again, 1, 'netns'));
    expect(failuresOf(tally)).toEqual(['test/a.test.ts > fails\n  why']);
    expect(tally.unstable).toEqual(['test/c.test.ts\n  no lab']);
    expect([...tally.files.values()].map((file) => file.passed)).toEqual([1, 2, 2]);
    const gone = settledBy(before, tallyOf(join(directory, 'none.json'), 137, 'netns'));
    expect(failuresOf(gone)).toEqual(failuresOf(before));
    expect(gone.unstable).toEqual([]);
  });
});
