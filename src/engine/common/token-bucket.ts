/**
 * Rate limit for actions that an unauthenticated peer can cause.
 *
 * RFC 4443 §2.4 (f)  token bucket for ICMPv6 errors
 * RFC 6275 §9.3.3    the same for Binding Errors
 */
import type { Monotonic } from '#base/time.ts';

/** `perSecond` tokens a second, at most `burst` at once; full at the start. */
export class TokenBucket {
  #perSecond: number;
  #burst: number;
  #tokens: number;
  #filledAt: Monotonic | undefined;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Takes effect at once; the tokens in the bucket stay, up to the new burst. */
  setRate(perSecond: number, burst: number): void {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = Math.min(this.#tokens, burst);
  }

  /** Takes a token if there is one. */
  take(now: Monotonic): boolean {
    const elapsedMs = now - (this.#filledAt ?? now);
    this.#filledAt = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs * this.#perSecond) / 1000);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
