/**
 * nftables tables that vanish with the daemon.
 *
 * An `nft -i` child owns them (`flags owner`, Linux 5.12) and reads from the daemon's pipe. When
 * the daemon dies, by any signal, the pipe closes, nft ends, and the kernel removes the tables. On
 * a kernel without the owner flag, the daemon creates the tables at start and removes them at exit;
 * after a crash `removeTables` does (`sojourn cleanup`).
 */
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { SystemError } from '#host/process/system-error.ts';

type Nft = ChildProcessByStdio<Writable, Readable, Readable>;

const OPEN_DEADLINE_MS = 5_000;

export interface OwnTable {
  readonly family: 'ip' | 'ip6' | 'inet';
  readonly name: string;
}

const ELEMENTS_RETRY_MS = 1_000;

interface NftOptions {
  /** The feature that needs nft, for the error message if nft is missing. */
  readonly purpose: string;
  readonly tables: readonly OwnTable[];
  /** Lines in nft's language that fill the tables, which exist and are empty. */
  readonly rules: readonly string[];
  /** Called when the child ended unexpectedly, and the tables with it. */
  readonly onLost: (error: SystemError) => void;
  /** Called when nft refuses a later command. */
  readonly onRefused?: (error: SystemError) => void;
}

export interface NftChild {
  /** One transaction; `; ` separates commands. `onRefused` reports a refusal later. */
  command(line: string): void;
  /** Removes the tables; resolves when they are removed. */
  close(): Promise<void>;
}

/** Resolves when the tables are in force. Rejects with `SystemError` if nft fails or is missing. */
export async function openNft(options: NftOptions): Promise<NftChild> {
  try {
    return await openWith(options, 'flags owner;');
  } catch (thrown) {
    if (!(thrown instanceof SystemError) || thrown.code !== 'ENFTRULES') throw thrown;
    return openWith(options, '');
  }
}

/** Removes tables that a killed run left; does nothing without nft. Throws `SystemError`. */
export function removeTables(tables: readonly OwnTable[]): void {
  const { error, status, stderr } = spawnSync('nft', ['-f', '-'], {
    input: tables.flatMap(absent).join('\n'),
    encoding: 'utf8',
    timeout: OPEN_DEADLINE_MS,
  });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') return;
  if (error !== undefined) throw new SystemError('ENFT', `cannot run nft: ${error.message}`, error);
  if (status === 0) return;
  const code = stderr.includes('Operation not permitted') ? 'EPERM' : 'ENFTRULES';
  const names = tables.map(({ family, name }) => `${family} ${name}`).join(', ');
  throw new SystemError(code, `nft cannot remove the tables ${names}: ${stderr.trim()}`);
}

/** Adds before it deletes: deleting a table that does not exist would fail the transaction. */
function absent({ family, name }: OwnTable): readonly string[] {
  return [`add table ${family} ${name}`, `delete table ${family} ${name}`];
}

async function openWith(options: NftOptions, flags: string): Promise<NftChild> {
  // Detached, so that Ctrl-C in a terminal does not end nft before the daemon.
  const child = spawn('nft', ['-i'], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  // The child's exit reports a write after its death.
  child.stdin.on('error', () => {});
  try {
    await load(child, options, flags);
  } catch (thrown) {
    child.stdin.end();
    child.kill();
    await ended;
    throw thrown;
  }
  return new Child(child, ended, options);
}

/**
 * Elements of the sets of a daemon's own table. All are replaced by one transaction, once for the
 * changes of a step, and again while nft refuses that.
 */
export class NftElements {
  readonly #elements: () => string;
  #child: NftChild | undefined;
  #inForce = '';
  #changing = false;
  #retry: NodeJS.Timeout | undefined;

  /** `elements` gives the transaction for the present state. */
  constructor(elements: () => string) {
    this.#elements = elements;
  }

  /** The rules have the present elements. Rejects as `openNft` does. */
  async open(options: NftOptions & Required<Pick<NftOptions, 'onRefused'>>): Promise<void> {
    this.#inForce = this.#elements();
    this.#child = await openNft({
      ...options,
      onRefused: (error) => {
        options.onRefused(error);
        this.#inForce = '';
        this.#retry ??= setTimeout(() => this.#replace(), ELEMENTS_RETRY_MS).unref();
      },
    });
  }

  /** The state changed. */
  changed(): void {
    if (this.#changing) return;
    this.#changing = true;
    queueMicrotask(() => {
      this.#changing = false;
      this.#replace();
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#retry);
    await this.#child?.close();
  }

  #replace(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const elements = this.#elements();
    if (elements === this.#inForce) return;
    this.#inForce = elements;
    this.#child?.command(elements);
  }
}

/** Writes the rules and waits until nft lists the last table of them. */
function load(child: Nft, { purpose, tables, rules }: NftOptions, flags: string): Promise<void> {
  const last = tables.at(-1);
  const lines = [
    ...tables.flatMap((table) => [
      ...absent(table),
      `add table ${table.family} ${table.name} { ${flags} }`,
    ]),
    ...rules,
    `list tables ${last?.family ?? ''}`,
  ];
  return new Promise((resolve, reject) => {
    const refuse = (code: string, message: string): void => {
      clearTimeout(timer);
      reject(new SystemError(code, message));
    };
    const timer = setTimeout(() => refuse('ETIMEDOUT', 'nft does not answer'), OPEN_DEADLINE_MS);
    let printed = '';
    child.once('error', (cause) => {
      const missing = 'code' in cause && cause.code === 'ENOENT';
      const remedy = `${purpose} needs nft: apt-get install nftables`;
      refuse(
        missing ? 'ENFTMISSING' : 'ENFT',
        missing ? remedy : `cannot run nft: ${cause.message}`,
      );
    });
    child.once('exit', () => refuse('ENFT', `nft ended at once: ${printed}`));
    child.stderr.on('data', (chunk) =>
      refuse('ENFTRULES', `nft refuses the table: ${String(chunk).trim()}`),
    );
    child.stdout.on('data', (chunk) => {
      printed += String(chunk);
      if (!printed.includes(`table ${last?.family} ${last?.name}`)) return;
      clearTimeout(timer);
      child.stdout.removeAllListeners('data').resume();
      child.stderr.removeAllListeners('data').resume();
      resolve();
    });
    child.stdin.write(`${lines.join('\n')}\n`);
  });
}

class Child implements NftChild {
  readonly #child: Nft;
  readonly #ended: Promise<void>;
  readonly #options: NftOptions;
  #closing = false;

  constructor(child: Nft, ended: Promise<void>, options: NftOptions) {
    this.#child = child;
    this.#ended = ended;
    this.#options = options;
    child.removeAllListeners('exit');
    child.once('exit', () => {
      if (!this.#closing)
        options.onLost(new SystemError('ENFT', 'nft ended, and its tables with it'));
    });
    const { onRefused } = options;
    if (onRefused !== undefined)
      child.stderr.on('data', (chunk) => {
        if (!this.#closing)
          onRefused(new SystemError('ENFTRULES', `nft refuses a change: ${String(chunk).trim()}`));
      });
    child.unref();
  }

  command(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#child.ref();
      const lines = this.#options.tables.map(
        ({ family, name }) => `delete table ${family} ${name}\n`,
      );
      this.#child.stdin.end(lines.join(''));
    }
    await this.#ended;
  }
}
