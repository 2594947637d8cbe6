/**
 * The present location of one home's addresses: tunnel, home link or neither. The host's desired
 * state follows from it.
 *
 * RFC 6275 §11.3.1, §11.5.5;  RFC 5555 §4.4.3;  RFC 3963 §5.5
 */
import {
  familyOf,
  type IpAddress,
  type Ipv4Address,
  ipv4,
  ipv6,
  networkOf,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredNameServers } from '#engine/contract/desired-state.ts';
import type { HomeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { TunnelEndpoints } from './tunnel-endpoints.ts';

/** The kernel's main routing table. */
export const MAIN_TABLE = 254;

export const DEFAULT: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};

export interface HomeState {
  readonly home: HomeConfiguration;
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  /** Mobile network prefixes (RFC 3963) that the tunnel carries now; empty for a mobile node. */
  readonly mobileNetworkPrefixes: readonly Prefix[];
  /** Undefined while no home agent address or care-of address was ever known. */
  readonly tunnel: TunnelEndpoints | undefined;
  /** The keys of a sealed tunnel; undefined without keys. */
  readonly session?: Session | undefined;
  /** The care-of address in use or being registered. */
  readonly careOf: CareOfCandidate | undefined;
  /** Care-of addresses that are tried beside it; Binding Updates leave from them, data does not. */
  readonly trying: readonly CareOfCandidate[];
  /** The home agent does not answer: the tunnel may lead nowhere. */
  readonly silent: boolean;
  /** Those that the home agent gave. */
  readonly nameServers?: DesiredNameServers | undefined;
  /** Set if the addresses belong on the home link. */
  readonly homeLink: { readonly device: string; readonly noDad: boolean } | undefined;
}

/**
 * The next hop of packets of the mobile network prefixes; the state is undefined if it is
 * withdrawn.
 */
export function forwardingOf(state: HomeState | undefined): 'tunnel' | 'home-link' | 'none' {
  if (state?.homeLink !== undefined) return 'home-link';
  if (state?.careOf === undefined || state.tunnel === undefined) return 'none';
  return state.mobileNetworkPrefixes.length > 0 ? 'tunnel' : 'none';
}

/** The home addresses, IPv6 first. */
export function homeAddressesOf({ home, ipv4HomeAddress }: HomeState): readonly IpAddress[] {
  return ipv4HomeAddress === undefined ? [home.homeAddress] : [home.homeAddress, ipv4HomeAddress];
}

/** The prefix of this address alone. */
export function hostPrefix(address: IpAddress): Prefix {
  return { address, length: familyOf(address) === 6 ? 128 : 32 };
}

/** The prefixes of the home link. */
export function homePrefixesOf({ home, ipv4HomeAddress }: HomeState): readonly Prefix[] {
  const length = home.ipv4HomeLink?.prefixLength;
  return ipv4HomeAddress === undefined || length === undefined
    ? [home.homePrefix]
    : [home.homePrefix, { address: networkOf(ipv4HomeAddress, length), length }];
}

/**
 * The home prefixes whose hosts are reached through the tunnel. A network that the host is on now
 * may use the same private IPv4 prefix: those hosts are neighbours.
 */
export function remotePrefixes(
  away: readonly HomeState[],
  interfaces: readonly NetworkInterface[],
): readonly Prefix[] {
  const own = new Set<IpAddress>(away.flatMap(homeAddressesOf));
  const present = interfaces
    .filter(({ running }) => running)
    .flatMap(({ addresses, epoch }) =>
      addresses.filter((entry) => entry.epoch === epoch && !own.has(entry.address)),
    );
  return away
    .flatMap(homePrefixesOf)
    .filter(
      (prefix) =>
        familyOf(prefix.address) === 6 ||
        !present.some(({ address }) => prefixContains(prefix, address)),
    );
}
