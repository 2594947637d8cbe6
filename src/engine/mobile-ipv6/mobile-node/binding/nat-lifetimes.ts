/**
 * What a mobile node has learnt about the NATs of its uplinks: how long they keep a UDP mapping
 * that nothing refreshes.
 *
 * RFC 4787 §4.3 requires two minutes at least; many NATs keep thirty seconds.
 * A callback may be lost like any packet: a time counts as too long after it failed twice, and is
 * tried again later, because the path may have lost both callbacks, or the NAT was replaced.
 */
import { after, type Monotonic, monotonic, NEVER } from '#base/time.ts';

/** The first time to try, as a fraction of the interval without this. */
const FIRST = 4;
/** No NAT worth serving forgets sooner. */
const SHORTEST_MS = 2_000;
/** The interval, as a fraction of the longest time that the mapping survived. */
const SAFETY = 0.9;
/** The interval is checked again this much later, because a NAT may be replaced. */
const CHECK_AFTER_MS = 3_600_000;
/**
 * The time that is too long is tried again after the first, then after twice as long. If it still
 * is, the node is not callable from the end of the mapping until the callback is missing.
 */
const FIRST_RETRY_MS = 600_000;
const LONGEST_RETRY_MS = 86_400_000;
const MOST_UPLINKS = 16;

export class NatLifetime {
  /** The longest silence that the mapping survived. */
  #survivedMs = 0;
  /** The shortest silence that the mapping did not survive twice. */
  #lostMs: number | undefined;
  /** A shorter one that it did not survive once. */
  #doubtedMs: number | undefined;
  #checkedAt: Monotonic = monotonic(0);
  #lostAt: Monotonic = monotonic(0);
  #retryMs = FIRST_RETRY_MS;
  /** When this node sent last by the uplink, as far as it is known. */
  sentAt: Monotonic = monotonic(0);

  /** The silence to try next; undefined while nothing is to be learnt. `mostMs`: the longest. */
  next(now: Monotonic, mostMs: number): number | undefined {
    const tried = this.#isLearnt(mostMs) ? this.#review(now, mostMs) : this.#search(mostMs);
    return tried === undefined ? undefined : Math.min(tried, mostMs);
  }

  /** Doubles a time that the mapping survived, and halves the gap to one that it did not. */
  #search(mostMs: number): number {
    const survived = this.#survivedMs;
    const bound = this.#bound;
    if (bound !== undefined) return this.#isNarrow(bound) ? bound : (survived + bound) / 2;
    if (survived === 0) return mostMs / FIRST;
    return survived * 2.5 > mostMs ? mostMs : survived * 2;
  }

  #review(now: Monotonic, mostMs: number): number | undefined {
    const mayBeLonger = this.#lostMs !== undefined && this.#survivedMs < mostMs;
    if (mayBeLonger && now >= after(this.#lostAt, this.#retryMs)) return this.#lostMs;
    return now >= after(this.#checkedAt, CHECK_AFTER_MS) ? this.intervalMs(mostMs) : undefined;
  }

  /** How long the node may be silent. */
  intervalMs(mostMs: number): number {
    const bound = this.#isMute ? mostMs : (this.#bound ?? mostMs);
    const unknown = Math.max(bound / FIRST, SHORTEST_MS);
    if (this.#survivedMs === 0 || bound <= this.#survivedMs * SAFETY) return unknown;
    return this.#survivedMs >= mostMs ? mostMs : Math.max(this.#survivedMs * SAFETY, SHORTEST_MS);
  }

  survived(now: Monotonic, milliseconds: number): void {
    this.#checkedAt = now;
    this.#survivedMs = Math.max(this.#survivedMs, milliseconds);
    if ((this.#doubtedMs ?? milliseconds) <= milliseconds) this.#doubtedMs = undefined;
    if ((this.#lostMs ?? milliseconds) > milliseconds) return;
    this.#lostMs = undefined;
    this.#retryMs = FIRST_RETRY_MS;
  }

  /** No callback came. */
  lost(now: Monotonic, milliseconds: number): void {
    this.#checkedAt = now;
    if (this.#lostMs !== undefined && milliseconds >= this.#lostMs) {
      this.#lostAt = now;
      this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS);
    } else if (milliseconds === this.#doubtedMs) this.#believe(now, milliseconds);
    else this.#doubtedMs = Math.min(milliseconds, this.#doubtedMs ?? milliseconds);
  }

  #believe(now: Monotonic, milliseconds: number): void {
    this.#doubtedMs = undefined;
    this.#lostMs = milliseconds;
    this.#lostAt = now;
    this.#retryMs = FIRST_RETRY_MS;
    if (this.#survivedMs >= milliseconds) this.#survivedMs = 0;
  }

  /** No callback arrives at all, which says nothing about the mapping. */
  get #isMute(): boolean {
    return this.#survivedMs === 0 && (this.#lostMs ?? NEVER) <= 2 * SHORTEST_MS;
  }

  /** The shortest silence that the mapping may not survive. */
  get #bound(): number | undefined {
    return this.#doubtedMs ?? this.#lostMs;
  }

  #isLearnt(mostMs: number): boolean {
    if (this.#doubtedMs !== undefined) return false;
    if (this.#survivedMs >= mostMs) return true;
    return this.#lostMs !== undefined && this.#isNarrow(this.#lostMs);
  }

  /** No time between is worth a try. */
  #isNarrow(bound: number): boolean {
    return bound <= 2 * SHORTEST_MS || bound - this.#survivedMs <= Math.max(1_000, bound / 4);
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
