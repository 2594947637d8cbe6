/** Exchanges lines with scripts of the tests in network namespaces. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { inNamespace, waitFor } from '#lab/shell.ts';

/** A child process that reads and writes lines. */
export class LineProcess implements Disposable {
  readonly lines: string[] = [];
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly exited: Promise<void>;

  constructor(namespace: string, script: string, ...parameters: readonly string[]) {
    const file = join(import.meta.dirname, script);
    const [program = '', ...argv] = inNamespace(namespace, [process.execPath, file, ...parameters]);
    this.#child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(this.#child.stdout).on('line', (line) => this.lines.push(line));
    this.exited = new Promise((resolve) => this.#child.once('exit', () => resolve()));
  }

  send(value: unknown): void {
    this.#child.stdin.write(`${typeof value === 'string' ? value : JSON.stringify(value)}\n`);
  }

  async until(line: string | RegExp): Promise<void> {
    const is = (one: string): boolean => (typeof line === 'string' ? one === line : line.test(one));
    await waitFor(() => this.lines.some(is), {
      timeoutMs: 10_000,
      what: `${line}, not ${this.lines.join('; ')}`,
    });
  }

  /** Sends one more line and returns the answer; undefined if none arrives in time. */
  async ask(timeoutMs = 10_000): Promise<string | undefined> {
    const before = this.lines.length;
    this.send('x');
    const more = () => this.lines.length > before;
    await waitFor(more, { timeoutMs, what: 'an answer' }).catch(() => undefined);
    return this.lines[before];
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.exited;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL');
  }
}
