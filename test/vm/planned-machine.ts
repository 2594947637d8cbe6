/** One virtual machine with its plan: what goes in and comes out by its report directory. */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan, TallyFile } from './plan.ts';
import { TallyFileSchema } from './plan.ts';
import { type MachineOptions, runMachine } from './virtual-machine.ts';

interface PlannedOptions extends Omit<MachineOptions, 'print'> {
  /** Directory of Node's compile cache, copied into the machine. */
  readonly compileCache: string;
  /** Precedes each line that the machine prints. */
  readonly label: string;
}

export interface Result {
  readonly exitCode: number;
  readonly tally: TallyFile;
}

/** Runs `plan` in a machine. A machine that does not finish counts as one failure. */
export async function runPlan(plan: Plan, options: PlannedOptions): Promise<Result> {
  const { report, label, compileCache } = options;
  rmSync(report, { recursive: true, force: true });
  mkdirSync(report, { recursive: true });
  // guest.sh names it too.
  cpSync(compileCache, join(report, 'compile-cache'), { recursive: true });
  writeFileSync(join(report, 'plan.json'), JSON.stringify(plan));
  const end = await runMachine({ ...options, print: linePrinter(label) });
  const exitCode = textIn(report, 'exit-code');
  if (exitCode === undefined) {
    const failures = [`${label}the machine did not finish (${end})`];
    return { exitCode: 1, tally: { passed: 0, failures } };
  }
  const tally = textIn(report, 'tally.json');
  return {
    exitCode: Number(exitCode),
    tally:
      tally === undefined ? { passed: 0, failures: [] } : TallyFileSchema.parse(JSON.parse(tally)),
  };
}

function textIn(directory: string, name: string): string | undefined {
  try {
    return readFileSync(join(directory, name), 'utf8');
  } catch {
    return undefined;
  }
}

/** Prints whole lines, so that those of two machines do not mix. */
function linePrinter(label: string): (text: string) => void {
  let rest = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) process.stdout.write(`${label}${line}\n`);
  };
}
