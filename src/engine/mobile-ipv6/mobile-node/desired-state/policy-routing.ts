/**
 * What a mobile node wants of its host: home addresses, tunnels, policy routing.
 *
 * RFC 6275 §11.3.1  packets with the home address as source go through the tunnel while away, those
 *                   with the care-of address do not
 * RFC 6275 §11.5.5  at home the home address is on the interface, without Duplicate Address
 *                   Detection while a binding stood
 * RFC 5555 §4.4.3   both families through one tunnel
 *
 * Rules, lowest priority number p first, both families:
 *
 *   p    from care-of address          main, but not its default   on-link peers of the visited
 *        network: resolver, DHCP server
 *   p+1  from care-of address          table+1+k                   default through the care-of
 *        address's own router, whatever
 *                                                                  other interface main's default
 *                               prefers
 *   p+2  our mark                      main                        control and tunnel packets never
 *        enter the tunnel
 *   p+3  from home address             table                       what uses the home address
 *   p+4  from other interface address  main                        what an application bound to it
 *        on purpose, DHCP renewals
 *   p+5  -                             main, but not its default   on-link peers        } only when
 *        all traffic
 *   p+6  not our mark                  table                       everything else      } is to use
 *        the tunnel
 *
 * The mark's rule stands as long as the node is away. So where the host has one router of the
 * family only, main's default is that of the new care-of address, and the Binding Update and the
 * tunnel need not wait for the rules of a new care-of address.
 *
 * While the home agent is silent the last three are withdrawn: the host, and the lookup of the home
 * agent's name, then go out directly; what uses a home address waits. Neighbour Discovery and
 * link-local traffic stay with the kernel's local table and link routes. No sysctl is wanted:
 * strict reverse path filtering should look a packet from the tunnel up as "from home address" and
 * find the TUN device, and one to the care-of address should find its interface by the first two
 * rules.
 */
import { familyOf, type IpAddress, ipv4, ipv6, isIpv4, type Prefix } from '#base/ip.ts';
import type {
  DesiredPart,
  DesiredRoute,
  DesiredRule,
  DesiredTunnel,
} from '#engine/contract/desired-state.ts';
import { TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';

import { type HomeState, homeAddressesOf, hostPrefix } from './home-state.ts';
import type { TunnelEndpoints } from './tunnel-endpoints.ts';

const MAIN_TABLE = 254;
const DEFAULT: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};
/**
 * Before a default of DHCP (metric 1024 and the like), so that the home address is the source at
 * home.
 */
const HOME_LINK_ROUTE_METRIC = 1;
/** Octets of the outer headers. */
const OVERHEAD = { ipip6: 40, ipip4: 20, udp: 28 } as const;
/** Smallest MTU that IPv6 allows; below it the outer packet is fragmented instead. */
const MINIMUM_MTU = 1280;

function endpointKey({ encapsulation, careOf, remote }: TunnelEndpoints): string {
  return `${encapsulation} ${careOf.address} ${remote}`;
}

/**
 * Two homes with equal endpoints share the tunnel of the first; otherwise the id is the home's own
 * place.
 */
function tunnelId(tunnel: TunnelEndpoints, situations: readonly HomeState[]): number {
  const key = endpointKey(tunnel);
  return (
    situations.findIndex(
      (other) => other.tunnel !== undefined && endpointKey(other.tunnel) === key,
    ) + 1
  );
}

function tunnelMtu(tunnel: TunnelEndpoints, configuration: MobileNodeConfiguration): number {
  const { encapsulation, careOf } = tunnel;
  const overhead =
    encapsulation === 'udp' ? OVERHEAD.udp : careOf.family === 6 ? OVERHEAD.ipip6 : OVERHEAD.ipip4;
  return Math.max(
    MINIMUM_MTU,
    Math.min(configuration.tunnelMtu[encapsulation], careOf.mtu - overhead),
  );
}

function desiredTunnel(
  tunnel: TunnelEndpoints,
  id: number,
  configuration: MobileNodeConfiguration,
): DesiredTunnel {
  const udp = tunnel.encapsulation === 'udp';
  return {
    id,
    path: {
      carrier: udp ? 'udp' : 'ip',
      local: tunnel.careOf.address,
      remote: tunnel.remote,
      localPort: udp ? configuration.udpPort : 0,
      remotePort: udp ? tunnel.remotePort : 0,
    },
    protection: 'none',
    mtu: tunnelMtu(tunnel, configuration),
  };
}

const HOME_PART = 'home/';

/** Whether the part is of one home: its addresses, and its tunnel. */
export function isHomePart(key: string): boolean {
  return key.startsWith(HOME_PART);
}

/**
 * Whether it has routes in the main table: they stand until the end of the step and may lead a
 * packet elsewhere.
 */
export function changesMainTable({ routes = [] }: DesiredPart): boolean {
  return routes.some(({ table }) => table === MAIN_TABLE);
}

/** The part 'home/<name>'. */
function homePart(
  situation: HomeState,
  situations: readonly HomeState[],
  configuration: MobileNodeConfiguration,
): DesiredPart {
  const { homeLink, tunnel } = situation;
  const place =
    homeLink === undefined ? awayAddresses(situation) : homeLinkState(situation, homeLink);
  if (tunnel === undefined) return place;
  const id = tunnelId(tunnel, situations);
  return {
    ...place,
    tunnels: [desiredTunnel(tunnel, id, configuration)],
    planeRoutes: [
      ...homeAddressesOf(situation).map(hostPrefix),
      ...situation.mobileNetworkPrefixes,
    ].map((prefix) => ({
      prefix,
      tunnel: id,
    })),
  };
}

