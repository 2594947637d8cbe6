/**
 * Where the home agent is: literal addresses, or a name that is resolved again upon each failure.
 *
 * RFC 5026 §5.1.1  home agent by DNS lookup of its name;  RFC 5555 §5  both its addresses
 * Left out: Dynamic Home Agent Address Discovery (RFC 6275 §11.4.1).
 */
import { type IpAddress, type Ipv4Address, type Ipv6Address, isIpv4, isIpv6 } from '#base/ip.ts';
import type { HomeAgentTarget } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { RESOLVE_RETRY_MAX_MS, RESOLVE_RETRY_MS } from '#engine/mobile-ipv6/mobile-node/timers.ts';

/** All addresses known of one home agent; the first of each family is the one in use. */
export class HomeAgentAddresses {
  readonly #name: string | undefined;
  readonly #configuredInner: Ipv6Address | undefined;
  #ipv6: readonly Ipv6Address[] = [];
  #ipv4: readonly Ipv4Address[] = [];
  #resolving = false;
  #retryMs = RESOLVE_RETRY_MS;

  constructor(home: HomeConfiguration) {
    this.#configuredInner = home.homeAgentAddress;
    this.#name = 'name' in home.homeAgent ? home.homeAgent.name : undefined;
    if ('addresses' in home.homeAgent) this.#learn(home.homeAgent.addresses);
  }

  /** The name to resolve; undefined for literal addresses. */
  get name(): string | undefined {
    return this.#name;
  }

  /** A question is on its way. */
  get resolving(): boolean {
    return this.#resolving;
  }

  /** To be called when the question leaves. */
  resolutionStarted(): void {
    this.#resolving = true;
  }

  /** Literal form, for the store. */
  get known(): readonly IpAddress[] {
    return [...this.#ipv6, ...this.#ipv4];
  }

  /** Addresses of an earlier run, believed until the name resolves. */
  restore(addresses: readonly IpAddress[]): void {
    if (this.#name !== undefined) this.#learn(addresses);
  }

  /**
   * Takes the answer of a lookup; says whether an address in use changed. A failure keeps what was
   * known.
   */
  resolved(addresses: readonly IpAddress[]): boolean {
    this.#resolving = false;
    if (addresses.length === 0) return false;
    const before = [this.#ipv6[0], this.#ipv4[0]];
    this.#learn(addresses);
    return this.#ipv6[0] !== before[0] || this.#ipv4[0] !== before[1];
  }

  /** The answer was of use: the next question that is in vain starts the back-off anew. */
  resetRetry(): void {
    this.#retryMs = RESOLVE_RETRY_MS;
  }

  /** Wait before the next question, doubled each time. */
  nextRetryMs(): number {
    const retryMs = this.#retryMs;
    this.#retryMs = Math.min(retryMs * 2, RESOLVE_RETRY_MAX_MS);
    return retryMs;
  }

  /**
   * The one in use stays in use when the answer still has it: resolvers rotate. A family that is
   * missing is kept.
   */
  #learn(addresses: readonly IpAddress[]): void {
    const ipv6 = addresses.filter(isIpv6);
    const ipv4 = addresses.filter(isIpv4);
    if (ipv6.length > 0) this.#ipv6 = keepFirst(ipv6, this.#ipv6[0]);
    if (ipv4.length > 0) this.#ipv4 = keepFirst(ipv4, this.#ipv4[0]);
  }

  /**
   * Takes the next address of a family that is not shunned into use; says whether there is another.
   */
  rotate(family: 4 | 6, shuns: (address: IpAddress) => boolean): boolean {
    if (family === 6) this.#ipv6 = afterFirst(this.#ipv6, shuns);
    else this.#ipv4 = afterFirst(this.#ipv4, shuns);
    return this.addressesOf(family).length > 1;
  }

  /**
   * Families over which the home agent can be reached. On IPv4 its IPv6 address is needed too, for
   * the inner packet.
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

  target(family: 4 | 6): HomeAgentTarget | undefined {
    const native = this.#ipv6[0] ?? this.#configuredInner;
    if (family === 6)
      return native === undefined ? undefined : { address: native, outerAddress: native };
    const inner = this.#configuredInner ?? native;
    const [outer] = this.#ipv4;
    return inner === undefined || outer === undefined
      ? undefined
      : { address: inner, outerAddress: outer };
  }
}

/**
 * The same ring, begun anew behind its first member and behind those that are shunned; of the first
 * only if all are.
 */
function afterFirst<A>(ring: readonly A[], shuns: (member: A) => boolean): readonly A[] {
  const behind = ring.findIndex((member, index) => index > 0 && !shuns(member));
  const start = Math.max(behind, 0);
  return [...ring.slice(start), ...ring.slice(0, start)];
}

function keepFirst<A>(addresses: readonly A[], inUse: A | undefined): readonly A[] {
  if (inUse === undefined || !addresses.includes(inUse)) return addresses;
  return [inUse, ...addresses.filter((address) => address !== inUse)];
}
