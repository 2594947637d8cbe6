/**
 * Which addresses a home agent stands in for.
 *
 * RFC 6275 §10.3.1 home address, and with the L flag the link-local one;  RFC 5555 §4.5 IPv4 home
 * address
 */
import {
  addressFromInterfaceIdentifier,
  type IpAddress,
  type Ipv6Address,
  interfaceIdentifier,
  ipv6,
} from '#base/ip.ts';
import type { Binding } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';

const LINK_LOCAL_PREFIX = ipv6('fe80::');

/** The link-local address with the home address's interface identifier. */
export function linkLocalOf(homeAddress: Ipv6Address): Ipv6Address {
  return addressFromInterfaceIdentifier(LINK_LOCAL_PREFIX, interfaceIdentifier(homeAddress));
}

export function interceptedAddresses(binding: Binding): readonly IpAddress[] {
  const addresses: IpAddress[] = [binding.homeAddress];
  if (binding.linkLocalCompatibility) addresses.push(linkLocalOf(binding.homeAddress));
  if (binding.ipv4HomeAddress !== undefined) addresses.push(binding.ipv4HomeAddress);
  return addresses;
}
