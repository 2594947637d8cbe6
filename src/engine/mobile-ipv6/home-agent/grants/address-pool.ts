/**
 * The pool of IPv4 home addresses that are allocated on request.
 *
 * RFC 5555 §4.5  an allocated address is stored with the IPv6 home address
 * Own choice     the mobile node keeps it until the pool is exhausted; then the address that has
 *                been idle longest is reassigned
 */
import {
  bytesOfIpv4,
  type Ipv4Address,
  type Ipv6Address,
  ipv4FromBytes,
  isIpv4,
  prefixContains,
} from '#base/ip.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';

function numberOf(address: Ipv4Address): number {
  const bytes = bytesOfIpv4(address);
  return new DataView(bytes.buffer).getUint32(0);
}

function addressOf(value: number): Ipv4Address {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return ipv4FromBytes(bytes);
}

/** Addresses that the configuration assigns, which the pool never allocates. */
function reservedBy({
  mobileNodes,
  ipv4Addresses,
}: HomeAgentConfiguration): ReadonlySet<Ipv4Address> {
  return new Set([
    ...ipv4Addresses,
    ...mobileNodes.flatMap((mobileNode) => mobileNode.ipv4HomeAddresses),
  ]);
}

/** An address for a home address, which `reassignedFrom` loses to it. */
export interface PoolOffer {
  readonly address: Ipv4Address;
  readonly reassignedFrom: Ipv6Address | undefined;
}

export class AddressPool {
  #reserved: ReadonlySet<Ipv4Address>;
  readonly #byHomeAddress = new Map<Ipv6Address, Ipv4Address>();
  readonly #taken = new Set<Ipv4Address>();
  /** Assigned but not bound now, longest idle first. */
  readonly #idle = new Set<Ipv6Address>();
  readonly #prefix: HomeAgentConfiguration['ipv4Pool'];
  /** Below `#next`, and free again. */
  readonly #returned = new Set<Ipv4Address>();
  #first = 0;
  #next = 0;
  #end = 0;

  constructor(configuration: HomeAgentConfiguration) {
    this.#prefix = configuration.ipv4Pool;
    this.#reserved = reservedBy(configuration);
    if (this.#prefix === undefined || !isIpv4(this.#prefix.address)) return;
    const size = 2 ** (32 - this.#prefix.length);
    const first = numberOf(this.#prefix.address);
    // Except in a point-to-point prefix, no host has the network or the broadcast address.
    const edge = size > 2 ? 1 : 0;
    this.#first = first + edge;
    this.#next = this.#first;
    this.#end = first + size - edge;
  }

  /**
   * Takes the fixed addresses of another configuration, and withdraws the assignments of home
   * addresses that are not `entitled` any more or whose address is fixed now. Gives the home
   * addresses that lost theirs.
   */
  reconfigure(
    configuration: HomeAgentConfiguration,
    entitled: (homeAddress: Ipv6Address) => boolean,
  ): readonly Ipv6Address[] {
    const former = this.#reserved;
    this.#reserved = reservedBy(configuration);
    const lost = [...this.#byHomeAddress].filter(
      ([home, address]) => !entitled(home) || this.#reserved.has(address),
    );
    for (const [homeAddress, address] of lost) {
      this.#byHomeAddress.delete(homeAddress);
      this.#idle.delete(homeAddress);
      this.#taken.delete(address);
      this.#return(address);
    }
    for (const address of former) this.#return(address);
    return lost.map(([homeAddress]) => homeAddress);
  }

  #return(address: Ipv4Address): void {
    if (!this.#reserved.has(address) && this.#isPassed(address)) this.#returned.add(address);
  }

  /** Whether the address lies in the pool below `#next`, so that `#next` does not reach it. */
  #isPassed(address: Ipv4Address): boolean {
    if (this.#prefix === undefined || !prefixContains(this.#prefix, address)) return false;
    return numberOf(address) < this.#next && numberOf(address) >= this.#first;
  }

  get configured(): boolean {
    return this.#end > 0;
  }

  assigned(homeAddress: Ipv6Address): Ipv4Address | undefined {
    return this.#byHomeAddress.get(homeAddress);
  }

  /**
   * The address that `homeAddress` would get; undefined when every address is in use. Nothing is
   * assigned before `take`.
   */
  offer(homeAddress: Ipv6Address): PoolOffer | undefined {
    const own = this.#byHomeAddress.get(homeAddress);
    if (own !== undefined) return { address: own, reassignedFrom: undefined };
    const fresh = this.#firstFree();
    if (fresh !== undefined) return { address: fresh, reassignedFrom: undefined };
    const [idle] = this.#idle;
    const address = idle === undefined ? undefined : this.#byHomeAddress.get(idle);
    return address === undefined ? undefined : { address, reassignedFrom: idle };
  }

  /** Assigns the offered address to `homeAddress`; call before the next `offer`. */
  take(homeAddress: Ipv6Address, { address, reassignedFrom }: PoolOffer): void {
    if (reassignedFrom !== undefined) {
      this.#idle.delete(reassignedFrom);
      this.#byHomeAddress.delete(reassignedFrom);
      this.#taken.delete(address);
    }
    this.#returned.delete(address);
    if (numberOf(address) === this.#next) this.#next++;
    this.assign(homeAddress, address);
  }

  /** Assigns an address; false when it is not in the pool, or assigned to another home address. */
  assign(homeAddress: Ipv6Address, address: Ipv4Address): boolean {
    const inPool =
      this.#prefix !== undefined &&
      prefixContains(this.#prefix, address) &&
      !this.#reserved.has(address);
    const taken = this.#taken.has(address) && this.#byHomeAddress.get(homeAddress) !== address;
    if (!inPool || taken) return false;
    this.#byHomeAddress.set(homeAddress, address);
    this.#taken.add(address);
    return true;
  }

  /** The home address is bound to its pool address now, or no longer. */
  setIdle(homeAddress: Ipv6Address, idle: boolean): void {
    this.#idle.delete(homeAddress);
    if (idle && this.#byHomeAddress.has(homeAddress)) this.#idle.add(homeAddress);
  }

  /** Passes over addresses that cannot be allocated, so that no later call looks at them again. */
  #firstFree(): Ipv4Address | undefined {
    for (const address of this.#returned) {
      if (this.#isFree(address)) return address;
      this.#returned.delete(address);
    }
    for (; this.#next < this.#end; this.#next++) {
      const address = addressOf(this.#next);
      if (this.#isFree(address)) return address;
    }
    return undefined;
  }

  #isFree(address: Ipv4Address): boolean {
    return !this.#reserved.has(address) && !this.#taken.has(address);
  }
}
