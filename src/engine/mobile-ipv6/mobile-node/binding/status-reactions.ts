/**
 * The reaction of a mobile node to each status of a Binding Acknowledgement.
 *
 * RFC 6275 §11.7.3  status codes;  §11.7.1 status 134
 * RFC 4285 §5, §6   codes 144-146
 * RFC 5555 §4.4.2   code 144 as refusal of the F flag
 * Left out: mobile prefix discovery, which code 1 asks for.
 */
import { BINDING_STATUSES, rejects } from '#wire/mobility/binding-status.ts';

/**
 * - `accept`: the binding stands.
 * - `resynchronize-sequence`: continue after the home agent's sequence number, at once.
 * - `resynchronize-clock`: use the home agent's time for timestamps, or drop the F flag, at once.
 * - `back-off`: as if unanswered; the cause may be temporary.
 * - `next-home-agent`: this home agent does not serve the node: resolve its name again, use the
 *   next address, back off.
 * - `next-care-of-address`: the home agent rejects the care-of address: use the other address
 *   family if there is one, back off.
 * - `abandon-home-address`: another node has the home address; it is not used again until the
 *   operator registers again (RFC 6275 §11.7.1).
 * - `retry-slowly`: only an operator can correct the cause; report it, and retry at a slow rate or
 *   after a move.
 */
type Reaction =
  | 'accept'
  | 'resynchronize-sequence'
  | 'resynchronize-clock'
  | 'back-off'
  | 'next-home-agent'
  | 'next-care-of-address'
  | 'abandon-home-address'
  | 'retry-slowly';

/** One row for each status that a home agent may send; `reactionTo` covers all others. */
export const STATUS_REACTIONS: Readonly<Record<number, Reaction>> = {
  0: 'accept',
  1: 'accept',
  4: 'accept',
  5: 'accept',
  128: 'back-off',
  129: 'retry-slowly',
  130: 'next-home-agent',
  131: 'next-home-agent',
  132: 'retry-slowly',
  133: 'next-home-agent',
  134: 'abandon-home-address',
  135: 'resynchronize-sequence',
  // 136 to 138 belong to correspondent registration; from a home agent they mean no more than
  // "unspecified".
  136: 'back-off',
  137: 'back-off',
  138: 'back-off',
  139: 'retry-slowly',
  140: 'retry-slowly',
  141: 'retry-slowly',
  142: 'retry-slowly',
  143: 'back-off',
  144: 'resynchronize-clock',
  145: 'retry-slowly',
  // RFC 4285 §5.3: stop sending. The slow retry finds a corrected key without a restart.
  146: 'retry-slowly',
  164: 'retry-slowly',
  165: 'retry-slowly',
  166: 'retry-slowly',
  167: 'retry-slowly',
  168: 'retry-slowly',
  169: 'retry-slowly',
  174: 'next-care-of-address',
};

/**
 * Any code below 128 is success (RFC 6275 §11.7.3); an unknown refusal counts as temporary.
 */
export function reactionTo(status: number): Reaction {
  return STATUS_REACTIONS[status] ?? (rejects(status) ? 'back-off' : 'accept');
}

const NO_BINDING = BINDING_STATUSES['not-home-agent-for-this-mobile-node'].code;

/** A de-registration refused with this status has no binding to remove (RFC 6275 §10.3.2). */
export function meansNoBinding(status: number): boolean {
  return status === NO_BINDING;
}
