/**
 * Selection of the local address of each family from the host's interfaces.
 *
 * No RFC: docs/reference/ntmobile.md §6 (candidates of kind host); global scope as in RFC 4007,
 * private IPv4 addresses (RFC 1918) included
 */
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  isIpv4,
  isIpv6,
  isUniqueLocal,
  networkOf,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import { type InterfacePreference, preferenceBy } from '#engine/common/interface-preference.ts';
import {
  type DefaultRouter,
  type InterfaceAddress,
  type NetworkInterface,
  routerFor,
  uplinkMetric,
} from '#engine/common/network-interface.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

/** The networks of the host, as far as they matter for endpoints of other nodes. */
export interface OwnNetworks {
  /** All addresses of the host. */
  readonly addresses: ReadonlySet<IpAddress>;
  /** Networks on the links of the local addresses, and those that the operator named. */
  readonly networks: readonly Prefix[];
}

/** The node's local address of each family that has an uplink. */
export interface Attachment {
  readonly ipv6: LocalAddress<Ipv6Address> | undefined;
  readonly ipv4: LocalAddress<Ipv4Address> | undefined;
  /**
   * Addresses that are never an endpoint of this or another node: packets to them go into a tunnel.
   */
  readonly excluded: (address: IpAddress) => boolean;
  readonly own: OwnNetworks;
}

interface LocalAddress<A extends IpAddress = IpAddress> {
  readonly address: A;
  readonly device: string;
  /** The router; undefined for an on-link default. */
  readonly gateway: IpAddress | undefined;
  /**
   * Carrier epoch of the link. The same private address behind another NAT is another attachment.
   */
  readonly epoch: number;
  /** MTU of the link, octets. */
  readonly mtu: number;
}

export const NOT_ATTACHED: Attachment = {
  ...{ ipv6: undefined, ipv4: undefined, excluded: () => false },
  own: { addresses: new Set(), networks: [] },
};

/** Limits for local addresses. */
export interface AddressRestriction {
  /** Preference of an interface by its name; negative: never used. */
  readonly preferenceOf: (name: string) => number;
  readonly excluded: (address: IpAddress) => boolean;
  readonly peerNetworks: readonly Prefix[];
}

/** The operator's decisions about interfaces and addresses. */
export interface AddressRules {
  readonly interfaces: readonly InterfacePreference[];
  readonly excludedAddresses: readonly IpAddress[];
  readonly virtualIpv4Prefix: Prefix;
  /** Private networks beside those of the uplinks in which other nodes are reached directly. */
  readonly peerNetworks: readonly Prefix[];
}

/**
 * Derives the restriction from the configuration. `systemPrefix` holds the virtual addresses and is
 * known after the login.
 */
export function addressRestrictionOf(
  { interfaces, excludedAddresses, virtualIpv4Prefix, peerNetworks }: AddressRules,
  systemPrefix: () => Prefix | undefined,
): AddressRestriction {
  const own = new Set(excludedAddresses);
  return {
    preferenceOf: preferenceBy(interfaces),
    peerNetworks,
    excluded: (address) => {
      const prefix = systemPrefix();
      if (own.has(address) || prefixContains(virtualIpv4Prefix, address)) return true;
      return prefix !== undefined && prefixContains(prefix, address);
    },
  };
}

/** The same restriction, with `device` preferred to all other usable interfaces. */
export function withPreferredDevice(
  device: string | undefined,
  restriction: AddressRestriction,
): AddressRestriction {
  const { preferenceOf } = restriction;
  if (device === undefined) return restriction;
  const before = (name: string): number =>
    preferenceOf(name) < 0 ? preferenceOf(name) : Number.POSITIVE_INFINITY;
  return {
    ...restriction,
    preferenceOf: (name) => (name === device ? before(name) : preferenceOf(name)),
  };
}

/**
 * Selects, for each family, the usable interface with the highest preference; among equals the one
 * whose default router has the lowest metric.
 */
export function attachmentOf(
  now: Monotonic,
  interfaces: readonly NetworkInterface[],
  restriction: AddressRestriction,
): Attachment {
  const ipv6 = localAddressOf(now, interfaces, restriction, isIpv6);
  const ipv4 = localAddressOf(now, interfaces, restriction, isNotIpv6);
  const uplinks = [ipv6?.device, ipv4?.device];
  const links = interfaces.filter(({ name }) => uplinks.includes(name));
  const networks = links.flatMap(({ addresses }) =>
    addresses.map(({ address, prefixLength: length }) => ({
      address: networkOf(address, length),
      length,
    })),
  );
  return {
    ...{ ipv6, ipv4, excluded: restriction.excluded },
    own: {
      addresses: new Set(interfaces.flatMap((link) => link.addresses.map((one) => one.address))),
      networks: [...networks, ...restriction.peerNetworks],
    },
  };
}

