/**
 * What a mobile router wants of its host beyond what a mobile node wants: its networks, and the
 * ways of their packets.
 *
 * RFC 3963 §5.5  all traffic to and from the mobile network goes through the tunnel
 * RFC 3963 §5.6, §5.7  on a visited link the egress interface is a host's: it hears router
 * advertisements and is no member of all-routers
 * RFC 3963 §5.8  on the home link it may be a router's
 * RFC 3963 §9    ingress filtering: sources inside the prefixes, and none of the router's own
 * Left out: RFC 3963 §9's check of what the router itself decapsulates for a node behind it (it is
 * nobody's tunnel end but its own);
 * proxying, and router advertisements on the home link (§5.8 says MAY).
 *
 * Rules in front of the mobile node's (engine/mobile-node/host-state.ts), for each family that has
 * a prefix; p is `rulePriority`. "lan" is each interface of a mobile network, "own" what the router
 * itself sends (for the kernel: comes in by lo), "out" each other interface that may be used to
 * reach the outside. The kernel's local table stands before all of them, so what is for the router
 * is not concerned: Neighbour Discovery, DHCP, multicast.
 *
 *   p    in by lan, from own address     nowhere        no host there may speak as the router
 *        itself
 *   p+1  in by tunnel, from prefix       nowhere        nor may anybody outside as one of the
 *        hosts;  at home: in by the home link
 *   p+2  in by lan, own, tunnel,         main           a network of ours, or one behind a router
 *        of ours; no route that is wider than
 *        to prefix                                      the prefix;  at home: in by the home link,
 *        too
 *   p+3  to prefix                       nowhere        in by a visited link; or the network is
 *        down: its packets must not go round
 *   p+4  in by lan, own, from prefix     tunnel table   at home: home link's table;  given up: no
 *        rule
 *   p+5  from prefix                     nowhere        a visited link's host would speak as one of
 *        ours through our tunnel
 *   p+6  in by lan                       tunnel table   the plane drops and counts foreign sources
 *   p+7  in by lan                       nowhere
 *   p+8  in by out                       main, but not its default    networks that are none of
 *        ours, such as a container's;  not at home
 *   p+9  in by out                       nowhere        we are no router of the visited link, and
 *        its hosts do not get into our tunnel
 *
 * The rules stand by the configuration and not by what is registered now: packets wait or are lost,
 * but never leave untunnelled. A family without prefix stays as the operator made it. IPv4 forwards
 * by the interface that a packet came in by, so only those that it may come in by are asked to;
 * IPv6 forwards everywhere or nowhere. Redirects stay on: one is sent only where a packet leaves by
 * the link that it came by, which happens among the hosts and routers of one mobile network, and at
 * home, and there it is right.
 */
