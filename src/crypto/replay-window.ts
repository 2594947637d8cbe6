/**
 * The anti-replay window of a receiver.
 *
 * RFC 4303 appendix A2: 64-bit counters; the sender transmits only the low half.
 */

/** Sizes in counters, powers of two. Few control messages are in flight, and many windows exist. */
export const REPLAY_WINDOW = { data: 2048, control: 256 } as const;
const WORD = 2 ** 32;

/** A bitmap of the counters received last. */
export class ReplayWindow {
  readonly #size: number;
  #highest = 0;
  readonly #seen: Uint32Array;

  /** `size`: a power of two, 32 or more. */
  constructor(size: number) {
    this.#size = size;
    this.#seen = new Uint32Array(size / 32);
  }

  get highest(): number {
    return this.#highest;
  }

  /** Counts everything up to `counter` as received. For a window without counters so far. */
  startAfter(counter: number): void {
    this.#highest = counter;
    this.#seen.fill(0xffff_ffff);
  }

  /**
   * The counter with that low half that is nearest to the window. Undefined for zero, which no
   * sender uses.
   */
  counterOf(sequence: number): number | undefined {
    const bottom = this.#highest - this.#size + 1;
    const upper = Math.floor(Math.max(bottom, 0) / WORD);
    const here = upper * WORD + sequence;
    const counter = here >= bottom ? here : here + WORD;
    return counter === 0 ? undefined : counter;
  }

  /** True if the counter was received before, or is older than the window. */
  has(counter: number): boolean {
    if (counter > this.#highest) return false;
    if (counter <= this.#highest - this.#size) return true;
    return (this.#word(counter) & (1 << (counter % 32))) !== 0;
  }

  add(counter: number): void {
    if (counter > this.#highest) {
      for (
        let next = Math.max(this.#highest + 1, counter - this.#size + 1);
        next <= counter;
        next += 1
      )
        this.#clear(next);
      this.#highest = counter;
    }
    this.#seen[this.#index(counter)] = this.#word(counter) | (1 << (counter % 32));
  }

  #index(counter: number): number {
    return Math.floor((counter % this.#size) / 32);
  }

  #word(counter: number): number {
    return this.#seen[this.#index(counter)] ?? 0;
  }

  #clear(counter: number): void {
    this.#seen[this.#index(counter)] = this.#word(counter) & ~(1 << (counter % 32));
  }
}
