/**
 * Addresses that mean another host in each network: private, shared, unique local and link-local.
 *
 * RFC 1918, RFC 6598, RFC 3927 (IPv4);  RFC 4193, RFC 4291 §2.5.6 (IPv6)
 */
import {
  type IpAddress,
  ipv4,
  isIpv6,
  isLinkLocal,
  isPrivateIpv4,
  isUniqueLocal,
  prefixContains,
} from './ip.ts';

const SHARED = { address: ipv4('100.64.0.0'), length: 10 };

export function isInPrivateNetwork(address: IpAddress): boolean {
  if (isLinkLocal(address)) return true;
  if (isIpv6(address)) return isUniqueLocal(address);
  return isPrivateIpv4(address) || prefixContains(SHARED, address);
}
