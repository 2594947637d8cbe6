/**
 * Which addresses and prefixes an enrolment may have: those inside the home networks that no other
 * node has.
 *
 * No RFC: docs/reference/enrolment.md §3. Interface identifiers follow RFC 7217 §5 (stable, not
 * guessable), without those that RFC 5453 reserves.
 */
import {
  addressToBytes,
  formatPrefix,
  type IpAddress,
  type Ipv6Address,
  ipv6FromBytes,
  isGlobalUnicast,
  isIpv6,
  type Prefix,
  prefixContains,
  prefixesOverlap,
} from '#base/ip.ts';
import { hmacSha256 } from '#crypto/primitives.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { PrefixTable } from '#engine/mobile-ipv6/home-agent/grants/prefix-table.ts';
import type { Enrolment, Grants } from './enrolment.ts';

/** The length of prefixes from the pool: hosts autoconfigure only in such (RFC 4862 §5.5.3). */
const DELEGATED_LENGTH = 64;
/** After so many candidates that others have, the home prefix is taken to be full. */
const CANDIDATES = 256;

interface NetworkOwner {
  readonly mobileNetworkPrefixes: readonly Prefix[];
  readonly owner: string;
}

type AddressPlan = Pick<
  HomeAgentConfiguration,
  'addresses' | 'ipv4Addresses' | 'homePrefixes' | 'ipv4HomePrefixes' | 'mobileNodes'
>;

/** The addresses and prefixes of a configuration and of enrolments. */
export class TakenAddresses {
  readonly #plan: AddressPlan;
  readonly #owners = new Map<IpAddress, string>();
  readonly #identifiers = new Set<string>();
  readonly #networks: { readonly prefix: Prefix; readonly owner: string }[] = [];
  readonly #owning = new PrefixTable<NetworkOwner>();
  /** Texts of the prefixes of `DELEGATED_LENGTH`. */
  readonly #delegated = new Set<string>();

  constructor(plan: AddressPlan, enrolments: Iterable<Enrolment> = []) {
    this.#plan = plan;
    for (const own of [...plan.addresses, ...plan.ipv4Addresses])
      this.#owners.set(own, 'this home agent');
    for (const node of plan.mobileNodes) {
      const name = node.identifier ?? node.homeAddresses[0] ?? 'mobileNodes';
      const owner = `the configuration (${name})`;
      if (node.identifier !== undefined) this.#identifiers.add(node.identifier);
      for (const address of [...node.homeAddresses, ...node.ipv4HomeAddresses])
        this.#owners.set(address, owner);
      this.#addNetworks(node.mobileNetworkPrefixes, owner);
    }
    for (const { name, grants } of enrolments) this.#addEnrolment(name, grants);
  }

