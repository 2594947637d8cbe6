/**
 * A Docker engine for the tests: the running one, or one that they start and stop.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '#lab/shell.ts';

interface Result {
  readonly code: number;
  readonly output: string;
}

const REPOSITORY = new URL('../..', import.meta.url).pathname;

/** Runs a program in the repository; returns its exit code and output. */
export function execute(...argv: readonly string[]): Promise<Result> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { cwd: REPOSITORY, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output }));
  });
}

function answers(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore' }).status === 0;
}

/** The disposal stops an engine that this process started. */
export class Engine implements AsyncDisposable {
  readonly #child: ChildProcess | undefined;

  private constructor(child: ChildProcess | undefined) {
    this.#child = child;
  }

  /** Docker's data directory remains, so that the next run finds the images. */
  static async start(): Promise<Engine> {
    if (answers()) return new Engine(undefined);
    const log = join(mkdtempSync(join(tmpdir(), 'sojourn-docker-')), 'dockerd.log');
    const out = openSync(log, 'w');
    const child = spawn('dockerd', [], { stdio: ['ignore', out, out], detached: true });
    await waitFor(
      () => {
        if (child.exitCode !== null)
          throw new Error(`dockerd ended:\n${readFileSync(log, 'utf8').slice(-2000)}`);
        return answers();
      },
      { timeoutMs: 60_000, what: 'dockerd to answer', intervalMs: 500 },
    );
    return new Engine(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
}
