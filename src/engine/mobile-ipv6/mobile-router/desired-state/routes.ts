/**
 * Routes of a mobile router: the tunnel, the home link, and the unreachable table.
 *
 * RFC 3963 §5.5 away;  §5.8 at home
 */
import { type IpAddress, networkOf, type Prefix } from '#base/ip.ts';
import { type DesiredRoute, guarded, TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { HomeState } from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import {
  DEFAULT_PREFIX,
  type RoutedPrefix,
  type RoutingInput,
  unreachableTableOf,
} from './routing-input.ts';

/**
 * Behind the tunnel's own default, which knows the MTU and the source but exists only while there
 * is a tunnel.
 */
const FALLBACK_METRIC = 4096;

export function routerRoutes(input: RoutingInput): readonly DesiredRoute[] {
  const { configuration, family, prefixes } = input;
  const destination = DEFAULT_PREFIX[family];
  const homeLinks = new Map(prefixes.map((routed) => [routed.homeLinkTable, routed]));
  return [
    { destination, table: unreachableTableOf(input), type: 'blackhole' },
    ...guarded([
      { destination, table: configuration.table, device: TUN_DEVICE, metric: FALLBACK_METRIC },
    ]),
    ...homeLinks.values().flatMap((routed) => homeLinkRoutes(routed, input)),
  ];
}

/** At home only the home link routes packets to the prefix, even if the host has other links. */
function homeLinkRoutes(
  { homeState, homeLinkTable: table }: RoutedPrefix,
  input: RoutingInput,
): readonly DesiredRoute[] {
  if (homeState?.homeLink === undefined) return [];
  const { device } = homeState.homeLink;
  const network = homeNetwork(homeState, input.family);
  const gateway = homeRouter(homeState, input);
  const destination = DEFAULT_PREFIX[input.family];
  return [
    ...(network === undefined ? [] : [{ destination: network, table, device }]),
    ...(gateway === undefined ? [] : [{ destination, table, device, gateway }]),
  ];
}

function homeNetwork({ home, ipv4HomeAddress }: HomeState, family: 4 | 6): Prefix | undefined {
  if (family === 6) return home.homePrefix;
  const length = home.ipv4HomeLink?.prefixLength;
  if (ipv4HomeAddress === undefined || length === undefined) return undefined;
  return { address: networkOf(ipv4HomeAddress, length), length };
}

function homeRouter(
  { home, homeLink }: HomeState,
  { egress, family }: RoutingInput,
): IpAddress | undefined {
  if (family === 4 && home.ipv4HomeLink?.gateway !== undefined) return home.ipv4HomeLink.gateway;
  const [router] = (egress.find(({ name }) => name === homeLink?.device)?.routers ?? [])
    .filter((one) => one.family === family && one.gateway !== undefined)
    .sort((a, b) => b.epoch - a.epoch || a.metric - b.metric);
  return router?.gateway;
}
