/**
 * Where an NTMobile node is: the address that it sends from, of each family, out of the host's interfaces.
 *
 * No RFC: docs/ntmobile.md §6 (candidates of kind host); global scope as RFC 4007 has it, private IPv4 addresses (RFC 1918) included
 */
import {
  familyOf,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  isIpv6,
  isLinkLocal,
  isLoopback,
  isMulticast,
  isUnspecified,
} from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { InterfaceAddress, NetworkInterface } from '#engine/contract.ts';

/** One place for each family that the host has a way out in. */
export interface Attachment {
  readonly ipv6: Place<Ipv6Address> | undefined;
  readonly ipv4: Place<Ipv4Address> | undefined;
}

export interface Place<A extends IpAddress = IpAddress> {
  readonly address: A;
  readonly device: string;
  /** Of the link, octets. */
  readonly mtu: number;
}

export const NOWHERE: Attachment = { ipv6: undefined, ipv4: undefined };

/** What is never a place of the node. */
export interface Restriction {
  /** Empty: every interface may be used. */
  readonly interfaces: readonly string[];
  readonly excluded: (address: IpAddress) => boolean;
}

/** The place of each family: on the usable interface whose default router has the lowest metric. */
export function attachmentOf(
  now: Monotonic,
  interfaces: readonly NetworkInterface[],
  restriction: Restriction,
): Attachment {
  return {
    ipv6: placeOf(now, interfaces, restriction, isIpv6),
    ipv4: placeOf(now, interfaces, restriction, isNotIpv6),
  };
}

export function samePlaces(a: Attachment, b: Attachment): boolean {
  return samePlace(a.ipv6, b.ipv6) && samePlace(a.ipv4, b.ipv4);
}

/** Addresses of the places there are. */
export function addressesOf({ ipv6, ipv4 }: Attachment): readonly IpAddress[] {
  return [ipv6, ipv4].flatMap((place) => (place === undefined ? [] : [place.address]));
}

/** The place from which `remote` can be sent to. */
export function placeTowards({ ipv6, ipv4 }: Attachment, remote: IpAddress): Place | undefined {
  return isIpv6(remote) ? ipv6 : ipv4;
}

function samePlace(a: Place | undefined, b: Place | undefined): boolean {
  return a?.address === b?.address && a?.device === b?.device;
}

function isNotIpv6(address: IpAddress): address is Ipv4Address {
  return !isIpv6(address);
}

function placeOf<A extends IpAddress>(
  now: Monotonic,
  interfaces: readonly NetworkInterface[],
  { interfaces: allowed, excluded }: Restriction,
  isOurs: (address: IpAddress) => address is A,
): Place<A> | undefined {
  let best: Place<A> | undefined;
  let lowest = Number.POSITIVE_INFINITY;
  for (const link of interfaces) {
    if (!link.running || (allowed.length > 0 && !allowed.includes(link.name))) continue;
    const address = usableAddress(now, link, isOurs, excluded);
    if (address === undefined) continue;
    const metric = metricOf(now, link, familyOf(address));
    if (metric >= lowest) continue;
    best = { address, device: link.name, mtu: link.mtu };
    lowest = metric;
  }
  return best;
}

/** A preferred address rather than a deprecated one; the first of its kind. */
function usableAddress<A extends IpAddress>(
  now: Monotonic,
  { addresses, epoch }: NetworkInterface,
  isOurs: (address: IpAddress) => address is A,
  excluded: (address: IpAddress) => boolean,
): A | undefined {
  let second: A | undefined;
  for (const each of addresses) {
    const { address } = each;
    if (!isOurs(address) || !isUsable(now, each, epoch) || excluded(address)) continue;
    if (!each.deprecated) return address;
    second ??= address;
  }
  return second;
}

/** What belongs to a carrier that is gone may belong to another link. */
function isUsable(
  now: Monotonic,
  { address, tentative, duplicate, validUntil, epoch }: InterfaceAddress,
  carrier: number,
) {
  if (tentative || duplicate || validUntil <= now || epoch < carrier) return false;
  return !isLinkLocal(address) && !isLoopback(address) && !isMulticast(address) && !isUnspecified(address);
}

function metricOf(now: Monotonic, { routers, epoch }: NetworkInterface, family: 4 | 6): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const router of routers) {
    if (router.family === family && router.epoch >= epoch && router.validUntil > now && router.metric < lowest)
      lowest = router.metric;
  }
  return lowest;
}

/** When an address or router of these ceases to be valid next. */
export function nextEnd(now: Monotonic, interfaces: readonly NetworkInterface[]): Monotonic {
  let first: Monotonic = NEVER;
  for (const { addresses, routers } of interfaces) {
    for (const { validUntil } of [...addresses, ...routers])
      if (validUntil > now && validUntil < first) first = validUntil;
  }
  return first;
}
