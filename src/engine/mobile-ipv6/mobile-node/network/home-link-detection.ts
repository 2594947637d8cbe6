/**
 * Detects that an interface is on the home link.
 *
 * RFC 6275 §11.5.2  the home prefix among those that routers advertise identifies the home link
 * RFC 6275 §11.7.1  L bit: a link-local address with the interface identifier of the home address
 *
 * Where no advertisement was heard that decides it, a confirmed address inside the home prefix
 * does, unless its preferred lifetime ended: a router that withdraws its prefix leaves such an
 * address. Where the operator sets addresses by hand, any second address inside the home prefix
 * identifies the home link, whatever routers advertise. The home address alone does not: it looks
 * the same as one that an earlier run of this daemon left behind, and would hold the node on a home
 * link that it has left.
 */
import {
  type IpAddress,
  type Ipv6Address,
  interfaceIdentifier,
  isIpv6,
  isLinkLocal,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { InterfaceAddress, NetworkInterface } from '#engine/common/network-interface.ts';

/** What routers advertise on a link; `unknown`: nothing was heard that decides it. */
export type LinkVerdict = 'home' | 'foreign' | 'unknown';

/** The interface on the home link. */
export interface HomeLink {
  readonly device: string;
  readonly epoch: number;
  readonly linkAddress: Uint8Array;
  readonly linkLocal: Ipv6Address | undefined;
  readonly seenAt: Monotonic;
}

/** The first of `interfaces` that is on the home link. */
export function detectHomeLink(
  now: Monotonic,
  interfaces: readonly NetworkInterface[],
  verdictOn: (link: NetworkInterface) => LinkVerdict,
  homePrefix: Prefix,
  homeAddresses: ReadonlySet<IpAddress>,
): HomeLink | undefined {
  const link = interfaces.find((one) => {
    if (!one.running) return false;
    const verdict = verdictOn(one);
    if (verdict === 'home') return true;
    return one.addresses.some(
      (entry) =>
        entry.epoch === one.epoch &&
        entry.validUntil > now &&
        prefixContains(homePrefix, entry.address) &&
        !isSetByDaemon(entry, homeAddresses) &&
        isEvidence(entry, verdict),
    );
  });
  return link === undefined ? undefined : homeLinkOf(link, now);
}

/** A static address speaks for the operator, one with a lifetime for a router of the past. */
function isEvidence(
  { validUntil, deprecated, duplicate }: InterfaceAddress,
  verdict: LinkVerdict,
): boolean {
  if (verdict === 'unknown') return validUntil === NEVER || !deprecated;
  return validUntil === NEVER && !duplicate;
}

/**
 * A home address with an infinite lifetime was set by this daemon or an earlier run of it. A
 * duplicate one was not: the home agent defends the address, which happens on the home link only.
 */
function isSetByDaemon(
  { address, validUntil, duplicate }: InterfaceAddress,
  homeAddresses: ReadonlySet<IpAddress>,
): boolean {
  return homeAddresses.has(address) && validUntil === NEVER && !duplicate;
}

function homeLinkOf(link: NetworkInterface, seenAt: Monotonic): HomeLink {
  const linkLocal = link.addresses.find(
    ({ address, duplicate, tentative }) =>
      isLinkLocal(address) && isIpv6(address) && !duplicate && !tentative,
  );
  return {
    device: link.name,
    epoch: link.epoch,
    linkAddress: link.linkAddress,
    linkLocal: linkLocal !== undefined && isIpv6(linkLocal.address) ? linkLocal.address : undefined,
    seenAt,
  };
}

/** Whether some link-local address has the interface identifier of the home address. */
export function hasLinkLocalOf(
  interfaces: readonly NetworkInterface[],
  homeAddress: Ipv6Address,
): boolean {
  const identifier = interfaceIdentifier(homeAddress).join();
  return interfaces.some(({ addresses }) =>
    addresses.some(
      ({ address }) =>
        isIpv6(address) &&
        isLinkLocal(address) &&
        interfaceIdentifier(address).join() === identifier,
    ),
  );
}
