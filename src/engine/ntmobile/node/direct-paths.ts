/**
 * Direct ways of a path: places where the other node may be, checked by challenges both ways, and
 * which of them answers best.
 *
 * No RFC: docs/ntmobile.md §6 (Path Challenge and Response), in the manner of the connectivity
 * checks of RFC 8445 §6, §7
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { Endpoint, NtmobileOptionOf } from '#wire/ntmobile-options.ts';

/** Between the first checks of two ways. */
const PACE_MS = 20;
/** A way in use that is silent for longer than this and an attempt is given up. */
const LIVENESS_MS = 5_000;
const SPARE_MS = 20_000;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 300_000;
const MOST_WAYS = 16;
/** Another way is taken only when it is so much shorter. */
const BETTER = 0.8;

export interface DirectWay {
  readonly key: string;
  readonly endpoint: Endpoint;
  /** Measured by the last check that was answered; undefined while it does not answer. */
  roundTripMs: number | undefined;
  checking: boolean;
  nextAt: Monotonic;
  retryMs: number;
}

export function wayKey({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

export class DirectWays {
  readonly #ways = new Map<string, DirectWay>();
  #best: DirectWay | undefined;

  /** The way that answers, and best; undefined: none does. */
  get best(): DirectWay | undefined {
    return this.#best;
  }

  get(key: string): DirectWay | undefined {
    return this.#ways.get(key);
  }

  all(): Iterable<DirectWay> {
    return this.#ways.values();
  }

  deadline(): Monotonic {
    let first: Monotonic = NEVER;
    for (const { nextAt } of this.#ways.values()) if (nextAt < first) first = nextAt;
    return first;
  }

  /**
   * Where the other node says that it is. What it no longer says is forgotten, unless it answers.
   */
  offered(now: Monotonic, candidates: readonly NtmobileOptionOf<'candidate'>[]): void {
    const keys = new Set(candidates.map(({ endpoint }) => wayKey(endpoint)));
    for (const way of this.#ways.values()) {
      if (!keys.has(way.key) && way.roundTripMs === undefined) this.#ways.delete(way.key);
    }
    for (const { endpoint } of candidates) this.add(now, endpoint);
  }

  /** A place where it may be, to be checked in its turn; undefined: too many are known. */
  add(now: Monotonic, endpoint: Endpoint): DirectWay | undefined {
    const key = wayKey(endpoint);
    const known = this.#ways.get(key);
    if (known !== undefined) return known;
    if (this.#ways.size >= MOST_WAYS) return undefined;
    const nextAt = after(now, PACE_MS * this.#ways.size);
    const way = {
      key,
      endpoint,
      roundTripMs: undefined,
      checking: false,
      nextAt,
      retryMs: FIRST_RETRY_MS,
    };
    this.#ways.set(key, way);
    return way;
  }

  /** One of the ends is elsewhere: nothing is known of any way, and all are tried at once. */
  doubtAll(now: Monotonic): void {
    this.#best = undefined;
    for (const [at, way] of [...this.#ways.values()].entries()) {
      way.roundTripMs = undefined;
      way.retryMs = FIRST_RETRY_MS;
      way.nextAt = after(now, PACE_MS * at);
    }
  }

  /** Something came from there: its turn is now. */
  hurry(now: Monotonic, way: DirectWay): void {
    if (!way.checking && way.roundTripMs === undefined) way.nextAt = now;
  }

  /** Ways whose check is due; they count as being checked. */
  takeDue(now: Monotonic): readonly DirectWay[] {
    const due = [...this.#ways.values()].filter(({ nextAt }) => nextAt <= now);
    for (const way of due) {
      way.checking = true;
      way.nextAt = NEVER;
    }
    return due;
  }

  /** A check came to its end. Says whether the best way is another one now. */
  checked(now: Monotonic, way: DirectWay, roundTripMs: number | undefined): boolean {
    way.checking = false;
    way.roundTripMs = roundTripMs;
    if (roundTripMs === undefined) {
      way.nextAt = after(now, way.retryMs);
      way.retryMs = Math.min(2 * way.retryMs, LONGEST_RETRY_MS);
    } else way.retryMs = FIRST_RETRY_MS;
    const former = this.#best;
    this.#best = this.#choose();
    for (const each of this.#ways.values()) {
      if (each.roundTripMs === undefined || each.checking) continue;
      const wait = each === this.#best ? LIVENESS_MS : SPARE_MS;
      if (each === way || each.nextAt > after(now, wait)) each.nextAt = after(now, wait);
    }
    return this.#best !== former;
  }

  #choose(): DirectWay | undefined {
    let best = this.#best?.roundTripMs === undefined ? undefined : this.#best;
    for (const way of this.#ways.values()) {
      if (way.roundTripMs === undefined) continue;
      if (best?.roundTripMs === undefined || way.roundTripMs < BETTER * best.roundTripMs)
        best = way;
    }
    return best;
  }
}