function awayAddresses(situation: HomeState): DesiredPart {
  return {
    addresses: homeAddressesOf(situation).map((address) => ({
      device: TUN_DEVICE,
      address,
      prefixLength: hostPrefix(address).length,
      noDad: true,
    })),
  };
}

function homeLinkState(
  { home, ipv4HomeAddress }: HomeState,
  { device, noDad }: { readonly device: string; readonly noDad: boolean },
): DesiredPart {
  const ipv6Home = {
    device,
    address: home.homeAddress,
    prefixLength: home.homePrefix.length,
    noDad,
  };
  const link = home.ipv4HomeLink;
  if (ipv4HomeAddress === undefined || link === undefined) return { addresses: [ipv6Home] };
  const ipv4Home = { device, address: ipv4HomeAddress, prefixLength: link.prefixLength, noDad };
  const route: DesiredRoute = {
    destination: DEFAULT[4],
    table: MAIN_TABLE,
    device,
    source: ipv4HomeAddress,
    metric: HOME_LINK_ROUTE_METRIC,
  };
  return {
    addresses: [ipv6Home, ipv4Home],
    routes: link.gateway === undefined ? [] : [{ ...route, gateway: link.gateway }],
  };
}

/** The part 'care-of': each care-of address leaves by its own interface and router. */
function careOfPart(
  careOfs: readonly CareOfCandidate[],
  configuration: MobileNodeConfiguration,
): DesiredPart {
  const { table, rulePriority } = configuration;
  const rules: DesiredRule[] = [];
  const routes: DesiredRoute[] = [];
  careOfs.forEach((careOf, index) => {
    const { family, address, device, gateway } = careOf;
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

/** The part 'policy': who uses the tunnel. */
function policyPart(
  away: readonly HomeState[],
  others: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): DesiredPart {
  const { rulePriority, table, mark, defaultRoute } = configuration;
  const ours = { value: mark, mask: 0xffffffff };
  const rules: DesiredRule[] = [];
  for (const family of [6, 4] as const) {
    if (mark !== 0)
      rules.push({ family, priority: rulePriority + 2, table: MAIN_TABLE, mark: ours });
    for (const address of away.flatMap(homeAddressesOf)) {
      if (familyOf(address) !== family) continue;
      rules.push({ family, priority: rulePriority + 3, table, from: hostPrefix(address) });
    }
    const hasHomeAddress = away.some((situation) =>
      homeAddressesOf(situation).some((one) => familyOf(one) === family),
    );
    const tunnelled = away.some(({ tunnel, silent }) => tunnel !== undefined && !silent);
    if (!defaultRoute || !tunnelled || !hasHomeAddress) continue;
    for (const address of others) {
      if (familyOf(address) !== family) continue;
      rules.push({
        family,
        priority: rulePriority + 4,
        table: MAIN_TABLE,
        from: hostPrefix(address),
      });
    }
    rules.push({ family, priority: rulePriority + 5, table: MAIN_TABLE, suppressPrefixLength: 0 });
    const everythingElse = { family, priority: rulePriority + 6, table };
    rules.push(mark === 0 ? everythingElse : { ...everythingElse, mark: ours, invert: true });
  }
  return { rules, routes: tunnelDefaults(away, configuration) };
}

/**
 * One default for each family; its source is the first home's address, others are chosen by their
 * applications.
 */
function tunnelDefaults(
  away: readonly HomeState[],
  configuration: MobileNodeConfiguration,
): readonly DesiredRoute[] {
  const [first] = away;
  if (first === undefined) return [];
  const ipv4Home = away.flatMap(homeAddressesOf).find(isIpv4);
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

/**
 * All parts by key. `interfaceAddresses`: every address of the host's interfaces that is wider than
 * a link.
 */
export function desiredParts(
  situations: readonly HomeState[],
  interfaceAddresses: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): ReadonlyMap<string, DesiredPart> {
  const parts = new Map<string, DesiredPart>();
  for (const situation of situations) {
    parts.set(`${HOME_PART}${situation.home.name}`, homePart(situation, situations, configuration));
  }
  const careOfs = new Map<IpAddress, CareOfCandidate>();
  for (const { careOf, tunnel } of situations) {
    if (careOf !== undefined) careOfs.set(careOf.address, careOf);
    // The former care-of address, as long as it is there, until the tunnel leaves it.
    const former = tunnel?.careOf;
    if (
      former !== undefined &&
      interfaceAddresses.includes(former.address) &&
      !careOfs.has(former.address)
    ) {
      careOfs.set(former.address, former);
    }
  }
  if (careOfs.size > 0) parts.set('care-of', careOfPart([...careOfs.values()], configuration));
  const away = situations.filter(
    ({ tunnel, homeLink }) => tunnel !== undefined || homeLink === undefined,
  );
  const ownAddresses = new Set<IpAddress>(situations.flatMap(homeAddressesOf));
  const others = interfaceAddresses.filter(
    (address) => !careOfs.has(address) && !ownAddresses.has(address),
  );
  if (away.length > 0) parts.set('policy', policyPart(away, others, configuration));
  return parts;
}
