/**
 * `npm test`: every layer of tests in order, each in the place it needs, one sum at the end.
 *
 *   types · lint · native core under sanitizers · native fuzzers (bounded) · pure tests · tests with real packets inside the lab ·
 *   the Debian package on a machine with systemd; on request (--only docker): the lab in containers
 *
 * `npm test -- --only pure,netns` runs some of them. The last line is `N passed, N failed`; the exit code is 1 when anything failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

interface Tally {
  passed: number;
  failed: number;
}

const scratch = mkdtempSync(join(tmpdir(), 'sojourn-test-'));

function run(command: string, args: readonly string[]): number {
  const done = spawnSync(command, args, { stdio: 'inherit' });
  return done.status ?? 1;
}

/** A stage that is one check: it passes or fails as a whole. */
function whole(command: string, args: readonly string[]): Tally {
  return run(command, args) === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function isCounts(value: unknown): value is { numPassedTests: number; numFailedTests: number; success: boolean } {
  return typeof value === 'object' && value !== null && 'numPassedTests' in value && 'numFailedTests' in value;
}

/** A vitest project; a run that dies before its report counts as one failure. */
function vitest(project: string, prefix: readonly string[]): Tally {
  const report = join(scratch, `${project}.json`);
  const command = [
    ...prefix,
    'vitest',
    'run',
    '--project',
    project,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const status = run(command[0] ?? 'vitest', command.slice(1));
  try {
    const counts: unknown = JSON.parse(readFileSync(report, 'utf8'));
    if (!isCounts(counts)) return { passed: 0, failed: 1 };
    const silent = status !== 0 && counts.numFailedTests === 0 ? 1 : 0;
    return { passed: counts.numPassedTests, failed: counts.numFailedTests + silent };
  } catch {
    return { passed: 0, failed: 1 };
  }
}

/** Said, and counted as nothing. */
function skipped(why: string): Tally {
  console.log(`skipped: ${why}`);
  return { passed: 0, failed: 0 };
}

const lab = ['node', 'lab/enter.ts', '--'] as const;

const stages: Readonly<Record<string, () => Tally>> = {
  types: () => whole('tsc', ['--noEmit', '-p', '.']),
  lint: () => whole('biome', ['check', '.']),
  core: () => whole('make', ['-s', '-C', 'native', '-j2', 'core-test']),
  fuzz: () => whole('make', ['-s', '-C', 'native', '-j2', 'fuzz']),
  pure: () => vitest('pure', []),
  netns: () => vitest('netns', lab),
  systemd: () =>
    process.getuid?.() === 0 ? vitest('systemd', []) : skipped('a machine with systemd is made by root only'),
  docker: () =>
    process.getuid?.() === 0 ? vitest('docker', []) : skipped('the lab in containers is made by root only'),
};

/** Not among those of `npm test` alone. */
const ON_REQUEST: ReadonlySet<string> = new Set(['docker']);

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const chosen = values.only?.split(',') ?? Object.keys(stages).filter((name) => !ON_REQUEST.has(name));
const total: Tally = { passed: 0, failed: 0 };
for (const name of chosen) {
  const stage = stages[name];
  if (stage === undefined) {
    console.error(`test: no stage '${name}'; there are: ${Object.keys(stages).join(', ')}`);
    process.exit(64);
  }
  const started = performance.now();
  console.log(`\n== ${name}`);
  const tally = stage();
  console.log(
    `== ${name}: ${tally.passed} passed, ${tally.failed} failed (${((performance.now() - started) / 1000).toFixed(1)} s)`,
  );
  total.passed += tally.passed;
  total.failed += tally.failed;
}
rmSync(scratch, { recursive: true, force: true });
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 ? 0 : 1);
