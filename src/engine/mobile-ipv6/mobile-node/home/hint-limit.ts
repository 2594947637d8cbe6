/**
 * Limits the Binding Updates that unauthenticated messages cause (Binding Refresh Request, Binding
 * Error).
 *
 * No RFC: RFC 6275 §11.3.6 and §11.7.4 set no limit. The first hint is followed at once, so that a
 * node whose home agent forgot it is back within a round trip; each further one only after twice
 * the time, so that a flood of forged hints costs a Binding Update in 32 seconds.
 */
import { after, type Monotonic, monotonic } from '#base/time.ts';

const SHORTEST_MS = 1000;
const LONGEST_MS = 32_000;
/** Without a hint for this long, the next one is followed at once again. */
const QUIET_MS = 32_000;

export class HintLimit {
  #allowedAt = monotonic(0);
  #intervalMs = SHORTEST_MS;

  /** Whether to follow a hint that arrives now. */
  take(now: Monotonic): boolean {
    if (now < this.#allowedAt) return false;
    if (now >= after(this.#allowedAt, QUIET_MS)) this.#intervalMs = SHORTEST_MS;
    this.#allowedAt = after(now, this.#intervalMs);
    this.#intervalMs = Math.min(this.#intervalMs * 2, LONGEST_MS);
    return true;
  }
}
