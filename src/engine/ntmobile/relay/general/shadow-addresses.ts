/**
 * Shadow addresses: the source addresses, one for each node, of packets that are translated to the
 * other address family.
 *
 * RFC 7915 §1, RFC 6052  stateless translation needs an address of the other family
 * docs/reference/ntmobile.md §10
 */
import {
  addressToBytes,
  cachedAddressBytes,
  type Ipv4Address,
  type Ipv6Address,
  ipv4FromBytes,
  ipv6FromBytes,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';

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
  readonly #prefix: Prefix;
  readonly #taken = new Set<Ipv4Address>();

  constructor(prefix: Prefix) {
    this.#prefix = prefix;
  }

  /**
   * Allocates an address; undefined if none is free. The search starts at an offset derived from
   * the node id, so that a relay without its store usually allocates the same address again.
   */
  allocate(nodeId: string): Ipv4Address | undefined {
    const { address, length } = this.#prefix;
    const network = new DataView(addressToBytes(address).buffer).getUint32(0);
    const count = 2 ** (32 - length);
    const start = Number.parseInt(nodeId.slice(0, 8), 16);
    for (let attempt = 0; attempt < count; attempt += 1) {
      const offset = (start + attempt) % count;
      const isNetworkOrBroadcast = offset === 0 || offset === count - 1;
      if (isNetworkOrBroadcast) continue;
      const octets = new Uint8Array(4);
      new DataView(octets.buffer).setUint32(0, network + offset);
      const candidate = ipv4FromBytes(octets);
      if (!this.#taken.has(candidate)) return this.#take(candidate);
    }
    return undefined;
  }

  /** Returns whether the stored address is in the prefix and free. */
  restore(address: Ipv4Address): boolean {
    if (this.#taken.has(address) || !prefixContains(this.#prefix, address)) return false;
    this.#take(address);
    return true;
  }

  release(address: Ipv4Address): void {
    this.#taken.delete(address);
  }

  #take(address: Ipv4Address): Ipv4Address {
    this.#taken.add(address);
    return address;
  }
}
