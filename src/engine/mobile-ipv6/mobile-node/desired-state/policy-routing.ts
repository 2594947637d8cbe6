/**
 * Policy routing of a mobile node: which packets use the tunnel, and the path of the others.
 *
 * RFC 6275 §11.3.1  packets with the home address as source use the tunnel while away, those with
 *                   the care-of address do not
 * RFC 5555 §4.4.3   both families through one tunnel
 *
 * Each care-of address has its own table: the networks that its host reaches without a router, and
 * a default by the care-of address's router. Nothing in the main table takes its packets: another
 * VPN's 0.0.0.0/1, a route of the home prefix that remains on a pulled cable, another uplink.
 *
 * Rules for both families; p is `rulePriority`, the lowest number comes first:
 *
 *   p    from care-of address          table+1+k
 *        the k-th care-of address of the family
 *   p    the daemon's mark, from the home address of a home whose link the host is on    main
 *        de-registration (RFC 6275 §11.5.5)
 *   p+1  the daemon's mark             table+1
 *        control and tunnel packets that are sent before the rules of a new care-of address exist
 *   p+2  the daemon's mark             main
 *        no care-of address of this family: packets never enter the tunnel
 *   p+3  from home address             table
 *        everything that uses the home address
 *   p+3  to the home prefix, no mark   table
 *        hosts of the home link, whose on-link route may remain on the interface that left it
 *
 * Only if all traffic uses the tunnel, at the later priority d, `defaultRulePriority`:
 *
 *   d        -                               go to 33000
 *   33000    -                               main, but not its default
 *            networks of the host itself: on-link peers, containers, other VPNs
 *   33001    from other uplink's address     main
 *            applications bound to that address, DHCP renewals
 *   33001    to excluded prefix              main
 *            of a split tunnel
 *   33002    not the daemon's mark           table
 *            everything else, or the included prefixes of a split tunnel
 *   33003    -                               main
 *   33004    -                               default
 *            what the kernel's own rules, which were passed over, would have done
 *
 * The first rules stay before any rule of other software that would take their packets; the rule at
 * d stays the last of its priority, right before the kernel's rule of the main table. So a network
 * that other software routes by its own table and rule is left to it, and so is everything if that
 * software wants everything.
 *
 * The rules of the mark stay as long as the node is away. A move changes the default in table+1
 * first, so the Binding Update and the tunnel wait neither for the rules of a new care-of address
 * nor for the networks of its link.
 *
 * While the home agent is silent, and unless a kill switch is closed, the rules to the home prefix
 * and those from d on are withdrawn: the host, and the query for the home agent's name, then use
 * the visited network directly; packets of a home address wait. Neighbour Discovery and link-local
 * traffic use the kernel's local table and link routes. While the TUN device is missing, `table`
 * has only unreachable routes. No sysctl
 * is needed: strict reverse path filtering looks up a packet from the tunnel as "from home address"
 * and finds the TUN device; for one to the care-of address the first rule finds the interface.
 */
import { familyOf, type IpAddress, isIpv4, type Prefix } from '#base/ip.ts';
import { connectedNetworks } from '#engine/common/connected-networks.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import {
  type DesiredPart,
  type DesiredRoute,
  type DesiredRule,
  guarded,
  TUN_DEVICE,
} from '#engine/contract/desired-state.ts';
import { WHOLE_TUNNEL } from '#engine/contract/packet-filters.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { DEFAULT, type HomeState, homeAddressesOf, hostPrefix, MAIN_TABLE } from './home-state.ts';
import { MINIMUM_MTU, tunnelMtu } from './tunnel-endpoints.ts';

const FIRST = 'first' as const;
/** Behind the kernel's rules, the last of which has 32767. */
const LAST_PRIORITIES = [33_000, 33_001, 33_002, 33_003, 33_004] as const;
/** The kernel's table of its last rule; usually empty. */
const DEFAULT_TABLE = 253;

/** A care-of address and the table of its packets. */
interface CareOfTable {
  readonly careOf: CareOfCandidate;
  readonly table: number;
}

/** The first care-of address of each family has the table that the rule of the mark names. */
export function careOfTables(
  careOfs: readonly CareOfCandidate[],
  { table }: MobileNodeConfiguration,
): readonly CareOfTable[] {
  const used = { 4: 0, 6: 0 };
  return careOfs.map((careOf) => ({ careOf, table: table + 1 + used[careOf.family]++ }));
}

/**
 * The part 'care-of-networks': the hosts that each care-of address reaches without a router.
 * `elsewhere`: prefixes that are on no link now.
 */
export function careOfNetworksPart(
  tables: readonly CareOfTable[],
  interfaces: readonly NetworkInterface[],
  elsewhere: readonly Prefix[],
): DesiredPart {
  return {
    routes: tables.flatMap(({ careOf, table }) =>
      connectedNetworks(careOf, interfaces, elsewhere).map((one) => ({ ...one, table })),
    ),
  };
}

/** The part 'care-of-tables': a default by the router of each care-of address. */
export function careOfTablesPart(tables: readonly CareOfTable[]): DesiredPart {
  return {
    routes: tables.map(({ careOf: { family, device, gateway }, table }) => {
      const route: DesiredRoute = { destination: DEFAULT[family], table, device };
      return gateway === undefined ? route : { ...route, gateway };
    }),
  };
}

