/**
 * Admission of TCP connections by the network that they come from, and the choice of the connection
 * that is closed when there is no room.
 *
 * A stranger can open connections from as many addresses as its prefixes have, without a proof of
 * anything. So connections are counted by the prefixes that one site usually
 * has (RFC 6177: an IPv6 /64 to /48), and those that have not yet asked for anything make room for
 * new ones, the oldest first. A connection whose request is being served is never closed.
 *
 * No RFC; RFC 4732 §2.1 and §5 describe the attacks.
 */
import { type IpAddress, isIpv6, networkOf } from './ip.ts';
import { type RateLimit, RateLimiter } from './rate-limiter.ts';
import type { Monotonic } from './time.ts';

export interface ConnectionLimit {
  readonly total: number;
  /** The last ones of `total`, for sources that were authenticated before. */
  readonly reserved: number;
  /** From one IPv4 address or IPv6 /64. */
  readonly perSource: number;
  /** From one IPv4 /24 or IPv6 /48. */
  readonly perNetwork: number;
  /** New connections of one IPv4 address or IPv6 /64; four times as many of a network. */
  readonly rate: RateLimit;
}

/**
 * - `silent`: nothing useful arrived; a TLS handshake is not over.
 * - `secured`: the TLS handshake is over, no whole request arrived.
 * - `serving`: a whole request arrived and is not yet answered.
 * - `idle`: every request was answered.
 */
export type ConnectionPhase = 'silent' | 'secured' | 'serving' | 'idle';

/** Connections in these phases are closed for others, in this order. */
const SHED_ORDER = ['silent', 'secured', 'idle'] as const;
const NETWORK_RATE_FACTOR = 4;
const MOST_KNOWN_SOURCES = 10_000;

type Admission<C> =
  /** `shed`: close this connection first. */
  | { readonly admitted: true; readonly shed: C | undefined }
  | { readonly admitted: false; readonly reason: 'too-many' | 'too-fast' };

export interface TurnedAway {
  readonly refused: number;
  readonly shed: number;
}

const TOO_MANY = { admitted: false, reason: 'too-many' } as const;
const TOO_FAST = { admitted: false, reason: 'too-fast' } as const;

/** Connections by phase, the oldest of each first. */
class Group<C> {
  readonly #byPhase: Readonly<Record<ConnectionPhase, Set<C>>> = {
    ...{ silent: new Set(), secured: new Set(), serving: new Set(), idle: new Set() },
  };
  size = 0;

  add(connection: C, phase: ConnectionPhase): void {
    this.#byPhase[phase].add(connection);
    this.size += 1;
  }

  remove(connection: C, phase: ConnectionPhase): void {
    if (this.#byPhase[phase].delete(connection)) this.size -= 1;
  }

  /** The connection to close for another one; undefined if all are being served. */
  victim(): C | undefined {
    for (const phase of SHED_ORDER) {
      const [oldest] = this.#byPhase[phase];
      if (oldest !== undefined) return oldest;
    }
    return undefined;
  }
}

interface Entry {
  readonly source: string | undefined;
  readonly network: string | undefined;
  phase: ConnectionPhase;
}

/** `C` names a connection. Every call takes constant time. */
export class ConnectionLimits<C> {
  #refused = 0;
  #shed = 0;
  #limit: ConnectionLimit;
  readonly #entries = new Map<C, Entry>();
  readonly #all = new Group<C>();
  readonly #sources = new Map<string, Group<C>>();
  readonly #networks = new Map<string, Group<C>>();
  readonly #sourceRate: RateLimiter;
  readonly #networkRate: RateLimiter;
  /** Sources that were authenticated, least recently first. */
  readonly #known = new Set<string>();

  constructor(limit: ConnectionLimit) {
    this.#limit = limit;
    this.#sourceRate = new RateLimiter(limit.rate);
    this.#networkRate = new RateLimiter(networkRateOf(limit.rate));
  }

