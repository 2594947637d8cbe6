import type { JsonValue } from '#base/json.ts';
import type { StorePort } from '#runtime/ports.ts';

/** Records in memory; `records` holds those that would survive a crash, by table and key. */
export class MemoryStore implements StorePort {
  readonly records = new Map<
    string,
    { readonly table: string; readonly key: string; readonly value: JsonValue }
  >();

  load(): Iterable<{ readonly table: string; readonly key: string; readonly value: JsonValue }> {
    return [...this.records.values()];
  }

  apply(
    changes: readonly {
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue | undefined;
    }[],
  ): void {
    for (const { table, key, value } of changes) {
      const id = `${table}\0${key}`;
      if (value === undefined) this.records.delete(id);
      else this.records.set(id, { table, key, value });
    }
  }

  close(): void {}
}
