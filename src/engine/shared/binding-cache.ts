/**
 * The Binding Cache: home address → binding.
 *
 * RFC 6275 §9.1   the cache and its key, for home agents and correspondent nodes alike
 * Left out: the replacement policy (§9.6), which home registrations are excluded from.
 */
import type { IpAddress, Ipv6Address } from '#base/ip.ts';

/** What every binding has, whoever keeps it. */
export interface BindingEntry {
  readonly homeAddress: Ipv6Address;
  readonly careOfAddress: IpAddress;
}

// A chain of mobile care-of addresses longer than this is treated as a loop.
const LONGEST_CHAIN = 8;

export class BindingCache<B extends BindingEntry> {
  readonly #bindings = new Map<IpAddress, B>();

  get size(): number {
    return this.#bindings.size;
  }

  get(homeAddress: IpAddress): B | undefined {
    return this.#bindings.get(homeAddress);
  }

  set(binding: B): void {
    this.#bindings.set(binding.homeAddress, binding);
  }

  delete(homeAddress: IpAddress): void {
    this.#bindings.delete(homeAddress);
  }

  values(): IterableIterator<B> {
    return this.#bindings.values();
  }

  /** Whether packets for `homeAddress` would come back to it if it were bound to `careOfAddress`. */
  wouldLoop(homeAddress: Ipv6Address, careOfAddress: IpAddress): boolean {
    let at = careOfAddress;
    for (let hop = 0; hop < LONGEST_CHAIN; hop++) {
      if (at === homeAddress) return true;
      const binding = this.#bindings.get(at);
      if (binding === undefined) return false;
      at = binding.careOfAddress;
    }
    return true;
  }
}
