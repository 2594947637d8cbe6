/**
 * The addresses of the home agent: literal ones, or a name that is resolved again after a failure.
 *
 * RFC 5026 §5.1.1  home agent by DNS lookup of its name;  RFC 5555 §5  both its addresses
 * Left out: Dynamic Home Agent Address Discovery (RFC 6275 §11.4.1).
 */
import { type IpAddress, type Ipv4Address, type Ipv6Address, isIpv4, isIpv6 } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';

/** The first wait before a name is resolved again; doubles up to `RESOLVE_RETRY_MAX_MS`. */
const RESOLVE_RETRY_MS = 1000;
const RESOLVE_RETRY_MAX_MS = 60_000;
/** RFC 6275 §11.3.5: no Binding Updates to an address without Mobile IPv6 for that long. */
const REFUSED_MS = 60_000;
/** Addresses of one family that are tried; a name may have more. */
const MAX_TARGETS = 8;

/** The home agent as reached over one family; `outerAddress` is an IPv4 address over IPv4. */
export interface HomeAgentTarget {
  readonly address: Ipv6Address;
  readonly outerAddress: IpAddress;
}

/** An exchange that was not answered; `target` is that of the last transmission. */
export interface UnansweredExchange {
  readonly target: HomeAgentTarget | undefined;
  readonly careOfAddress: IpAddress;
}

/** The first known address of each family is the one in use. */
export class HomeAgentAddresses {
  readonly #name: string | undefined;
  readonly #configuredInner: Ipv6Address | undefined;
  #ipv6: readonly Ipv6Address[] = [];
  #ipv4: readonly Ipv4Address[] = [];
  #resolving = false;
  #resolvedOnce = false;
  #retryMs = RESOLVE_RETRY_MS;
  readonly #refusedUntil = new Map<IpAddress, Monotonic>();

  /** `inner` is the configured IPv6 address for the inner packet. */
  constructor(
    homeAgent: { readonly name: string } | { readonly addresses: readonly IpAddress[] },
    inner: Ipv6Address | undefined,
  ) {
    this.#configuredInner = inner;
    this.#name = 'name' in homeAgent ? homeAgent.name : undefined;
    if ('addresses' in homeAgent) this.#learn(homeAgent.addresses);
  }

  /** The name to resolve; undefined for literal addresses. */
  get name(): string | undefined {
    return this.#name;
  }

  /** A query is under way. */
  get resolving(): boolean {
    return this.#resolving;
  }

