/**
 * Whether a Tunnel Request may be answered, before the role decides about its sender.
 *
 * No RFC: docs/reference/ntmobile.md §4.1 (path id, timestamp, rate of one public key)
 */
import { equalBytes } from '#base/bytes.ts';
import { RateLimit } from '#base/rate-limit.ts';
import type { Monotonic } from '#base/time.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { NO_PATH, type Session } from './session.ts';
import type { IncomingInitiation, SessionCounter } from './session-listener.ts';

/**
 * Tunnel Requests from one initiator: an honest one retransmits once a second. Each costs public
 * key operations.
 */
const INITIATIONS = new RateLimit(2, 16);

/** `known`: the initiator's session. Gives the reason to refuse, or the state of its rate limit. */
export function admitInitiation(
  now: Monotonic,
  { payload }: IncomingInitiation,
  known: Session | undefined,
): { readonly refusal: SessionCounter } | { readonly until: Monotonic } {
  if (known !== undefined && payload.timestamp <= known.lastTimestamp)
    return { refusal: 'initiation-old' };
  const until = INITIATIONS.admit(now, known?.initiationsUntil);
  return until === undefined ? { refusal: 'initiation-limit' } : { until };
}

/** One session for each key and use: only the paths of two nodes have ids. */
export function hasNeedlessPath({ use, pathId }: IncomingInitiation): boolean {
  return use !== HandshakeUse.node && !equalBytes(pathId, NO_PATH);
}
