/**
 * Shadow addresses: the source addresses, one for each node, of packets that are translated to the
 * other address family.
 *
 * RFC 7915 §1, RFC 6052  stateless translation needs an address of the other family
 * docs/reference/ntmobile.md §10
 */
import {
  cachedAddressBytes,
  type Ipv4Address,
  type Ipv6Address,
  ipv6FromBytes,
  type Prefix,
} from '#base/ip.ts';
import { Ipv4Pool } from '#engine/ntmobile/common/ipv4-pool.ts';

/** Subnet of the system prefix that contains IPv4 addresses in the low octets. */
const SHADOW_SUBNET = 2;

/** The IPv6 shadow address of a virtual IPv4 address. */
export function shadowIpv6({ address }: Prefix, virtualIpv4: Ipv4Address): Ipv6Address {
  const octets = cachedAddressBytes(address).slice();
  octets.set([0, SHADOW_SUBNET], 6);
  octets.set(cachedAddressBytes(virtualIpv4), 12);
  return ipv6FromBytes(octets);
}

/** Allocates the IPv4 shadow addresses of nodes. */
export class ShadowAddresses {
  readonly #pool: Ipv4Pool;

  constructor(prefix: Prefix) {
    this.#pool = new Ipv4Pool(prefix);
  }

  /**
   * Allocates an address; undefined if none is free. The search starts at an offset derived from
   * the node id, so that a relay without its store usually allocates the same address again.
   */
  allocate(nodeId: string): Ipv4Address | undefined {
    return this.#pool.allocate(Number.parseInt(nodeId.slice(0, 8), 16));
  }

  /** Returns whether the stored address is in the prefix and free. */
  restore(address: Ipv4Address): boolean {
    return this.#pool.take(address);
  }

  release(address: Ipv4Address): void {
    this.#pool.release(address);
  }
}