  /** Resolves the name, unless a query is under way or the addresses are literal. */
  resolve({ now, out }: Step): void {
    this.#endRefusals(now);
    if (this.#name === undefined || this.#resolving) return;
    this.#resolving = true;
    this.#resolvedOnce = true;
    out.push({ kind: 'resolve', name: this.#name });
  }

  /** Resolves the name if this run has not resolved it yet. */
  resolveFirst(step: Step): void {
    if (!this.#resolvedOnce) this.resolve(step);
  }

  /**
   * The host at an IPv6 address does not serve Mobile IPv6: the other addresses are used for a
   * while. Says whether that is new.
   */
  refuse(now: Monotonic, address: Ipv6Address): boolean {
    this.#endRefusals(now);
    if (!this.#ipv6.includes(address) || this.#refusedUntil.has(address)) return false;
    this.#refusedUntil.set(address, after(now, REFUSED_MS));
    return true;
  }

  #endRefusals(now: Monotonic): void {
    for (const [address, until] of this.#refusedUntil)
      if (until <= now) this.#refusedUntil.delete(address);
  }

  /** In the form that is stored. */
  get known(): readonly IpAddress[] {
    return [...this.#ipv6, ...this.#ipv4];
  }

  /**
   * Addresses of an earlier run, the one in use first: used until the name is resolved. Of literal
   * addresses only the order is taken.
   */
  restore(addresses: readonly IpAddress[]): void {
    if (this.#name !== undefined) this.#learn(addresses);
    else for (const address of addresses.toReversed()) this.prefer(address);
  }

  /**
   * Takes the answer of a query; says whether it has an address that was unknown, or lacks one that
   * was in use. A failure keeps the known addresses.
   */
  resolved(addresses: readonly IpAddress[]): boolean {
    this.#resolving = false;
    if (addresses.length === 0) return false;
    const [ipv6, ipv4] = [this.#ipv6, this.#ipv4];
    this.#learn(addresses);
    const unknown = (address: IpAddress) =>
      !ipv6.some((one) => one === address) && !ipv4.some((one) => one === address);
    return this.#ipv6[0] !== ipv6[0] || this.#ipv4[0] !== ipv4[0] || this.known.some(unknown);
  }

  /** The answer was usable: the next failure starts the back-off from the beginning. */
  resetRetry(): void {
    this.#retryMs = RESOLVE_RETRY_MS;
  }

  /** The wait before the next query, doubled each time. */
  nextRetryMs(): number {
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(retryMs * 2, RESOLVE_RETRY_MAX_MS);
    return retryMs;
  }

  /**
   * The address in use stays in use while the answer contains it, because resolvers rotate. The
   * addresses of a family that is missing in the answer are kept.
   */
  #learn(addresses: readonly IpAddress[]): void {
    const ipv6 = addresses.filter(isIpv6);
    const ipv4 = addresses.filter(isIpv4);
    if (ipv6.length > 0) this.#ipv6 = keepFirst(ipv6, this.#ipv6[0]);
    if (ipv4.length > 0) this.#ipv4 = keepFirst(ipv4, this.#ipv4[0]);
  }

  /** Uses the next address of a family that is not skipped; says whether there is another. */
  rotate(family: 4 | 6, skip: (address: IpAddress) => boolean): boolean {
    if (family === 6) this.#ipv6 = afterFirst(this.#ipv6, skip);
    else this.#ipv4 = afterFirst(this.#ipv4, skip);
    return this.addressesOf(family).length > 1;
  }

  /**
   * Families over which the home agent can be reached. IPv4 needs its IPv6 address too, for the
   * inner packet.
   */
  families(): ReadonlySet<4 | 6> {
    const families = new Set<4 | 6>();
    for (const family of [4, 6] as const)
      if (this.target(family) !== undefined) families.add(family);
    return families;
  }

  /** Addresses of a family, the one in use first. */
  addressesOf(family: 4 | 6): readonly IpAddress[] {
    return family === 6 ? this.#ipv6 : this.#ipv4;
  }

  /** Whether Binding Updates go to the address now. */
  isInUse(address: IpAddress): boolean {
    return ([6, 4] as const).some((family) => this.target(family)?.address === address);
  }

  /** Whether datagrams go to the address now. */
  isOuterAddressInUse(address: Ipv4Address): boolean {
    return this.target(4)?.outerAddress === address;
  }

  /** The address in use. */
  target(family: 4 | 6): HomeAgentTarget | undefined {
    return this.targets(family, () => false)[0];
  }

  /** Every address of a family that is not skipped, the one in use first; at most eight. */
  targets(
    family: 4 | 6,
    skip: (address: IpAddress) => boolean,
  ): readonly [HomeAgentTarget, ...HomeAgentTarget[]] | readonly [] {
    const all = family === 6 ? this.#ipv6Targets() : this.#ipv4Targets();
    const [first, ...others] = all.filter(
      ({ outerAddress }) => !skip(outerAddress) && !this.#refusedUntil.has(outerAddress),
    );
    if (first !== undefined) return [first, ...others.slice(0, MAX_TARGETS - 1)];
    // Where all are skipped, the one in use stays in use.
    return all[0] === undefined ? [] : [all[0]];
  }

  #ipv6Targets(): readonly HomeAgentTarget[] {
    const configured = this.#configuredInner === undefined ? [] : [this.#configuredInner];
    const addresses = this.#ipv6.length > 0 ? this.#ipv6 : configured;
    return addresses.map((address) => ({ address, outerAddress: address }));
  }

  #ipv4Targets(): readonly HomeAgentTarget[] {
    const inner = this.#configuredInner ?? this.#ipv6[0];
    if (inner === undefined) return [];
    return this.#ipv4.map((outerAddress) => ({ address: inner, outerAddress }));
  }

  /** The home agent answered at this address: it becomes the one in use, also after a restart. */
  prefer(outerAddress: IpAddress): void {
    this.#refusedUntil.delete(outerAddress);
    this.#ipv6 = keepFirst(
      this.#ipv6,
      this.#ipv6.find((address) => address === outerAddress),
    );
    this.#ipv4 = keepFirst(
      this.#ipv4,
      this.#ipv4.find((address) => address === outerAddress),
    );
  }
}

/** The ring, rotated to the next member that is not skipped; unchanged if all others are. */
function afterFirst<A>(ring: readonly A[], skip: (member: A) => boolean): readonly A[] {
  const next = ring.findIndex((member, index) => index > 0 && !skip(member));
  const start = Math.max(next, 0);
  return [...ring.slice(start), ...ring.slice(0, start)];
}

function keepFirst<A>(addresses: readonly A[], inUse: A | undefined): readonly A[] {
  if (inUse === undefined || !addresses.includes(inUse)) return addresses;
  return [inUse, ...addresses.filter((address) => address !== inUse)];
}
