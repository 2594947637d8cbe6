/**
 * Runs the plan inside the virtual machine: prints each part with its result and time, and leaves
 * the sum and the failures with their reasons in `tally.json`. Exit code 1 if something failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reexecInLab } from '#lab/enter.ts';
import { NOTHING, sumOf, type Tally, tallyOf } from '#test/tally.ts';
import { PARTS, type Part } from './parts.ts';
import { PlanSchema, REPORT_DIRECTORY, type TallyFile } from './plan.ts';

/** Lines of the kernel's log that report a fault of the kernel. */
const KERNEL_FAULT = /\b(BUG|WARNING|Oops|general protection fault|Out of memory|Call Trace):?/;

async function runPart(name: string, { work }: Part): Promise<Tally> {
  if (work.kind === 'program') {
    const code = await reexecInLab(work.argv);
    if (code !== 0) return { ...NOTHING, faults: [`${work.argv.join(' ')}: exit code ${code}`] };
    return { ...NOTHING, files: new Map([[name, { passed: 1, failures: [] }]]) };
  }
  // The lab has a /run of its own.
  const report = join(tmpdir(), `${name}.json`);
  const argv = ['vitest', 'run', '--project', work.project, ...work.files];
  const reporters = ['--reporter=verbose', '--reporter=json', `--outputFile.json=${report}`];
  const command = [...argv, ...reporters];
  const inLab = work.project !== 'systemd';
  const code = await (inLab ? reexecInLab(command) : runHere(command));
  if (existsSync(report)) copyFileSync(report, join(REPORT_DIRECTORY, `${name}.json`));
  return tallyOf(report, code, argv.join(' '));
}

function runHere([command = '', ...args]: readonly string[]): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const child = spawn(command, args, { stdio: 'inherit' });
  child.on('error', reject);
  child.on('exit', (code) => resolve(code ?? 1));
  return promise;
}

/** Faults that the kernel logged; each counts as a failure. */
function kernelFaults(): readonly string[] {
  const log = spawnSync('dmesg', { encoding: 'utf8', maxBuffer: 1 << 26 }).stdout;
  return log
    .split('\n')
    .filter((line) => KERNEL_FAULT.test(line))
    .map((line) => `kernel: ${line}`);
}

async function runParts(names: readonly string[]): Promise<number> {
  const tallies: Tally[] = [];
  for (const [at, name] of names.entries()) {
    const part = PARTS[name];
    if (part === undefined) continue;
    const startMs = performance.now();
    console.log(`\n== ${name} (${at + 1} of ${names.length}): ${part.about}`);
    const tally = await runPart(name, part);
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
    console.log(`== ${name}: ${summaryOf(tally)} (${seconds} s of the machine's time)`);
    tallies.push(tally);
  }
  const sum = sumOf([...tallies, { ...NOTHING, faults: kernelFaults() }]);
  const tally: TallyFile = { passed: passedOf(sum), failures: [...failuresOf(sum)] };
  writeFileSync(join(REPORT_DIRECTORY, 'tally.json'), JSON.stringify(tally));
  return tally.failures.length === 0 ? 0 : 1;
}

function failuresOf({ files, faults }: Tally): readonly string[] {
  return [...[...files.values()].flatMap(({ failures }) => failures), ...faults];
}

function passedOf({ files }: Tally): number {
  return [...files.values()].reduce((sum, file) => sum + file.passed, 0);
}

function summaryOf(tally: Tally): string {
  return `${passedOf(tally)} passed, ${failuresOf(tally).length} failed`;
}

const plan = PlanSchema.parse(JSON.parse(readFileSync(`${REPORT_DIRECTORY}/plan.json`, 'utf8')));
process.exitCode = 'command' in plan ? await runHere(plan.command) : await runParts(plan.parts);
