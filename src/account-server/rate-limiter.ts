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
  readonly #maxCallers: number;
  /** When each caller's allowance is whole again; the one that came last is last. */
  readonly #arrivalTimes = new Map<string, number>();

  constructor(limit: RateLimit, maxCallers = 100_000) {
    this.setLimit(limit);
    this.#maxCallers = maxCallers;
  }

  /** From now on; what callers have used up stays used up. */
  setLimit({ perMinute, burst }: RateLimit): void {
    this.#intervalMs = MINUTE_MS / perMinute;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
  }

  /** Undefined: go on. Otherwise so many milliseconds must pass; the try itself costs nothing. */
  take(caller: string, now: Monotonic): number | undefined {
    const arrival = Math.max(this.#arrivalTimes.get(caller) ?? now, now);
    const waitMs = arrival - now - this.#toleranceMs;
    this.#arrivalTimes.delete(caller);
    this.#arrivalTimes.set(caller, waitMs > 0 ? arrival : arrival + this.#intervalMs);
    this.#evict(now);
    return waitMs > 0 ? waitMs : undefined;
  }

  /** Callers that are remembered. */
  get size(): number {
    return this.#arrivalTimes.size;
  }

  #evict(now: Monotonic): void {
    for (const [caller, arrival] of this.#arrivalTimes) {
      if (arrival > now && this.#arrivalTimes.size <= this.#maxCallers) return;
      this.#arrivalTimes.delete(caller);
    }
  }
}
