/**
 * Limits the rate of messages of one type to one node.
 *
 * RFC 6275 §11.8, §12  MAX_UPDATE_RATE
 */
import { after, type Monotonic } from '#base/time.ts';

/** Messages of one type to one node within a second. */
const MAX_UPDATE_RATE = 3;

export class UpdateRateLimit {
  readonly #sentAt = new Map<string, Monotonic[]>();

  /** The earliest time, not before `now`, at which a message may go to `destination`. */
  allowedAt(destination: string, now: Monotonic): Monotonic {
    const oldest = this.#sentAt.get(destination)?.at(-MAX_UPDATE_RATE);
    if (oldest === undefined) return now;
    const free = after(oldest, 1000);
    return free > now ? free : now;
  }

  recordSent(destination: string, now: Monotonic): void {
    const times = this.#sentAt.get(destination) ?? [];
    times.push(now);
    this.#sentAt.set(destination, times.slice(-MAX_UPDATE_RATE));
  }
}