export function sameAttachment(a: Attachment, b: Attachment): boolean {
  return sameLocalAddress(a.ipv6, b.ipv6) && sameLocalAddress(a.ipv4, b.ipv4);
}

/** Local addresses of both families, as far as they exist. */
export function addressesOf({ ipv6, ipv4 }: Attachment): readonly IpAddress[] {
  return [ipv6, ipv4].flatMap((localAddress) =>
    localAddress === undefined ? [] : [localAddress.address],
  );
}

/**
 * The local address from which `remote` is reachable. Undefined for remote addresses that no peer
 * may use as an endpoint: virtual, link-local and loopback addresses.
 */
export function localAddressFor(
  { ipv6, ipv4, excluded }: Attachment,
  remote: IpAddress,
): LocalAddress | undefined {
  if (!isGlobalUnicast(remote) || excluded(remote)) return undefined;
  return isIpv6(remote) ? ipv6 : ipv4;
}

/** The path to an endpoint from the node's `port`; undefined without a local address for it. */
export function udpPathTo(
  attachment: Attachment,
  port: number,
  { address: remote, port: remotePort }: Endpoint,
  relayIndex = 0,
): UdpPath | undefined {
  const local = localAddressFor(attachment, remote)?.address;
  if (local === undefined) return undefined;
  return { local, localPort: port, remote, remotePort, relayIndex };
}

function sameLocalAddress(a: LocalAddress | undefined, b: LocalAddress | undefined): boolean {
  if (a?.address !== b?.address || a?.device !== b?.device) return false;
  return a?.gateway === b?.gateway && a?.epoch === b?.epoch;
}

function isNotIpv6(address: IpAddress): address is Ipv4Address {
  return !isIpv6(address);
}

function localAddressOf<A extends IpAddress>(
  now: Monotonic,
  interfaces: readonly NetworkInterface[],
  { preferenceOf, excluded }: AddressRestriction,
  isOurs: (address: IpAddress) => address is A,
): LocalAddress<A> | undefined {
  let best:
    | {
        readonly localAddress: LocalAddress<A>;
        readonly preference: number;
        readonly metric: number;
      }
    | undefined;
  for (const link of interfaces) {
    const preference = preferenceOf(link.name);
    if (!link.running || preference < 0 || (best !== undefined && preference < best.preference))
      continue;
    const address = usableAddress(now, link, isOurs, excluded);
    const router = address === undefined ? undefined : confirmedRouter(now, link, address);
    if (address === undefined || router === undefined) continue;
    const { gateway } = router;
    const metric = uplinkMetric(router);
    if (best?.preference === preference && metric >= best.metric) continue;
    best = {
      localAddress: { address, device: link.name, gateway, epoch: link.epoch, mtu: link.mtu },
      preference,
      metric,
    };
  }
  return best?.localAddress;
}

/** Prefers global to unique local addresses, and preferred to deprecated ones. */
function usableAddress<A extends IpAddress>(
  now: Monotonic,
  link: NetworkInterface,
  isOurs: (address: IpAddress) => address is A,
  excluded: (address: IpAddress) => boolean,
): A | undefined {
  let found: A | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const each of link.addresses) {
    const { address } = each;
    if (!isOurs(address) || !isUsable(now, each, link.epoch) || excluded(address)) continue;
    if (confirmedRouter(now, link, address) === undefined) continue;
    const rank = (isUniqueLocal(address) ? 2 : 0) + (each.deprecated ? 1 : 0);
    if (rank >= lowest) continue;
    found = address;
    lowest = rank;
  }
  return found;
}

/** An address or router from before a carrier loss may belong to another link. */
function isUsable(
  now: Monotonic,
  { address, tentative, duplicate, validUntil, epoch }: InterfaceAddress,
  carrier: number,
) {
  if (tentative || duplicate || validUntil <= now || epoch < carrier) return false;
  return isGlobalUnicast(address);
}

/** A router from before a carrier loss may belong to another link. */
function confirmedRouter(
  now: Monotonic,
  link: NetworkInterface,
  address: IpAddress,
): DefaultRouter | undefined {
  const router = routerFor(now, link, address);
  if (router === undefined || router.epoch >= link.epoch) return router;
  // A DHCP client that gets its former lease again sets a route that the kernel has: it reports the
  // address alone.
  const lease = link.addresses.find((one) => one.address === address && one.epoch >= link.epoch);
  const { gateway } = router;
  if (lease === undefined || gateway === undefined || !isIpv4(gateway)) return undefined;
  return prefixContains({ address, length: lease.prefixLength }, gateway) ? router : undefined;
}

/** When the next address or router expires. */
export function nextExpiry(now: Monotonic, interfaces: readonly NetworkInterface[]): Monotonic {
  let first: Monotonic = NEVER;
  for (const { addresses, routers } of interfaces) {
    for (const { validUntil } of [...addresses, ...routers])
      if (validUntil > now && validUntil < first) first = validUntil;
  }
  return first;
}
