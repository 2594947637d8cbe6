/**
 * The anti-replay window of a receiver.
 *
 * RFC 4303 appendix A2: 64-bit counters; the sender transmits only the low half.
 */

/** Sizes in counters, powers of two. Few control messages are in flight, and many windows exist. */
export const REPLAY_WINDOW = { data: 2048, control: 256 } as const;
const WORD = 2 ** 32;

/**
 * The counters received last, as a number whose bit n stands for the highest counter minus n: a
 * typed array would take six times the memory.
 */
export class ReplayWindow {
  readonly #size: number;
  #highest = 0;
  #seen = 0n;

  /** `size`: a power of two, 32 or more. */
  constructor(size: number) {
    this.#size = size;
  }

  get highest(): number {
    return this.#highest;
  }

  /** Counts everything up to `counter` as received. For a window without counters so far. */
  startAfter(counter: number): void {
    this.#highest = counter;
    this.#seen = (1n << BigInt(this.#size)) - 1n;
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
    const age = this.#highest - counter;
    if (age < 0) return false;
    return age >= this.#size || ((this.#seen >> BigInt(age)) & 1n) === 1n;
  }

  add(counter: number): void {
    const ahead = counter - this.#highest;
    if (ahead <= 0) this.#seen |= 1n << BigInt(-ahead);
    else {
      const kept = ahead >= this.#size ? 0n : this.#seen << BigInt(ahead);
      this.#seen = BigInt.asUintN(this.#size, kept) | 1n;
      this.#highest = counter;
    }
  }
}
