/** A real ping in the background, with a record of every answer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { hex } from '#base/bytes.ts';
import { inNamespace } from '#lab/shell.ts';
import { PAYLOAD_MARKER } from './digested-file.ts';

interface Answer {
  readonly sequence: number;
  readonly atMs: number;
}

const ANSWER = /icmp_seq=(\d+) .*time=/;

export class Pinger implements Disposable {
  readonly #child: ChildProcess;
  readonly #answers: Answer[] = [];

  /**
   * Pings an address or name from `namespace` every `intervalMs` (the minimum of ping is 2 ms),
   * with the marker in its payload; `wrap` wraps the command before it is run.
   */
  constructor(
    namespace: string,
    address: string,
    intervalMs: number,
    wrap: (argv: readonly string[]) => readonly string[] = (argv) => argv,
  ) {
    const interval = ['-i', String(intervalMs / 1000)];
    const argv = ['ping', '-n', ...interval, '-p', hex(PAYLOAD_MARKER), address];
    const [command = '', ...args] = inNamespace(namespace, wrap(argv));
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    createInterface({ input: child.stdout }).on('line', (line) => {
      const match = ANSWER.exec(line);
      if (match?.[1] !== undefined)
        this.#answers.push({ sequence: Number(match[1]), atMs: performance.now() });
    });
    this.#child = child;
  }

  get received(): number {
    return this.#answers.length;
  }

  /**
   * Unanswered requests between the last answer before `fromMs` and the last answer before
   * `untilMs`.
   */
  lost(fromMs: number, untilMs: number): number {
    const before = this.#answers.findLast((answer) => answer.atMs < fromMs);
    const inside = this.#answers.filter((answer) => answer.atMs >= fromMs && answer.atMs < untilMs);
    const last = inside.at(-1);
    if (last === undefined) return Number.NaN;
    const first = before?.sequence ?? (inside[0]?.sequence ?? 1) - 1;
    const highest = inside.reduce((most, answer) => Math.max(most, answer.sequence), first);
    return (
      highest -
      first -
      new Set(inside.map((answer) => answer.sequence).filter((sequence) => sequence > first)).size
    );
  }

  /** Time of the first answer at or after `fromMs`. */
  firstAnswerMs(fromMs: number): number | undefined {
    return this.#answers.find((answer) => answer.atMs >= fromMs)?.atMs;
  }

  stop(): void {
    this.#child.kill('SIGINT');
  }

  [Symbol.dispose](): void {
    this.stop();
  }
}
