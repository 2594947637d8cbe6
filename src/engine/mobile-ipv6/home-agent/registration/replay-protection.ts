/**
 * Freshness of a Binding Update.
 *
 * RFC 4285 §6      timestamp close to our clock and newer than the last accepted;  statuses 144,
 *                  145
 * RFC 6275 §9.5.1  sequence number greater than the last;  status 135;  §10.3.2 also shortly after
 *                  a deletion
 * Where both are wrong and the timestamp is close to our clock, the message is late and no clock is
 * wrong: status 135.
 */
import type { Monotonic } from '#base/time.ts';
import {
  mismatchTimestamp,
  timestampCloseEnough,
  timestampLater,
} from '#crypto/replay-timestamp.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import type { Refusal } from './refusal.ts';
import {
  type AuthenticatedSender,
  type RegistrationRequest,
  timestampOf,
} from './registration-request.ts';

/** Zero for who does not own the home address: nobody learns what another one sent last. */
function lastTimestamp(
  state: HomeAgentState,
  { homeAddress }: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
): bigint {
  const owner = state.cache.get(homeAddress)?.mobileNode ?? state.directory.ownerOf(homeAddress);
  if (owner !== mobileNode) return 0n;
  return (
    state.cache.get(homeAddress)?.timestamp ??
    state.formerBindings.get(homeAddress)?.timestamp ??
    0n
  );
}

export function checkTimestamp(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
): Refusal | undefined {
  if (sender.registrationKey === undefined) return undefined;
  const timestamp = timestampOf(request);
  if (timestamp === undefined)
    return { status: 'mesg-id-required', reason: 'replay-protection-missing' };
  const wallNow = state.wallAt(now);
  const last = lastTimestamp(state, request, sender);
  const newer = last === 0n || timestampLater(timestamp, last);
  const close = timestampCloseEnough(timestamp, wallNow, state.configuration.timestampWindowMs);
  if (newer && close) return undefined;
  const late = close ? checkSequence(state, now, request) : undefined;
  return (
    late ?? {
      status: 'id-mismatch',
      reason: 'timestamp-invalid',
      timestamp: mismatchTimestamp(timestamp, wallNow),
    }
  );
}

/** The sequence number that the next one must exceed; undefined when any is good. */
export function lastSequence(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
): number | undefined {
  const binding = state.cache.get(request.homeAddress);
  if (binding !== undefined) return binding.sequence;
  const former = state.formerBindings.get(request.homeAddress);
  return former !== undefined && state.wallAt(now) < former.sequenceUntilWallMs
    ? former.sequence
    : undefined;
}

export function checkSequence(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
): Refusal | undefined {
  const last = lastSequence(state, now, request);
  if (last === undefined || sequenceGreater(request.update.sequence, last)) return undefined;
  return {
    status: 'sequence-number-out-of-window',
    reason: 'sequence-out-of-window',
    sequence: last,
  };
}
