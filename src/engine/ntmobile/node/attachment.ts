/**
 * Where an NTMobile node is: the address that it sends from, of each family, out of the host's
 * interfaces.
 *
 * No RFC: docs/reference/ntmobile.md §6 (candidates of kind host); global scope as RFC 4007 has it,
 * private IPv4 addresses (RFC 1918) included
 */
import {
  familyOf,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  isIpv6,
  isUniqueLocal,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import { type InterfacePreference, preferenceBy } from '#engine/common/interface-preference.ts';
import type {
  DefaultRouter,
  InterfaceAddress,
  NetworkInterface,
} from '#engine/common/network-interface.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

/** One place for each family that the host has a way out in. */
export interface Attachment {
  readonly ipv6: LocalAddress<Ipv6Address> | undefined;
  readonly ipv4: LocalAddress<Ipv4Address> | undefined;
  /** What is never a place, of this node or of another: what goes there goes into a tunnel. */
  readonly excluded: (address: IpAddress) => boolean;
}

interface LocalAddress<A extends IpAddress = IpAddress> {
  readonly address: A;
  readonly device: string;
  /** The router; undefined for an on-link default. */
  readonly gateway: IpAddress | undefined;
  /** Carrier epoch of the link: the same private address behind another NAT is another place. */
  readonly epoch: number;
  /** Of the link, octets. */
  readonly mtu: number;
}

export const NOT_ATTACHED: Attachment = { ipv6: undefined, ipv4: undefined, excluded: () => false };

/** What is never a place of the node. */
export interface AddressRestriction {
  /** Of an interface by its name; negative: never. */
  readonly preferenceOf: (name: string) => number;
  readonly excluded: (address: IpAddress) => boolean;
}

/** The operator's decisions about interfaces and addresses. */
export interface AddressRules {
  readonly interfaces: readonly InterfacePreference[];
  readonly excludedAddresses: readonly IpAddress[];
  readonly virtualIpv4Prefix: Prefix;
}

/**
 * What the configuration and the system say of it; `systemPrefix`: of virtual addresses, known
 * after the login.
 */
export function addressRestrictionOf(
  { interfaces, excludedAddresses, virtualIpv4Prefix }: AddressRules,
  systemPrefix: () => Prefix | undefined,
): AddressRestriction {
  const own = new Set(excludedAddresses);
  return {
    preferenceOf: preferenceBy(interfaces),
    excluded: (address) => {
      const prefix = systemPrefix();
      if (own.has(address) || prefixContains(virtualIpv4Prefix, address)) return true;
      return prefix !== undefined && prefixContains(prefix, address);
    },
  };
}

/** The same, but `device` before all others that may be used at all. */
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
 * The place of each family: on the usable interface that is preferred most, and of those on the one
 * whose default router has the lowest metric.
 */
export function attachmentOf(
  now: Monotonic,
  interfaces: readonly NetworkInterface[],
  restriction: AddressRestriction,
): Attachment {
  return {
    ipv6: localAddressOf(now, interfaces, restriction, isIpv6),
    ipv4: localAddressOf(now, interfaces, restriction, isNotIpv6),
    excluded: restriction.excluded,
  };
}

export function sameAttachment(a: Attachment, b: Attachment): boolean {
  return sameLocalAddress(a.ipv6, b.ipv6) && sameLocalAddress(a.ipv4, b.ipv4);
}

/** Addresses of the places there are. */
export function addressesOf({ ipv6, ipv4 }: Attachment): readonly IpAddress[] {
  return [ipv6, ipv4].flatMap((localAddress) =>
    localAddress === undefined ? [] : [localAddress.address],
  );
}

/**
 * The place from which `remote` can be sent to; undefined for what others name and should not:
 * virtual addresses, those of links and hosts themselves.
 */
export function localAddressFor(
  { ipv6, ipv4, excluded }: Attachment,
  remote: IpAddress,
): LocalAddress | undefined {
  if (!isGlobalUnicast(remote) || excluded(remote)) return undefined;
  return isIpv6(remote) ? ipv6 : ipv4;
}

/** The path to a remote endpoint from the node's `port`; undefined when none of its family leads there. */
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
    const router = address === undefined ? undefined : routerOf(now, link, familyOf(address));
    if (address === undefined || router === undefined) continue;
    const { metric, gateway } = router;
    if (best?.preference === preference && metric >= best.metric) continue;
    best = {
      localAddress: { address, device: link.name, gateway, epoch: link.epoch, mtu: link.mtu },
      preference,
      metric,
    };
  }
  return best?.localAddress;
}

/**
 * One that reaches everywhere rather than a unique local one, a preferred one rather than a
 * deprecated one; the first of its kind.
 */
function usableAddress<A extends IpAddress>(
  now: Monotonic,
  { addresses, epoch }: NetworkInterface,
  isOurs: (address: IpAddress) => address is A,
  excluded: (address: IpAddress) => boolean,
): A | undefined {
  let found: A | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const each of addresses) {
    const { address } = each;
    if (!isOurs(address) || !isUsable(now, each, epoch) || excluded(address)) continue;
    const rank = (isUniqueLocal(address) ? 2 : 0) + (each.deprecated ? 1 : 0);
    if (rank >= lowest) continue;
    found = address;
    lowest = rank;
  }
  return found;
}

/** What belongs to a carrier that is gone may belong to another link. */
function isUsable(
  now: Monotonic,
  { address, tentative, duplicate, validUntil, epoch }: InterfaceAddress,
  carrier: number,
) {
  if (tentative || duplicate || validUntil <= now || epoch < carrier) return false;
  return isGlobalUnicast(address);
}

function routerOf(
  now: Monotonic,
  { routers, epoch }: NetworkInterface,
  family: 4 | 6,
): DefaultRouter | undefined {
  let found: DefaultRouter | undefined;
  for (const router of routers) {
    if (router.family !== family || router.epoch < epoch || router.validUntil <= now) continue;
    if (found === undefined || router.metric < found.metric) found = router;
  }
  return found;
}

/**
 * Whether there is one default router of each family at most: no route of the kernel can prefer
 * another than a place's.
 */
export function haveSingleUplink(interfaces: readonly NetworkInterface[]): boolean {
  const routers = interfaces.flatMap((link) => link.routers);
  return ([4, 6] as const).every(
    (family) => routers.filter((router) => router.family === family).length <= 1,
  );
}

/** When an address or router of these ceases to be valid next. */
export function nextExpiry(now: Monotonic, interfaces: readonly NetworkInterface[]): Monotonic {
  let first: Monotonic = NEVER;
  for (const { addresses, routers } of interfaces) {
    for (const { validUntil } of [...addresses, ...routers])
      if (validUntil > now && validUntil < first) first = validUntil;
  }
  return first;
}
