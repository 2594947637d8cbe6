/**
 * The desired state of the host and the data plane, in parts.
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type {
  DesiredAddressMap,
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
} from './ntmobile.ts';
import {
  type Encapsulation,
  encapsulationOf,
  type OuterPath,
  type Protection,
} from './outer-path.ts';

/** Every kind of desired state, and the type of its items. */
export interface DesiredItems {
  readonly addresses: DesiredAddress;
  readonly routes: DesiredRoute;
  readonly rules: DesiredRule;
  readonly proxyNeighbours: DesiredProxyNeighbour;
  readonly sysctls: DesiredSysctl;
  readonly tunnels: DesiredTunnel;
  readonly planeRoutes: DesiredPlaneRoute;
  readonly sealingKeys: DesiredSealingKeys;
  readonly relayLegs: DesiredRelayLeg;
  readonly translations: DesiredTranslation;
  readonly addressMaps: DesiredAddressMap;
  readonly overlays: DesiredOverlay;
}

/** One part of the desired state; an absent member means no item of that kind. */
export type DesiredPart = { readonly [K in keyof DesiredItems]?: readonly DesiredItems[K][] };

export interface DesiredAddress {
  /** Interface name; `TUN_DEVICE` for the daemon's own tunnel device. */
  readonly device: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Add with IFA_F_NODAD: another node (the home agent) answered for it, or it is on a TUN. */
  readonly noDad: boolean;
  /** IFA_F_NOPREFIXROUTE: no connected route follows from it. */
  readonly noPrefixRoute?: boolean;
  /** Preferred lifetime zero: never chosen as a source by itself. */
  readonly deprecated?: boolean;
}

/** Stands for the daemon's own TUN device in desired state. */
export const TUN_DEVICE = '%tun';

export interface DesiredRoute {
  readonly destination: Prefix;
  readonly table: number;
  readonly type?: 'unicast' | 'unreachable' | 'blackhole';
  readonly device?: string;
  readonly gateway?: IpAddress;
  /** Preferred source address. */
  readonly source?: IpAddress;
  readonly metric?: number;
  readonly mtu?: number;
}

export interface DesiredRule {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly mark?: { readonly value: number; readonly mask: number };
  /** Matches packets without this mark (FIB_RULE_INVERT). */
  readonly invert?: boolean;
  readonly suppressPrefixLength?: number;
  /** `TUN_DEVICE`, an interface, or 'lo': what the host itself sends. */
  readonly inputDevice?: string;
}

/**
 * Answer Neighbour Solicitations / ARP requests for `address` on `device` (home agent, RFC 6275
 * §10.4.1).
 */
export interface DesiredProxyNeighbour {
  readonly device: string;
  readonly address: IpAddress;
}

/**
 * `path` below /proc/sys, with '/' separators: 'net/ipv6/conf/all/forwarding'; `TUN_DEVICE` may
 * stand in it for a device. Those of one part are set in their order and restored in the reverse
 * order, at the latest at exit.
 */
export interface DesiredSysctl {
  readonly path: string;
  readonly value: string;
  /** Changed only where this is the present value. */
  readonly onlyIfCurrently?: string;
}

/**
 * How a host lets its IPv6 packets be forwarded: by the interface that they came in by
 * (`force_forwarding`, Linux 6.17); by all interfaces or none; or as it is, because its settings
 * cannot be written and are those that whoever made the host has chosen.
 */
export type ForwardingControl = 'by-interface' | 'everywhere' | 'given';

/** One bidirectional tunnel of the data plane. */
export interface DesiredTunnel {
  /**
   * Unique in the daemon, 1 … 2^31-1, chosen by the engine. The id stays the same while the tunnel
   * lives; a move changes only the path.
   */
  readonly id: number;
  readonly path: OuterPath;
  readonly protection: Protection;
  /**
   * Largest inner packet in octets. The plane answers a larger one with Packet Too Big or
   * Fragmentation Needed.
   */
  readonly mtu: number;
}

/** A tunnel as operators see it: one word for carrier and protection, the path's members beside. */
export type TunnelDescription = {
  readonly id: number;
  readonly encapsulation: Encapsulation;
  readonly mtu: number;
} & Omit<OuterPath, 'carrier'>;

export function describeTunnel({ id, path, protection, mtu }: DesiredTunnel): TunnelDescription {
  const { carrier, ...ends } = path;
  return { id, encapsulation: encapsulationOf(carrier, protection), ...ends, mtu };
}

/**
 * The plane's one table: mobile-side prefix → tunnel. Longest prefix wins. On a home agent it is
 * looked up by inner destination when sending into tunnels, and by inner source when receiving
 * (ingress permit: the entry must name the tunnel that the packet came through). On a mobile node
 * or router by inner source when sending, by inner destination when receiving.
 */
export interface DesiredPlaneRoute {
  readonly prefix: Prefix;
  readonly tunnel: number;
  /**
   * True on a mobile node: the prefix is the other end's, as on a home agent. Such routes are
   * looked up before the others by inner destination when sending, and an inner packet that comes
   * through a tunnel with such routes needs a source among them and a destination that is an
   * `address` of a {@link DesiredOverlay}.
   */
  readonly peer?: boolean;
}
