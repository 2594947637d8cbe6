/**
 * The round trip time of Binding Updates on one path.
 *
 * RFC 6298 §2  smoothed round trip time and its variation
 */

/** Questions about a known path are not repeated sooner (RFC 6275 §11.8 is about new ones). */
const MIN_TIMEOUT_MS = 200;
/** Three unanswered questions have to fit into two seconds. */
const MAX_TIMEOUT_MS = 650;
/** Without a measurement. */
const INITIAL_TIMEOUT_MS = 500;

export class RoundTripTime {
  #smoothedMs: number | undefined;
  #variationMs = 0;

  measured(milliseconds: number): void {
    if (this.#smoothedMs === undefined) {
      this.#smoothedMs = milliseconds;
      this.#variationMs = milliseconds / 2;
      return;
    }
    const difference = Math.abs(this.#smoothedMs - milliseconds);
    this.#variationMs += (difference - this.#variationMs) / 4;
    this.#smoothedMs += (milliseconds - this.#smoothedMs) / 8;
  }

  /** The wait for the answer to a question. */
  get timeoutMs(): number {
    if (this.#smoothedMs === undefined) return INITIAL_TIMEOUT_MS;
    const timeoutMs = this.#smoothedMs + 4 * this.#variationMs;
    return Math.min(Math.max(Math.round(timeoutMs), MIN_TIMEOUT_MS), MAX_TIMEOUT_MS);
  }
}
