/**
 * Answers of a responder, kept so that a retransmitted request is answered again and not handled
 * twice.
 *
 * No RFC: docs/reference/ntmobile.md §6 (transactions)
 */
import type { Monotonic } from '#base/time.ts';
import { REQUEST_ATTEMPT_MS } from './request-timing.ts';

/** Answers kept for each session, and for how long: longer than any requester retransmits. */
const ANSWERS_KEPT = 16;
const ANSWER_KEPT_MS = 2 * REQUEST_ATTEMPT_MS;

/**
 * The requests of a session's peer and their answers. Answers are kept encoded: a coordinator has
 * one of these caches for each of its 100,000 sessions.
 */
export class ResponseCache {
  #entries: readonly {
    readonly transaction: number;
    readonly at: Monotonic;
    octets: Uint8Array | undefined;
  }[] = [];

  /** Undefined for a new request, which counts as being answered from now on. */
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
    // A copy: a view would keep the whole encoding buffer in memory.
    if (entry !== undefined) entry.octets = octets.slice();
  }
}
