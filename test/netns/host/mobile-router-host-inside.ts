/**
 * Runs inside the lab's namespaces, with the addon's path as argument: applies the desired state of
 * a mobile router to the real kernel and prints the resulting state as one line of JSON.
 *
 *     visited ── radvd ── eth0 ┐                 ┌ lan0 ── lan0p   2001:db8:500:0::/64 and
 *                              │                 │                 198.51.100.128/28
 *                              ┤  mobile router  ┤
 *     home ───── radvd ── eth2 ┘                 └ lan1 ── lan1p   2001:db8:500:1::/64
 *     later ──── radvd ── eth1: comes while the router runs
 */
import { createRequire } from 'node:module';
import { ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import { desiredParts } from '#engine/mobile-ipv6/mobile-node/desired-state/desired-parts.ts';
import type { HomeState } from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import { MovementDetection } from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import type {
  MobileRouterConfiguration,
  RouterHome,
} from '#engine/mobile-ipv6/mobile-router/configuration.ts';
import { mobileRouterParts } from '#engine/mobile-ipv6/mobile-router/desired-state/mobile-router-parts.ts';
import { ROUTER_RULE_PRIORITIES } from '#engine/mobile-ipv6/mobile-router/desired-state/rules.ts';
import { openKernel, ROUTING_PROTOCOL } from '#host/kernel/kernel.ts';
import type { NetlinkSocket } from '#host/kernel/netlink-requests.ts';
import { createClock } from '#host/process/clock.ts';
import { LAB_DIRECTORY, requireLab } from '#lab/enter.ts';
import { advertiseRouter } from '#lab/services.ts';
import { ipBatch, run, waitFor } from '#lab/shell.ts';
import { FakePlane } from '#runtime/fakes/plane.ts';
import { Reconciler } from '#runtime/reconciler.ts';
import {
  addressesOf,
  advertised,
  FAR,
  FOREIGN_SOURCE,
  members,
  routeOf,
  routesOf,
  settings,
  sysctl,
} from './mobile-router-observations.ts';

requireLab();
const [addonPath = '', kind = 'all'] = process.argv.slice(2);
const { Netlink }: { readonly Netlink: new () => NetlinkSocket } = createRequire(import.meta.url)(
  addonPath,
);

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const HOME_AGENT = '2001:db8:100::1';

const HOME: RouterHome = {
  name: 'home',
  homeAgent: { addresses: [ipv6('2001:db8:100::1')] },
  homeAgentAddress: ipv6('2001:db8:100::1'),
  homeAddress: ipv6('2001:db8:100::20'),
  homePrefix: prefix('2001:db8:100::/64'),
  ipv4HomeAddress: ipv4('192.0.2.20'),
  ipv4HomeLink: { prefixLength: 24, gateway: ipv4('192.0.2.1') },
  virtualHomeNetwork: false,
  identifier: 'mr@example.net',
  registrationKey: undefined,
  mobileNetworkPrefixes: [prefix('2001:db8:500::/56'), prefix('198.51.100.128/28')],
  registrationModes: ['explicit'],
};

const CONFIGURATION: MobileRouterConfiguration = {
  forwarding: kind === 'by-interface' ? 'by-interface' : 'everywhere',
  homes: [HOME],
  mobileNetworks: [
    {
      device: 'lan0',
      addresses: [
        { address: ipv6('2001:db8:500::1'), prefixLength: 64 },
        { address: ipv4('198.51.100.129'), prefixLength: 28 },
      ],
    },
    { device: 'lan1', addresses: [{ address: ipv6('2001:db8:500:1::1'), prefixLength: 64 }] },
  ],
  interfaces: [{ match: 'tun*', preference: -1 }],
  optimistic: true,
  preferIpv4: false,
  failBackSeconds: 60,
  forceUdp: false,
  natKeepaliveSeconds: 110,
  lifetimeSeconds: 600,
  udpPort: 4191,
  mark: 0x534a,
  table: 5000,
  rulePriority: 1000,
  defaultRulePriority: 32_765,
  defaultRoute: true,
  deregisterOnStop: false,
  tunnelMtu: { ipip: 1460, udp: 1472 },
};

// --- the links ---

/** The router of a link: forwards and sends advertisements. */
async function router(namespace: string, device: string, network: string): Promise<void> {
  await ipBatch([
    `netns add ${namespace}`,
    `link add ${device} type veth peer name p netns ${namespace}`,
  ]);
  await ipBatch([`address add ${network}::1/64 dev p nodad`, 'link set p up'], { namespace });
  await run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'], { namespace });
  await advertiseRouter({ namespace, interface: 'p', logDirectory: LAB_DIRECTORY }, network, false);
}

const lans = ['lan0', 'lan1'];
await ipBatch([
  'link add tun9 type veth peer name tun9p',
  'link set tun9p up',
  'link set tun9 up',
  ...lans.flatMap((lan) => [
    `link add ${lan} type veth peer name ${lan}p`,
    `link set ${lan}p up`,
    `link set ${lan} up`,
  ]),
]);
await run(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter']);
await router('visited', 'eth0', '2001:db8:a');
await router('home', 'eth2', '2001:db8:100');
await ipBatch([
  'link set eth0 up',
  'address add 203.0.113.5/26 dev eth0',
  'route add default via 203.0.113.1',
]);
// Routes wider than a mobile network prefix, which must not attract its packets.
await ipBatch([
  'route add 2001:db8:400::/38 via fe80::1 dev eth0',
  'route add 198.51.100.0/24 via 203.0.113.1',
]);
await waitFor(async () => (await advertised('eth0'))[1] === '2001:db8:a', {
  timeoutMs: 20_000,
  what: 'autoconfiguration',
});
const untouched = await settings();

// --- the router ---

const clock = createClock();
const kernel = openKernel({
  netlink: new Netlink(),
  clock,
  protocol: ROUTING_PROTOCOL['mobile-router'],
  device: 'tun9',
  sysctlFile: '/run/sojourn/test-sysctl.json',
});
const refusals: string[] = [];
const reconciler = new Reconciler(
  kernel,
  new FakePlane(),
  (what, error) => refusals.push(`${what}: ${error.message}`),
  { innerAddresses: { protect() {}, release() {} } },
);
kernel.onDisturbed(() => reconciler.disturbed(clock.now()));
const movement = new MovementDetection(
  CONFIGURATION.interfaces,
  new Set([HOME.homeAddress, ipv4('192.0.2.20')]),
  {
    devices: new Set(lans),
    prefixes: HOME.mobileNetworkPrefixes,
  },
);
/** Counts how often an egress interface lost its default router. */
let routersLost = 0;
kernel.onNetwork((interfaces) => {
  const routed = (links: readonly NetworkInterface[]): readonly string[] =>
    links
      .filter(({ running, routers }) => running && routers.some(({ family }) => family === 6))
      .map(({ name }) => name);
  const now = new Set(routed(interfaces));
  if (routed(movement.interfaces).some((name) => !now.has(name))) routersLost += 1;
  movement.update(clock.now(), interfaces);
});
const standing = new Set<string>();

/** The host's part of one step of the router's engine. */
function step(situations: readonly HomeState[]): void {
  const node = {
    ...CONFIGURATION,
    rulePriority: CONFIGURATION.rulePriority + ROUTER_RULE_PRIORITIES,
  };
  const parts: ReadonlyMap<string, DesiredPart> = new Map([
    ...mobileRouterParts(CONFIGURATION, situations, movement.egress),
    ...desiredParts(situations, movement.egress, node),
  ]);
  for (const [key, part] of parts) reconciler.setDesired(key, part);
  for (const key of standing) if (!parts.has(key)) reconciler.setDesired(key, undefined);
  standing.clear();
  for (const key of parts.keys()) standing.add(key);
  reconciler.applyAdditions(clock.now());
  reconciler.applyRemovals(clock.now());
}

const careOf = await waitFor(
  () =>
    movement
      .candidates(clock.now())
      .find(({ family, device }) => family === 6 && device === 'eth0'),
  { timeoutMs: 20_000, what: 'a care-of address' },
);
const away: HomeState = {
  home: HOME,
  ipv4HomeAddress: ipv4('192.0.2.20'),
  mobileNetworkPrefixes: HOME.mobileNetworkPrefixes,
  tunnel: { encapsulation: 'ipip', careOf, remote: ipv6('2001:db8:100::1'), remotePort: 0 },
  careOf,
  silent: false,
  trying: [],
  homeLink: undefined,
};

step([away]);
await waitFor(
  async () => !(await run(['ip', '-6', 'address', 'show', 'tentative'])).includes('lan'),
  {
    timeoutMs: 20_000,
    what: 'duplicate address detection in the mobile networks',
  },
);
const awayState = {
  routes: await routesOf(careOf.address),
  control: await routeOf(careOf.address, HOME_AGENT, undefined, CONFIGURATION.mark),
  advertised: await advertised('eth0'),
  forwarding: await sysctl('ipv6/conf/all/forwarding'),
  allRouters: await members('eth0', ...lans),
};

await ipBatch(['link set lan1 down']);
const lanDown = await routesOf(careOf.address);
await ipBatch(['link set lan1 up']);
// The kernel removed the address when the interface went down.
await waitFor(async () => (await addressesOf('lan1')).length > 0, {
  timeoutMs: 20_000,
  what: 'the network to come back',
});
step([{ ...away, silent: true }]);
const silent = await routesOf(careOf.address);
step([{ ...away, mobileNetworkPrefixes: [], tunnel: undefined, careOf: undefined }]);
const detached = await routesOf(careOf.address);
step([]);
const givenUp = { routes: await routesOf(careOf.address), addresses: await addressesOf('lan0') };
step([away]);

// An interface that appears later accepts router advertisements from the start, as on a host.
await router('later', 'eth1', '2001:db8:b');
await ipBatch(['link set eth1 up']);
await waitFor(async () => (await advertised('eth1'))[1] === '2001:db8:b', {
  timeoutMs: 20_000,
  what: 'the later interface',
});
const fresh = { advertised: await advertised('eth1'), allRouters: await members('eth1') };
await waitFor(() => movement.egress.some(({ name }) => name === 'eth1'), {
  timeoutMs: 5000,
  what: 'eth1 to be an egress interface',
});
step([away]);
const later = {
  advertised: await advertised('eth1'),
  allRouters: await members('eth1'),
  transit: await routeOf(FOREIGN_SOURCE, FAR, 'eth1'),
};

// At home on another interface, while the visited link stays up.
await ipBatch(['link set eth2 up']);
await waitFor(() => movement.homeLink(clock.now(), HOME.homePrefix), {
  timeoutMs: 20_000,
  what: 'the home link',
});
await waitFor(
  () => movement.egress.some(({ name, routers }) => name === 'eth2' && routers.length > 0),
  {
    timeoutMs: 20_000,
    what: 'the home link’s router',
  },
);
const routersLostAway = routersLost;
step([
  {
    ...away,
    mobileNetworkPrefixes: [],
    tunnel: undefined,
    careOf: undefined,
    homeLink: { device: 'eth2', noDad: true },
  },
]);
const home = {
  routes: await routesOf(careOf.address),
  advertised: [await advertised('eth0'), await advertised('eth2')],
  allRouters: await members('eth0', 'eth2'),
};
step([away]);
const awayAgain = {
  routes: await routesOf(careOf.address),
  advertised: await advertised('eth2'),
  allRouters: await members('eth2'),
};

reconciler.clear(clock.now());
kernel.close();
const after = {
  advertised: [await advertised('eth0'), await advertised('eth2')],
  rules: (await run(['ip', '-6', 'rule'])) + (await run(['ip', '-4', 'rule'])),
  addresses: await addressesOf('lan0'),
  // Settings of an interface that appeared later have no former value to compare with.
  settings: (await settings()).filter((line) => !line.includes('/eth1/')),
};
console.log(
  JSON.stringify({
    settings: untouched,
    away: awayState,
    lanDown,
    silent,
    detached,
    givenUp,
    fresh,
    later,
    home,
    awayAgain,
    after,
    routersLostAway,
    routersLost,
    refusals,
  }),
);
process.exit();
