/**
 * The two probes of a handover measurement (native/tools/probe.cc) and their logs. Times are
 * CLOCK_MONOTONIC microseconds.
 */
import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import type { ProcessSpawner } from '#lab/daemons.ts';
import type { Background } from '#lab/shell.ts';

const PROGRAM = new URL('../../native/build/sojourn-probe', import.meta.url).pathname;
const PORT = 40_000;

export interface ProbeEnd {
  readonly namespace: string;
  readonly address: string;
}

interface ProbeOptions {
  readonly sends: boolean;
  /** Interface whose addresses and default routes are watched. */
  readonly watch?: string;
  readonly intervalUs: number;
  readonly logName: string;
}

interface Received {
  readonly atUs: number;
  readonly sentUs: number;
}

/** An address or default route that became usable on the watched interface. */
interface Usable {
  readonly atUs: number;
  readonly what: 'address' | 'route';
  readonly family: 4 | 6;
}

/** One running probe. Each read of its log continues where the last one ended. */
export class Probe {
  readonly #process: Background;
  readonly #chunk = Buffer.alloc(1 << 16);
  #offset = 0;
  #rest = '';
  #received: Received[] = [];
  #usable: Usable[] = [];

  private constructor(process: Background) {
    this.#process = process;
  }

  static async start(
    spawner: ProcessSpawner,
    own: ProbeEnd,
    peer: ProbeEnd,
    options: ProbeOptions,
  ): Promise<Probe> {
    if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: make -C native/tools`);
    const argv = [PROGRAM, '--bind', own.address, '--port', String(PORT), '--peer', peer.address];
    argv.push('--peer-port', String(PORT), '--interval-us', String(options.intervalUs));
    if (!options.sends) argv.push('--receive-only');
    if (options.watch !== undefined) argv.push('--watch', options.watch);
    const process = spawner.spawn(own.namespace, argv, { logName: options.logName });
    await process.ready('ready');
    return new Probe(process);
  }

  /** Discards the events read so far. */
  forget(): void {
    this.#read();
    this.#received = [];
    this.#usable = [];
  }

  /** Packets received since the last {@link forget}, oldest first. */
  received(): readonly Received[] {
    this.#read();
    return this.#received;
  }

  usable(): readonly Usable[] {
    this.#read();
    return this.#usable;
  }

  async stop(): Promise<void> {
    const { code, stderr } = await this.#process.stop('SIGTERM');
    if (code !== 0) throw new Error(`probe: ${code} ${stderr}`);
  }

  #read(): void {
    if (this.#process.finished !== undefined)
      throw new Error(`the probe ended: ${this.#process.output().slice(-500)}`);
    const file = openSync(this.#process.logFile, 'r');
    for (;;) {
      const count = readSync(file, this.#chunk, 0, this.#chunk.length, this.#offset);
      if (count === 0) break;
      this.#offset += count;
      const lines = (this.#rest + this.#chunk.toString('latin1', 0, count)).split('\n');
      this.#rest = lines.pop() ?? '';
      for (const line of lines) this.#note(line);
    }
    closeSync(file);
  }

  #note(line: string): void {
    const [time = '', what = '', first = '', second = ''] = line.split(' ');
    const atUs = Number(time);
    if (what === 'received') this.#received.push({ atUs, sentUs: Number(second) });
    else if (what === 'address')
      this.#usable.push({ atUs, what, family: first.includes(':') ? 6 : 4 });
    else if (what === 'route') this.#usable.push({ atUs, what, family: first === '6' ? 6 : 4 });
  }
}
