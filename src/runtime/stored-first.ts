/** Desired state that must not take effect before a record is on disk. */
import type { Output } from '#engine/contract/output.ts';
import type { RecordWriter } from './record-writer.ts';

type SetDesired = Extract<Output, { readonly kind: 'set-desired' }>;

export class StoredFirst {
  readonly #records: Pick<RecordWriter, 'isWaiting'>;
  /** The latest output for each part whose record waits for a store that refuses. */
  readonly #held = new Map<string, SetDesired>();

  constructor(records: Pick<RecordWriter, 'isWaiting'>) {
    this.#records = records;
  }

  /** False: the output is held. It replaces a former one of the same part. */
  admit(output: SetDesired): boolean {
    this.#held.delete(output.key);
    if (!this.#records.isWaiting(output.requires)) return true;
    this.#held.set(output.key, output);
    return false;
  }

  /** `outputs` behind those whose records have been stored meanwhile. */
  withStored(outputs: readonly Output[]): readonly Output[] {
    if (this.#held.size === 0) return outputs;
    const stored = [...this.#held.values()].filter(
      ({ requires }) => !this.#records.isWaiting(requires),
    );
    return [...stored, ...outputs];
  }
}
