/**
 * Names that applications ask for, and the directions that the coordinator gave for them.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Direction Request, Route Direction)
 *
 * A name stays in use for a while after a query. When its path ends meanwhile, the node requests it
 * again with the same path id.
 */
import type { IpAddress } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { NameAnswer } from '#engine/contract/ntmobile.ts';
import type { Session } from '#engine/sealed/session.ts';

const IN_USE_MS = 600_000;
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 30_000;
const MAX_NAMES = 4_096;

export interface Direction {
  readonly name: string;
  pathId: Uint8Array;
  /** Queries that wait for the direction. */
  readonly waiting: number[];
  /** The session of the request in flight. */
  pendingSession: Session | undefined;
  /** Request it as soon as the node is registered. */
  postponed: boolean;
  inUseUntil: Monotonic;
  /** The last answer to applications, and until when it may be given again without a request. */
  addresses: readonly IpAddress[];
  freshUntil: Monotonic;
  retryMs: number;
  retryAt: Monotonic;
}

export class Directions {
  readonly #byName = new Map<string, Direction>();

  get(name: string): Direction | undefined {
    return this.#byName.get(name);
  }

  all(): Iterable<Direction> {
    return this.#byName.values();
  }

  deadline(): Monotonic {
    let first: Monotonic = NEVER;
    for (const { retryAt } of this.#byName.values()) if (retryAt < first) first = retryAt;
    return first;
  }

  /** An application asks for the name. */
  request(now: Monotonic, name: string, pathId: () => Uint8Array): Direction {
    const known = this.#byName.get(name);
    if (known !== undefined) {
      known.inUseUntil = after(now, IN_USE_MS);
      return known;
    }
    if (this.#byName.size >= MAX_NAMES) this.#dropOldest();
    const direction: Direction = {
      ...{
        name,
        pathId: pathId(),
        waiting: [],
        pendingSession: undefined,
        postponed: false,
        inUseUntil: after(now, IN_USE_MS),
      },
      ...{ addresses: [], freshUntil: now, retryMs: FIRST_RETRY_MS, retryAt: NEVER },
    };
    this.#byName.set(name, direction);
    return direction;
  }

  #dropOldest(): void {
    for (const [name, { waiting }] of this.#byName) {
      if (waiting.length > 0) continue;
      this.#byName.delete(name);
      return;
    }
  }

  granted(
    now: Monotonic,
    direction: Direction,
    addresses: readonly IpAddress[],
    timeToLiveSeconds: number,
  ): void {
    direction.addresses = addresses;
    direction.freshUntil = after(now, timeToLiveSeconds * 1000);
    direction.retryMs = FIRST_RETRY_MS;
    direction.retryAt = NEVER;
  }

  /** Its path ended: schedules another request while the name is in use. */
  lost(now: Monotonic, direction: Direction): void {
    direction.freshUntil = now;
    if (now >= direction.inUseUntil) return;
    const retryAt = after(now, direction.retryMs);
    // Further losses do not postpone it.
    if (retryAt >= direction.retryAt) return;
    direction.retryAt = retryAt;
    direction.retryMs = Math.min(2 * direction.retryMs, LONGEST_RETRY_MS);
  }

  /** Resets the back-off: the reason of former failures may no longer exist. */
  retryNow(direction: Direction): void {
    direction.retryMs = FIRST_RETRY_MS;
  }

  takeDue(now: Monotonic): readonly Direction[] {
    const due = [...this.#byName.values()].filter(({ retryAt }) => retryAt <= now);
    for (const direction of due) direction.retryAt = NEVER;
    return due;
  }
}

/** The answer to a query from a direction that is known. */
export function nameAnswer(now: Monotonic, { addresses, freshUntil }: Direction): NameAnswer {
  return {
    outcome: 'addresses',
    addresses,
    timeToLiveSeconds: Math.max(0, Math.ceil((freshUntil - now) / 1000)),
  };
}
