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
}
