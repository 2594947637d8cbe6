/** How one kind of desired thing is recognised, compared and applied. */
export interface DesiredKind<V> {
  readonly name: string;
  /** What the kernel or plane would call the same thing: two values of one identity cannot exist side by side. */
  identify(value: V): string;
  /** Equal texts mean that nothing has to be done. */
  describe(value: V): string;
  /** Make it so, in place when `previous` is there. Harmless when it already is. Throws a world error. */
  apply(value: V, previous: V | undefined): void;
  /** Harmless when it is already gone. Throws a world error. */
  remove(value: V): void;
}

/** Runs one application; false means the world refused and the thing stays pending. */
export type Attempt = (what: string, body: () => void) => boolean;

interface Item<V> {
  /** One entry per part that wants it; the latest counts. */
  readonly wanted: V[];
  applied: V | undefined;
  /** `applied` may have vanished: apply it again, and still remove it in the end. */
  doubtful: boolean;
}

/**
 * Reference-counted wishes of one kind against what was applied. Everything costs O(what was touched since the last `make`).
 */
export class DesiredTable<V> {
  readonly #kind: DesiredKind<V>;
  readonly #items = new Map<string, Item<V>>();
  readonly #touched = new Set<string>();
  readonly #pending = new Set<string>();

  constructor(kind: DesiredKind<V>) {
    this.#kind = kind;
  }

  retain(values: readonly V[] | undefined): void {
    if (values === undefined) return;
    for (const value of values) {
      const identity = this.#kind.identify(value);
      const item = this.#items.get(identity);
      if (item === undefined) this.#items.set(identity, { wanted: [value], applied: undefined, doubtful: false });
      else item.wanted.push(value);
      this.#touched.add(identity);
    }
  }

  release(values: readonly V[] | undefined): void {
    if (values === undefined) return;
    for (const value of values) {
      const identity = this.#kind.identify(value);
      const wanted = this.#items.get(identity)?.wanted;
      const at = wanted?.indexOf(value) ?? -1;
      if (at >= 0) wanted?.splice(at, 1);
      this.#touched.add(identity);
    }
  }

  /** Adds and changes. */
  make(attempt: Attempt): void {
    for (const identity of this.#touched) {
      const item = this.#items.get(identity);
      const value = item?.wanted.at(-1);
      if (item === undefined || value === undefined) continue;
      this.#touched.delete(identity);
      this.#makeOne(identity, item, value, attempt);
    }
  }

  /** Deletions; what is wanted is left alone. */
  break(attempt: Attempt): void {
    for (const identity of this.#touched) {
      const item = this.#items.get(identity);
      if (item !== undefined && item.wanted.length > 0) continue;
      this.#touched.delete(identity);
      if (item !== undefined) this.#breakOne(identity, item, attempt);
    }
  }

  /** The next `make` and `break` try again what the world refused. */
  retry(): void {
    for (const identity of this.#pending) this.#touched.add(identity);
  }

  /** Something took our things away: the next `make` applies all of them again. */
  distrust(): void {
    for (const [identity, item] of this.#items) {
      if (item.wanted.length === 0) continue;
      item.doubtful = true;
      this.#touched.add(identity);
    }
  }

  /** Drops every wish; the next `break` empties the host. */
  clear(): void {
    for (const [identity, item] of this.#items) {
      item.wanted.length = 0;
      this.#touched.add(identity);
    }
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

  #makeOne(identity: string, item: Item<V>, value: V, attempt: Attempt): void {
    const { applied } = item;
    if (!item.doubtful && applied !== undefined && this.#kind.describe(applied) === this.#kind.describe(value)) {
      this.#pending.delete(identity);
      return;
    }
    if (attempt(`${this.#kind.name} ${identity}`, () => this.#kind.apply(value, applied))) {
      item.applied = value;
      item.doubtful = false;
      this.#pending.delete(identity);
    } else {
      this.#pending.add(identity);
    }
  }

  #breakOne(identity: string, item: Item<V>, attempt: Attempt): void {
    const { applied } = item;
    if (applied !== undefined && !attempt(`${this.#kind.name} ${identity}`, () => this.#kind.remove(applied))) {
      this.#pending.add(identity);
      return;
    }
    this.#pending.delete(identity);
    this.#items.delete(identity);
  }
}
