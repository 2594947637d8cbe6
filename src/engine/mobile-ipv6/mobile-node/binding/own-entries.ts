/**
 * The entries of the node's Binding Update List that one registration made.
 *
 * RFC 6275 §11.1
 */
import type {
  BindingUpdateList,
  BindingUpdateListEntry,
  BindingUpdateListKey,
} from '#engine/mobile-ipv6/common/binding-update-list.ts';

export class OwnEntries {
  readonly #list: BindingUpdateList;
  #keys: readonly BindingUpdateListKey[] = [];

  constructor(list: BindingUpdateList) {
    this.#list = list;
  }

  get any(): boolean {
    return this.#keys.length > 0;
  }

  get(): readonly BindingUpdateListEntry[] {
    return this.#keys.map((key) => this.#list.get(key)).filter((entry) => entry !== undefined);
  }

  replace(entries: readonly BindingUpdateListEntry[]): void {
    this.delete();
    for (const entry of entries) this.#list.put(entry);
    this.#keys = entries;
  }

  delete(): void {
    for (const key of this.#keys) this.#list.delete(key);
    this.#keys = [];
  }
}
