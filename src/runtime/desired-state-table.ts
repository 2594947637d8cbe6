/**
 * The desired and the applied state of one kind.
 *
 * Several parts may desire the same item: it stays as long as one of them does. The cost of every
 * call is proportional to the changes since the last apply, because a home agent has hundreds of
 * thousands of items.
 */
import type { DesiredPart } from '#engine/contract/desired-state.ts';

/**
 * Distinguishes the items of a kind. An existing number or text is used as it is and costs no
 * memory.
 */
export type ItemKey = string | number;

/**
 * One kind of desired state: how its items are distinguished, compared, applied and removed. `P` is
 * the ports that apply them. All functions that reach the host throw a `HostError` when it refuses.
 */
export interface DesiredKind<V, P> {
  /** For logs and `status`: an item is shown as `name key`, so neither may have a secret in it. */
  readonly name: string;
  /** Two items with one key cannot exist side by side in the host. */
  keyOf(item: V): ItemKey;
  /** Whether an applied item needs no call to become `desired`; the keys are equal. */
  equal(applied: V, desired: V): boolean;
  /** Adds the item, or changes `applied` into it. Harmless when the host has it already. */
  apply(ports: P, item: V, applied: V | undefined): void;
  /** Harmless when the host does not have it. */
  remove(ports: P, item: V): void;
}

/** Calls `body`; false when the host refused, and the item stays pending. */
export type AttemptHostChange = (kind: string, key: ItemKey, body: () => void) => boolean;

/** An item that several parts desire, that is not applied yet, or that was applied otherwise. */
class UnsettledItem<V> {
  /** One entry for each part that desires it; the latest counts. */
  readonly desired: V[] = [];
  applied: V | undefined;
  /** `applied` may have vanished from the host: apply it again, and still remove it at the end. */
  mustReapply = false;
}

export class DesiredStateTable<V extends object, P> {
  readonly #kind: DesiredKind<V, P>;
  readonly #itemsOf: (part: DesiredPart) => readonly V[] | undefined;
  readonly #ports: P;
  /** A plain `V` is applied and desired by one part. Nearly all items are in that state. */
  readonly #items = new Map<ItemKey, V | UnsettledItem<V>>();
  /** Keys whose items may differ from the host. */
  readonly #touched = new Set<ItemKey>();
  /** Keys whose last change the host refused. */
  readonly #pending = new Set<ItemKey>();

  constructor(
    kind: DesiredKind<V, P>,
    itemsOf: (part: DesiredPart) => readonly V[] | undefined,
    ports: P,
  ) {
    this.#kind = kind;
    this.#itemsOf = itemsOf;
    this.#ports = ports;
  }

  /** Sets the part's items of this kind. */
  retain(part: DesiredPart): void {
    const items = this.#itemsOf(part);
    if (items === undefined) return;
    for (const item of items) this.#touch(this.#kind.keyOf(item)).desired.push(item);
  }

  /** Withdraws the part's items. */
  release(part: DesiredPart): void {
    const items = this.#itemsOf(part);
    if (items === undefined) return;
    for (const item of items) {
      const { desired } = this.#touch(this.#kind.keyOf(item));
      const at = desired.indexOf(item);
      if (at >= 0) desired.splice(at, 1);
    }
  }

  /** Adds and changes items; removes none. */
  applyAdditions(attempt: AttemptHostChange): void {
    if (this.#touched.size === 0) return;
    for (const key of this.#touched) {
      const item = this.#unsettled(key);
      const desired = item.desired.at(-1);
      if (desired === undefined) continue;
      this.#touched.delete(key);
      this.#apply(key, item, desired, attempt);
    }
  }

  /** Removes items that no part desires, the last touched first. */
  applyRemovals(attempt: AttemptHostChange): void {
    if (this.#touched.size === 0) return;
    for (const key of [...this.#touched].reverse()) {
      const item = this.#unsettled(key);
      if (item.desired.length > 0) continue;
      this.#touched.delete(key);
      this.#remove(key, item, attempt);
    }
  }

  /** The next `applyAdditions` and `applyRemovals` retry refused changes. */
  retry(): void {
    for (const key of this.#pending) this.#touched.add(key);
  }

  /** The next `applyAdditions` applies all items again. */
  markAllForReapply(): void {
    for (const key of this.#items.keys()) {
      const item = this.#unsettled(key);
      if (item.desired.length === 0) continue;
      item.mustReapply = true;
      this.#touched.add(key);
    }
  }

  /** No part desires anything any more; the next `applyRemovals` removes all items. */
  clear(): void {
    for (const key of this.#items.keys()) this.#touch(key).desired.length = 0;
  }

  /** The changes that the host refused, as an operator sees them. */
  get pending(): readonly string[] {
    return [...this.#pending].map((key) => `${this.#kind.name} ${key}`);
  }

  get name(): string {
    return this.#kind.name;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  #touch(key: ItemKey): UnsettledItem<V> {
    this.#touched.add(key);
    return this.#unsettled(key);
  }

  #unsettled(key: ItemKey): UnsettledItem<V> {
    const found = this.#items.get(key);
    if (found instanceof UnsettledItem) return found;
    const item = new UnsettledItem<V>();
    if (found !== undefined) {
      item.desired.push(found);
      item.applied = found;
    }
    this.#items.set(key, item);
    return item;
  }

  #apply(key: ItemKey, item: UnsettledItem<V>, desired: V, attempt: AttemptHostChange): void {
    const { applied } = item;
    const { name } = this.#kind;
    const done = !item.mustReapply && applied !== undefined && this.#kind.equal(applied, desired);
    if (!done && !attempt(name, key, () => this.#kind.apply(this.#ports, desired, applied))) {
      this.#pending.add(key);
      return;
    }
    this.#pending.delete(key);
    item.applied = desired;
    item.mustReapply = false;
    if (item.desired.length === 1) this.#items.set(key, desired);
  }

  #remove(key: ItemKey, item: UnsettledItem<V>, attempt: AttemptHostChange): void {
    const { applied } = item;
    const { name } = this.#kind;
    if (
      applied !== undefined &&
      !attempt(name, key, () => this.#kind.remove(this.#ports, applied))
    ) {
      this.#pending.add(key);
      return;
    }
    this.#pending.delete(key);
    this.#items.delete(key);
  }
}
