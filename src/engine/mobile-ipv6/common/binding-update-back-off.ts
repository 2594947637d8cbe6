/**
 * Back-off of Binding Updates, and of other messages that expect an answer.
 *
 * RFC 6275 §11.8  initial timeouts, doubling, MAX_BINDACK_TIMEOUT
 * RFC 6275 §12    the constants;  §13 InitialBindackTimeoutFirstReg
 */

const INITIAL_BINDACK_TIMEOUT_MS = 1000;
/** Longer, because the home agent runs Duplicate Address Detection before it answers. */
export const INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS = 1500;
const MAX_BINDACK_TIMEOUT_MS = 32_000;

/** Exponential back-off: `next` gives the timeout of a transmission and doubles the one after. */
export class BackOff {
  #nextMs: number;

  constructor(initialMs: number) {
    this.#nextMs = initialMs;
  }

  /** Called for each transmission; gives the milliseconds until the next one. */
  next(): number {
    const timeoutMs = this.#nextMs;
    this.#nextMs = Math.min(timeoutMs * 2, MAX_BINDACK_TIMEOUT_MS);
    return timeoutMs;
  }
}

/**
 * RFC 6275 §11.8: the home agent takes longer to answer a first registration; §13: how long is a
 * setting of the mobile node.
 */
export function initialTimeoutMs(
  bound: boolean,
  { firstRegistrationTimeoutMs }: { readonly firstRegistrationTimeoutMs?: number },
): number {
  if (bound) return INITIAL_BINDACK_TIMEOUT_MS;
  return firstRegistrationTimeoutMs ?? INITIAL_BINDACK_TIMEOUT_FIRST_REGISTRATION_MS;
}
