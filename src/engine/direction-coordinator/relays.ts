/**
 * Relays that registered with a direction coordinator, and which of them a path takes.
 *
 * No RFC: docs/ntmobile.md §6 (Registration Request of a relay)
 */
import { hex } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import type { Session } from '#engine/shared/ntmobile/session.ts';
import type { Endpoint } from '#wire/ntmobile-options.ts';

/** What a relay that is full gets no more of. */
const FULL_THOUSANDTHS = 950;
/** What a round trip counts for that nobody measured, microseconds. */
const UNKNOWN_ROUND_TRIP = 200_000;

export interface Relay {
  readonly publicKey: Uint8Array;
  readonly nodeId: Uint8Array;
  readonly endpoints: readonly Endpoint[];
  readonly loadThousandths: number;
  readonly session: Session;
  readonly until: Monotonic;
}

export class Relays {
  readonly #byNodeId = new Map<string, Relay>();

  set(relay: Relay): void {
    this.#byNodeId.set(hex(relay.nodeId), relay);
  }

  /** The relay went, or its session did. */
  removeOf(session: Session): void {
    for (const [id, relay] of this.#byNodeId) if (relay.session === session) this.#byNodeId.delete(id);
  }

  all(now: Monotonic): readonly Relay[] {
    return [...this.#byNodeId.values()].filter(({ until }) => until > now);
  }

  /**
   * The relay with the shortest way over it for all that `roundTrips` measured (microseconds by node id), a loaded one counting as farther away.
   * Undefined when none is registered, or all are full.
   */
  choose(now: Monotonic, roundTrips: readonly ReadonlyMap<string, number>[]): Relay | undefined {
    let best: Relay | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const relay of this.all(now)) {
      if (relay.loadThousandths >= FULL_THOUSANDTHS) continue;
      const id = hex(relay.nodeId);
      const way = roundTrips.reduce((sum, measured) => sum + (measured.get(id) ?? UNKNOWN_ROUND_TRIP), 0);
      const cost = way / (1 - relay.loadThousandths / 1000);
      if (cost >= least) continue;
      best = relay;
      least = cost;
    }
    return best;
  }
}
