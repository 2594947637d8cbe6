/** Downloads one file with curl while the node moves, and records when the data stalled. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { inNamespace, waitFor } from '#lab/shell.ts';

/** Gaps shorter than this, in milliseconds, come from the server's pacing and are no stall. */
const NOTICED_MS = 8;

interface Silence {
  readonly fromMs: number;
  readonly untilMs: number;
}

interface DownloadResult {
  readonly octets: number;
  readonly sha256: string;
  readonly exitCode: number;
  readonly message: string;
}

/** The command that downloads `url` to its standard output. */
export function curl(url: string, ...options: readonly string[]): readonly string[] {
  return ['curl', '-sS', '--no-buffer', '-g', ...options, url];
}

export class Download implements Disposable {
  readonly result: Promise<DownloadResult>;
  readonly #child: ChildProcess;
  readonly #silences: Silence[] = [];
  #octets = 0;
  #lastMs = Number.NaN;
  #ended: DownloadResult | undefined;

  /**
   * `argv` is a command that writes the file to its standard output, as {@link curl} returns it.
   */
  constructor(namespace: string, argv: readonly string[]) {
    const [command = '', ...args] = inNamespace(namespace, argv);
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const hash = createHash('sha256');
    let message = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      message += text;
    });
    child.stdout.on('data', (chunk: Buffer) => {
      hash.update(chunk);
      this.#arrived(chunk.length);
    });
    this.#child = child;
    this.result = new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => {
        const sha256 = hash.digest('hex');
        this.#ended = {
          octets: this.#octets,
          sha256,
          exitCode: code ?? -1,
          message: message.trim(),
        };
        resolve(this.#ended);
      });
    });
  }

  get octets(): number {
    return this.#octets;
  }

  /** True if data arrived within the last 100 ms. Throws if no more can arrive. */
  get flowing(): boolean {
    if (this.#ended !== undefined)
      throw new Error(`a download has ended with ${this.#ended.exitCode}: ${this.#ended.message}`);
    return performance.now() - this.#lastMs < 100;
  }

  /** Resolves when the first octet has arrived. */
  async began(timeoutMs = 10_000): Promise<void> {
    await waitFor(() => this.flowing || this.#octets > 0, {
      timeoutMs,
      what: 'a download to begin',
    });
  }

  /**
   * Milliseconds of the longest gap that overlaps the time from `fromMs` to `untilMs`
   * (performance.now()).
   */
  stallMs(fromMs: number, untilMs: number): number {
    const current = { fromMs: this.#lastMs, untilMs: performance.now() };
    return [...this.#silences, current]
      .filter((silence) => silence.untilMs > fromMs && silence.fromMs < untilMs)
      .reduce((longest, silence) => Math.max(longest, silence.untilMs - silence.fromMs), 0);
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #arrived(octets: number): void {
    const now = performance.now();
    if (now - this.#lastMs > NOTICED_MS)
      this.#silences.push({ fromMs: this.#lastMs, untilMs: now });
    this.#lastMs = now;
    this.#octets += octets;
  }
}
