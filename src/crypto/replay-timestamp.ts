/**
 * The timestamp of the Mobility Message Replay Protection option.
 *
 * RFC 4285 §6       NTP timestamp, "close enough" window, answer to an identification mismatch
 * RFC 5905 §6       64-bit timestamp: seconds since 1900 modulo 2^32 (an era), 32 bits of fraction
 */
import { type Wall, wall } from '#base/time.ts';

/** Seconds from 1900-01-01 to 1970-01-01. */
const UNIX_EPOCH_SECONDS = 2_208_988_800;
const ERA_MS = 2 ** 32 * 1000;
/** RFC 4285 §5.1: default of the difference that two clocks may have. */
const DEFAULT_TIMESTAMP_WINDOW_MS = 7000;

/** `fraction` in [0, 1) fills the bits below a millisecond; RFC 4285 §6 asks for random ones. */
export function ntpTimestamp(wallMs: Wall, fraction = 0): bigint {
  const whole = Math.floor(wallMs);
  const seconds = Math.floor(whole / 1000);
  const low = Math.min(
    0xffffffff,
    Math.floor(((whole - seconds * 1000 + fraction) * 2 ** 32) / 1000),
  );
  return (BigInt.asUintN(32, BigInt(seconds + UNIX_EPOCH_SECONDS)) << 32n) | BigInt(low);
}

/** The moment nearest to `near` that a timestamp can mean (eras last 136 years). */
export function wallOfNtp(timestamp: bigint, near: Wall): Wall {
  const seconds = Number(timestamp >> 32n) - UNIX_EPOCH_SECONDS;
  const ms = seconds * 1000 + (Number(timestamp & 0xffffffffn) * 1000) / 2 ** 32;
  return wall(ms + Math.round((near - ms) / ERA_MS) * ERA_MS);
}

/** Whether a timestamp is at most `windowMs` before or after `now`. */
export function timestampCloseEnough(
  timestamp: bigint,
  now: Wall,
  windowMs = DEFAULT_TIMESTAMP_WINDOW_MS,
): boolean {
  return Math.abs(wallOfNtp(timestamp, now) - now) <= windowMs;
}

/** Whether `timestamp` is later than `previous`, also across the end of an era. */
export function timestampLater(timestamp: bigint, previous: bigint): boolean {
  return BigInt.asIntN(64, timestamp - previous) > 0n;
}

/** Timestamp of an Acknowledgement with status 144: this host's seconds, the sender's fraction. */
export function mismatchTimestamp(received: bigint, now: Wall): bigint {
  return ((ntpTimestamp(now) >> 32n) << 32n) | (received & 0xffffffffn);
}
