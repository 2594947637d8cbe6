/**
 * Tunnel loops: a care-of address that leads back to the home agent, to its own home address, or
 * into the network behind that.
 *
 * RFC 2473 §4.1 (b)  the loop, in which a packet grows with each round; RFC 3963 §2 and RFC 6275
 *                    §10.3.1 do not mention it
 */
import { type IpAddress, isIpv4, prefixContains } from '#base/ip.ts';
import type { BindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { RegistrationView } from '#engine/mobile-ipv6/home-agent/registration-view.ts';

/** A chain of mobile care-of addresses longer than this is treated as a loop. */
const LONGEST_CHAIN = 8;

/**
 * Follows a packet to `remote`, sent for `key` of `mobileNode`, through bound home addresses and
 * forwarded prefixes. All prefixes that the mobile node may register count as its own.
 */
export function causesTunnelLoop(
  { policy, bindings }: Pick<RegistrationView, 'policy' | 'bindings'>,
  key: BindingKey,
  mobileNode: AuthorizedMobileNode,
  remote: IpAddress,
): boolean {
  const { addresses, ipv4Addresses } = policy.configuration;
  const own: readonly IpAddress[] = isIpv4(remote) ? ipv4Addresses : addresses;
  if (own.includes(remote) || bindings.find(key)?.ipv4HomeAddress === remote) return true;
  let at = remote;
  for (let hop = 0; hop < LONGEST_CHAIN; hop++) {
    const back = at;
    if (
      back === key.homeAddress ||
      mobileNode.mobileNetworkPrefixes.some((prefix) => prefixContains(prefix, back))
    ) {
      return true;
    }
    const binding = bindings.anyOf(back) ?? bindings.networkAround(back);
    if (binding === undefined) return false;
    at = binding.tunnel.endpoint.remote;
  }
  return true;
}
