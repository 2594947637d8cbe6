/**
 * The relays that are registered with a direction coordinator, and the choice of one for a path.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration Request of a relay)
 */
import { equalBytes, hex } from '#base/bytes.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

/** A relay with this load gets no more paths. */
const FULL_THOUSANDTHS = 950;
/** Assumed for a round trip that was not measured, in microseconds. */
const UNKNOWN_ROUND_TRIP = 200_000;
/** A relay that did not answer a request is avoided this long. */
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

  has(nodeId: Uint8Array): boolean {
    return this.#byNodeId.has(hex(nodeId));
  }

  /** Removes the relay with this session. */
  removeBySession(session: Session): void {
    for (const [id, relay] of this.#byNodeId)
      if (relay.session === session) this.#byNodeId.delete(id);
  }

  /** The sessions of relays whose public key matches, including expired registrations. */
  sessionsOf(matches: (publicKey: Uint8Array) => boolean): readonly Session[] {
    return [...this.#byNodeId.values()]
      .filter(({ publicKey }) => matches(publicKey))
      .map(({ session }) => session);
  }

  /** The relay did not answer a request. Ignored if it has registered with a new session since. */
  markSilent(now: Monotonic, { nodeId, session }: Relay): void {
    if (this.#byNodeId.get(hex(nodeId))?.session === session)
      this.#silentUntil.set(hex(nodeId), after(now, SILENT_MS));
  }

  #isResponsive(now: Monotonic, { nodeId }: Relay): boolean {
    return (this.#silentUntil.get(hex(nodeId)) ?? now) <= now;
  }

  all(now: Monotonic): readonly Relay[] {
    return [...this.#byNodeId.values()].filter(({ until }) => until > now);
  }

  /**
   * The relay with the shortest round trip of all nodes together (`roundTrips`: microseconds by
   * node id), weighted by load. The relay with the public key `preferred` is chosen first.
   * Undefined when no relay is registered or all are full.
   */
  choose(
    now: Monotonic,
    roundTrips: readonly ReadonlyMap<string, number>[],
    preferred?: Uint8Array,
  ): Relay | undefined {
    const all = this.all(now);
    const responsive = all.filter((relay) => this.#isResponsive(now, relay));
    const eligible = responsive.length > 0 ? responsive : all;
    const same = eligible.find(
      ({ publicKey }) => preferred !== undefined && equalBytes(publicKey, preferred),
    );
    return same ?? nearest(eligible, roundTrips);
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
    const roundTrip = roundTrips.reduce(
      (sum, measured) => sum + (measured.get(id) ?? UNKNOWN_ROUND_TRIP),
      0,
    );
    const cost = roundTrip / (1 - relay.loadThousandths / 1000);
    if (cost >= least) continue;
    best = relay;
    least = cost;
  }
  return best;
}
