/**
 * Direct ways of a path: places where the other node may be, checked by challenges both ways, and
 * which of them answers best.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Path Challenge and Response), in the manner of the
 * connectivity checks of RFC 8445 §6, §7
 */
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { Endpoint, NtmobileOptionOf } from '#wire/ntmobile/options.ts';

/** Between the first checks of two ways. */
const CHECK_PACING_MS = 20;
/** A way in use that is silent for longer than this and an attempt is given up. */
const LIVENESS_MS = 5_000;
const SPARE_MS = 20_000;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 300_000;
const MAX_PATHS = 16;
/** Another way is taken only when it is so much shorter. */
const BETTER = 0.8;

export interface DirectPath {
  readonly key: string;
  readonly endpoint: Endpoint;
  /** Measured by the last check that was answered; undefined while it does not answer. */
  roundTripMs: number | undefined;
  checking: boolean;
  nextAt: Monotonic;
  retryMs: number;
}

export function endpointKey({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}

export class DirectPaths {
  readonly #paths = new Map<string, DirectPath>();
  #best: DirectPath | undefined;

  /** The way that answers, and best; undefined: none does. */
  get best(): DirectPath | undefined {
    return this.#best;
  }

  get(key: string): DirectPath | undefined {
    return this.#paths.get(key);
  }

  all(): Iterable<DirectPath> {
    return this.#paths.values();
  }

  deadline(): Monotonic {
    let first: Monotonic = NEVER;
    for (const { nextAt } of this.#paths.values()) if (nextAt < first) first = nextAt;
    return first;
  }

  /**
   * Where the other node says that it is. What it no longer says is forgotten, unless it answers.
   */
  setCandidates(now: Monotonic, candidates: readonly NtmobileOptionOf<'candidate'>[]): void {
    const keys = new Set(candidates.map(({ endpoint }) => endpointKey(endpoint)));
    for (const directPath of this.#paths.values()) {
      if (!keys.has(directPath.key) && directPath.roundTripMs === undefined)
        this.#paths.delete(directPath.key);
    }
    for (const { endpoint } of candidates) this.add(now, endpoint);
  }

  /** A place where it may be, to be checked in its turn; undefined: too many are known. */
  add(now: Monotonic, endpoint: Endpoint): DirectPath | undefined {
    const key = endpointKey(endpoint);
    const known = this.#paths.get(key);
    if (known !== undefined) return known;
    if (this.#paths.size >= MAX_PATHS) return undefined;
    const nextAt = after(now, CHECK_PACING_MS * this.#paths.size);
    const directPath = {
      key,
      endpoint,
      roundTripMs: undefined,
      checking: false,
      nextAt,
      retryMs: FIRST_RETRY_MS,
    };
    this.#paths.set(key, directPath);
    return directPath;
  }

  /** One of the ends is elsewhere: nothing is known of any way, and all are tried at once. */
  invalidateAll(now: Monotonic): void {
    this.#best = undefined;
    for (const [at, directPath] of [...this.#paths.values()].entries()) {
      directPath.roundTripMs = undefined;
      directPath.retryMs = FIRST_RETRY_MS;
      directPath.nextAt = after(now, CHECK_PACING_MS * at);
    }
  }

  /** Something came from there: its turn is now. */
  checkNow(now: Monotonic, directPath: DirectPath): void {
    if (!directPath.checking && directPath.roundTripMs === undefined) directPath.nextAt = now;
  }

  /** Ways whose check is due; they count as being checked. */
  takeDue(now: Monotonic): readonly DirectPath[] {
    const due = [...this.#paths.values()].filter(({ nextAt }) => nextAt <= now);
    for (const directPath of due) {
      directPath.checking = true;
      directPath.nextAt = NEVER;
    }
    return due;
  }

  /** A check came to its end. Says whether the best way is another one now. */
  checkCompleted(now: Monotonic, directPath: DirectPath, roundTripMs: number | undefined): boolean {
    directPath.checking = false;
    directPath.roundTripMs = roundTripMs;
    if (roundTripMs === undefined) {
      directPath.nextAt = after(now, directPath.retryMs);
      directPath.retryMs = Math.min(2 * directPath.retryMs, LONGEST_RETRY_MS);
    } else directPath.retryMs = FIRST_RETRY_MS;
    const previous = this.#best;
    this.#best = this.#choose();
    for (const each of this.#paths.values()) {
      if (each.roundTripMs === undefined || each.checking) continue;
      const wait = each === this.#best ? LIVENESS_MS : SPARE_MS;
      if (each === directPath || each.nextAt > after(now, wait)) each.nextAt = after(now, wait);
    }
    return this.#best !== previous;
  }

  #choose(): DirectPath | undefined {
    let best = this.#best?.roundTripMs === undefined ? undefined : this.#best;
    for (const directPath of this.#paths.values()) {
      if (directPath.roundTripMs === undefined) continue;
      if (best?.roundTripMs === undefined || directPath.roundTripMs < BETTER * best.roundTripMs)
        best = directPath;
    }
    return best;
  }
}
