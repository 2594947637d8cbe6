/**
 * The desired state of the host and the data plane, as an engine declares it.
 *
 * An engine publishes parts under keys of its choice (`set-desired` in output.ts). The runtime
 * applies the union of all parts: an item stays until the last part that desires it withdraws it.
 * One row of src/runtime/desired-state-kinds.ts says how each kind is compared and applied.
 *
 * No RFC: the engines implement RFC behaviour, the contract does not.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { DesiredEspKeys, EspTunnelOwner } from './esp.ts';
import type {
  DesiredAddressMap,
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
} from './ntmobile.ts';
import { encapsulationOf, type OuterPath, type Protection } from './outer-path.ts';
import type {
  DesiredGroupMember,
  DesiredInnerPrefix,
  DesiredKillSwitch,
  DesiredLocalNetwork,
  DesiredMasquerade,
} from './packet-filters.ts';

/** Every kind of desired state, and the type of its items. */
export interface DesiredItems {
  readonly killSwitches: DesiredKillSwitch;
  readonly localNetworks: DesiredLocalNetwork;
  readonly innerPrefixes: DesiredInnerPrefix;
  readonly addresses: DesiredAddress;
  readonly routes: DesiredRoute;
  readonly rules: DesiredRule;
  readonly proxyNeighbours: DesiredProxyNeighbour;
  readonly groupMembers: DesiredGroupMember;
  readonly masquerades: DesiredMasquerade;
  readonly nameServers: DesiredNameServers;
  readonly sysctls: DesiredSysctl;
  readonly tunnels: DesiredTunnel;
  readonly planeRoutes: DesiredPlaneRoute;
  readonly sealingKeys: DesiredSealingKeys;
  readonly espKeys: DesiredEspKeys;
  readonly espSpis: DesiredEspSpi;
  readonly relayLegs: DesiredRelayLeg;
  readonly translations: DesiredTranslation;
  readonly addressMaps: DesiredAddressMap;
  readonly overlays: DesiredOverlay;
}

/** One part of the desired state; an absent member means no item of that kind. */
export type DesiredPart = { readonly [K in keyof DesiredItems]?: readonly DesiredItems[K][] };

export interface DesiredAddress {
  /** An interface's name, or `TUN_DEVICE`. */
  readonly device: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /**
   * IFA_F_NODAD: no duplicate address detection. It would find the home agent, which defends the
   * address, and it is pointless on a TUN device.
   */
  readonly noDad: boolean;
  /** IFA_F_NOPREFIXROUTE: the kernel adds no route to the address's prefix. */
  readonly noPrefixRoute?: boolean;
  /** Preferred lifetime zero: the kernel does not choose it as a source address. */
  readonly deprecated?: boolean;
}

/** Stands for the daemon's TUN device, whose name an engine does not know. */
export const TUN_DEVICE = '%tun';

const MAIN_TABLE = 254;

/**
 * Metric of the `unreachable` route behind each route into `TUN_DEVICE`. While the device is down
 * or missing the kernel has no route into it, and a packet would follow a default route: a home
 * agent's back to the router that it came from, a mobile node's outside of the tunnel.
 */
const UNREACHABLE_METRIC = 8192;

/** `routes` into the TUN device, and the `unreachable` ones behind them. */
export function guarded(routes: readonly DesiredRoute[]): readonly DesiredRoute[] {
  return [...routes, ...routes.map(({ destination, table }) => unreachable(destination, table))];
}

/** Less preferred than every other route to the destination. */
export function unreachable(destination: Prefix, table = MAIN_TABLE): DesiredRoute {
  return { destination, table, type: 'unreachable', metric: UNREACHABLE_METRIC };
}

export interface DesiredRoute {
  readonly destination: Prefix;
  readonly table: number;
  readonly type?: 'unicast' | 'unreachable' | 'blackhole';
  readonly device?: string;
  readonly gateway?: IpAddress;
  /** Preferred source address of packets that this host originates. */
  readonly source?: IpAddress;
  readonly metric?: number;
  readonly mtu?: number;
}

