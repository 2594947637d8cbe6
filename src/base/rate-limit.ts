/**
 * Rate limit whose state is one number, for limits that every peer of many has.
 *
 * No RFC: the generic cell rate algorithm of ITU-T I.371 (virtual scheduling), a token bucket. The
 * number is the time at which the bucket is full again.
 */
import { after, type Monotonic } from '#base/time.ts';

/** `perSecond` actions a second, at most `burst` at once. */
export class RateLimit {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;

  constructor(perSecond: number, burst: number) {
    this.#intervalMs = 1000 / perSecond;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
  }

  /**
   * The state after one more action; undefined when the action exceeds the limit. `state` is
   * undefined before the first action, and any time that has passed means the same.
   */
  admit(now: Monotonic, state: Monotonic | undefined): Monotonic | undefined {
    const full = state === undefined || state < now ? now : state;
    return full - now > this.#toleranceMs ? undefined : after(full, this.#intervalMs);
  }
}
