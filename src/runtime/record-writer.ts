import type { JsonValue, Output } from '#engine/contract.ts';
import type { StorePort } from './ports.ts';
import { isWorldError } from './world-error.ts';

interface Change {
  readonly table: string;
  readonly key: string;
  readonly value: JsonValue | undefined;
}

/**
 * Writes the records of a turn in one transaction. A store that refuses (disk full) does not stop the daemon: the latest value of
 * each record is kept and written with the next turn.
 */
export class RecordWriter {
  readonly #store: StorePort;
  #backlog = new Map<string, Change>();
  #failures = 0;

  constructor(store: StorePort) {
    this.#store = store;
  }

  /** False when the store refused. */
  write(outputs: readonly Output[]): boolean {
    const changes: Change[] = [];
    for (const output of outputs) {
      if (output.kind === 'persist') changes.push({ table: output.table, key: output.key, value: output.value });
    }
    return changes.length === 0 || this.#apply([...this.#backlog.values(), ...changes]);
  }

  /** Writes what an earlier refusal left. */
  flush(): boolean {
    return this.#backlog.size === 0 || this.#apply([...this.#backlog.values()]);
  }

  get failures(): number {
    return this.#failures;
  }

  get backlog(): number {
    return this.#backlog.size;
  }

  #apply(changes: readonly Change[]): boolean {
    try {
      this.#store.apply(changes);
      this.#backlog.clear();
      return true;
    } catch (thrown) {
      if (!isWorldError(thrown)) throw thrown;
      this.#failures++;
      this.#backlog = new Map(changes.map((change) => [`${change.table}\0${change.key}`, change]));
      return false;
    }
  }
}