export interface DesiredRule {
  readonly family: 4 | 6;
  readonly priority: number;
  /**
   * Place among the rules of other software. 'first': the priority is lowered if another program
   * adds a rule before this one that would take the daemon's own packets. 'last': behind every
   * other rule of the same priority.
   */
  readonly place?: 'first' | 'last';
  /** Zero for a rule with a `target`. */
  readonly table: number;
  /** FR_ACT_GOTO: the lookup continues at the rule of this higher priority number. */
  readonly target?: number;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly mark?: { readonly value: number; readonly mask: number };
  /** FIB_RULE_INVERT: the rule matches every packet that its other members do not match. */
  readonly invert?: boolean;
  readonly suppressPrefixLength?: number;
  /** An interface's name, `TUN_DEVICE`, or 'lo' for packets that this host originates. */
  readonly inputDevice?: string;
}

/**
 * The kernel answers Neighbour Solicitations and ARP requests for `address` on `device` (a home
 * agent defends home addresses: RFC 6275 §10.4.1).
 */
export interface DesiredProxyNeighbour {
  readonly device: string;
  readonly address: IpAddress;
}

/** The name servers of the whole host, reached through the tunnel. There is one item. */
export interface DesiredNameServers {
  /** At least one. */
  readonly servers: readonly IpAddress[];
  readonly searchDomains: readonly string[];
}

/** A kernel setting. A part's settings are set in order, and restored in the reverse order. */
export interface DesiredSysctl {
  /** Below /proc/sys, such as 'net/ipv6/conf/all/forwarding'; `TUN_DEVICE` may be a component. */
  readonly path: string;
  readonly value: string;
  /** Leaves the setting alone unless this is its present value. */
  readonly onlyIfCurrently?: string;
}

/**
 * How a daemon can control forwarding of IPv6 packets on this host: for each input interface
 * (`force_forwarding`, Linux 6.17), for all interfaces at once, or not at all, because /proc/sys is
 * read-only and the host's administrator (or a container's) has decided.
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
  /** If the protection is `esp`. */
  readonly esp?: EspTunnelOwner;
  /**
   * Largest inner packet in octets. The plane answers a larger one with Packet Too Big or
   * Fragmentation Needed.
   */
  readonly mtu: number;
}

/** A tunnel as operators see it: flat, with one word for carrier and protection. */
export type TunnelDescription = {
  readonly id: number;
  readonly encapsulation: ReturnType<typeof encapsulationOf>;
  readonly mtu: number;
} & Omit<OuterPath, 'carrier'>;

export function describeTunnel({ id, path, protection, mtu }: DesiredTunnel): TunnelDescription {
  const { carrier, ...ends } = path;
  return { id, encapsulation: encapsulationOf(carrier, protection), ...ends, mtu };
}

/**
 * The engine receives ESP packets with this SPI (RFC 4303) that are for this host. Other ESP
 * packets are data, also those of `DesiredEspKeys`.
 */
interface DesiredEspSpi {
  readonly spi: number;
}

/**
 * One entry of the plane's routing table, which maps a prefix of the mobile side to its tunnel; the
 * longest prefix wins.
 *
 * A home agent looks up the inner destination of a packet that it sends. For a received packet it
 * looks up the inner source, and drops the packet unless the entry names the tunnel that the packet
 * arrived through (ingress filtering). A mobile node or router looks up the inner source when it
 * sends, and the inner destination when it receives.
 */
export interface DesiredPlaneRoute {
  readonly prefix: Prefix;
  readonly tunnel: number;
  /**
   * On a mobile node: the prefix belongs to the tunnel's other end, as on a home agent. The plane
   * looks up peer routes first, by inner destination. An inner packet from a tunnel with peer
   * routes needs a source in one of them, and a `DesiredOverlay`'s `address` as its destination.
   */
  readonly peer?: boolean;
}
