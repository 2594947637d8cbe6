import type { JsonValue } from '#base/json.ts';
import type { Output } from '#engine/contract/output.ts';
import { isHostError } from './host-error.ts';
import type { StorePort } from './ports.ts';

interface Change {
  readonly table: string;
  readonly key: string;
  readonly value: JsonValue | undefined;
}

/**
 * Writes the records of a turn in one transaction. The daemon survives a store that refuses (disk
 * full): the writer keeps the latest value of each record and writes it once the store accepts
 * records again. Until then it tries only new records, because 100,000 may be waiting.
 */
export class RecordWriter {
  readonly #store: StorePort;
  readonly #backlog = new Map<string, Change>();
  #failures = 0;

  constructor(store: StorePort) {
    this.#store = store;
  }

  /** False when the store refused. */
  write(outputs: readonly Output[]): boolean {
    const changes: Change[] = [];
    for (const output of outputs) {
      if (output.kind === 'persist')
        changes.push({ table: output.table, key: output.key, value: output.value });
    }
    if (changes.length === 0) return true;
    if (!this.#apply(changes)) return false;
    return this.#backlog.size === 0 || this.#apply([...this.#backlog.values()]);
  }

  /** Tries one record of the backlog, then the rest. */
  flush(): boolean {
    const [first] = this.#backlog.values();
    if (first === undefined) return true;
    return (
      this.#apply([first]) && (this.#backlog.size === 0 || this.#apply([...this.#backlog.values()]))
    );
  }

  get failures(): number {
    return this.#failures;
  }

  get backlog(): number {
    return this.#backlog.size;
  }

  #apply(changes: readonly Change[]): boolean {
    const taken = this.#taken(changes);
    if (taken && this.#backlog.size === 0) return true;
    for (const change of changes) {
      const id = `${change.table}\0${change.key}`;
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
      return false;
    }
  }
}
