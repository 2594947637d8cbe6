/**
 * Retransmission of messages that want an answer.
 *
 * RFC 6275 §11.8  initial timers, doubling, MAX_BINDACK_TIMEOUT, MAX_UPDATE_RATE
 * RFC 6275 §12    the constants;  §13 InitialBindackTimeoutFirstReg
 */
import { after, type Monotonic } from '#base/time.ts';

export const INITIAL_BINDACK_TIMEOUT_MS = 1000;
/** Longer, because the home agent runs Duplicate Address Detection before it answers. */
export const INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS = 1500;
export const MAX_BINDACK_TIMEOUT_MS = 32_000;
/** Messages of one type to one node within a second. */
export const MAX_UPDATE_RATE = 3;

/**
 * Exponential back-off: each `next` gives the time to wait for an answer and doubles the one after.
 */
export class BackOff {
  #nextMs: number;
  #attempts = 0;

  constructor(initialMs: number) {
    this.#nextMs = initialMs;
  }

  /** Messages sent so far in this back-off process. */
  get attempts(): number {
    return this.#attempts;
  }

  /** To be called for each transmission: milliseconds until the next one. */
  next(): number {
    const timeoutMs = this.#nextMs;
    this.#attempts++;
    this.#nextMs = Math.min(timeoutMs * 2, MAX_BINDACK_TIMEOUT_MS);
    return timeoutMs;
  }
}

/** Keeps a destination from getting more than MAX_UPDATE_RATE messages within any second. */
export class UpdateRateLimit {
  readonly #sentAt = new Map<string, Monotonic[]>();

  /** The earliest moment, not before `now`, at which `destination` may be sent to. */
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
