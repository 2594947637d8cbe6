/**
 * The last timestamp that each security association brought, and the clock that judges the next.
 *
 * RFC 4285 §6  a timestamp must be greater than all that were accepted from the mobile node before.
 *              The clock belongs to the holder of the key: each SPI of a mobile node has its own
 *              last timestamp, and all its home addresses share it
 *
 * A host without a battery for its clock boots in the past. Its wall clock is then earlier than
 * what it accepted before, and as no time goes back, it is wrong: a clock that continues from the
 * last accepted timestamp takes its place for that association. The mobile node learns it from
 * status 144 and registers one round trip later. A message that was captured meanwhile could be
 * close to that clock later on, but its sequence number is not greater than the last.
 */
import type { Monotonic, Wall } from '#base/time.ts';
import { wall } from '#base/time.ts';
import { timestampLater, wallOfNtp } from '#crypto/replay-timestamp.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';

/** The answer has whole seconds, and the next timestamp must be later than the last. */
const MARGIN_MS = 1_000;

interface Accepted {
  readonly timestamp: bigint;
  /** Of a clock that shows the timestamp at the moment of acceptance. */
  readonly offsetMs: number;
}

/** A moment by both clocks of this host. */
interface Moment {
  readonly now: Monotonic;
  readonly wallNow: Wall;
}

export class AcceptedTimestamps {
  readonly #last = new Map<string, Accepted>();
  /** The clock that is furthest ahead. */
  #latestOffsetMs = -Infinity;

  /** Undefined before the first one. */
  last(mobileNode: AuthorizedMobileNode, spi: number): bigint | undefined {
    return this.#last.get(keyOf(mobileNode, spi))?.timestamp;
  }

  /** Keeps the later one; zero is no timestamp. */
  accept(
    mobileNode: AuthorizedMobileNode,
    spi: number,
    timestamp: bigint,
    { now, wallNow }: Moment,
  ): void {
    const key = keyOf(mobileNode, spi);
    const last = this.#last.get(key)?.timestamp;
    if (timestamp === 0n || (last !== undefined && !timestampLater(timestamp, last))) return;
    const offsetMs = wallOfNtp(timestamp, wallNow) - now;
    this.#last.set(key, { timestamp, offsetMs });
    this.#latestOffsetMs = Math.max(this.#latestOffsetMs, offsetMs);
  }

  /** The time that a timestamp of the association has to be close to. */
  clockOf(
    mobileNode: AuthorizedMobileNode,
    spi: number,
    { now, wallNow }: Moment,
    windowMs: number,
  ): Wall {
    const { offsetMs } = this.#last.get(keyOf(mobileNode, spi)) ?? { offsetMs: -Infinity };
    const continued = now + offsetMs;
    return continued - wallNow > windowMs ? wall(continued + MARGIN_MS) : wallNow;
  }

  /** How much the wall clock is behind what was accepted before; 0 within the window. */
  behindMs({ now, wallNow }: Moment, windowMs: number): number {
    const behindMs = now + this.#latestOffsetMs - wallNow;
    return behindMs > windowMs ? behindMs : 0;
  }
}

/** The same after a change of the configuration, which makes new objects. */
function keyOf({ identifier, homeAddresses }: AuthorizedMobileNode, spi: number): string {
  return `${spi} ${identifier ?? homeAddresses[0] ?? ''}`;
}
