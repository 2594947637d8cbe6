/**
 * Whether a care-of address leads back: to ourselves, to the home address that it is for, or into
 * the network behind it.
 *
 * RFC 3963 §2, RFC 6275 §10.3.1 have no word on it; RFC 2473 §4.1 (b) tells of the loop, in which a
 * packet grows with each round
 */
import { type IpAddress, type Ipv6Address, isIpv4, prefixContains } from '#base/ip.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';

/** A chain of mobile care-of addresses longer than this is treated as a loop. */
const LONGEST_CHAIN = 8;

/**
 * Follows packets that would go to `remote` for `homeAddress` of `mobileNode`: through home
 * addresses that are bound and prefixes that are forwarded here. All prefixes that the mobile node
 * may register count as its own.
 */
export function causesTunnelLoop(
  state: HomeAgentState,
  homeAddress: Ipv6Address,
  mobileNode: AuthorizedMobileNode,
  remote: IpAddress,
): boolean {
  const { configuration, cache, prefixes } = state;
  const ours: readonly IpAddress[] = isIpv4(remote)
    ? configuration.ipv4Addresses
    : configuration.addresses;
  if (ours.includes(remote) || cache.get(homeAddress)?.ipv4HomeAddress === remote) return true;
  let at = remote;
  for (let hop = 0; hop < LONGEST_CHAIN; hop++) {
    const back = at;
    if (
      back === homeAddress ||
      mobileNode.mobileNetworkPrefixes.some((prefix) => prefixContains(prefix, back))
    ) {
      return true;
    }
    const binding = cache.get(back) ?? prefixes.longestMatch(back);
    if (binding === undefined) return false;
    at = binding.tunnel.endpoint.remote;
  }
  return true;
}
