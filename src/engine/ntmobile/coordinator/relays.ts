/**
 * Relays that registered with a direction coordinator, and which of them a path takes.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration Request of a relay)
 */
import { equalBytes, hex } from '#base/bytes.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

/** What a relay that is full gets no more of. */
const FULL_THOUSANDTHS = 950;
/** What a round trip counts for that nobody measured, microseconds. */
const UNKNOWN_ROUND_TRIP = 200_000;
/** One that left a request unanswered is asked after all others for so long. */
const SILENT_MS = 60_000;

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
  readonly #silentUntil = new Map<string, Monotonic>();

  set(relay: Relay): void {
    this.#byNodeId.set(hex(relay.nodeId), relay);
    this.#silentUntil.delete(hex(relay.nodeId));
  }

  /** The relay went, or its session did. */
  removeOf(session: Session): void {
    for (const [id, relay] of this.#byNodeId)
      if (relay.session === session) this.#byNodeId.delete(id);
  }

  /** Those that are registered, whether their time is over or not. */
  sessionsOf(isMeant: (publicKey: Uint8Array) => boolean): readonly Session[] {
    return [...this.#byNodeId.values()]
      .filter(({ publicKey }) => isMeant(publicKey))
      .map(({ session }) => session);
  }

  /** It left a request unanswered. */
  silent(now: Monotonic, { nodeId, session }: Relay): void {
    // Unless it is back already.
    if (this.#byNodeId.get(hex(nodeId))?.session === session)
      this.#silentUntil.set(hex(nodeId), after(now, SILENT_MS));
  }

  #answers(now: Monotonic, { nodeId }: Relay): boolean {
    return (this.#silentUntil.get(hex(nodeId)) ?? now) <= now;
  }

  all(now: Monotonic): readonly Relay[] {
    return [...this.#byNodeId.values()].filter(({ until }) => until > now);
  }

  /**
   * The relay with the shortest way over it for all that `roundTrips` measured (microseconds by
   * node id), a loaded one counting as farther away. Undefined when none is registered, or all are
   * full. Before all of that comes the one with the public key `present`.
   */
  choose(
    now: Monotonic,
    roundTrips: readonly ReadonlyMap<string, number>[],
    present?: Uint8Array,
  ): Relay | undefined {
    const all = this.all(now);
    const answering = all.filter((relay) => this.#answers(now, relay));
    const among = answering.length > 0 ? answering : all;
    const same = among.find(
      ({ publicKey }) => present !== undefined && equalBytes(publicKey, present),
    );
    return same ?? nearest(among, roundTrips);
  }
}

function nearest(
  relays: readonly Relay[],
  roundTrips: readonly ReadonlyMap<string, number>[],
): Relay | undefined {
  let best: Relay | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const relay of relays) {
    if (relay.loadThousandths >= FULL_THOUSANDTHS) continue;
    const id = hex(relay.nodeId);
    const way = roundTrips.reduce(
      (sum, measured) => sum + (measured.get(id) ?? UNKNOWN_ROUND_TRIP),
      0,
    );
    const cost = way / (1 - relay.loadThousandths / 1000);
    if (cost >= least) continue;
    best = relay;
    least = cost;
  }
  return best;
}