/** The part 'care-of': packets of each care-of address use its own table. */
export function careOfPart(
  tables: readonly CareOfTable[],
  { rulePriority: priority }: MobileNodeConfiguration,
): DesiredPart {
  const rules = tables.map(({ careOf: { family, address }, table }) => ({
    ...{ family, priority, place: FIRST, table, from: hostPrefix(address) },
  }));
  return { rules };
}

/** Addresses and prefixes of the host that the rules name. */
interface PolicyAddresses {
  /** Addresses of homes whose link the host is on. */
  readonly atHome: readonly IpAddress[];
  /** The host's further addresses on uplinks. */
  readonly others: readonly IpAddress[];
  /** Home prefixes of homes whose link the host is not on. */
  readonly remote: readonly Prefix[];
}

/** The part 'policy': which packets use the tunnel. `isClosed`: the kill switch. */
export function policyPart(
  away: readonly HomeState[],
  { atHome, others, remote }: PolicyAddresses,
  configuration: MobileNodeConfiguration,
  isClosed: boolean,
): DesiredPart {
  const homeAddresses = away.flatMap(homeAddressesOf);
  const tunnelled = away.some(({ tunnel, silent }) => tunnel !== undefined && !silent);
  // Behind a kill switch nothing else works meanwhile: packets wait for the tunnel.
  const intoTunnel = tunnelled || isClosed;
  const carriesEverything = configuration.defaultRoute && intoTunnel;
  const rules: DesiredRule[] = [];
  for (const family of [6, 4] as const) {
    const own = homeAddresses.filter((address) => familyOf(address) === family);
    rules.push(...markRules(family, atHome, configuration));
    rules.push(...homeAddressRules(family, own, configuration));
    if (intoTunnel && own.length > 0) rules.push(...homePrefixRules(family, remote, configuration));
    if (carriesEverything && own.length > 0)
      rules.push(...defaultRouteRules(family, others, configuration));
  }
  return { rules, routes: guarded(tunnelDefaults(away, homeAddresses, configuration)) };
}

const daemonMark = ({ mark }: MobileNodeConfiguration) => ({ value: mark, mask: 0xffffffff });

function markRules(
  family: 4 | 6,
  atHome: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRule[] {
  const { rulePriority, table } = configuration;
  if (configuration.mark === 0) return [];
  const mark = daemonMark(configuration);
  const marked = { family, place: FIRST, mark };
  return [
    ...atHome
      .filter((address) => familyOf(address) === family)
      .map((address) => ({
        ...{ ...marked, priority: rulePriority, table: MAIN_TABLE, from: hostPrefix(address) },
      })),
    { ...marked, priority: rulePriority + 1, table: table + 1 },
    { ...marked, priority: rulePriority + 2, table: MAIN_TABLE },
  ];
}

function homeAddressRules(
  family: 4 | 6,
  homeAddresses: readonly IpAddress[],
  { rulePriority, table }: MobileNodeConfiguration,
): readonly DesiredRule[] {
  return homeAddresses.map((address) => ({
    ...{ family, priority: rulePriority + 3, place: FIRST, table, from: hostPrefix(address) },
  }));
}

function homePrefixRules(
  family: 4 | 6,
  prefixes: readonly Prefix[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRule[] {
  const { rulePriority, table } = configuration;
  const rule = { family, priority: rulePriority + 3, place: FIRST, table };
  return ofFamily(family, prefixes).map((to) => ({ ...rule, to, ...unmarked(configuration) }));
}

/**
 * A packet of the daemon that finds no route in main must not enter its own tunnel: `mark` matches
 * packets without the bits of the daemon's.
 */
function unmarked({ mark: bits }: MobileNodeConfiguration): Pick<DesiredRule, 'mark'> {
  return bits === 0 ? {} : { mark: { value: 0, mask: bits } };
}

function defaultRouteRules(
  family: 4 | 6,
  others: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRule[] {
  const { defaultRulePriority } = configuration;
  const { exclude } = configuration.splitTunnel ?? WHOLE_TUNNEL;
  const [withoutDefault, fromOther, , main, last] = LAST_PRIORITIES;
  return [
    { family, priority: defaultRulePriority, place: 'last', table: 0, target: withoutDefault },
    { family, priority: withoutDefault, table: MAIN_TABLE, suppressPrefixLength: 0 },
    ...others
      .filter((address) => familyOf(address) === family)
      .map((address) => ({
        ...{ family, priority: fromOther, table: MAIN_TABLE, from: hostPrefix(address) },
      })),
    ...ofFamily(family, exclude).map((to) => ({
      ...{ family, priority: fromOther, table: MAIN_TABLE, to },
    })),
    ...tunnelRules(family, configuration),
    { family, priority: main, table: MAIN_TABLE },
    { family, priority: last, table: DEFAULT_TABLE },
  ];
}

/** The rules that lead into the tunnel: everything, or the prefixes of a split tunnel alone. */
function tunnelRules(
  family: 4 | 6,
  configuration: MobileNodeConfiguration,
): readonly DesiredRule[] {
  const { table, mark, splitTunnel } = configuration;
  const rule = { family, priority: LAST_PRIORITIES[2], table };
  if (splitTunnel?.include !== undefined)
    return ofFamily(family, splitTunnel.include).map((to) => ({
      ...{ ...rule, ...unmarked(configuration), to },
    }));
  return [mark === 0 ? rule : { ...rule, mark: daemonMark(configuration), invert: true }];
}

function ofFamily(family: 4 | 6, prefixes: readonly Prefix[]): readonly Prefix[] {
  return prefixes.filter(({ address }) => familyOf(address) === family);
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
