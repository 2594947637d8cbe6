/**
 * The addresses of this node at which mobile nodes may register.
 *
 * RFC 6275 §9.1  unicast routable addresses
 */
import { type Ipv6Address, isGlobalUnicast, isIpv6 } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';

/** Those of the configuration, or else those of the host. */
export function ownAddresses(
  configured: readonly Ipv6Address[] | undefined,
  interfaces: readonly NetworkInterface[],
): readonly Ipv6Address[] {
  if (configured !== undefined) return configured;
  return interfaces
    .flatMap(({ addresses }) => addresses)
    .filter(({ tentative, duplicate }) => !tentative && !duplicate)
    .map(({ address }) => address)
    .filter((address) => isIpv6(address))
    .filter(isGlobalUnicast);
}
