/**
 * What a mobile router wants of its host beyond what a mobile node wants: its networks, and the ways of their packets.
 *
 * RFC 3963 §5.5  all traffic to and from the mobile network goes through the tunnel, and nothing else may use it
 * RFC 3963 §5.6, §5.7  on a visited link the egress interface is a host's: it hears router advertisements and is no member of all-routers
 * RFC 3963 §5.8  on the home link it may be a router's
 *
 * Rules in front of the mobile node's (engine/mobile-node/host-state.ts), each for the families that have a prefix; p is `rulePriority`:
 *
 *   p    from own address, in by a mobile network       nowhere         no host there may speak as the router itself
 *   p+1  to prefix, in by an egress interface           nowhere         while away packets for the prefixes come by the tunnel alone
 *   p+2  to prefix                                      main, but not its default
 *   p+3  to prefix                                      nowhere         a network that is down must not send its packets round
 *   p+4  from prefix                                    tunnel table;   main at home;   nowhere when its registration was given up
 *   p+5  in by a mobile network                         tunnel table    while away: the plane drops and counts foreign sources
 *   p+6  in by a mobile network                         nowhere
 *
 * The rules stand by the configuration and not by what is registered now: packets wait or are lost, but never leave untunnelled.
 */
import { familyOf, type IpAddress, ipv4, ipv6, type Prefix, prefixContains } from '#base/ip.ts';
import type { DesiredPart, DesiredRoute, DesiredRule, DesiredSysctl, NetworkInterface } from '#engine/contract.ts';
import type { HomeSituation } from '#engine/mobile-node/host-state.ts';
import type { MobileRouterConfiguration } from './configuration.ts';

const MAIN_TABLE = 254;
/** Beyond the tables of all care-of addresses. */
const NOWHERE_OFFSET = 64;
const DEFAULT: Readonly<Record<4 | 6, Prefix>> = {
  4: { address: ipv4('0.0.0.0'), length: 0 },
  6: { address: ipv6('::'), length: 0 },
};

/** Priorities in front of the mobile node's own. */
export const ROUTER_RULE_PRIORITIES = 7;

const whole = (address: IpAddress): Prefix => ({ address, length: familyOf(address) === 6 ? 128 : 32 });

/** Where things are, for one computation. */
interface Scene {
  readonly configuration: MobileRouterConfiguration;
  readonly situations: readonly HomeSituation[];
  readonly egress: readonly NetworkInterface[];
  readonly nowhere: number;
}

/**
 * Parts by key. `egress`: the interfaces that may lead out. A home without a situation is one whose registration was given up or withdrawn:
 * its networks lose the router's addresses, so that they are advertised no longer (RFC 3963 §5.4.2).
 */
export function mobileRouterParts(
  configuration: MobileRouterConfiguration,
  situations: readonly HomeSituation[],
  egress: readonly NetworkInterface[],
): ReadonlyMap<string, DesiredPart> {
  const scene: Scene = { configuration, situations, egress, nowhere: configuration.table + NOWHERE_OFFSET };
  return new Map([
    ['mobile-router/forwarding', { sysctls: forwarding(scene) }],
    ['mobile-router/networks', networks(scene)],
    [
      'mobile-router/rules',
      { rules: ([6, 4] as const).flatMap((family) => rules(scene, family)), routes: routes(scene) },
    ],
  ]);
}

function situationOf({ situations }: Scene, homeName: string): HomeSituation | undefined {
  return situations.find(({ home }) => home.name === homeName);
}

/** The router's addresses in the networks of homes that stand. */
function networks(scene: Scene): DesiredPart {
  const { homes, mobileNetworks } = scene.configuration;
  const standing = homes
    .filter(({ name }) => situationOf(scene, name) !== undefined)
    .flatMap((home) => home.mobileNetworkPrefixes);
  const addresses = mobileNetworks.flatMap(({ device, addresses: own }) =>
    own
      .filter(({ address }) => standing.some((prefix) => prefixContains(prefix, address)))
      .map(({ address, prefixLength }) => ({ device, address, prefixLength, noDad: true })),
  );
  return { addresses };
}

