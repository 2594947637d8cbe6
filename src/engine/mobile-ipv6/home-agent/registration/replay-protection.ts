/**
 * Replay protection: the freshness of a Binding Update.
 *
 * RFC 4285 §6      timestamp close to the home agent's clock and newer than the last one of the
 *                  security association;  statuses 144, 145
 * RFC 6275 §9.5.1  sequence number greater than the last;  status 135;  §10.3.2 also shortly after
 *                  a de-registration
 */
import {
  mismatchTimestamp,
  timestampCloseEnough,
  timestampLater,
} from '#crypto/replay-timestamp.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type {
  AuthenticatedUpdate,
  RegistrationView,
} from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import type { Refusal } from './refusal.ts';
import { timestampOf } from './registration-request.ts';

export function checkTimestamp(
  view: RegistrationView,
  update: AuthenticatedUpdate,
): Refusal | undefined {
  const { mobileNode, registrationKey } = update.sender;
  if (registrationKey === undefined) return undefined;
  const timestamp = timestampOf(update.request);
  if (timestamp === undefined)
    return { status: 'mesg-id-required', reason: 'replay-protection-missing' };
  const { timestampWindowMs } = view.policy.configuration;
  const { spi } = registrationKey;
  const moment = { now: update.now, wallNow: view.clock.at(update.now) };
  const clock = view.timestamps.clockOf(mobileNode, spi, moment, timestampWindowMs);
  const last = view.timestamps.last(mobileNode, spi);
  const newer = last === undefined || timestampLater(timestamp, last);
  const close = timestampCloseEnough(timestamp, clock, timestampWindowMs);
  if (newer && close) return undefined;
  return {
    status: 'id-mismatch',
    reason: 'timestamp-invalid',
    timestamp: mismatchTimestamp(timestamp, clock),
  };
}

/** The sequence number that the next one must exceed; undefined when every number is accepted. */
function lastSequence(
  { clock, bindings }: RegistrationView,
  { now, request }: AuthenticatedUpdate,
): number | undefined {
  const binding = bindings.find(request);
  if (binding !== undefined) return binding.sequence;
  const former = bindings.former(request.homeAddress);
  return former !== undefined && clock.at(now) < former.sequenceUntilWallMs
    ? former.sequence
    : undefined;
}

export function checkSequence(
  view: RegistrationView,
  update: AuthenticatedUpdate,
): Refusal | undefined {
  const last = lastSequence(view, update);
  if (last === undefined || sequenceGreater(update.request.update.sequence, last)) return undefined;
  return {
    status: 'sequence-number-out-of-window',
    reason: 'sequence-out-of-window',
    sequence: last,
  };
}
