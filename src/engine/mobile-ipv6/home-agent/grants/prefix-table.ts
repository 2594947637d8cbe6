/**
 * The Prefix Table: the mobile network prefixes that are forwarded now, and to which binding.
 *
 * RFC 3963 §6.1.2  prefixes by home address; the configuration (`AuthorizedMobileNode`) says which
 *                  prefixes a mobile node may register
 */
import { familyOf, formatPrefix, type IpAddress, networkOf, type Prefix } from '#base/ip.ts';
import type { Binding } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';

export class PrefixTable {
  readonly #forwarded = new Map<string, Binding>();
  /** Prefix lengths in use, the longest first, with how many prefixes have each. */
  readonly #lengths = { 4: new Map<number, number>(), 6: new Map<number, number>() } as const;

  get size(): number {
    return this.#forwarded.size;
  }

  /** Call after a binding got its prefixes, and `release` before it loses or changes them. */
  add(binding: Binding): void {
    for (const prefix of binding.mobileNetworkPrefixes) {
      const key = formatPrefix(prefix);
      if (!this.#forwarded.has(key)) this.#count(prefix, 1);
      this.#forwarded.set(key, binding);
    }
  }

  release(binding: Binding): void {
    for (const prefix of binding.mobileNetworkPrefixes) {
      const key = formatPrefix(prefix);
      if (this.#forwarded.get(key) !== binding) continue;
      this.#forwarded.delete(key);
      this.#count(prefix, -1);
    }
  }

  /** The binding that the prefix is forwarded to. */
  get(prefix: Prefix): Binding | undefined {
    return this.#forwarded.get(formatPrefix(prefix));
  }

  /** The binding behind which an address lies: that of the longest forwarded prefix around it. */
  longestMatch(address: IpAddress): Binding | undefined {
    for (const length of this.#lengths[familyOf(address)].keys()) {
      const binding = this.#forwarded.get(
        formatPrefix({ address: networkOf(address, length), length }),
      );
      if (binding !== undefined) return binding;
    }
    return undefined;
  }

  #count({ address, length }: Prefix, by: 1 | -1): void {
    const lengths = this.#lengths[familyOf(address)];
    const count = (lengths.get(length) ?? 0) + by;
    if (count === 0) lengths.delete(length);
    else if (lengths.has(length)) lengths.set(length, count);
    else {
      const sorted = [...lengths, [length, count] as const].sort(([a], [b]) => b - a);
      lengths.clear();
      for (const [key, value] of sorted) lengths.set(key, value);
    }
  }
}
