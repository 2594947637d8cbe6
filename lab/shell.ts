import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { searchPath } from './enter.ts';

/** Options of a command. `namespace` is a name under /run/netns; `input` goes to standard input. */
export interface RunOptions {
  readonly namespace?: string | undefined;
  readonly input?: string | undefined;
  /** The command is killed and the call fails after this time; default 60 s. */
  readonly timeoutMs?: number | undefined;
  readonly environment?: Readonly<Record<string, string>> | undefined;
  readonly directory?: string | undefined;
}

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  /**
   * Exit code; 128 + signal number is not used: a command ended by a signal has `signal` set and
   * code -1.
   */
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

/** A failed command, with its arguments, namespace, exit status and output. */
export class CommandError extends Error {
  readonly finished: Finished;

  constructor(argv: readonly string[], options: RunOptions, finished: Finished) {
    const where = options.namespace === undefined ? '' : ` in namespace ${options.namespace}`;
    const end =
      finished.signal === null ? `exit code ${finished.code}` : `signal ${finished.signal}`;
    const message = (finished.stderr.trim() || finished.stdout.trim()).slice(-2000);
    super(`${argv.join(' ').slice(0, 500)}${where}: ${end}${message === '' ? '' : `\n${message}`}`);
    this.name = 'CommandError';
    this.finished = finished;
  }
}

const MOST_PROCESSES = 16;
let running = 0;
const queue: (() => void)[] = [];

async function acquireSlot(): Promise<Disposable> {
  if (running >= MOST_PROCESSES) await new Promise<void>((resolve) => queue.push(resolve));
  running += 1;
  return {
    [Symbol.dispose]: () => {
      running -= 1;
      queue.shift()?.();
    },
  };
}

/**
 * The argument vector that runs a command in a network namespace. `nsenter`, because `ip netns
 * exec` also mounts /sys, which a user namespace may not. nsenter replaces itself by the command,
 * so the process id is the command's own.
 */
export function inNamespace(
  namespace: string | undefined,
  argv: readonly string[],
): readonly string[] {
  return namespace === undefined
    ? argv
    : ['nsenter', `--net=/run/netns/${namespace}`, '--', ...argv];
}

/**
 * Runs a command to its end and returns its exit status and output; throws only when the command
 * cannot be started or takes too long.
 */
export async function attempt(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<Finished> {
  using _ = await acquireSlot();
  const [command = '', ...args] = inNamespace(options.namespace, argv);
  const child = spawn(command, args, {
    stdio: 'pipe',
    env: environment(options),
    ...(options.directory === undefined ? {} : { cwd: options.directory }),
  });
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  const stdout: string[] = [];
  const stderr: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => stdout.push(text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const timeoutMs = options.timeoutMs ?? 60_000;
  const timer = setTimeout(() => {
    child.kill('SIGKILL');
    reject(
      new Error(
        `${argv.join(' ')}: not finished after ${timeoutMs} ms\n${stderr.join('').slice(-2000)}`,
      ),
    );
  }, timeoutMs);
  child.on('error', reject);
  child.on('close', (code, signal) => {
    resolve({ stdout: stdout.join(''), stderr: stderr.join(''), code: code ?? -1, signal });
  });
  return await promise.finally(() => clearTimeout(timer));
}

/**
 * Runs a command and returns its standard output. Throws {@link CommandError} on any exit code but
 * 0.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const finished = await attempt(argv, options);
  if (finished.code !== 0) throw new CommandError(argv, options, finished);
  return finished.stdout;
}

/** Like {@link run}, but synchronous; for clean-up. */
export function runSync(argv: readonly string[], options: RunOptions = {}): string {
  const [command = '', ...args] = inNamespace(options.namespace, argv);
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    input: options.input ?? '',
    timeout: options.timeoutMs ?? 60_000,
    env: environment(options),
  });
  if (result.error !== undefined) throw result.error;
  const finished = {
    stdout: result.stdout,
    stderr: result.stderr,
    code: result.status ?? -1,
    signal: result.signal,
  };
  if (finished.code !== 0) throw new CommandError(argv, options, finished);
  return finished.stdout;
}

/**
 * Runs many `ip` commands (without the leading `ip`) in one process. With `force` it continues
 * after a failed command.
 */