  /** Applies to new connections. */
  setLimit(limit: ConnectionLimit): void {
    this.#limit = limit;
    this.#sourceRate.setLimit(limit.rate);
    this.#networkRate.setLimit(networkRateOf(limit.rate));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Connections that were refused, and that were closed for others. */
  get turnedAway(): TurnedAway {
    return { refused: this.#refused, shed: this.#shed };
  }

  /**
   * Admits a connection in phase `silent` or refuses it. Without `from` (a unix socket, or clients
   * that are all on this host) it counts in the total only.
   */
  admit(now: Monotonic, connection: C, from: IpAddress | undefined): Admission<C> {
    const admission = this.#judge(now, connection, from);
    if (!admission.admitted) this.#refused += 1;
    else if (admission.shed !== undefined) this.#shed += 1;
    return admission;
  }

  #judge(now: Monotonic, connection: C, from: IpAddress | undefined): Admission<C> {
    const entry = entryOf(from);
    const { source, network } = entry;
    if (source !== undefined && network !== undefined) {
      if (this.#sourceRate.take(source, now) !== undefined) return TOO_FAST;
      if (this.#networkRate.take(network, now) !== undefined) return TOO_FAST;
    }
    const shed = this.#roomFor(entry);
    if (shed === 'none') return TOO_MANY;
    if (shed !== undefined) this.close(shed);
    this.#entries.set(connection, entry);
    for (const group of this.#groupsOf(entry, true)) group.add(connection, entry.phase);
    return { admitted: true, shed };
  }

  /** Unknown and closed connections are ignored. */
  enter(connection: C, phase: ConnectionPhase): void {
    const entry = this.#entries.get(connection);
    if (entry === undefined || entry.phase === phase) return;
    for (const group of this.#groupsOf(entry, false)) {
      group.remove(connection, entry.phase);
      group.add(connection, phase);
    }
    entry.phase = phase;
  }

  close(connection: C): void {
    const entry = this.#entries.get(connection);
    if (entry === undefined) return;
    this.#entries.delete(connection);
    for (const group of this.#groupsOf(entry, false)) group.remove(connection, entry.phase);
    drop(this.#sources, entry.source);
    drop(this.#networks, entry.network);
  }

  /** The source may use reserved connections from now on. */
  authenticated(from: IpAddress): void {
    const { source } = entryOf(from);
    if (source === undefined) return;
    this.#known.delete(source);
    this.#known.add(source);
    const [oldest] = this.#known;
    if (this.#known.size > MOST_KNOWN_SOURCES && oldest !== undefined) this.#known.delete(oldest);
  }

  /** The connection to close for a new one, undefined if there is room, or `none`. */
  #roomFor({ source, network }: Entry): C | undefined | 'none' {
    const { total, reserved, perSource, perNetwork } = this.#limit;
    const known = source !== undefined && this.#known.has(source);
    const full =
      this.#fullGroup(this.#sources, source, perSource) ??
      this.#fullGroup(this.#networks, network, perNetwork) ??
      (this.#all.size < total - (known ? 0 : reserved) ? undefined : this.#all);
    return full === undefined ? undefined : (full.victim() ?? 'none');
  }

  #fullGroup(
    groups: ReadonlyMap<string, Group<C>>,
    key: string | undefined,
    most: number,
  ): Group<C> | undefined {
    const group = key === undefined ? undefined : groups.get(key);
    return group !== undefined && group.size >= most ? group : undefined;
  }

  #groupsOf({ source, network }: Entry, make: boolean): readonly Group<C>[] {
    const groups = [this.#all];
    for (const [map, key] of [
      [this.#sources, source],
      [this.#networks, network],
    ] as const) {
      if (key === undefined) continue;
      let group = map.get(key);
      if (group === undefined && make) {
        group = new Group();
        map.set(key, group);
      }
      if (group !== undefined) groups.push(group);
    }
    return groups;
  }
}

function drop<C>(groups: Map<string, Group<C>>, key: string | undefined): void {
  if (key !== undefined && groups.get(key)?.size === 0) groups.delete(key);
}

function networkRateOf({ perMinute, burst }: RateLimit): RateLimit {
  return { perMinute: perMinute * NETWORK_RATE_FACTOR, burst: burst * NETWORK_RATE_FACTOR };
}

function entryOf(from: IpAddress | undefined): Entry {
  if (from === undefined) return { source: undefined, network: undefined, phase: 'silent' };
  return { source: sourceOf(from), network: siteOf(from), phase: 'silent' };
}

/** The IPv4 address, or the IPv6 /64. */
export function sourceOf(from: IpAddress): string {
  return isIpv6(from) ? networkOf(from, 64) : from;
}

/** The IPv4 /24, or the IPv6 /48. */
export function siteOf(from: IpAddress): string {
  return networkOf(from, isIpv6(from) ? 48 : 24);
}
