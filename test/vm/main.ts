/**
 * `test/vm/run`: boots Debian's stock kernel in a virtual machine without network, whose root
 * directory is the host's (read-only below a tmpfs), and runs demos and tests with real packets
 * there. See USAGE.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { attempt } from '#lab/shell.ts';
import { debianRoot } from '#test/systemd/debian-root.ts';
import { writeInitramfs } from './initramfs.ts';
import { PARTS } from './parts.ts';
import type { Plan } from './plan.ts';
import { stockKernel } from './stock-kernel.ts';
import { runMachine } from './virtual-machine.ts';

const PROJECT = join(import.meta.dirname, '../..');
/** Below the report directory; guest.sh names it too. */
const COMPILE_CACHE = 'compile-cache';
const MEMORY_MIB = '3072';
const MINUTES = '60';

const USAGE = `usage: test/vm/run [--only PART,…] [--memory MIB] [--minutes N] [--keep DIRECTORY]
       test/vm/run [options] -- command arguments…

Boots Debian's stock kernel under qemu (software emulation, one processor) and runs the demos and
the tests with real packets that touch the kernel. The machine has no network. It sees the host's
files, but what it writes vanishes with it. The kernel's package is kept below build/vm/.

  --only PART,…      some parts: ${Object.keys(PARTS).join(', ')}
  --memory MIB       memory of the machine; default ${MEMORY_MIB}
  --minutes N        stops the machine after this time; default ${MINUTES}
  --keep DIRECTORY   keeps the reports and the kernel's log there
  -- command…        runs this command in the machine instead, for example
                     test/vm/run -- node lab/enter.ts -- vitest run --project netns FILE
  --help

Ends with \`N passed, N failed\`. Exit code 1: something failed, or the machine did not finish;
64: wrong usage; 69: the host lacks something; with a command, the command's exit code.

Parts:
${Object.entries(PARTS)
  .map(([name, { about }]) => `  ${name.padEnd(14)} ${about}`)
  .join('\n')}`;

interface Options {
  readonly plan: Plan;
  readonly memoryMiB: number;
  readonly minutes: number;
  readonly keep: string | undefined;
}

/** Throws with a message for the user. */
function optionsOf(argv: readonly string[]): Options | 'help' {
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      memory: { type: 'string', default: MEMORY_MIB },
      minutes: { type: 'string', default: MINUTES },
      keep: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return 'help';
  const parts = values.only?.split(',') ?? Object.keys(PARTS);
  for (const name of parts) {
    if (!Object.hasOwn(PARTS, name)) throw new Error(`no part '${name}'`);
  }
  return {
    plan: positionals.length > 0 ? { command: positionals } : { parts },
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

/** Without the parts that need what only root can make. */
async function prepared(plan: Plan): Promise<Plan> {
  if ('command' in plan || !plan.parts.some((name) => PARTS[name]?.needsDebianRoot)) return plan;
  if (process.getuid?.() === 0) {
    await debianRoot();
    return plan;
  }
  const parts = plan.parts.filter((name) => PARTS[name]?.needsDebianRoot !== true);
  console.log(`skipped, for root only: ${plan.parts.filter((name) => !parts.includes(name))}`);
  return { parts };
}

async function run({ plan, memoryMiB, minutes, keep }: Options): Promise<number> {
  const startMs = performance.now();
  const cache = join(PROJECT, 'build/vm');
  mkdirSync(cache, { recursive: true });
  const kernel = await stockKernel(cache, console.log);
  const scratch = mkdtempSync(join(tmpdir(), 'sojourn-vm-'));
  const report = keep ?? join(scratch, 'report');
  try {
    mkdirSync(report, { recursive: true });
    const initramfs = join(scratch, 'initramfs');
    await writeInitramfs(kernel, initramfs);
    rmSync(join(report, 'exit-code'), { force: true });
    await warmCompileCache(join(report, COMPILE_CACHE));
    writeFileSync(join(report, 'plan.json'), JSON.stringify(await prepared(plan)));
    console.log(`booting Linux ${kernel.release}`);
    const end = await runMachine({
      kernel,
      initramfs,
      project: PROJECT,
      report,
      memoryMiB,
      timeoutMs: minutes * 60_000,
      print: (text) => void process.stdout.write(text),
    });
    const code = exitCodeIn(report);
    const spent = ((performance.now() - startMs) / 60_000).toFixed(1);
    console.log(
      code === undefined
        ? `the machine did not finish (${end}) after ${spent} minutes`
        : `the machine is off after ${spent} minutes`,
    );
    return code ?? 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The emulated processor takes seconds to compile a program that the host compiles in a blink. */
async function warmCompileCache(directory: string): Promise<void> {
  const daemons = readdirSync(join(PROJECT, 'daemons')).map((name) => `daemons/${name}/main.ts`);
  for (const program of [...daemons, 'lab/demo.ts', 'src/cli/cli.ts']) {
    const argv = [process.execPath, join(PROJECT, program), '--help'];
    await attempt(argv, { environment: { NODE_COMPILE_CACHE: directory } });
  }
}

function exitCodeIn(report: string): number | undefined {
  try {
    return Number(readFileSync(join(report, 'exit-code'), 'utf8'));
  } catch {
    return undefined;
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
