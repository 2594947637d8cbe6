/**
 * The network interfaces of the host, as input of the engines.
 *
 * No RFC: the content of rtnetlink messages.
 */
import { familyOf, type IpAddress, type Prefix, prefixContains } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';

/** One network interface of the host. The daemon's own TUN device is left out. */
export interface NetworkInterface {
  readonly index: number;
  readonly name: string;
  /** Administratively up and with carrier. */
  readonly running: boolean;
  /** Counts the gains of carrier; state learnt in another epoch may belong to another link. */
  readonly epoch: number;
  readonly mtu: number;
  readonly linkAddress: Uint8Array;
  readonly addresses: readonly InterfaceAddress[];
  readonly routers: readonly DefaultRouter[];
}

export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  /**
   * Duplicate address detection has not finished (an optimistic address is usable and not tentative
   * here).
   */
  readonly tentative: boolean;
  /** Usable although its duplicate address detection has not finished (RFC 4429). */
  readonly optimistic?: boolean;
  /** DAD failed: never usable. */
  readonly duplicate: boolean;
  readonly deprecated: boolean;
  /** Monotonic time at which the address becomes invalid; `NEVER` for a permanent one. */
  readonly validUntil: Monotonic;
  /**
   * The carrier epoch in which the kernel last reported the address; when it is older than the
   * interface's `epoch`, the address is not confirmed since the carrier was lost.
   */
  readonly epoch: number;
}

export interface DefaultRouter {
  readonly family: 4 | 6;
  /** Undefined for an on-link default (point-to-point). */
  readonly gateway: IpAddress | undefined;
  readonly metric: number;
  readonly validUntil: Monotonic;
  readonly epoch: number;
  /**
   * The router serves packets from these addresses only: a policy rule or a source-specific route
   * leads them there. Undefined: from all addresses.
   */
  readonly source?: Prefix;
  /** Position of the lookup that finds the router: the kernel takes the lowest. Default 0. */
  readonly rank?: number;
  /** RFC 4191: 1 high, 0 medium (default), -1 low. */
  readonly preference?: number;
}

/** A fault text if the host has no interface of that name; undefined if it has one. */
export function unknownInterface(
  name: string,
  interfaces: readonly NetworkInterface[],
): string | undefined {
  const names = interfaces.map((link) => link.name);
  return names.includes(name)
    ? undefined
    : `no interface "${name}"; this host has ${names.join(', ') || 'none'}`;
}

/** Metrics have 32 bits. */
const BY_SOURCE_METRIC = 2 ** 32;

/**
 * The metric of an uplink with this router: one that is found by source alone comes behind those
 * that the kernel chooses for any source.
 */
export function uplinkMetric({ source, metric }: DefaultRouter): number {
  return source === undefined ? metric : BY_SOURCE_METRIC + metric;
}

/** The router of packets from the address: a confirmed one first, then as the kernel chooses. */
export function routerFor(
  now: Monotonic,
  { routers }: Pick<NetworkInterface, 'routers'>,
  address: IpAddress,
): DefaultRouter | undefined {
  const family = familyOf(address);
  return routers
    .filter(
      ({ source, validUntil, ...router }) =>
        router.family === family &&
        validUntil > now &&
        (source === undefined || prefixContains(source, address)),
    )
    .sort(
      (a, b) =>
        b.epoch - a.epoch ||
        (a.rank ?? 0) - (b.rank ?? 0) ||
        (b.source?.length ?? 0) - (a.source?.length ?? 0) ||
        a.metric - b.metric ||
        (b.preference ?? 0) - (a.preference ?? 0),
    )[0];
}
