/**
 * The IPv4 addresses of a prefix, allocated and released in constant time.
 *
 * No RFC: docs/reference/ntmobile.md §2
 */
import {
  addressToBytes,
  cachedAddressBytes,
  type Ipv4Address,
  ipv4FromBytes,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { NumberPool } from '#engine/common/number-pool.ts';

export class Ipv4Pool {
  readonly #prefix: Prefix;
  readonly #network: number;
  readonly #size: number;
  readonly #free: NumberPool;

  /** The first and last addresses of the prefix (network, broadcast) are never allocated. */
  constructor(prefix: Prefix) {
    this.#prefix = prefix;
    this.#network = numberOf(addressToBytes(prefix.address));
    this.#size = 2 ** (32 - prefix.length);
    this.#free = new NumberPool(this.#size);
    for (const reserved of [0, this.#size - 1]) this.#free.take(reserved);
  }

  /** The first free address from that offset (modulo the size) on; undefined if none is free. */
  allocate(offset: number): Ipv4Address | undefined {
    const found = this.#free.findFree(offset % this.#size);
    if (found === undefined) return undefined;
    this.#free.take(found);
    const octets = new Uint8Array(4);
    new DataView(octets.buffer).setUint32(0, this.#network + found);
    return ipv4FromBytes(octets);
  }

  /** Takes a certain address; returns whether it is in the prefix and was free. */
  take(address: Ipv4Address): boolean {
    return prefixContains(this.#prefix, address) && this.#free.take(this.#offsetOf(address));
  }

  release(address: Ipv4Address): void {
    if (prefixContains(this.#prefix, address)) this.#free.release(this.#offsetOf(address));
  }

  #offsetOf(address: Ipv4Address): number {
    return numberOf(cachedAddressBytes(address)) - this.#network;
  }
}

function numberOf(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0);
}
