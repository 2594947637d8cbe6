/**
 * `test/vm/run`: boots Debian's stock kernel in virtual machines without network, whose root
 * directory is the host's (read-only below a tmpfs), and runs demos and tests with real packets
 * there. See USAGE.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attempt } from '#lab/shell.ts';
import { debianRoot } from '#test/systemd/debian-root.ts';
import { writeInitramfs } from './initramfs.ts';
import { type Options, optionsOf, USAGE } from './options.ts';
import { PARTS, shares } from './parts.ts';
import type { Plan } from './plan.ts';
import { type Result, runPlan } from './planned-machine.ts';
import { stockKernel } from './stock-kernel.ts';

const PROJECT = join(import.meta.dirname, '../..');

/** What each machine does. Prepares what only root can make, or leaves out what needs it. */
async function plansOf({ work, machines }: Options): Promise<readonly Plan[]> {
  if ('command' in work) return [work];
  let { parts } = work;
  if (parts.some((name) => PARTS[name]?.needsDebianRoot)) {
    if (process.getuid?.() === 0) {
      await debianRoot();
    } else {
      const rest = parts.filter((name) => PARTS[name]?.needsDebianRoot !== true);
      console.log(`skipped, for root only: ${parts.filter((name) => !rest.includes(name))}`);
      parts = rest;
    }
  }
  return shares(parts, machines).map((share) => ({ parts: [...share] }));
}

async function run(options: Options): Promise<number> {
  const startMs = performance.now();
  const cache = join(PROJECT, 'build/vm');
  mkdirSync(cache, { recursive: true });
  const kernel = await stockKernel(cache, console.log);
  const scratch = mkdtempSync(join(tmpdir(), 'sojourn-vm-'));
  try {
    const initramfs = join(scratch, 'initramfs');
    await writeInitramfs(kernel, initramfs);
    const compileCache = join(scratch, 'compile-cache');
    await warmCompileCache(compileCache);
    const plans = await plansOf(options);
    console.log(`booting Linux ${kernel.release}, ${plans.length} × one processor`);
    const results = await Promise.all(
      plans.map((plan, at) =>
        runPlan(plan, {
          kernel,
          initramfs,
          compileCache,
          project: PROJECT,
          report: join(options.keep ?? join(scratch, 'report'), String(at + 1)),
          memoryMiB: options.memoryMiB,
          timeoutMs: options.minutes * 60_000,
          // Lines of two machines can be told apart.
          label: plans.length > 1 ? `${at + 1}| ` : '',
        }),
      ),
    );
    const spent = ((performance.now() - startMs) / 60_000).toFixed(1);
    console.log(`the machines are off after ${spent} minutes`);
    return 'command' in options.work ? (results[0]?.exitCode ?? 1) : exitCodeOf(results);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Prints the failures of all machines and the sum, as the last line. */
function exitCodeOf(results: readonly Result[]): number {
  const failures = results.flatMap(({ tally }) => tally.failures);
  const passed = results.reduce((sum, { tally }) => sum + tally.passed, 0);
  for (const failure of failures) console.log(`\nFAILED ${failure}`);
  console.log(`\n${passed} passed, ${failures.length} failed`);
  return failures.length === 0 && results.every(({ exitCode }) => exitCode === 0) ? 0 : 1;
}

/** The emulated processor takes seconds to compile a program that the host compiles in a blink. */
async function warmCompileCache(directory: string): Promise<void> {
  const daemons = readdirSync(join(PROJECT, 'daemons')).map((name) => `daemons/${name}/main.ts`);
  for (const program of [...daemons, 'lab/demo.ts', 'src/cli/cli.ts']) {
    const argv = [process.execPath, join(PROJECT, program), '--help'];
    await attempt(argv, { environment: { NODE_COMPILE_CACHE: directory } });
  }
}

async function main(): Promise<number> {
  let options: Options | 'help';
  try {
    options = optionsOf(process.argv.slice(2));
  } catch (error) {
    console.error(`test/vm/run: ${error instanceof Error ? error.message : String(error)}`);
    console.error(USAGE);
    return 64;
  }
  if (options === 'help') {
    console.log(USAGE);
    return 0;
  }
  try {
    return await run(options);
  } catch (error) {
    console.error(`test/vm/run: ${error instanceof Error ? error.message : String(error)}`);
    return 69;
  }
}

process.exitCode = await main();
