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
 * Writes the records of a turn in one transaction. A store that refuses (disk full) does not stop
 * the daemon: the latest value of each record is kept and written when the store takes records
 * again. Until then no more is tried than what is new: there may be a hundred thousand waiting.
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

  /** Writes what earlier refusals left. */
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