  #addEnrolment(name: string, grants: Grants): void {
    const owner = `the enrolled node ${name}`;
    this.#identifiers.add(name);
    this.#owners.set(grants.homeAddress, owner);
    const { ipv4HomeAddress } = grants;
    if (ipv4HomeAddress !== 'none' && ipv4HomeAddress !== 'dynamic')
      this.#owners.set(ipv4HomeAddress, owner);
    this.#addNetworks(grants.mobileNetworkPrefixes, owner);
  }

  #addNetworks(mobileNetworkPrefixes: readonly Prefix[], owner: string): void {
    this.#owning.add({ mobileNetworkPrefixes, owner });
    for (const prefix of mobileNetworkPrefixes) {
      this.#networks.push({ prefix, owner });
      if (prefix.length === DELEGATED_LENGTH) this.#delegated.add(formatPrefix(prefix));
    }
  }

  /** Why a node of this name cannot have the grants; undefined if it can. */
  conflict(name: string, grants: Grants): string | undefined {
    if (this.#identifiers.has(name)) return `the configuration has a mobile node ${name}`;
    const { homeAddress, ipv4HomeAddress, mobileNetworkPrefixes } = grants;
    const { homePrefixes, ipv4HomePrefixes } = this.#plan;
    const ipv4 =
      ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic'
        ? undefined
        : this.#addressConflict(ipv4HomeAddress, ipv4HomePrefixes, 'ipv4HomePrefixes');
    return (
      this.#addressConflict(homeAddress, homePrefixes, 'homePrefixes') ??
      ipv4 ??
      mobileNetworkPrefixes
        .map((prefix, at) => this.#networkConflict(prefix, mobileNetworkPrefixes.slice(0, at)))
        .find((reason) => reason !== undefined)
    );
  }

  #addressConflict(
    address: IpAddress,
    prefixes: readonly Prefix[],
    key: string,
  ): string | undefined {
    if (!isGlobalUnicast(address)) return `${address} is not a global unicast address`;
    if (!prefixes.some((prefix) => prefixContains(prefix, address)))
      return `${address} is outside ${key} (${prefixes.map(formatPrefix).join(', ') || 'none'})`;
    const owner = this.#owners.get(address) ?? this.#owning.longestMatch(address)?.owner;
    return owner === undefined ? undefined : `${address} belongs to ${owner}`;
  }

  #networkConflict(prefix: Prefix, others: readonly Prefix[]): string | undefined {
    const text = formatPrefix(prefix);
    if (!isGlobalUnicast(prefix.address)) return `${text} is not a unicast prefix`;
    if (others.some((other) => prefixesOverlap(other, prefix))) return `${text} is given twice`;
    const home = this.#plan.homePrefixes.find((one) => prefixContains(prefix, one.address));
    if (home !== undefined && home.length >= prefix.length)
      return `${text} contains the home prefix ${formatPrefix(home)}`;
    const network = this.#networks.find((one) => prefixesOverlap(one.prefix, prefix));
    if (network !== undefined)
      return `${text} overlaps ${formatPrefix(network.prefix)} of ${network.owner}`;
    for (const [address, owner] of this.#owners)
      if (prefixContains(prefix, address)) return `${text} contains ${address} of ${owner}`;
    return undefined;
  }

  /**
   * A free address of the first home prefix that has one. The same `key` and name give the same
   * address again.
   */
  freeHomeAddress(key: Uint8Array, name: string): Ipv6Address | undefined {
    for (const prefix of this.#plan.homePrefixes) {
      for (let attempt = 0; attempt < CANDIDATES; attempt += 1) {
        const address = candidate(prefix, key, name, attempt);
        if (address === undefined) continue;
        if (!this.#owners.has(address) && this.#owning.longestMatch(address) === undefined)
          return address;
      }
    }
    return undefined;
  }

  /** The first free /64 of the pool. */
  freePrefix(pool: Prefix): Prefix | undefined {
    const larger = this.#networks
      .map(({ prefix }) => prefix)
      .filter((one) => one.length !== DELEGATED_LENGTH && prefixesOverlap(one, pool));
    const count = 2 ** (DELEGATED_LENGTH - pool.length);
    for (let at = 0; at < count; at += 1) {
      const prefix = delegated(pool, at);
      if (this.#delegated.has(formatPrefix(prefix))) continue;
      if (!larger.some((one) => prefixesOverlap(one, prefix))) return prefix;
    }
    return undefined;
  }
}

/** RFC 7217 §5: a hash of prefix, name and attempt. Undefined for a reserved identifier. */
function candidate(
  { address, length }: Prefix,
  key: Uint8Array,
  name: string,
  attempt: number,
): Ipv6Address | undefined {
  const octets = addressToBytes(address);
  const label = new TextEncoder().encode(`${length}\0${name}\0${attempt}`);
  const digest = hmacSha256(key, octets, label);
  for (let bit = length; bit < 128; bit += 1) {
    const mask = 0x80 >> (bit & 7);
    octets[bit >> 3] = ((octets[bit >> 3] ?? 0) & ~mask) | ((digest[bit >> 3] ?? 0) & mask);
  }
  const identifier = octets.subarray(8);
  // RFC 5453: the subnet-router anycast address and the reserved subnet anycast addresses.
  const anycast =
    isSubnetRouter(octets, length) || (identifier[0] === 0xfd && identifier[1] === 0xff);
  const found = ipv6FromBytes(octets);
  return anycast || !isIpv6(found) ? undefined : found;
}

function isSubnetRouter(octets: Uint8Array, length: number): boolean {
  for (let bit = length; bit < 128; bit += 1)
    if (((octets[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) return false;
  return true;
}

/** The `at`-th /64 of the pool. */
function delegated({ address }: Prefix, at: number): Prefix {
  const octets = addressToBytes(address);
  const view = new DataView(octets.buffer, octets.byteOffset);
  view.setBigUint64(0, view.getBigUint64(0) + BigInt(at));
  return { address: ipv6FromBytes(octets), length: DELEGATED_LENGTH };
}
