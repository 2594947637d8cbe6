/**
 * `npm test`: every layer of tests, with one sum at the end.
 *
 *   types · lint · data plane tests, alone on the machine · other real-packet tests, in two labs
 *   then two lanes side by side:
 *     native core under sanitizers · native fuzzers (bounded) · pure tests
 *     the Debian package on a machine with systemd · the lab in containers
 *
 * `npm test -- --only pure,netns` runs some of them. The runner lists the failures with their
 * reasons at the end; the last line is `N passed, N failed`; the exit code is 1 when a test failed.
 *
 * Tests with real packets are sensitive to the load of the machine. When at most two of their files
 * fail, the runner repeats these files alone. A test that passes then is listed as UNSTABLE with
 * its reason and has to be investigated; a test that fails again has failed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failedFiles, NOTHING, settledBy, sumOf, type Tally, tallyOf } from './tally.ts';

let reports = 0;
const scratch = mkdtempSync(join(tmpdir(), 'sojourn-test-'));

/** Receives a stage's output. */
type Print = (text: string) => void;

/** Resolves with the exit code. */
function run(command: string, args: readonly string[], print: Print): Promise<number> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', print);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/** A stage that is one check: it passes or fails as a whole. */
async function whole(print: Print, command: string, args: readonly string[]): Promise<Tally> {
  const code = await run(command, args, print);
  const name = `${command} ${args.join(' ')}`;
  if (code === 0) return { ...NOTHING, files: new Map([[name, { passed: 1, failures: [] }]]) };
  return { ...NOTHING, faults: [`${name}: exit code ${code}`] };
}

/** A vitest project, or the part of it that `some` selects: a shard, or files. */
async function vitest(
  print: Print,
  project: string,
  prefix: readonly string[],
  some: readonly string[] = [],
): Promise<Tally> {
  const report = join(scratch, `${project}-${++reports}.json`);
  const command = [
    ...prefix,
    'vitest',
    'run',
    '--project',
    project,
    ...some,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const code = await run(command[0] ?? 'vitest', command.slice(1), print);
  return tallyOf(report, code, [project, ...some].join(' '));
}

/** More failed files than this are not repeated. */
const MOST_REPEATED = 2;

/** Repeats the failed files of a project with real packets, alone in a lab of their own. */
async function repeated(print: Print, project: string, tally: Tally): Promise<Tally> {
  const failed = failedFiles(tally);
  if (failed.length === 0 || failed.length > MOST_REPEATED) return tally;
  print(`\n== ${project}, once more: ${failed.join(', ')}\n`);
  return settledBy(tally, await vitest(print, project, LAB, failed));
}

const LAB = ['node', 'lab/enter.ts', '--'] as const;

/** Enough shares that both labs end at about the same time. */
const SHARES = 6;

/**
 * Runs two independent labs side by side, because each waits most of the time. Prints the output of
 * the second one at the end.
 */
async function inTwoLabs(print: Print): Promise<Tally> {
  const shares = Array.from({ length: SHARES }, (_, at) => `${at + 1}/${SHARES}`);
  const tallies: Tally[] = [];
  const work = async (printShare: Print): Promise<void> => {
    for (let share = shares.shift(); share !== undefined; share = shares.shift())
      tallies.push(await vitest(printShare, 'netns', LAB, [`--shard=${share}`]));
  };
  const secondLab: string[] = [];
  await Promise.all([work(print), work((text) => void secondLab.push(text))]);
  for (const text of secondLab) print(text);
  return sumOf(tallies);
}

/** Tests that need root. An ordinary user sees that they are skipped. */
async function byRoot(print: Print, project: string): Promise<Tally> {
  if (process.getuid?.() === 0) return await vitest(print, project, []);
  print(`skipped: ${project} is for root only\n`);
  return NOTHING;
}

const make = ['-s', '-C', 'native', '-j2'] as const;

const STAGES: Readonly<Record<string, (print: Print) => Promise<Tally>>> = {
  types: (print) => whole(print, 'tsc', ['--noEmit', '-p', '.']),
  lint: (print) => whole(print, 'biome', ['check', '.']),
  plane: async (print) => await repeated(print, 'plane', await vitest(print, 'plane', LAB)),
  netns: async (print) => await repeated(print, 'netns', await inTwoLabs(print)),
  core: (print) => whole(print, 'make', [...make, 'core-test']),
  fuzz: (print) => whole(print, 'make', [...make, 'fuzz']),
  pure: (print) => vitest(print, 'pure', []),
  systemd: (print) => byRoot(print, 'systemd'),
  docker: (print) => byRoot(print, 'docker'),
};

/** Steps run one after another, the lanes of a step in parallel, because they mostly wait. */
const STEPS: readonly (readonly (readonly string[])[])[] = [
  [['types', 'lint', 'plane', 'netns']],
  [
    ['core', 'fuzz', 'pure'],
    ['systemd', 'docker'],
  ],
];

let passedInAll = 0;
const failuresInAll: string[] = [];
const unstableInAll: string[] = [];

async function lane(names: readonly string[], print: Print): Promise<void> {
  for (const name of names) {
    const stage = STAGES[name];
    if (stage === undefined) continue;
    const started = performance.now();
    print(`\n== ${name}\n`);
    const { files, faults, unstable } = await stage(print);
    const passed = [...files.values()].reduce((sum, file) => sum + file.passed, 0);
    const failures = [...[...files.values()].flatMap((file) => file.failures), ...faults];
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    print(`== ${name}: ${passed} passed, ${failures.length} failed (${seconds} s)\n`);
    passedInAll += passed;
    failuresInAll.push(...failures);
    unstableInAll.push(...unstable);
  }
}

/** Prints the output of the first lane as it comes, that of the others when the first has ended. */
async function step(lanes: readonly (readonly string[])[]): Promise<void> {
  let secondLab: string[] | undefined = [];
  const aloud: Print = (text) => void process.stdout.write(text);
  const quiet: Print = (text) =>
    secondLab === undefined ? aloud(text) : void secondLab.push(text);
  await Promise.all(
    lanes.map(async (names, at) => {
      await lane(names, at === 0 ? aloud : quiet);
      if (at !== 0) return;
      for (const text of secondLab ?? []) aloud(text);
      secondLab = undefined;
    }),
  );
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const chosen = values.only?.split(',') ?? Object.keys(STAGES);
for (const name of chosen) {
  if (Object.hasOwn(STAGES, name)) continue;
  console.error(`test: unknown stage '${name}'; choose from: ${Object.keys(STAGES).join(', ')}`);
  process.exit(64);
}
for (const lanes of STEPS) {
  const wanted = lanes.map((names) => names.filter((name) => chosen.includes(name)));
  await step(wanted.filter((names) => names.length > 0));
}
rmSync(scratch, { recursive: true, force: true });
for (const failure of unstableInAll)
  console.log(`\nUNSTABLE (passed when run once more) ${failure}`);
for (const failure of failuresInAll) console.log(`\nFAILED ${failure}`);
console.log(`\n${passedInAll} passed, ${failuresInAll.length} failed`);
process.exit(failuresInAll.length === 0 ? 0 : 1);
