/**
 * The granted lifetime of a binding, and when it is refreshed.
 *
 * RFC 6275 §11.7.1  refresh before the lifetime ends
 * RFC 6275 §11.7.3  the granted lifetime, Binding Refresh Advice
 */
import { after, type Monotonic } from '#base/time.ts';
import { expiryOf } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';
import type { Acknowledgement, SentUpdate } from './acknowledgement.ts';

/** Remaining lifetime at a refresh, if the lifetime allows it: room for three retransmissions. */
const REFRESH_MARGIN_MS = 16_000;

/** The granted lifetime, no longer than the requested one; 0 is no binding. */
export function grantedSeconds(message: Acknowledgement, update: SentUpdate): number {
  return Math.min(message.lifetimeUnits, update.lifetimeUnits) * LIFETIME_UNIT_SECONDS;
}

/** When a binding is refreshed and when it ends. */
export interface RefreshSchedule {
  readonly expiresAt: Monotonic;
  readonly refreshAt: Monotonic;
}

export function refreshSchedule(message: Acknowledgement, update: SentUpdate): RefreshSchedule {
  const lifetimeSeconds = grantedSeconds(message, update);
  const advice = findOption(message.options, 'binding-refresh-advice')?.refreshIntervalUnits ?? 0;
  const adviceSeconds = advice === 0 ? undefined : advice * LIFETIME_UNIT_SECONDS;
  return {
    expiresAt: expiryOf(update.at, lifetimeSeconds),
    refreshAt: refreshAt(update.at, lifetimeSeconds, adviceSeconds),
  };
}

/** As advised, but well before the lifetime ends (RFC 6275 §11.7.1). */
function refreshAt(
  sentAt: Monotonic,
  lifetimeSeconds: number,
  adviceSeconds: number | undefined,
): Monotonic {
  const lifetimeMs = lifetimeSeconds * 1000;
  const margin = Math.max(lifetimeMs / 4, Math.min(REFRESH_MARGIN_MS, lifetimeMs / 2));
  const advisedMs = (adviceSeconds ?? lifetimeSeconds) * 1000;
  return after(sentAt, Math.min(lifetimeMs - margin, advisedMs));
}
