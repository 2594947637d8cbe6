/**
 * Rate limit per caller: the generic cell rate algorithm (ITU-T I.371), which needs one number for
 * each caller. Beyond the maximum number of callers, the least recently seen ones are evicted.
 */
import type { Monotonic } from './time.ts';

/** A burst, then a sustained rate. */
export interface RateLimit {
  readonly perMinute: number;
  readonly burst: number;
}

const MINUTE_MS = 60_000;

export class RateLimiter {
  #intervalMs = 0;
  #toleranceMs = 0;
  readonly #maxCallers: number;
  /** The theoretical arrival time of each caller, least recently seen first. */
  readonly #arrivalTimes = new Map<string, number>();

  constructor(limit: RateLimit, maxCallers = 100_000) {
    this.setLimit(limit);
    this.#maxCallers = maxCallers;
  }

  /** Applies to later calls; tokens that callers already used stay used. */
  setLimit({ perMinute, burst }: RateLimit): void {
    this.#intervalMs = MINUTE_MS / perMinute;
    this.#toleranceMs = this.#intervalMs * (burst - 1);
  }

  /** Undefined if admitted, otherwise the wait in milliseconds. A refused call costs nothing. */
  take(caller: string, now: Monotonic): number | undefined {
    const arrival = Math.max(this.#arrivalTimes.get(caller) ?? now, now);
    const waitMs = arrival - now - this.#toleranceMs;
    this.#arrivalTimes.delete(caller);
    this.#arrivalTimes.set(caller, waitMs > 0 ? arrival : arrival + this.#intervalMs);
    this.#evict(now);
    return waitMs > 0 ? waitMs : undefined;
  }

  /** The number of callers in the table. */
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
