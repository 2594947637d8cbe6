/**
 * A pool of numbers that are taken and released, such as the addresses of a prefix. Every operation
 * takes constant time, however full the pool is.
 *
 * No RFC: a hierarchical bitmap. A bit of level 0 is a number; a bit of a higher level is a word of
 * the level below, set when that word is full. Words without a bit take no memory.
 */
const WORD_BITS = 32;
const FULL = -1;

export class NumberPool {
  /** The number of bits at each level; the last level has one word. */
  readonly #counts: number[] = [];
  readonly #levels: Map<number, number>[] = [];

  /** Numbers from 0 to `size` - 1. */
  constructor(size: number) {
    for (let count = size; ; count = Math.ceil(count / WORD_BITS)) {
      const words = new Map<number, number>();
      const rest = count % WORD_BITS;
      // The bits behind the last one count as taken.
      if (rest > 0) words.set(Math.floor(count / WORD_BITS), FULL << rest);
      this.#counts.push(count);
      this.#levels.push(words);
      if (count <= WORD_BITS) return;
    }
  }

  /** The first free number from `start` on, or else from 0 on; undefined when none is free. */
  findFree(start: number): number | undefined {
    return this.#next(0, start) ?? this.#next(0, 0);
  }

  #next(level: number, from: number): number | undefined {
    if (from >= (this.#counts[level] ?? 0)) return undefined;
    const word = Math.floor(from / WORD_BITS);
    const bit = firstZero(this.#word(level, word), from % WORD_BITS);
    if (bit >= 0) return word * WORD_BITS + bit;
    const next = this.#next(level + 1, word + 1);
    return next === undefined
      ? undefined
      : next * WORD_BITS + firstZero(this.#word(level, next), 0);
  }

  #word(level: number, word: number): number {
    return this.#levels[level]?.get(word) ?? 0;
  }

  isFree(number: number): boolean {
    const word = this.#word(0, Math.floor(number / WORD_BITS));
    return number < (this.#counts[0] ?? 0) && (word & (1 << (number % WORD_BITS))) === 0;
  }

  /** Returns whether the number was free. */
  take(number: number): boolean {
    if (!this.isFree(number)) return false;
    this.#set(0, number);
    return true;
  }

  #set(level: number, at: number): void {
    const index = Math.floor(at / WORD_BITS);
    const word = this.#word(level, index) | (1 << (at % WORD_BITS));
    this.#levels[level]?.set(index, word);
    if (word === FULL && level + 1 < this.#levels.length) this.#set(level + 1, index);
  }

  /** Harmless for a free number. */
  release(number: number): void {
    if (number < (this.#counts[0] ?? 0)) this.#clear(0, number);
  }

  #clear(level: number, at: number): void {
    const index = Math.floor(at / WORD_BITS);
    const former = this.#word(level, index);
    const word = former & ~(1 << (at % WORD_BITS));
    if (word === 0) this.#levels[level]?.delete(index);
    else this.#levels[level]?.set(index, word);
    if (former === FULL && level + 1 < this.#levels.length) this.#clear(level + 1, index);
  }
}

/** The lowest bit from `from` on that is zero; -1 if there is none. */
function firstZero(word: number, from: number): number {
  const free = ~word & (FULL << from);
  return free === 0 ? -1 : WORD_BITS - 1 - Math.clz32(free & -free);
}
