/**
 * Answers of a responder, kept so that a retransmitted request is answered again and not handled
 * twice.
 *
 * No RFC: docs/reference/ntmobile.md §6 (transactions)
 */
import type { Monotonic } from '#base/time.ts';
import { REQUEST_ATTEMPT_MS } from './request-timing.ts';

/**
 * Answers that are kept for a session in case their request comes again, and for how long: who
 * asked gives up before.
 */
const ANSWERS_KEPT = 16;
const ANSWER_KEPT_MS = 2 * REQUEST_ATTEMPT_MS;

/**
 * What a session's other end asked and was told. Octets, for who has a hundred thousand sessions
 * keeps one of these for each.
 */
export class ResponseCache {
  #entries: readonly {
    readonly transaction: number;
    readonly at: Monotonic;
    octets: Uint8Array | undefined;
  }[] = [];

  /** Undefined: a new request, which is now being answered. */
  get(now: Monotonic, transaction: number): 'answering' | Uint8Array | undefined {
    const entry = this.#entries.find((one) => one.transaction === transaction);
    if (entry !== undefined) return entry.octets ?? 'answering';
    const kept = this.#entries
      .filter(({ at }) => now - at < ANSWER_KEPT_MS)
      .slice(1 - ANSWERS_KEPT);
    this.#entries = [...kept, { transaction, at: now, octets: undefined }];
    return undefined;
  }

  store(transaction: number, octets: Uint8Array): void {
    const entry = this.#entries.find((one) => one.transaction === transaction);
    // A copy of its own size: fresh octets share a block with what nobody keeps.
    if (entry !== undefined) entry.octets = octets.slice();
  }
}
