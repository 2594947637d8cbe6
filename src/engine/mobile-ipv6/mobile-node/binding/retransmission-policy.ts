/**
 * Decides what follows when no Binding Acknowledgement arrived in time.
 *
 * RFC 6275 §11.8    retransmission with back-off (see common/binding-update-back-off.ts)
 * RFC 6275 §11.7.1  the next address of the home agent
 * RFC 5555 §4.4.1   after three attempts, the path counts as silent
 */

/**
 * Why Binding Updates are sent. `return-home`: de-register from the home link; `deregister`: from a
 * foreign link; `deregister-unserved`: the same, because the home agent accepted the registration
 * without serving the role (RFC 3963 §5.3).
 */
export type ExchangePurpose = 'register' | 'return-home' | 'deregister' | 'deregister-unserved';

/** How a de-registration ended. */
export type DeregistrationOutcome =
  | { readonly kind: 'confirmed'; readonly roundTripMs: number }
  /** The home agent has no binding. */
  | { readonly kind: 'no-binding' }
  /** The home agent did not confirm it; a binding may last until its lifetime ends. */
  | { readonly kind: 'unconfirmed' };

/** RFC 5555 §4.4.1: unanswered attempts after which a path counts as silent. */
const ATTEMPTS_PER_ROUND = 3;
/** Rounds of attempts to de-register; afterwards the home agent's own timer removes the binding. */
const DEREGISTRATION_ROUNDS = 2;

/** The attempts of an exchange when its retransmission timer ended. */
interface UnansweredAttempts {
  /** Transmissions since the last complete round. */
  readonly attempts: number;
  /** Complete rounds of this exchange, without the present one. */
  readonly completedRounds: number;
  /** Rounds without any answer since the last answer or move, without the present one. */
  readonly silentRounds: number;
  /** No answer to any transmission of this round; false if the home agent refused them. */
  readonly silent: boolean;
}

export type TimeoutDecision =
  /** Send the Binding Update again. */
  | { readonly kind: 'retransmit' }
  /** A round of attempts is over: send it again, first to another home agent if `elsewhere`. */
  | { readonly kind: 'next-round'; readonly elsewhere: boolean }
  /** Stop de-registering. */
  | { readonly kind: 'give-up' };

export function decideAfterTimeout(
  purpose: ExchangePurpose,
  unanswered: UnansweredAttempts,
): TimeoutDecision {
  if (unanswered.attempts < ATTEMPTS_PER_ROUND) return { kind: 'retransmit' };
  if (mayBeGivenUp(purpose, unanswered)) return { kind: 'give-up' };
  return { kind: 'next-round', elsewhere: triesElsewhere(purpose, unanswered) };
}

/** On the home link the de-registration continues: the home address is needed there. */
function mayBeGivenUp(
  purpose: ExchangePurpose,
  { completedRounds, silentRounds, silent }: UnansweredAttempts,
): boolean {
  if (purpose === 'deregister-unserved') return completedRounds + 1 >= DEREGISTRATION_ROUNDS;
  const rounds = silentRounds + (silent ? 1 : 0);
  return purpose === 'deregister' && rounds >= DEREGISTRATION_ROUNDS;
}

/** A home agent that refuses to remove a binding has it: no other home agent can remove it. */
function triesElsewhere(purpose: ExchangePurpose, { silent }: UnansweredAttempts): boolean {
  return purpose === 'register' || (silent && purpose !== 'deregister-unserved');
}
