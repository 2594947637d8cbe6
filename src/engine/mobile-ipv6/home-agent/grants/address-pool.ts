/**
 * IPv4 home addresses given on request.
 *
 * RFC 5555 §4.5  an address once allocated is stored with the IPv6 home address
 * Ours           it stays the mobile node's until the pool is empty; then the longest idle one is
 *                given away
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

/** Addresses that are somebody's for good. */
function reservedBy({
  mobileNodes,
  ipv4Addresses,
}: HomeAgentConfiguration): ReadonlySet<Ipv4Address> {
  return new Set([
    ...ipv4Addresses,
    ...mobileNodes.flatMap((mobileNode) => mobileNode.ipv4HomeAddresses),
  ]);
}

export class AddressPool {
  #reserved: ReadonlySet<Ipv4Address>;
  readonly #byHomeAddress = new Map<Ipv6Address, Ipv4Address>();
  readonly #taken = new Set<Ipv4Address>();
  /** Assigned but not bound now, longest idle first. */
  readonly #idle = new Set<Ipv6Address>();
  readonly #prefix: HomeAgentConfiguration['ipv4Pool'];
  /** Behind `#next`, and free again. */
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
    // Network and broadcast address of anything larger than a point-to-point prefix are nobody's.
    const edge = size > 2 ? 1 : 0;
    this.#first = first + edge;
    this.#next = this.#first;
    this.#end = first + size - edge;
  }

  /**
   * Keeps to other fixed addresses, and takes back what was assigned to whom `entitled` does not
   * know. Gives those that lost theirs.
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

  /** Whether the pool has it, and would not come to it any more. */
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
   * The address for `homeAddress`; `robbed` lost its idle one to it. Undefined when every address
   * is in use.
   */
  allocate(
    homeAddress: Ipv6Address,
  ): { readonly address: Ipv4Address; readonly robbed: Ipv6Address | undefined } | undefined {
    const own = this.#byHomeAddress.get(homeAddress);
    if (own !== undefined) return { address: own, robbed: undefined };
    const fresh = this.#takeFresh();
    if (fresh !== undefined) {
      this.assign(homeAddress, fresh);
      return { address: fresh, robbed: undefined };
    }
    const [robbed] = this.#idle;
    const address = robbed === undefined ? undefined : this.#byHomeAddress.get(robbed);
    if (robbed === undefined || address === undefined) return undefined;
    this.#idle.delete(robbed);
    this.#byHomeAddress.delete(robbed);
    this.assign(homeAddress, address);
    return { address, robbed };
  }

  /**
   * Makes a known assignment (from the store, or fresh); false when the address is not the pool's
   * to give.
   */
  assign(homeAddress: Ipv6Address, address: Ipv4Address): boolean {
    const mine =
      this.#prefix !== undefined &&
      prefixContains(this.#prefix, address) &&
      !this.#reserved.has(address);
    const foreign = this.#taken.has(address) && this.#byHomeAddress.get(homeAddress) !== address;
    if (!mine || foreign) return false;
    this.#byHomeAddress.set(homeAddress, address);
    this.#taken.add(address);
    return true;
  }

  /** The home address is bound to its pool address now, or no longer. */
  setIdle(homeAddress: Ipv6Address, idle: boolean): void {
    this.#idle.delete(homeAddress);
    if (idle && this.#byHomeAddress.has(homeAddress)) this.#idle.add(homeAddress);
  }

  #takeFresh(): Ipv4Address | undefined {
    for (const address of this.#returned) {
      this.#returned.delete(address);
      if (!this.#reserved.has(address) && !this.#taken.has(address)) return address;
    }
    while (this.#next < this.#end) {
      const address = addressOf(this.#next++);
      if (!this.#reserved.has(address) && !this.#taken.has(address)) return address;
    }
    return undefined;
  }
}
