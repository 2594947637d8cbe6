/**
 * A store that keeps a daemon running whatever happens to its file: a full or read-only disk, a
 * missing directory, a damaged file, another process that holds it.
 *
 * While the file is not usable, all records are in memory, also those that could be read from it,
 * and each change throws, at most once a second after a new attempt. The first attempt that
 * succeeds writes the whole state, so that nothing is lost once the disk accepts it.
 */
import { existsSync, renameSync, rmSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '#base/json.ts';
import type { StorePort } from '#runtime/ports.ts';
import { openReadOnlyCopy, StoreError } from './database.ts';
import { openSqliteStore, recordsOf } from './sqlite.ts';

interface StoredRecord {
  readonly table: string;
  readonly key: string;
  readonly value: JsonValue;
}

type Changes = Parameters<StorePort['apply']>[0];

/** Between two attempts to open the file. */
const ATTEMPT_INTERVAL_MS = 1_000;
const PARTS = ['', '-wal', '-shm'] as const;

const idOf = ({ table, key }: { readonly table: string; readonly key: string }): string =>
  `${table}\0${key}`;

/** `scratch` is a directory in memory, for a copy of a file that cannot be opened where it is. */
export function openLastingStore(
  file: string,
  scratch: string,
  nowMs: () => number = () => performance.now(),
): StorePort {
  return new LastingStore(file, scratch, nowMs);
}

class LastingStore implements StorePort {
  readonly #file: string;
  readonly #scratch: string;
  readonly #nowMs: () => number;
  #store: StorePort | undefined;
  /** Everything, while there is no usable file. */
  readonly #records = new Map<string, StoredRecord>();
  #fault: StoreError | undefined;
  #attemptAtMs = 0;

  constructor(file: string, scratch: string, nowMs: () => number) {
    this.#file = file;
    this.#scratch = scratch;
    this.#nowMs = nowMs;
    try {
      this.#store = openSqliteStore(file);
    } catch (thrown) {
      this.#lose(faultOf(thrown));
    }
  }

  /** Why changes do not reach the disk; undefined while they do. */
  get fault(): string | undefined {
    return this.#fault?.message;
  }

  *load(): Iterable<StoredRecord> {
    let last = '';
    try {
      for (const record of this.#store?.load() ?? []) {
        last = idOf(record);
        yield record;
      }
    } catch (thrown) {
      this.#lose(faultOf(thrown));
    }
    for (const [id, record] of this.#records) if (id > last) yield record;
  }

  apply(changes: Changes): void {
    try {
      if (this.#store !== undefined) {
        this.#store.apply(changes);
        return;
      }
    } catch (thrown) {
      const fault = faultOf(thrown);
      // A full disk leaves the file as it is; the caller keeps the changes and tries again.
      if (fault.code !== 'STORE_CORRUPT') throw fault;
      this.#lose(fault);
    }
    for (const change of changes) {
      const { table, key, value } = change;
      if (value === undefined) this.#records.delete(idOf(change));
      else this.#records.set(idOf(change), { table, key, value });
    }
    if (this.#nowMs() >= this.#attemptAtMs) this.#attempt();
    if (this.#fault !== undefined) throw this.#fault;
  }

  close(): void {
    if (this.#store === undefined) this.#attempt();
    this.#store?.close();
  }

  #attempt(): void {
    this.#attemptAtMs = this.#nowMs() + ATTEMPT_INTERVAL_MS;
    let store: StorePort | undefined;
    try {
      store = openSqliteStore(this.#file);
      const stale = [...store.load()].filter((record) => !this.#records.has(idOf(record)));
      const changes = [...stale.map((one) => ({ ...one, value: undefined })), ...this.#all()];
      store.apply(changes.map((change) => ({ ...change, isDurable: true })));
      this.#store = store;
      this.#fault = undefined;
      this.#records.clear();
    } catch (thrown) {
      store?.close();
      this.#fault = faultOf(thrown);
    }
  }

  #all(): Iterable<StoredRecord> {
    return this.#records.values();
  }

  /** From now on all records are in memory: first those that the file still gives. */
  #lose(fault: StoreError): void {
    this.#fault = fault;
    this.#attemptAtMs = this.#nowMs() + ATTEMPT_INTERVAL_MS;
    this.#store?.close();
    this.#store = undefined;
    // The records of a newer version are not for this one.
    if (fault.code === 'STORE_VERSION') return;
    for (const record of this.#salvaged()) this.#records.set(idOf(record), record);
    if (fault.code !== 'STORE_CORRUPT') return;
    try {
      setAside(this.#file);
      this.#attemptAtMs = 0;
    } catch {
      // The disk is read-only as well; the next attempt says so.
    }
  }

  #salvaged(): readonly StoredRecord[] {
    const records: StoredRecord[] = [];
    let database: DatabaseSync | undefined;
    try {
      database = openReadOnlyCopy(this.#file, this.#scratch);
      for (const record of recordsOf(database)) records.push(record);
    } catch {
      // What comes before the damage counts.
    }
    database?.close();
    return records;
  }
}

/** Errors other than the store's are bugs of this program. */
function faultOf(thrown: unknown): StoreError {
  if (thrown instanceof StoreError) return thrown;
  throw thrown;
}

/** Keeps a damaged file for the operator, in place of an earlier one. */
function setAside(file: string): void {
  for (const part of PARTS) {
    rmSync(`${file}.damaged${part}`, { force: true });
    if (existsSync(`${file}${part}`)) renameSync(`${file}${part}`, `${file}.damaged${part}`);
  }
}