function prefixesOf(
  { configuration }: Scene,
  family: 4 | 6,
): readonly { readonly prefix: Prefix; readonly home: string }[] {
  return configuration.homes.flatMap(({ name, mobileNetworkPrefixes }) =>
    mobileNetworkPrefixes
      .filter(({ address }) => familyOf(address) === family)
      .map((prefix) => ({ prefix, home: name })),
  );
}

/** Addresses that only the router itself may use. */
function ownAddresses({ configuration, situations }: Scene, family: 4 | 6): readonly IpAddress[] {
  const own = new Set<IpAddress>();
  for (const { addresses } of configuration.mobileNetworks) for (const { address } of addresses) own.add(address);
  for (const { home, ipv4HomeAddress, careOf } of situations) {
    own.add(home.homeAddress);
    if (ipv4HomeAddress !== undefined) own.add(ipv4HomeAddress);
    if (careOf !== undefined) own.add(careOf.address);
  }
  return [...own].filter((address) => familyOf(address) === family);
}

function rules(scene: Scene, family: 4 | 6): readonly DesiredRule[] {
  const { configuration, situations, egress, nowhere } = scene;
  const { rulePriority: first, table, mobileNetworks } = configuration;
  const prefixes = prefixesOf(scene, family);
  if (prefixes.length === 0) return [];
  const devices = mobileNetworks.map(({ device }) => device);
  const away = situations.some(({ homeLink }) => homeLink === undefined);
  const made: DesiredRule[] = [];
  for (const inputDevice of devices) {
    for (const address of ownAddresses(scene, family)) {
      made.push({ family, priority: first, table: nowhere, from: whole(address), inputDevice });
    }
  }
  for (const { prefix, home } of prefixes) {
    const situation = situationOf(scene, home);
    const atHome = situation?.homeLink !== undefined;
    for (const { name } of atHome ? [] : egress) {
      made.push({ family, priority: first + 1, table: nowhere, to: prefix, inputDevice: name });
    }
    made.push({ family, priority: first + 2, table: MAIN_TABLE, to: prefix, suppressPrefixLength: 0 });
    made.push({ family, priority: first + 3, table: nowhere, to: prefix });
    const out = situation === undefined ? nowhere : atHome ? MAIN_TABLE : table;
    made.push({ family, priority: first + 4, table: out, from: prefix });
  }
  for (const inputDevice of devices) {
    if (away) made.push({ family, priority: first + 5, table, inputDevice });
    made.push({ family, priority: first + 6, table: nowhere, inputDevice });
  }
  return made;
}

function routes(scene: Scene): readonly DesiredRoute[] {
  return ([6, 4] as const)
    .filter((family) => prefixesOf(scene, family).length > 0)
    .map((family) => ({ destination: DEFAULT[family], table: scene.nowhere, type: 'blackhole' }));
}

/**
 * In the order in which they have to be made: an interface that does not hear router advertisements as a router does (accept_ra 2) loses its
 * routes when forwarding begins. Who receives them by another program (accept_ra 0) is left alone.
 */
function forwarding({ configuration, situations, egress }: Scene): readonly DesiredSysctl[] {
  const atHome = new Set(situations.map(({ homeLink }) => homeLink?.device));
  const conf = (name: string, setting: string): string => `net/ipv6/conf/${name}/${setting}`;
  return [
    ...egress.map(({ name }) => ({ path: conf(name, 'accept_ra'), value: '2', onlyFrom: '1' })),
    { path: conf('all', 'forwarding'), value: '1' },
    // Interfaces that appear later are hosts' until they are known to be otherwise.
    { path: conf('default', 'forwarding'), value: '0' },
    { path: 'net/ipv4/ip_forward', value: '1' },
    ...configuration.mobileNetworks.map(({ device }) => ({ path: conf(device, 'forwarding'), value: '1' })),
    ...egress.map(({ name }) => ({ path: conf(name, 'forwarding'), value: atHome.has(name) ? '1' : '0' })),
  ];
}
