/**
 * What a mobile node has learnt about the NATs of its uplinks: how long they keep a UDP mapping
 * that nothing refreshes.
 *
 * RFC 4787 §4.3 requires two minutes at least; many NATs keep thirty seconds.
 */
import { type Monotonic, monotonic } from '#base/time.ts';

/** The first time to try, as a fraction of the interval without this. */
const FIRST = 4;
/** No NAT worth serving forgets sooner. */
const SHORTEST_MS = 2_000;
/** The interval, as a fraction of the longest time that the mapping survived. */
const SAFETY = 0.9;
/** A time that was learnt is tried again this much later, because a NAT may be replaced. */
const CHECK_AFTER_MS = 3_600_000;
const MOST_UPLINKS = 16;

export class NatLifetime {
  /** The longest silence that the mapping survived, and the shortest that it did not. */
  #survivedMs = 0;
  #lostMs: number | undefined;
  #checkedAt: Monotonic = monotonic(0);
  /** When this node sent last by the uplink, as far as it is known. */
  sentAt: Monotonic = monotonic(0);

  /** The silence to try next; undefined while nothing is to be learnt. `mostMs`: the longest. */
  next(now: Monotonic, mostMs: number): number | undefined {
    const survived = this.#survivedMs;
    if (this.#isLearnt(mostMs))
      return now - this.#checkedAt < CHECK_AFTER_MS ? undefined : this.intervalMs(mostMs);
    if (this.#lostMs !== undefined) return (survived + this.#lostMs) / 2;
    if (survived === 0) return mostMs / FIRST;
    return survived * 2.5 > mostMs ? mostMs : survived * 2;
  }

  /** How long the node may be silent. */
  intervalMs(mostMs: number): number {
    if (this.#survivedMs >= mostMs) return mostMs;
    const survived = this.#survivedMs * SAFETY;
    const unknown = (this.#lostMs ?? mostMs) / FIRST;
    return Math.max(this.#survivedMs > 0 ? survived : unknown, SHORTEST_MS);
  }

  survived(now: Monotonic, milliseconds: number): void {
    this.#checkedAt = now;
    this.#survivedMs = Math.max(this.#survivedMs, milliseconds);
    if (this.#lostMs !== undefined && this.#lostMs <= milliseconds) this.#lostMs = undefined;
  }

  lost(now: Monotonic, milliseconds: number): void {
    this.#checkedAt = now;
    this.#lostMs = milliseconds;
    if (this.#survivedMs >= milliseconds) this.#survivedMs = 0;
  }

  #isLearnt(mostMs: number): boolean {
    if (this.#survivedMs >= mostMs) return true;
    if (this.#lostMs === undefined) return false;
    if (this.#lostMs <= 2 * SHORTEST_MS) return true;
    return this.#lostMs - this.#survivedMs <= Math.max(1_000, this.#lostMs / 4);
  }
}

/** By uplink; the oldest is forgotten first. */
export class NatLifetimes {
  readonly #byUplink = new Map<string, NatLifetime>();

  of(uplink: string): NatLifetime {
    const known = this.#byUplink.get(uplink);
    if (known !== undefined) return known;
    const [oldest] = this.#byUplink.keys();
    if (this.#byUplink.size >= MOST_UPLINKS && oldest !== undefined) this.#byUplink.delete(oldest);
    const lifetime = new NatLifetime();
    this.#byUplink.set(uplink, lifetime);
    return lifetime;
  }
}
