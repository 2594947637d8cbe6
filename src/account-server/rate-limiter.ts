/**
 * How often each of many callers may come: the generic cell rate algorithm (ITU-T I.371), one
 * number for each. Bounded: of more callers than it can remember it forgets those that were away
 * longest.
 */
import type { Monotonic } from '#base/time.ts';
import type { RateLimit } from './configuration.ts';

const MINUTE_MS = 60_000;

export class RateLimiter {
  #intervalMs = 0;
  #toleranceMs = 0;
  readonly #mostCallers: number;
  /** When each caller's allowance is whole again; the one that came last is last. */
  readonly #wholeAt = new Map<string, number>();

  constructor(limit: RateLimit, mostCallers = 100_000) {
    this.setLimit(limit);
    this.#mostCallers = mostCallers;
  }

  /** From now on; what callers have used up stays used up. */
  setLimit({ perMinute, burst }: RateLimit): void {
    this.#intervalMs = MINUTE_MS / perMinute;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
  }

  /** Undefined: go on. Otherwise so many milliseconds must pass; the try itself costs nothing. */
  take(caller: string, now: Monotonic): number | undefined {
    const wholeAt = Math.max(this.#wholeAt.get(caller) ?? now, now);
    const waitMs = wholeAt - now - this.#toleranceMs;
    this.#wholeAt.delete(caller);
    this.#wholeAt.set(caller, waitMs > 0 ? wholeAt : wholeAt + this.#intervalMs);
    this.#forget(now);
    return waitMs > 0 ? waitMs : undefined;
  }

  /** Callers that are remembered. */
  get size(): number {
    return this.#wholeAt.size;
  }

  #forget(now: Monotonic): void {
    for (const [caller, wholeAt] of this.#wholeAt) {
      if (wholeAt > now && this.#wholeAt.size <= this.#mostCallers) return;
      this.#wholeAt.delete(caller);
    }
  }
}
