/**
 * The Binding Cache: bindings by home address and binding identifier.
 *
 * RFC 6275 §9.1   the cache, for home agents and correspondent nodes alike
 * RFC 5648 §6.1   bindings of one home address differ in their binding identifier (BID)
 * Left out: the replacement policy (§9.6), which home registrations are excluded from.
 */
import { type IpAddress, type Ipv6Address, parseIpv6 } from '#base/ip.ts';

/** The BID of a binding that was registered without one; RFC 5648 §4.3 reserves it. */
export const NO_BID = 0;
const HIGHEST_BID = 0xffff;

/** The key of a binding. */
export interface BindingKey {
  readonly homeAddress: Ipv6Address;
  readonly bid: number;
}

/** The members of every binding, at home agents and correspondent nodes. */
export interface BindingEntry extends BindingKey {
  readonly careOfAddress: IpAddress;
}

/** The key as text: the home address alone without BID. */
export function formatBindingKey({ homeAddress, bid }: BindingKey): string {
  return bid === NO_BID ? homeAddress : `${homeAddress}#${bid}`;
}

export function parseBindingKey(text: string): BindingKey | undefined {
  const [address = '', digits] = text.split('#', 2);
  const homeAddress = parseIpv6(address);
  if (homeAddress === undefined) return undefined;
  if (digits === undefined) return { homeAddress, bid: NO_BID };
  const bid = /^[1-9]\d{0,4}$/.test(digits) ? Number(digits) : NO_BID;
  return bid === NO_BID || bid > HIGHEST_BID ? undefined : { homeAddress, bid };
}

export class BindingCache<B extends BindingEntry> {
  /** Bindings without BID; a list for each home address would cost memory. */
  readonly #single = new Map<IpAddress, B>();
  readonly #identified = new Map<IpAddress, Map<number, B>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ homeAddress, bid }: BindingKey): B | undefined {
    return bid === NO_BID
      ? this.#single.get(homeAddress)
      : this.#identified.get(homeAddress)?.get(bid);
  }

  /** Any binding of the home address, with any BID. */
  anyOf(homeAddress: IpAddress): B | undefined {
    const single = this.#single.get(homeAddress);
    if (single !== undefined || this.#identified.size === 0) return single;
    const [first] = this.#identified.get(homeAddress)?.values() ?? [];
    return first;
  }

  allOf(homeAddress: IpAddress): readonly B[] {
    const single = this.#single.get(homeAddress);
    const identified = [...(this.#identified.get(homeAddress)?.values() ?? [])];
    return single === undefined ? identified : [single, ...identified];
  }

  set(binding: B): void {
    if (this.get(binding) === undefined) this.#size++;
    const { homeAddress, bid } = binding;
    if (bid === NO_BID) {
      this.#single.set(homeAddress, binding);
      return;
    }
    const siblings = this.#identified.get(homeAddress) ?? new Map<number, B>();
    siblings.set(bid, binding);
    this.#identified.set(homeAddress, siblings);
  }

  delete(key: BindingKey): void {
    if (this.get(key) === undefined) return;
    this.#size--;
    const { homeAddress, bid } = key;
    const siblings = bid === NO_BID ? undefined : this.#identified.get(homeAddress);
    if (siblings === undefined) this.#single.delete(homeAddress);
    else if (siblings.size === 1) this.#identified.delete(homeAddress);
    else siblings.delete(bid);
  }

  *values(): IterableIterator<B> {
    yield* this.#single.values();
    for (const siblings of this.#identified.values()) yield* siblings.values();
  }
}
