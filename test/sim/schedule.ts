/**
 * Virtual time: a heap of actions by (time, order of insertion), so that actions of equal time run
 * in the order of insertion.
 */
interface Entry {
  readonly at: number;
  readonly order: number;
  readonly action: () => void;
}

export class Schedule {
  readonly #heap: Entry[] = [];
  #order = 0;
  #now = 0;

  /** Virtual milliseconds since the start of the world. */
  get now(): number {
    return this.#now;
  }

  get pending(): number {
    return this.#heap.length;
  }

  at(time: number, action: () => void): void {
    if (time === Number.POSITIVE_INFINITY) return;
    this.#push({ at: Math.max(time, this.#now), order: this.#order++, action });
  }

  in(milliseconds: number, action: () => void): void {
    this.at(this.#now + milliseconds, action);
  }

  /** Runs every action due until `time`, and leaves the time at `time`. */
  runUntil(time: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.at <= time; next = this.#heap[0]) {
      this.#pop();
      this.#now = next.at;
      next.action();
    }
    this.#now = Math.max(this.#now, time);
  }

  #push(entry: Entry): void {
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!this.#swapIfEarlier(index, parent)) return;
      index = parent;
    }
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    let index = 0;
    for (;;) {
      const left = index * 2 + 1;
      if (left >= this.#heap.length) return;
      const child = this.#isEarlier(left + 1, left) ? left + 1 : left;
      if (!this.#swapIfEarlier(child, index)) return;
      index = child;
    }
  }

  #isEarlier(index: number, than: number): boolean {
    const a = this.#heap[index];
    const b = this.#heap[than];
    if (a === undefined || b === undefined) return false;
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #swapIfEarlier(index: number, than: number): boolean {
    if (!this.#isEarlier(index, than)) return false;
    const a = this.#heap[index];
    const b = this.#heap[than];
    if (a === undefined || b === undefined) return false;
    this.#heap[index] = b;
    this.#heap[than] = a;
    return true;
  }
}
