/**
 * The input of the computation of rules, routes and settings, for one address family.
 *
 * RFC 3963 §5.5, §5.8
 */
import { familyOf, ipv4, ipv6, type Prefix } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { HomeState } from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import type { MobileRouterConfiguration } from '#engine/mobile-ipv6/mobile-router/configuration.ts';

/** Offsets from `table`, beyond the tables of all care-of addresses. */
const UNREACHABLE_OFFSET = 64;
/** One table for the home link of each home. */
const HOME_LINK_OFFSET = 65;

export const DEFAULT_PREFIX: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};

/** A mobile network prefix and the state of its home. */
export interface RoutedPrefix {
  readonly prefix: Prefix;
  /** Undefined: the registration was given up or withdrawn. */
  readonly homeState: HomeState | undefined;
  readonly homeLinkTable: number;
}

export interface RoutingInput {
  readonly configuration: MobileRouterConfiguration;
  readonly homeStates: readonly HomeState[];
  /** The interfaces that may lead to the home agent. */
  readonly egress: readonly NetworkInterface[];
  readonly family: 4 | 6;
  readonly prefixes: readonly RoutedPrefix[];
}

export function routingInput(
  configuration: MobileRouterConfiguration,
  homeStates: readonly HomeState[],
  egress: readonly NetworkInterface[],
  family: 4 | 6,
): RoutingInput {
  const prefixes = configuration.homes.flatMap(({ name, mobileNetworkPrefixes }, index) =>
    mobileNetworkPrefixes
      .filter(({ address }) => familyOf(address) === family)
      .map((prefix) => ({
        prefix,
        homeState: homeStateOf(homeStates, name),
        homeLinkTable: configuration.table + HOME_LINK_OFFSET + index,
      })),
  );
  return { configuration, homeStates, egress, family, prefixes };
}

export function homeStateOf(
  homeStates: readonly HomeState[],
  homeName: string,
): HomeState | undefined {
  return homeStates.find(({ home }) => home.name === homeName);
}

/** The table in which every destination is unreachable. */
export function unreachableTableOf({ configuration }: RoutingInput): number {
  return configuration.table + UNREACHABLE_OFFSET;
}

/** The interfaces of the mobile networks. */
export function networkDevices({ configuration }: RoutingInput): readonly string[] {
  return configuration.mobileNetworks.map(({ device }) => device);
}

/** The interfaces on a home link. */
export function homeLinkDevices(homeStates: readonly HomeState[]): ReadonlySet<string> {
  return new Set(
    homeStates.flatMap(({ homeLink }) => (homeLink === undefined ? [] : [homeLink.device])),
  );
}
