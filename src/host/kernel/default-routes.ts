/**
 * The kernel's default routes of every table, next hop by next hop, and the nexthop objects that
 * some of them name.
 *
 * A route's identity is everything that the kernel tells two routes apart by: table, source prefix
 * (of a source-specific IPv6 route), metric, nexthop object, and next hop.
 */
import { familyOf, formatPrefix, type IpAddress, type Prefix } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { LIFETIME_FOREVER_SECONDS, RouteType } from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkNexthop } from '#wire/rtnetlink/nexthops.ts';
import type { RtnetlinkRoute } from '#wire/rtnetlink/routes.ts';

/** Lifetimes are whole seconds; a smaller difference is no refresh. */
const REFRESH_SLACK_MS = 1_500;
/** Groups of nexthop objects have no groups in them. */
const GROUP_DEPTH = 1;

interface Hop {
  readonly interfaceIndex: number;
  readonly gateway: IpAddress | undefined;
}

interface PartialHop {
  readonly interfaceIndex?: number | undefined;
  readonly gateway?: IpAddress | undefined;
}

/** One next hop of a default route. */
export interface DefaultHop extends Hop {
  readonly family: 4 | 6;
  readonly table: number;
  /** Only packets from these addresses; undefined: from all. */
  readonly source: Prefix | undefined;
  readonly metric: number;
  /** RFC 4191: 1 high, 0 medium, -1 low. */
  readonly preference: number;
  readonly preferredSource: IpAddress | undefined;
  readonly nexthopId: number | undefined;
  readonly validUntil: Monotonic;
  /** Carrier epoch of the interface when the route was reported. */
  readonly epoch: number;
}

export class DefaultRoutes {
  readonly #ownProtocol: number;
  readonly #epochOf: (interfaceIndex: number) => number;
  readonly #hops = new Map<string, DefaultHop>();
  readonly #nexthops = new Map<number, RtnetlinkNexthop>();

  /** Routes of `ownProtocol` name no router. */
  constructor(ownProtocol: number, epochOf: (interfaceIndex: number) => number) {
    this.#ownProtocol = ownProtocol;
    this.#epochOf = epochOf;
  }

  all(): Iterable<DefaultHop> {
    return this.#hops.values();
  }

  setNexthops(nexthops: readonly RtnetlinkNexthop[]): void {
    this.#nexthops.clear();
    for (const nexthop of nexthops) this.#nexthops.set(nexthop.id, nexthop);
  }

  /** Routes that name the object may have changed, without a notification. */
  takeNexthop(present: boolean, nexthop: RtnetlinkNexthop): void {
    if (present) {
      this.#nexthops.set(nexthop.id, nexthop);
      return;
    }
    this.#nexthops.delete(nexthop.id);
    this.drop((hop) => hop.nexthopId === nexthop.id);
  }

  /** Takes one reported route; the next hops of a default route, none for any other. */
  take(now: Monotonic, present: boolean, route: RtnetlinkRoute): readonly DefaultHop[] {
    if (route.destination.length !== 0 || (route.typeOfService ?? 0) !== 0) return [];
    if (route.routeType !== RouteType.unicast || route.protocol === this.#ownProtocol) return [];
    const hops = this.#hopsOf(route).map((hop) => this.#defaultHop(now, route, hop));
    for (const hop of hops) {
      const key = keyOf(hop);
      if (present) this.#hops.set(key, hop);
      else this.#hops.delete(key);
    }
    return hops;
  }

  /**
   * Replaces one family's routes by those of a dump; returns whether anything changed. A router
   * whose lifetime grew was confirmed; one that only aged was not.
   */
  load(now: Monotonic, family: 4 | 6, routes: readonly RtnetlinkRoute[]): boolean {
    const former = new Map([...this.#hops].filter(([, hop]) => hop.family === family));
    for (const key of former.keys()) this.#hops.delete(key);
    for (const route of routes) this.take(now, true, route);
    let same = true;
    for (const [key, hop] of this.#hops) {
      if (hop.family !== family) continue;
      const before = former.get(key);
      former.delete(key);
      if (before !== undefined && merelyAged(before, hop, now)) this.#hops.set(key, before);
      else same = false;
    }
    return !same || former.size > 0;
  }

  /** Forgets routes that the kernel removed without a notification. */
  drop(vanished: (hop: DefaultHop) => boolean): void {
    for (const [key, hop] of this.#hops) if (vanished(hop)) this.#hops.delete(key);
  }

  /** Forgets what the new route takes the place of. */
  replace({ destination, table, source, priority = 0 }: RtnetlinkRoute): void {
    if (destination.length !== 0) return;
    const family = familyOf(destination.address);
    const from = sourceText(source);
    this.drop(
      (hop) =>
        hop.family === family &&
        hop.table === table &&
        hop.metric === priority &&
        sourceText(hop.source) === from,
    );
  }

  /** The earliest end of a router's lifetime, unless a refresh was not reported. */
  validUntil(): Monotonic {
    let first: Monotonic = NEVER;
    for (const { validUntil } of this.#hops.values()) if (validUntil < first) first = validUntil;
    return first;
  }

  #hopsOf(route: RtnetlinkRoute): readonly Hop[] {
    if (route.nextHops !== undefined) return route.nextHops.map(hopOf);
    if (route.interfaceIndex !== undefined || route.nexthopId === undefined) return [hopOf(route)];
    return this.#hopsOfObject(route.nexthopId, GROUP_DEPTH);
  }

  #hopsOfObject(id: number, depth: number): readonly Hop[] {
    const nexthop = this.#nexthops.get(id);
    if (nexthop === undefined) return [];
    const { group, interfaceIndex } = nexthop;
    if (group !== undefined)
      return depth === 0 ? [] : group.flatMap((member) => this.#hopsOfObject(member, depth - 1));
    return interfaceIndex === undefined ? [] : [hopOf(nexthop)];
  }

  #defaultHop(now: Monotonic, route: RtnetlinkRoute, hop: Hop): DefaultHop {
    const { source, table, priority: metric = 0, preference = 0, preferredSource } = route;
    return {
      ...hop,
      family: familyOf(route.destination.address),
      ...{ table, metric, preference, preferredSource, nexthopId: route.nexthopId },
      source: source === undefined || source.length === 0 ? undefined : source,
      validUntil: untilOf(now, route.expiresSeconds),
      epoch: this.#epochOf(hop.interfaceIndex),
    };
  }
}

function hopOf({ interfaceIndex = 0, gateway }: PartialHop): Hop {
  return { interfaceIndex, gateway };
}

function keyOf(hop: DefaultHop): string {
  const { family, table, source, metric, gateway, interfaceIndex, nexthopId } = hop;
  const identity = [family, table, sourceText(source), metric, nexthopId, interfaceIndex, gateway];
  return identity.join(' ');
}

function sourceText(source: Prefix | undefined): string {
  return source === undefined || source.length === 0 ? '*' : formatPrefix(source);
}

/** An expired route remains in the table until it is collected, and ages no further. */
function merelyAged(before: DefaultHop, reported: DefaultHop, now: Monotonic): boolean {
  if (before.preference !== reported.preference) return false;
  if (before.validUntil === reported.validUntil || reported.validUntil <= now) return true;
  return Math.abs(reported.validUntil - before.validUntil) <= REFRESH_SLACK_MS;
}

function untilOf(now: Monotonic, seconds: number | undefined): Monotonic {
  return seconds === undefined || seconds === LIFETIME_FOREVER_SECONDS
    ? NEVER
    : after(now, seconds * 1000);
}
