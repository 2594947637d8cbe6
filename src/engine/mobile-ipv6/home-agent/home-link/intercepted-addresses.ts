/**
 * The addresses on the home link for which the home agent intercepts packets.
 *
 * RFC 6275 §10.3.1, §10.4.1  the home address, and with the L flag the link-local address
 * RFC 5555 §4.5              the IPv4 home address
 */
import {
  addressFromInterfaceIdentifier,
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  interfaceIdentifier,
  ipv6,
  isIpv4,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';

const LINK_LOCAL_PREFIX = ipv6('fe80::');

/** The facts about an absent mobile node that the proxy needs. */
export interface ProxiedNode {
  readonly homeAddress: Ipv6Address;
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  /** L flag: the link-local address with the same interface identifier is defended too. */
  readonly linkLocalCompatibility: boolean;
  /** The source of advertisements on behalf of the node. */
  readonly homeAgentAddress: Ipv6Address;
  readonly mobileRouter: boolean;
}

/** The link-local address with the home address's interface identifier. */
export function linkLocalOf(homeAddress: Ipv6Address): Ipv6Address {
  return addressFromInterfaceIdentifier(LINK_LOCAL_PREFIX, interfaceIdentifier(homeAddress));
}

function addressesOf(node: ProxiedNode): readonly IpAddress[] {
  const addresses: IpAddress[] = [node.homeAddress];
  if (node.linkLocalCompatibility) addresses.push(linkLocalOf(node.homeAddress));
  if (node.ipv4HomeAddress !== undefined) addresses.push(node.ipv4HomeAddress);
  return addresses;
}

export class InterceptedAddresses {
  readonly #nodes = new Map<IpAddress, ProxiedNode>();
  readonly #homePrefixes: readonly Prefix[];

  constructor(homePrefixes: readonly Prefix[]) {
    this.#homePrefixes = homePrefixes;
  }

  /**
   * The addresses of the node that are defended on the link. A home address outside the home
   * prefixes (RFC 3963 §6.2 allows one) is not.
   */
  of(node: ProxiedNode): readonly IpAddress[] {
    const onLink = this.#homePrefixes.some((prefix) => prefixContains(prefix, node.homeAddress));
    const addresses = addressesOf(node);
    return onLink ? addresses : addresses.filter(isIpv4);
  }

  /** The node that packets to `address` are for. */
  holder(address: IpAddress): ProxiedNode | undefined {
    return this.#nodes.get(address);
  }

  add(node: ProxiedNode): void {
    for (const address of this.of(node)) this.#nodes.set(address, node);
  }

  /** Call before the node loses or changes its addresses. */
  release(node: ProxiedNode): void {
    for (const address of this.of(node)) this.#nodes.delete(address);
  }
}
