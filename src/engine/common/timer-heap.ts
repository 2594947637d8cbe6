/**
 * Deadlines of many items: a binary heap whose items know their own index, so that moving or
 * removing one is O(log n) and takes no memory beside the item.
 *
 * No RFC: a data structure.
 */
import { assert } from '#base/assert.ts';
import { type Monotonic, NEVER } from '#base/time.ts';

/**
 * The heap's fields in an item: initialise them with `heapIndex: -1, dueAt: NEVER`; afterwards only
 * the heap writes them.
 */
export interface Timed {
  heapIndex: number;
  dueAt: Monotonic;
}

export class TimerHeap<T extends Timed> {
  readonly #items: T[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** Arms or moves the item's deadline; `NEVER` removes it. */
  set(item: T, dueAt: Monotonic): void {
    if (dueAt === NEVER) {
      this.remove(item);
      return;
    }
    item.dueAt = dueAt;
    if (item.heapIndex < 0) {
      item.heapIndex = this.#items.length;
      this.#items.push(item);
    }
    this.#settle(item);
  }

  /** Harmless when the item is not armed. */
  remove(item: T): void {
    const index = item.heapIndex;
    if (index < 0) return;
    assert(this.#items[index] === item, 'the item is at its index');
    const last = this.#items.pop();
    item.heapIndex = -1;
    item.dueAt = NEVER;
    if (last === undefined || last === item) return;
    this.#place(last, index);
    this.#settle(last);
  }

  /** Earliest deadline; `NEVER` when nothing is armed. */
  deadline(): Monotonic {
    return this.#items[0]?.dueAt ?? NEVER;
  }

  /** Removes and gives the item with the earliest deadline when that is at or before `now`. */
  takeDue(now: Monotonic): T | undefined {
    const first = this.#items[0];
    if (first === undefined || first.dueAt > now) return undefined;
    this.remove(first);
    return first;
  }

  #settle(item: T): void {
    this.#sink(item, this.#rise(item));
  }

  #rise(item: T): number {
    let index = item.heapIndex;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#items[parentIndex];
      if (parent === undefined || parent.dueAt <= item.dueAt) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(item, index);
    return index;
  }

  #sink(item: T, from: number): void {
    let index = from;
    for (;;) {
      const childIndex = this.#earlierChild(index);
      const child = this.#items[childIndex];
      if (child === undefined || child.dueAt >= item.dueAt) break;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(item, index);
  }

  #earlierChild(index: number): number {
    const left = index * 2 + 1;
    const leftItem = this.#items[left];
    const rightItem = this.#items[left + 1];
    return leftItem !== undefined && rightItem !== undefined && rightItem.dueAt < leftItem.dueAt
      ? left + 1
      : left;
  }

  #place(item: T, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }
}
