/**
 * The Prefix Table: mobile network prefixes and their holders. One table has the prefixes that are
 * forwarded now, to which binding; another those that each mobile node may register.
 *
 * RFC 3963 §6.1.2  prefixes by home address
 */
import { familyOf, formatPrefix, type IpAddress, networkOf, type Prefix } from '#base/ip.ts';

interface PrefixHolder {
  readonly mobileNetworkPrefixes: readonly Prefix[];
}

export class PrefixTable<H extends PrefixHolder> {
  readonly #holders = new Map<string, H>();
  /** Prefix lengths in use, the longest first, with how many prefixes have each. */
  readonly #lengths = { 4: new Map<number, number>(), 6: new Map<number, number>() } as const;

  get size(): number {
    return this.#holders.size;
  }

  /** Call after a holder got its prefixes, and `release` before it loses or changes them. */
  add(holder: H): void {
    for (const prefix of holder.mobileNetworkPrefixes) {
      const key = formatPrefix(prefix);
      if (!this.#holders.has(key)) this.#count(prefix, 1);
      this.#holders.set(key, holder);
    }
  }

  release(holder: H): void {
    for (const prefix of holder.mobileNetworkPrefixes) {
      const key = formatPrefix(prefix);
      if (this.#holders.get(key) !== holder) continue;
      this.#holders.delete(key);
      this.#count(prefix, -1);
    }
  }

  get(prefix: Prefix): H | undefined {
    return this.#holders.get(formatPrefix(prefix));
  }

  /** The holder behind which an address lies: that of the longest prefix around it. */
  longestMatch(address: IpAddress): H | undefined {
    for (const length of this.#lengths[familyOf(address)].keys()) {
      const holder = this.#holders.get(
        formatPrefix({ address: networkOf(address, length), length }),
      );
      if (holder !== undefined) return holder;
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
