/**
 * Policy routing of a mobile node: which packets use the tunnel.
 *
 * RFC 6275 §11.3.1  packets with the home address as source use the tunnel while away, those with
 *                   the care-of address do not
 * RFC 5555 §4.4.3   both families through one tunnel
 *
 * Rules for both families; p is `rulePriority`, the lowest number comes first:
 *
 *   p    from care-of address          main, but not its default
 *        on-link peers of the visited network: resolver, DHCP server
 *   p+1  from care-of address          table+1+k
 *        the care-of address's own router, whatever other interface main's default prefers
 *   p+2  the daemon's mark             main
 *        control and tunnel packets never enter the tunnel
 *   p+3  from home address             table
 *        everything that uses the home address
 *   p+4  from other interface address  main
 *        applications bound to that address, DHCP renewals
 *   p+5  -                             main, but not its default
 *        on-link peers; only if all traffic uses the tunnel
 *   p+6  not the daemon's mark         table
 *        everything else; only if all traffic uses the tunnel
 *
 * The rule of the mark exists as long as the node is away. If the host has one router of the
 * family, main's default is that of the new care-of address, so the Binding Update and the tunnel
 * need not wait for the rules of a new care-of address.
 *
 * While the home agent is silent the last three are withdrawn: the host, and the query for the home
 * agent's name, then use the visited network directly; packets of a home address wait. Neighbour
 * Discovery and link-local traffic use the kernel's local table and link routes. While the TUN
 * device is missing, `table` has only unreachable routes. No sysctl is needed: strict reverse path
 * filtering looks up a packet from the tunnel as "from home address" and finds the TUN device; for
 * one to the care-of address it finds the interface by the first two rules.
 */
import { familyOf, type IpAddress, ipv4, ipv6, isIpv4, type Prefix } from '#base/ip.ts';
import {
  type DesiredPart,
  type DesiredRoute,
  type DesiredRule,
  guarded,
  TUN_DEVICE,
} from '#engine/contract/desired-state.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { type HomeState, homeAddressesOf, hostPrefix, MAIN_TABLE } from './home-state.ts';
import { MINIMUM_MTU, tunnelMtu } from './tunnel-endpoints.ts';

const DEFAULT: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};

/** The part 'care-of': each care-of address uses its own interface and router. */
export function careOfPart(
  careOfs: readonly CareOfCandidate[],
  { table, rulePriority }: MobileNodeConfiguration,
): DesiredPart {
  const rules: DesiredRule[] = [];
  const routes: DesiredRoute[] = [];
  careOfs.forEach(({ family, address, device, gateway }, index) => {
    const own = table + 1 + index;
    const from = hostPrefix(address);
    rules.push({
      family,
      priority: rulePriority,
      table: MAIN_TABLE,
      from,
      suppressPrefixLength: 0,
    });
    rules.push({ family, priority: rulePriority + 1, table: own, from });
    const route: DesiredRoute = { destination: DEFAULT[family], table: own, device };
    routes.push(gateway === undefined ? route : { ...route, gateway });
  });
  return { rules, routes };
}

/** The part 'policy': which packets use the tunnel. `others`: the host's further addresses. */
export function policyPart(
  away: readonly HomeState[],
  others: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): DesiredPart {
  const homeAddresses = away.flatMap(homeAddressesOf);
  const tunnelled = away.some(({ tunnel, silent }) => tunnel !== undefined && !silent);
  const carriesEverything = configuration.defaultRoute && tunnelled;
  const rules: DesiredRule[] = [];
  for (const family of [6, 4] as const) {
    const own = homeAddresses.filter((address) => familyOf(address) === family);
    rules.push(...alwaysRules(family, own, configuration));
    if (carriesEverything && own.length > 0)
      rules.push(...defaultRouteRules(family, others, configuration));
  }
  return { rules, routes: guarded(tunnelDefaults(away, homeAddresses, configuration)) };
}

const daemonMark = ({ mark }: MobileNodeConfiguration) => ({ value: mark, mask: 0xffffffff });

function alwaysRules(
  family: 4 | 6,
  homeAddresses: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRule[] {
  const { rulePriority, table, mark } = configuration;
  const marked = { priority: rulePriority + 2, table: MAIN_TABLE, mark: daemonMark(configuration) };
  const fromHome = homeAddresses.map((address) => ({
    family,
    priority: rulePriority + 3,
    table,
    from: hostPrefix(address),
  }));
  return mark === 0 ? fromHome : [{ family, ...marked }, ...fromHome];
}

function defaultRouteRules(
  family: 4 | 6,
  others: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRule[] {
  const { rulePriority, table, mark } = configuration;
  const fromOthers = others
    .filter((address) => familyOf(address) === family)
    .map((address) => ({
      family,
      priority: rulePriority + 4,
      table: MAIN_TABLE,
      from: hostPrefix(address),
    }));
  const everythingElse = { family, priority: rulePriority + 6, table };
  return [
    ...fromOthers,
    { family, priority: rulePriority + 5, table: MAIN_TABLE, suppressPrefixLength: 0 },
    mark === 0
      ? everythingElse
      : { ...everythingElse, mark: daemonMark(configuration), invert: true },
  ];
}

/**
 * One default for each family. Its source is the first home's address; applications choose the
 * others.
 */
function tunnelDefaults(
  away: readonly HomeState[],
  homeAddresses: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRoute[] {
  const [first] = away;
  if (first === undefined) return [];
  const ipv4Home = homeAddresses.find(isIpv4);
  const mtu = first.tunnel === undefined ? MINIMUM_MTU : tunnelMtu(first.tunnel, configuration);
  const route = (family: 4 | 6): DesiredRoute => ({
    destination: DEFAULT[family],
    table: configuration.table,
    device: TUN_DEVICE,
    mtu,
  });
  const ipv6Route = { ...route(6), source: first.home.homeAddress };
  if (ipv4Home !== undefined) return [ipv6Route, { ...route(4), source: ipv4Home }];
  const ipv4Network = away.some((one) =>
    one.mobileNetworkPrefixes.some(({ address }) => isIpv4(address)),
  );
  return ipv4Network ? [ipv6Route, route(4)] : [ipv6Route];
}
