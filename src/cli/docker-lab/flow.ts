/**
 * A download in a container that continues while nodes move: the octets received, the longest
 * interruption, and whether each octet is right.
 */
import type { ChildProcess } from 'node:child_process';
import { executing } from './docker.ts';
import { dockerName } from './topology.ts';

interface FlowEnd {
  readonly octets: number;
  readonly expected: number;
  readonly right: boolean;
  /** curl's exit code: 0, or that of a reset, a timeout, …. */
  readonly exitCode: number;
}

export interface FlowOptions {
  readonly container: string;
  /** `http://[2001:db8::1]/file`, without its query. */
  readonly url: string;
  readonly octets: number;
  readonly octetsPerSecond: number;
  /** Additional arguments of curl: `--interface`, `-4`. */
  readonly curl?: readonly string[];
}

export class Flow {
  readonly ended: Promise<FlowEnd>;
  readonly #options: FlowOptions;
  readonly #child: ChildProcess;
  readonly #gaps: { readonly from: number; readonly until: number }[] = [];
  #octets = 0;
  #right = true;
  #last = performance.now();
  #done = false;

  constructor(options: FlowOptions) {
    this.#options = options;
    const { container, url, octets, octetsPerSecond, curl = [] } = options;
    const source = `${url}?octets=${octets}&pace=${octetsPerSecond}`;
    this.#child = executing(
      dockerName(container),
      'curl',
      '-sSgN',
      '--connect-timeout',
      '20',
      ...curl,
      source,
    );
    this.#child.stdout?.on('data', (chunk: Buffer) => this.#arrived(chunk));
    this.ended = new Promise((resolve, reject) => {
      this.#child.on('error', reject);
      this.#child.on('close', (code) => {
        this.#done = true;
        resolve({
          octets: this.#octets,
          expected: octets,
          right: this.#right,
          exitCode: code ?? 1,
        });
      });
    });
  }

  get octets(): number {
    return this.#octets;
  }

  get done(): boolean {
    return this.#done;
  }

  /** Whether data arrived after `from` (performance.now()). */
  flowsSince(from: number): boolean {
    return this.#last > from;
  }

  /** Milliseconds of the longest interruption since `from`. */
  stallSince(from: number): number {
    const present = { from: this.#last, until: performance.now() };
    return [...this.#gaps, present]
      .filter((gap) => gap.until > from)
      .reduce((longest, gap) => Math.max(longest, gap.until - gap.from), 0);
  }

  stop(): void {
    this.#child.kill('SIGTERM');
  }

  #arrived(chunk: Buffer): void {
    const now = performance.now();
    this.#gaps.push({ from: this.#last, until: now });
    if (this.#gaps.length > 20_000) this.#gaps.splice(0, 10_000);
    this.#last = now;
    // The content that the lab's web servers send (docker/lab/file-server.ts).
    for (let index = 0; index < chunk.length && this.#right; index += 1) {
      const at = this.#octets + index;
      this.#right = chunk[index] === ((at * 31 + Math.floor(at / 256)) & 0xff);
    }
    this.#octets += chunk.length;
  }

  toString(): string {
    return `${this.#options.container}: ${this.#options.url}`;
  }
}