import {
  familyOf,
  type IpAddress,
  ipv4,
  ipv6,
  networkOf,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type {
  DesiredPart,
  DesiredRoute,
  DesiredRule,
  DesiredSysctl,
} from '#engine/contract/desired-state.ts';
import { TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { HomeState } from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import type { MobileRouterConfiguration } from '#engine/mobile-ipv6/mobile-router/configuration.ts';

const MAIN_TABLE = 254;
/**
 * Beyond the tables of all care-of addresses: one without a way, then one for the home link of each
 * home.
 */
const NOWHERE_OFFSET = 64;
const HOME_LINK_OFFSET = 65;
/** What the router itself sends "comes in" by it. */
const OWN_TRAFFIC = 'lo';
/**
 * Behind the tunnel's own default, which knows the MTU and the source but stands only while there
 * is a tunnel.
 */
const FALLBACK_METRIC = 4096;
const DEFAULT: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};

/** Added to `rulePriority`. */
const PRIORITY = {
  ownAddress: 0,
  ownPrefixFromOutside: 1,
  toPrefix: 2,
  toPrefixElse: 3,
  fromPrefix: 4,
  fromPrefixElse: 5,
  fromNetwork: 6,
  fromNetworkElse: 7,
  transit: 8,
  transitElse: 9,
} as const;

/** Priorities in front of the mobile node's own. */
export const ROUTER_RULE_PRIORITIES = 10;

const whole = (address: IpAddress): Prefix => ({
  address,
  length: familyOf(address) === 6 ? 128 : 32,
});

/** A prefix and where its home is now. */
interface RoutedPrefix {
  readonly prefix: Prefix;
  /** Undefined: the registration was given up or withdrawn. */
  readonly homeState: HomeState | undefined;
  readonly homeLinkTable: number;
}

/** Everything one family is computed from. */
interface RoutingInput {
  readonly configuration: MobileRouterConfiguration;
  readonly homeStates: readonly HomeState[];
  readonly egress: readonly NetworkInterface[];
  readonly family: 4 | 6;
  readonly prefixes: readonly RoutedPrefix[];
}

/**
 * Parts by key. `egress`: the interfaces that may lead out. A home without a homeState is one whose
 * registration was given up or withdrawn: its networks lose the router's addresses, so that they
 * are advertised no longer (RFC 3963 §5.4.2).
 */
export function mobileRouterParts(
  configuration: MobileRouterConfiguration,
  situations: readonly HomeState[],
  egress: readonly NetworkInterface[],
): ReadonlyMap<string, DesiredPart> {
  const scenes = ([6, 4] as const)
    .map((family) => sceneOf(configuration, situations, egress, family))
    .filter(({ prefixes }) => prefixes.length > 0);
  return new Map([
    ['mobile-router/rules', { rules: scenes.flatMap(rules), routes: scenes.flatMap(routes) }],
    ['mobile-router/networks', networks(configuration, situations)],
    ['mobile-router/forwarding', { sysctls: scenes.flatMap(forwarding) }],
  ]);
}

function sceneOf(
  configuration: MobileRouterConfiguration,
  situations: readonly HomeState[],
  egress: readonly NetworkInterface[],
  family: 4 | 6,
): RoutingInput {
  const prefixes = configuration.homes.flatMap(({ name, mobileNetworkPrefixes }, index) =>
    mobileNetworkPrefixes
      .filter(({ address }) => familyOf(address) === family)
      .map((prefix) => ({
        prefix,
        homeState: homeStateOf(situations, name),
        homeLinkTable: configuration.table + HOME_LINK_OFFSET + index,
      })),
  );
  return { configuration, homeStates: situations, egress, family, prefixes };
}

function homeStateOf(situations: readonly HomeState[], homeName: string): HomeState | undefined {
  return situations.find(({ home }) => home.name === homeName);
}

/** The router's addresses in the networks of homes that stand. */
function networks(
  { homes, mobileNetworks }: MobileRouterConfiguration,
  situations: readonly HomeState[],
): DesiredPart {
  const standing = homes
    .filter(({ name }) => homeStateOf(situations, name) !== undefined)
    .flatMap((home) => home.mobileNetworkPrefixes);
  const addresses = mobileNetworks.flatMap(({ device, addresses: own }) =>
    own
      .filter(({ address }) => standing.some((prefix) => prefixContains(prefix, address)))
      .map(({ address, prefixLength }) => ({ device, address, prefixLength, noDad: false })),
  );
  return { addresses };
}

// --- rules ---

function rules(scene: RoutingInput): readonly DesiredRule[] {
  const rulesOfPrefixes = scene.prefixes.flatMap((routed) => [
    ...rulesTo(routed, scene),
    ...rulesFrom(routed, scene),
  ]);
  return [...rulesOfNetworks(scene), ...rulesOfPrefixes, ...rulesOfTransit(scene)];
}

/** A rule, but for what it matches. */
function ruleOf(
  { configuration, family }: RoutingInput,
  priority: keyof typeof PRIORITY,
  table: number,
): DesiredRule {
  return { family, priority: configuration.rulePriority + PRIORITY[priority], table };
}

function unreachableTableOf({ configuration }: RoutingInput): number {
  return configuration.table + NOWHERE_OFFSET;
}

function networkDevices({ configuration }: RoutingInput): readonly string[] {
  return configuration.mobileNetworks.map(({ device }) => device);
}

function rulesOfNetworks(scene: RoutingInput): readonly DesiredRule[] {
  const nowhere = unreachableTableOf(scene);
  const own = ownAddresses(scene);
  return networkDevices(scene).flatMap((inputDevice) => [
    ...own.map((address) => ({
      ...ruleOf(scene, 'ownAddress', nowhere),
      from: whole(address),
      inputDevice,
    })),
    { ...ruleOf(scene, 'fromNetwork', scene.configuration.table), inputDevice },
    { ...ruleOf(scene, 'fromNetworkElse', nowhere), inputDevice },
  ]);
}

/** Addresses of the router from which the plane would take a packet. */
function ownAddresses({ configuration, homeStates, family }: RoutingInput): readonly IpAddress[] {
  const own = new Set<IpAddress>();
  for (const { addresses } of configuration.mobileNetworks)
    for (const { address } of addresses) own.add(address);
  for (const { homeAddress } of configuration.homes) own.add(homeAddress);
  for (const { ipv4HomeAddress } of homeStates)
    if (ipv4HomeAddress !== undefined) own.add(ipv4HomeAddress);
  return [...own].filter((address) => familyOf(address) === family);
}

function rulesTo({ prefix, homeState }: RoutedPrefix, scene: RoutingInput): readonly DesiredRule[] {
  const nowhere = unreachableTableOf(scene);
  const homeLink = homeState?.homeLink;
  const outside = homeLink === undefined ? [TUN_DEVICE] : [TUN_DEVICE, homeLink.device];
  const spoofed = { ...ruleOf(scene, 'ownPrefixFromOutside', nowhere), from: prefix };
  const inwards = {
    ...ruleOf(scene, 'toPrefix', MAIN_TABLE),
    to: prefix,
    suppressPrefixLength: prefix.length - 1,
  };
  return [
    ...outside.map((inputDevice) => ({ ...spoofed, inputDevice })),
    ...[...networkDevices(scene), OWN_TRAFFIC, ...outside].map((inputDevice) => ({
      ...inwards,
      inputDevice,
    })),
    { ...ruleOf(scene, 'toPrefixElse', nowhere), to: prefix },
  ];
}

function rulesFrom(
  { prefix, homeState, homeLinkTable }: RoutedPrefix,
  scene: RoutingInput,
): readonly DesiredRule[] {
  const closing = { ...ruleOf(scene, 'fromPrefixElse', unreachableTableOf(scene)), from: prefix };
  if (homeState === undefined) return [closing];
  const table = homeState.homeLink === undefined ? scene.configuration.table : homeLinkTable;
  const outwards = { ...ruleOf(scene, 'fromPrefix', table), from: prefix };
  return [
    ...[...networkDevices(scene), OWN_TRAFFIC].map((inputDevice) => ({ ...outwards, inputDevice })),
    closing,
  ];
}

function rulesOfTransit(scene: RoutingInput): readonly DesiredRule[] {
  const atHome = homeLinkDevices(scene.homeStates);
  return scene.egress
    .filter(({ name }) => !atHome.has(name))
    .flatMap(({ name: inputDevice }) => [
      { ...ruleOf(scene, 'transit', MAIN_TABLE), inputDevice, suppressPrefixLength: 0 },
      { ...ruleOf(scene, 'transitElse', unreachableTableOf(scene)), inputDevice },
    ]);
}

function homeLinkDevices(situations: readonly HomeState[]): ReadonlySet<string> {
  return new Set(
    situations.flatMap(({ homeLink }) => (homeLink === undefined ? [] : [homeLink.device])),
  );
}

// --- routes ---

function routes(scene: RoutingInput): readonly DesiredRoute[] {
  const { configuration, family, prefixes } = scene;
  const destination = DEFAULT[family];
  const homeLinks = new Map(prefixes.map((routed) => [routed.homeLinkTable, routed]));
  return [
    { destination, table: unreachableTableOf(scene), type: 'blackhole' },
    { destination, table: configuration.table, device: TUN_DEVICE, metric: FALLBACK_METRIC },
    ...homeLinks.values().flatMap((routed) => homeLinkRoutes(routed, scene)),
  ];
}

/**
 * Whatever other link the host is on: the home link alone knows the way back to a prefix that is at
 * home.
 */
function homeLinkRoutes(
  { homeState, homeLinkTable: table }: RoutedPrefix,
  scene: RoutingInput,
): readonly DesiredRoute[] {
  if (homeState?.homeLink === undefined) return [];
  const { device } = homeState.homeLink;
  const network = homeNetwork(homeState, scene.family);
  const gateway = homeRouter(homeState, scene);
  return [
    ...(network === undefined ? [] : [{ destination: network, table, device }]),
    ...(gateway === undefined
      ? []
      : [{ destination: DEFAULT[scene.family], table, device, gateway }]),
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

// --- settings ---

/** In the order in which they have to be made. */
function forwarding(scene: RoutingInput): readonly DesiredSysctl[] {
  return scene.family === 6 ? ipv6Forwarding(scene) : ipv4Forwarding(scene);
}

/**
 * When forwarding begins the kernel takes routes and addresses of router advertisements away from
 * every interface that would not hear them as a router does (accept_ra 2). Who receives them by
 * another program (accept_ra 0) is left alone. Writing `all` writes all others, so theirs follow.
 * Where the kernel can forward by interface `all` stays as it is: with it the kernel takes the host
 * for a router everywhere, which costs optimistic addresses (RFC 4429) on the egress interfaces, a
 * second of each move. Where nothing can be written, what is asked for is what has to be there
 * already: an egress interface may forward, as long as it hears router advertisements; who else is
 * heard was chosen by who made the host.
 */
function ipv6Forwarding(scene: RoutingInput): readonly DesiredSysctl[] {
  const { configuration, homeStates, egress } = scene;
  const atHome = homeLinkDevices(homeStates);
  const control = configuration.forwarding ?? 'everywhere';
  const conf = (name: string, setting: string): string => `net/ipv6/conf/${name}/${setting}`;
  return [
    ...egress.map(({ name }) => ({
      path: conf(name, 'accept_ra'),
      value: '2',
      onlyIfCurrently: '1',
    })),
    // A host of the mobile network may not tell its router where to send.
    ...(control === 'given'
      ? []
      : networkDevices(scene).map((device) => ({ path: conf(device, 'accept_ra'), value: '0' }))),
    ...(control === 'by-interface'
      ? [...networkDevices(scene), TUN_DEVICE, ...atHome].map((name) => ({
          path: conf(name, 'force_forwarding'),
          value: '1',
        }))
      : [{ path: conf('all', 'forwarding'), value: '1' }]),
    // Interfaces that appear later are hosts' until they are known to be otherwise.
    ...(control === 'everywhere' ? [{ path: conf('default', 'forwarding'), value: '0' }] : []),
    ...networkDevices(scene).map((device) => ({ path: conf(device, 'forwarding'), value: '1' })),
    ...(control === 'given'
      ? []
      : egress.map(({ name }) => ({
          path: conf(name, 'forwarding'),
          value: atHome.has(name) ? '1' : '0',
        }))),
  ];
}

function ipv4Forwarding(scene: RoutingInput): readonly DesiredSysctl[] {
  return [...networkDevices(scene), TUN_DEVICE, ...homeLinkDevices(scene.homeStates)].map(
    (device) => ({
      path: `net/ipv4/conf/${device}/forwarding`,
      value: '1',
    }),
  );
}
