/** How long a request is retransmitted. No RFC: docs/reference/ntmobile.md §5 (request attempt). */

export const REQUEST_ATTEMPT_MS = 8_000;

/** Overrides of the defaults: the whole attempt, and the wait before the first retransmission. */
export interface RequestTiming {
  readonly attemptMs?: number;
  readonly retransmissionMs?: number;
}
