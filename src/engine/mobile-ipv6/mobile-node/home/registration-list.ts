/**
 * The registrations of one home, by care-of address.
 *
 * RFC 6275 §11.5.3  one primary care-of address, which replaces the former one
 * RFC 5648 §4       several care-of addresses, each with its own binding identifier
 */
import type { IpAddress } from '#base/ip.ts';
import type { BindingUpdateListEntry } from '#engine/mobile-ipv6/common/binding-update-list.ts';

/** The parts of a registration that the list uses. */
interface ListedRegistration {
  readonly careOf: { readonly address: IpAddress };
  readonly bid: number;
  readonly active: boolean;
  readonly bound: boolean;
  entries(): readonly BindingUpdateListEntry[];
  dropBinding(): void;
}

export class RegistrationList<R extends ListedRegistration> {
  readonly #byCareOfAddress = new Map<IpAddress, R>();

  /** A second simultaneous care-of address is one more registration with its own identifier. */
  add(registration: R): void {
    this.#byCareOfAddress.set(registration.careOf.address, registration);
  }

  get(careOfAddress: IpAddress): R | undefined {
    return this.#byCareOfAddress.get(careOfAddress);
  }

  [Symbol.iterator](): IterableIterator<R> {
    return this.#byCareOfAddress.values();
  }

  /** The home agent acknowledged some binding whose lifetime has not ended. */
  get bound(): boolean {
    for (const registration of this) if (registration.bound) return true;
    return false;
  }

  entries(): readonly BindingUpdateListEntry[] {
    return [...this].flatMap((registration) => registration.entries());
  }

  /** The home agent has replaced the bindings of the same identifier by this registration's. */
  dropBindingsReplacedBy(registration: R): void {
    for (const other of this)
      if (other !== registration && other.bid === registration.bid) other.dropBinding();
  }

  /** Removes registrations that are not used, except `carrier`, which still carries data. */
  prune(carrier: R | undefined): void {
    for (const [address, registration] of this.#byCareOfAddress) {
      const needed = registration.active || registration.bound || registration === carrier;
      if (!needed) this.#byCareOfAddress.delete(address);
    }
  }

  /** Removes all registrations and their entries of the Binding Update List. */
  removeAll(): void {
    for (const registration of this) registration.dropBinding();
    this.#byCareOfAddress.clear();
  }
}