export async function ipBatch(
  commands: readonly string[],
  options: { readonly namespace?: string; readonly force?: boolean } = {},
): Promise<void> {
  const argv = ['ip', ...(options.force === true ? ['-force'] : []), '-batch', '-'];
  const input = `${commands.join('\n')}\n`;
  const finished = await attempt(argv, { namespace: options.namespace, input });
  if (finished.code !== 0 && options.force !== true)
    throw new CommandError(argv, options, finished);
}

/** Removes namespaces; those that a crashed test left, too. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  const commands = names.map((name) => `netns delete ${name}`);
  if (names.length > 0) await ipBatch(commands, { force: true });
}

function environment(options: RunOptions): NodeJS.ProcessEnv {
  return { ...process.env, PATH: searchPath(), ...options.environment };
}

interface BackgroundOptions extends RunOptions {
  /** File that standard output and standard error are written to. */
  readonly logFile: string;
}

/** A background process. Its output goes to a file; disposing it ends it. */
export class Background implements AsyncDisposable {
  readonly argv: readonly string[];
  readonly logFile: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<Finished>;
  /** Offset of this process's output: the file may contain output of an earlier process. */
  readonly #outputAt: number;
  #finished: Finished | undefined;

  constructor(argv: readonly string[], options: BackgroundOptions) {
    this.argv = argv;
    this.logFile = options.logFile;
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, 'a');
    this.#outputAt = fstatSync(log).size;
    const [command = '', ...args] = inNamespace(options.namespace, argv);
    this.#child = spawn(command, args, {
      stdio: ['ignore', log, log],
      env: environment(options),
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
    });
    closeSync(log);
    const { promise, resolve } = Promise.withResolvers<Finished>();
    const end = (code: number, signal: NodeJS.Signals | null, stderr: string): void => {
      this.#finished = { stdout: this.output(), stderr, code, signal };
      resolve(this.#finished);
    };
    this.#child.on('error', (error) => end(127, null, error.message));
    this.#child.on('exit', (code, signal) => end(code ?? -1, signal, ''));
    this.#exited = promise;
  }

  /** Process id of the command itself (in the lab's PID namespace). */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Exit code; undefined while it runs. */
  get finished(): Finished | undefined {
    return this.#finished;
  }

  /** Resolves when it has ended, with any exit code. */
  get exited(): Promise<Finished> {
    return this.#exited;
  }

  /** The output so far. */
  output(): string {
    return readFileSync(this.logFile).toString('utf8', this.#outputAt);
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.#child.kill(signal);
  }

  /**
   * Waits until its output contains `text`; throws with the output if it ends before that or the
   * time expires.
   */
  async ready(text: string | RegExp, timeoutMs = 10_000): Promise<void> {
    const what = `${this.argv.slice(0, 3).join(' ')} to say ${text}`;
    await waitFor(
      () => {
        const output = this.output();
        if (typeof text === 'string' ? output.includes(text) : text.test(output)) return true;
        if (this.#finished !== undefined) {
          throw new Error(
            `${this.argv.join(' ')} ended (${this.#finished.code}) before it was ` +
              `ready:\n${output}${this.#finished.stderr}`,
          );
        }
        return false;
      },
      { timeoutMs, what },
    );
  }

  /** Stops it with the signal, and with SIGKILL if it still runs after `graceMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 3_000): Promise<Finished> {
    if (this.#finished !== undefined) return this.#finished;
    this.kill(signal);
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs);
    return await this.#exited.finally(() => clearTimeout(timer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

interface WaitOptions {
  readonly timeoutMs: number;
  /** Description of the condition, for the error message. */
  readonly what: string;
  readonly intervalMs?: number;
}

/**
 * Polls `condition` until it returns a value other than undefined or false, and returns that value.
 * Throws after `timeoutMs`.
 */
export async function waitFor<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  options: WaitOptions,
): Promise<T> {
  const endMs = nowMs() + options.timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (nowMs() > endMs) throw new Error(`waited ${options.timeoutMs} ms for ${options.what}`);
    await new Promise((resolve) => setTimeout(resolve, options.intervalMs ?? 5));
  }
}

/**
 * CLOCK_MONOTONIC in milliseconds: the same clock in every process and namespace of the machine.
 */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
