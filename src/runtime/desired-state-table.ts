/**
 * What the kernel or plane would call a thing. Numbers and texts that are there anyway cost nothing
 * to keep.
 */
export type Identity = string | number;

/** How one kind of desired thing is recognised, compared and applied. */
export interface DesiredKind<V> {
  readonly name: string;
  /** Two values of one identity cannot exist side by side. */
  identify(value: V): Identity;
  /** True when nothing has to be done to make the one of the other. */
  equal(a: V, b: V): boolean;
  /**
   * Make it so, in place when `previous` is there. Harmless when it already is. Throws a world
   * error.
   */
  apply(value: V, previous: V | undefined): void;
  /** Harmless when it is already gone. Throws a world error. */
  remove(value: V): void;
}

/** Runs one application; false means the world refused and the thing stays pending. */
export type AttemptHostChange = (kind: string, identity: Identity, body: () => void) => boolean;

/** A thing on its way: wanted by none or several, not applied, or applied otherwise than wanted. */
class Unsettled<V> {
  /** One entry per part that wants it; the latest counts. */
  readonly desired: V[] = [];
  applied: V | undefined;
  /** `applied` may have vanished: apply it again, and still remove it in the end. */
  mustReapply = false;
}

/**
 * Reference-counted wishes of one kind against what was applied. Everything costs O(what was
 * touched since the last `make`).
 */
export class DesiredTable<V extends object> {
  readonly #kind: DesiredKind<V>;
  /**
   * A value itself stands for a thing that one part wants and that was applied so: nearly all are,
   * and there may be 100,000s.
   */
  readonly #items = new Map<Identity, V | Unsettled<V>>();
  readonly #touched = new Set<Identity>();
  readonly #pending = new Set<Identity>();

  constructor(kind: DesiredKind<V>) {
    this.#kind = kind;
  }

  retain(values: readonly V[] | undefined): void {
    if (values === undefined) return;
    for (const value of values) this.#touch(this.#kind.identify(value)).desired.push(value);
  }

  release(values: readonly V[] | undefined): void {
    if (values === undefined) return;
    for (const value of values) {
      const { desired } = this.#touch(this.#kind.identify(value));
      const at = desired.indexOf(value);
      if (at >= 0) desired.splice(at, 1);
    }
  }

  /** Adds and changes. */
  applyAdditions(attempt: AttemptHostChange): void {
    if (this.#touched.size === 0) return;
    for (const identity of this.#touched) {
      const item = this.#unsettled(identity);
      const value = item.desired.at(-1);
      if (value === undefined) continue;
      this.#touched.delete(identity);
      this.#makeOne(identity, item, value, attempt);
    }
  }

  /** Deletions, the last touched first; what is wanted is left alone. */
  applyRemovals(attempt: AttemptHostChange): void {
    if (this.#touched.size === 0) return;
    for (const identity of [...this.#touched].reverse()) {
      const item = this.#unsettled(identity);
      if (item.desired.length > 0) continue;
      this.#touched.delete(identity);
      this.#breakOne(identity, item, attempt);
    }
  }

  /** The next `make` and `break` try again what the world refused. */
  retry(): void {
    for (const identity of this.#pending) this.#touched.add(identity);
  }

  /** Something took our things away: the next `make` applies all of them again. */
  markAllForReapply(): void {
    for (const identity of this.#items.keys()) {
      const item = this.#unsettled(identity);
      if (item.desired.length === 0) continue;
      item.mustReapply = true;
      this.#touched.add(identity);
    }
  }

  /** Drops every wish; the next `break` empties the host. */
  clear(): void {
    for (const identity of this.#items.keys()) this.#touch(identity).desired.length = 0;
  }

  get size(): number {
    return this.#items.size;
  }

  get pending(): readonly string[] {
    return [...this.#pending].map((identity) => `${this.#kind.name} ${identity}`);
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  #touch(identity: Identity): Unsettled<V> {
    this.#touched.add(identity);
    return this.#unsettled(identity);
  }

  #unsettled(identity: Identity): Unsettled<V> {
    const found = this.#items.get(identity);
    if (found instanceof Unsettled) return found;
    const item = new Unsettled<V>();
    if (found !== undefined) {
      item.desired.push(found);
      item.applied = found;
    }
    this.#items.set(identity, item);
    return item;
  }

  #makeOne(identity: Identity, item: Unsettled<V>, value: V, attempt: AttemptHostChange): void {
    const { applied } = item;
    const done = !item.mustReapply && applied !== undefined && this.#kind.equal(applied, value);
    if (!done && !attempt(this.#kind.name, identity, () => this.#kind.apply(value, applied))) {
      this.#pending.add(identity);
      return;
    }
    this.#pending.delete(identity);
    item.applied = value;
    item.mustReapply = false;
    if (item.desired.length === 1) this.#items.set(identity, value);
  }

  #breakOne(identity: Identity, item: Unsettled<V>, attempt: AttemptHostChange): void {
    const { applied } = item;
    if (
      applied !== undefined &&
      !attempt(this.#kind.name, identity, () => this.#kind.remove(applied))
    ) {
      this.#pending.add(identity);
      return;
    }
    this.#pending.delete(identity);
    this.#items.delete(identity);
  }
}
