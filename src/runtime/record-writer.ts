import type { JsonObject, JsonValue } from '#base/json.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import { isHostError } from './host-error.ts';
import type { StorePort } from './ports.ts';

interface Change {
  readonly table: string;
  readonly key: string;
  readonly value: JsonValue | undefined;
  readonly isDurable?: boolean;
}

/** First and longest wait before a store that refuses is tried again without a new record. */
const RETRY_FIRST_MS = 1_000;
const RETRY_LONGEST_MS = 30_000;

/**
 * Writes the records of a turn in one transaction. The daemon survives a store that refuses (disk
 * full): the writer keeps the latest value of each record and writes it once the store accepts
 * records again. Until then it tries only new records, because 100,000 may be waiting.
 */
export class RecordWriter {
  readonly #store: StorePort;
  readonly #backlog = new Map<string, Change>();
  #failures = 0;
  #fault: string | undefined;
  /** Of the last refusal. */
  #reason = '';
  #retryAt: Monotonic = NEVER;
  #retryMs = RETRY_FIRST_MS;

  readonly #changed: (fault: string | undefined) => void;

  /** `changed` is called when records begin to wait, with the reason, and when none waits again. */
  constructor(store: StorePort, changed: (fault: string | undefined) => void = () => {}) {
    this.#store = store;
    this.#changed = changed;
  }

  /** Call once the store's records are loaded: reading may have found it damaged. */
  start(now: Monotonic): void {
    const { fault } = this.#store;
    if (fault === undefined) return;
    this.#failures++;
    this.#retryAt = after(now, this.#retryMs);
    this.#setFault(fault);
  }

  /** False when the store refused. */
  write(now: Monotonic, outputs: readonly Output[]): boolean {
    const changes: Change[] = [];
    for (const output of outputs) {
      if (output.kind !== 'persist') continue;
      const { kind: _, ...change } = output;
      changes.push(change);
    }
    if (changes.length === 0) return true;
    const done =
      this.#apply(changes) &&
      (this.#backlog.size === 0 || this.#apply([...this.#backlog.values()]));
    this.#setFault(done ? undefined : this.#reason);
    if (!done && this.#retryAt === NEVER) this.#retryAt = after(now, this.#retryMs);
    return done;
  }

  /** Tries one record of the backlog, then the rest. */
  flush(): boolean {
    if (this.#backlog.size === 0 && this.#fault === undefined) return true;
    const [first] = this.#backlog.values();
    const done =
      this.#apply(first === undefined ? [] : [first]) &&
      (this.#backlog.size === 0 || this.#apply([...this.#backlog.values()]));
    this.#setFault(done ? undefined : this.#reason);
    return done;
  }

  /** When `tick` is due. */
  deadline(): Monotonic {
    return this.#retryAt;
  }

  tick(now: Monotonic): void {
    if (now < this.#retryAt) return;
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_LONGEST_MS);
    this.#retryAt = after(now, this.#retryMs);
    this.flush();
  }

  get backlog(): number {
    return this.#backlog.size;
  }

  /** The latest value of the record is not on disk. */
  isWaiting(record: { readonly table: string; readonly key: string } | undefined): boolean {
    return record !== undefined && this.#backlog.has(idOf(record));
  }

  status(): JsonObject {
    return {
      storeFailures: this.#failures,
      storeBacklog: this.#backlog.size,
      ...(this.#fault === undefined ? {} : { storeFault: this.#fault }),
    };
  }

  #setFault(fault: string | undefined): void {
    const before = this.#fault;
    this.#fault = fault;
    if (fault === undefined) {
      this.#retryAt = NEVER;
      this.#retryMs = RETRY_FIRST_MS;
    }
    if ((before === undefined) !== (fault === undefined)) this.#changed(fault);
  }

  #apply(changes: readonly Change[]): boolean {
    const taken = this.#taken(changes);
    if (taken && this.#backlog.size === 0) return true;
    for (const change of changes) {
      const id = idOf(change);
      this.#backlog.delete(id);
      if (!taken) this.#backlog.set(id, change);
    }
    return taken;
  }

  #taken(changes: readonly Change[]): boolean {
    try {
      this.#store.apply(changes);
      return true;
    } catch (thrown) {
      if (!isHostError(thrown)) throw thrown;
      this.#failures++;
      this.#reason = thrown.message;
      return false;
    }
  }
}

function idOf({ table, key }: { readonly table: string; readonly key: string }): string {
  return `${table}\0${key}`;
}
