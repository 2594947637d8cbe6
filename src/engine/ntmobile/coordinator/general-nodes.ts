/**
 * Virtual addresses of general nodes, which are servers without NTMobile.
 *
 * No RFC: docs/reference/ntmobile.md §2
 */

import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import {
  cachedAddressBytes,
  ipv4FromBytes,
  ipv6FromBytes,
  isIpv6,
  type Prefix,
  parseIpAddress,
} from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { hmacSha256 } from '#crypto/primitives.ts';

const GENERAL_SUBNET = 1;

export interface GeneralNode {
  readonly name: string;
  readonly virtualIpv6: Ipv6Address;
  /** Undefined if none was free. */
  readonly virtualIpv4: Ipv4Address | undefined;
}

export class GeneralNodes {
  readonly #secret: Uint8Array;
  readonly #systemPrefix: Prefix;
  readonly #ipv4Prefix: Prefix;
  readonly #byName = new Map<string, GeneralNode>();
  readonly #ipv4Names = new Map<Ipv4Address, string>();

  constructor(secret: Uint8Array, systemPrefix: Prefix, ipv4Prefix: Prefix) {
    this.#secret = secret;
    this.#systemPrefix = systemPrefix;
    this.#ipv4Prefix = ipv4Prefix;
  }

  /** The addresses of a name, always the same. `isNew` if they were allocated by this call. */
  findOrAllocate(name: string): { readonly node: GeneralNode; readonly isNew: boolean } {
    const known = this.#byName.get(name);
    if (known !== undefined) return { node: known, isNew: false };
    const node = { name, virtualIpv6: this.#ipv6Of(name), virtualIpv4: this.#freeIpv4(name) };
    this.#add(node);
    return { node, isNew: true };
  }

  /** The stored value is `{virtualIpv4}`, null if none was free. An invalid one is ignored. */
  restore(name: string, value: JsonValue): void {
    if (typeof value !== 'object' || value === null || !('virtualIpv4' in value)) return;
    const address =
      typeof value['virtualIpv4'] === 'string' ? parseIpAddress(value['virtualIpv4']) : undefined;
    if (address !== undefined && isIpv6(address)) return;
    this.#add({ name, virtualIpv6: this.#ipv6Of(name), virtualIpv4: address });
  }

  #add(node: GeneralNode): void {
    this.#byName.set(node.name, node);
    if (node.virtualIpv4 !== undefined) this.#ipv4Names.set(node.virtualIpv4, node.name);
  }

  #ipv6Of(name: string): Ipv6Address {
    const octets = cachedAddressBytes(this.#systemPrefix.address).slice();
    octets.set([0, GENERAL_SUBNET], 6);
    octets.set(hmacSha256(this.#secret, new TextEncoder().encode(name)).subarray(0, 8), 8);
    return ipv6FromBytes(octets);
  }

  /**
   * The search starts at an offset derived from the name, so that two coordinators with one secret
   * usually allocate the same address.
   */
  #freeIpv4(name: string): Ipv4Address | undefined {
    const octets = cachedAddressBytes(this.#ipv4Prefix.address);
    const view = new DataView(octets.buffer, octets.byteOffset, 4);
    const count = 2 ** (32 - this.#ipv4Prefix.length);
    const digest = hmacSha256(this.#secret, new TextEncoder().encode(`ipv4 ${name}`));
    const start = new DataView(digest.buffer, digest.byteOffset).getUint32(0);
    for (let attempt = 0; attempt < count; attempt += 1) {
      const offset = (start + attempt) % count;
      const isNetworkOrBroadcast = offset === 0 || offset === count - 1;
      if (isNetworkOrBroadcast) continue;
      const address = new Uint8Array(4);
      new DataView(address.buffer).setUint32(0, view.getUint32(0) + offset);
      const candidate = ipv4FromBytes(address);
      if (!this.#ipv4Names.has(candidate)) return candidate;
    }
    return undefined;
  }
}
