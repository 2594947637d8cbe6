/**
 * The mobile nodes that may register, found by identifier, SPI or home address.
 *
 * RFC 4285 §4, §5.1  the identifier names the mobile node, the SPI its security association
 * RFC 6275 §10.3.1   the home address unequivocally names the security association
 */
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  isIpv4,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { type OctetText, octetText } from '#base/octet-text.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type {
  AuthorizedMobileNode,
  HomeAgentConfiguration,
} from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { PrefixTable } from './prefix-table.ts';

/** The mobile node and the security association that a message names. */
interface DirectoryMatch {
  readonly mobileNode: AuthorizedMobileNode;
  readonly registrationKey: RegistrationKey;
}

export class MobileNodeDirectory {
  readonly #byIdentifier = new Map<string, AuthorizedMobileNode>();
  readonly #byPublicKey = new Map<OctetText, AuthorizedMobileNode>();
  readonly #byHomeAddress = new Map<Ipv6Address, AuthorizedMobileNode>();
  readonly #byIpv4HomeAddress = new Map<Ipv4Address, AuthorizedMobileNode>();
  readonly #byPrefix = new PrefixTable<AuthorizedMobileNode>();
  /** Undefined where several mobile nodes use the same SPI. */
  readonly #bySpi = new Map<number, AuthorizedMobileNode | undefined>();
  readonly #homePrefixes: readonly Prefix[];

  constructor(configuration: HomeAgentConfiguration) {
    this.#homePrefixes = configuration.homePrefixes;
    for (const mobileNode of configuration.mobileNodes) this.add(mobileNode);
  }

  /** Another one; its addresses and prefixes belong to no other mobile node. */
  add(mobileNode: AuthorizedMobileNode): void {
    if (mobileNode.identifier !== undefined)
      this.#byIdentifier.set(mobileNode.identifier, mobileNode);
    if (mobileNode.publicKey !== undefined)
      this.#byPublicKey.set(octetText(mobileNode.publicKey), mobileNode);
    for (const homeAddress of mobileNode.homeAddresses)
      this.#byHomeAddress.set(homeAddress, mobileNode);
    for (const address of mobileNode.ipv4HomeAddresses)
      this.#byIpv4HomeAddress.set(address, mobileNode);
    this.#byPrefix.add(mobileNode);
    for (const { spi } of mobileNode.registrationKeys) {
      this.#bySpi.set(spi, this.#bySpi.has(spi) ? undefined : mobileNode);
    }
  }

  /** The mobile node that the configuration grants this home address. */
  ownerOf(homeAddress: Ipv6Address): AuthorizedMobileNode | undefined {
    return this.#byHomeAddress.get(homeAddress);
  }

  /** The mobile node that the configuration grants the address, or a prefix around it. */
  ownerAround(address: IpAddress): AuthorizedMobileNode | undefined {
    const own = isIpv4(address)
      ? this.#byIpv4HomeAddress.get(address)
      : this.#byHomeAddress.get(address);
    return own ?? this.#byPrefix.longestMatch(address);
  }

  byPublicKey(publicKey: Uint8Array): AuthorizedMobileNode | undefined {
    return this.#byPublicKey.get(octetText(publicKey));
  }

  byIdentifier(identifier: string): AuthorizedMobileNode | undefined {
    return this.#byIdentifier.get(identifier);
  }

  /** Whether the home address is on-link with respect to the home prefixes (RFC 6275 §10.3.1). */
  isHomeSubnet(homeAddress: Ipv6Address): boolean {
    return this.#homePrefixes.some((prefix) => prefixContains(prefix, homeAddress));
  }

  /** RFC 3963 §6.2: on the home network, or from a prefix of the mobile router that owns it. */
  serves(homeAddress: Ipv6Address): boolean {
    if (this.isHomeSubnet(homeAddress)) return true;
    const prefixes = this.ownerOf(homeAddress)?.mobileNetworkPrefixes ?? [];
    return prefixes.some((prefix) => prefixContains(prefix, homeAddress));
  }

  /**
   * The mobile node and key that a message names: by its identifier when it has one, else by its
   * home address, else by an SPI that only one mobile node uses (so that a mobile node that asks
   * for another node's home address gets a status instead of silence).
   */
  match(
    identifier: string | undefined,
    homeAddress: Ipv6Address,
    spi: number,
  ): DirectoryMatch | undefined {
    const mobileNode =
      identifier === undefined
        ? (this.#byHomeAddress.get(homeAddress) ?? this.#bySpi.get(spi))
        : this.#byIdentifier.get(identifier);
    const registrationKey = mobileNode?.registrationKeys.find((candidate) => candidate.spi === spi);
    return mobileNode === undefined || registrationKey === undefined
      ? undefined
      : { mobileNode, registrationKey };
  }
}
