/**
 * Runs inside the lab's namespaces, with the addon's path as first argument: applies state to the
 * real kernel through the kernel port, and reads it back. Prints one line of JSON. With `kill` as
 * second argument it kills itself (SIGKILL) before the clean-up.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { ipv4, ipv6 } from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredRoute, DesiredRule } from '#engine/contract/desired-state.ts';
import { openKernel, ROUTING_PROTOCOL } from '#host/kernel/kernel.ts';
import type { NetlinkSocket } from '#host/kernel/netlink-requests.ts';
import { createClock } from '#host/process/clock.ts';
import { requireLab } from '#lab/enter.ts';

requireLab();
const [addonPath = '', mode = ''] = process.argv.slice(2);
const { Netlink }: { readonly Netlink: new () => NetlinkSocket } = createRequire(import.meta.url)(
  addonPath,
);

function run(line: string): string {
  const [program = '', ...parameters] = line.split(' ');
  return execFileSync(program, parameters, { encoding: 'utf8' });
}

const FORWARDING = '/proc/sys/net/ipv6/conf/eth0/forwarding';
function leftovers(): string {
  const protocol = ROUTING_PROTOCOL['mobile-node'];
  const routes =
    run(`ip route show table all proto ${protocol}`) +
    run(`ip -6 route show table all proto ${protocol}`);
  const rules = [run('ip rule'), run('ip -6 rule')].join('').split('\n');
  const addresses = run('ip -o addr show dev tun9 scope global').split('\n');
  const all = [
    ...routes.split('\n'),
    ...rules.filter((rule) => rule.includes(`proto ${protocol}`)),
    ...addresses,
  ];
  const proxies = run('ip neigh show proxy').split('\n');
  const forwarding = run(`cat ${FORWARDING}`).trim() === '1' ? ['forwarding'] : [];
  return [...all, ...proxies, ...forwarding]
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('; ');
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const end = Date.now() + 10_000; Date.now() < end; ) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never: ${what}`);
}

const clock = createClock();
const options = {
  clock,
  protocol: ROUTING_PROTOCOL['mobile-node'],
  device: 'tun9',
  sysctlFile: '/run/sojourn/test-sysctl.json',
};

if (mode === 'sweep') {
  const found = leftovers();
  const kernel = openKernel({ ...options, netlink: new Netlink() });
  kernel.sweep();
  kernel.close();
  console.log(JSON.stringify({ found, left: leftovers() }));
  process.exit();
}

/** Two daemons that need the same settings; the one that changed them first stops first. */
async function shareSettings(): Promise<void> {
  const settings = [
    { path: 'net/ipv6/conf/lo/accept_ra', value: '2', onlyIfCurrently: '1' },
    { path: 'net/ipv6/conf/all/forwarding', value: '1' },
  ] as const;
  const read = () => settings.map(({ path }) => run(`cat /proc/sys/${path}`).trim()).join(' ');
  const open = (name: string) => {
    const sysctlFile = `/run/sojourn/${name}-sysctl.json`;
    const opened = openKernel({ ...options, netlink: new Netlink(), sysctlFile });
    const set = () => settings.forEach((setting) => void opened.setSysctl(setting));
    opened.onDisturbed(set);
    set();
    return opened;
  };
  const original = read();
  const [first, second] = [open('first'), open('second')];
  const shared = read();
  first.close();
  const between = read();
  await until('the settings to be set again', () => read() === shared);
  second.close();
  console.log(JSON.stringify({ original, shared, between, left: read() }));
}

if (mode === 'share') {
  await shareSettings();
  process.exit();
}

run('ip link add eth0 type veth peer name peer0');
run('ip link add tun9 type veth peer name tun9p');
run('ip link set tun9p up');
run('ip link set tun9 up');
const snapshots: (readonly NetworkInterface[])[] = [];
let disturbances = 0;
const kernel = openKernel({ ...options, netlink: new Netlink() });
kernel.onNetwork((interfaces) => snapshots.push(interfaces));
kernel.onDisturbed(() => {
  disturbances++;
});
const eth0 = (): NetworkInterface | undefined =>
  snapshots.at(-1)?.find((one) => one.name === 'eth0');

run('ip link set peer0 up');
run('ip link set eth0 up');
await until('carrier', () => eth0()?.running === true);
run('ip addr add 192.0.2.5/24 dev eth0');
run('ip route add default via 192.0.2.1');
run('ip addr add 2001:db8:2::5/64 dev eth0 nodad valid_lft 600 preferred_lft 300');
await until('addresses', () => eth0()?.addresses.length === 2 && eth0()?.routers.length === 1);
const seen = eth0();

const home = {
  device: '%tun',
  address: ipv6('2001:db8:1::5'),
  prefixLength: 128,
  noDad: true,
  noPrefixRoute: true,
};
const home4 = { device: '%tun', address: ipv4('198.51.100.5'), prefixLength: 32, noDad: true };
const routes: readonly DesiredRoute[] = [
  {
    destination: { address: ipv6('::'), length: 0 },
    table: 1000,
    device: '%tun',
    source: home.address,
    mtu: 1400,
  },
  {
    destination: { address: ipv4('0.0.0.0'), length: 0 },
    table: 1000,
    device: '%tun',
    source: home4.address,
  },
  {
    destination: { address: ipv4('203.0.113.0'), length: 24 },
    table: 1000,
    device: 'eth0',
    gateway: ipv4('192.0.2.1'),
  },
  {
    destination: { address: ipv6('2001:db8:ffff::'), length: 48 },
    table: 1000,
    type: 'unreachable',
    metric: 9,
  },
];
const rules: readonly DesiredRule[] = [
  { family: 6, priority: 500, table: 1000, from: { address: home.address, length: 128 } },
  {
    family: 4,
    priority: 500,
    table: 254,
    mark: { value: 0x51, mask: 0xff },
    invert: true,
    suppressPrefixLength: 0,
  },
];
const proxies = [
  { device: 'eth0', address: ipv6('2001:db8:2::77') },
  { device: 'eth0', address: ipv4('192.0.2.77') },
];

function makeAll(): void {
  for (const address of [home, home4]) kernel.addAddress(address);
  for (const route of routes) kernel.addRoute(route);
  for (const rule of rules) kernel.addRule(rule);
  for (const proxy of proxies) kernel.addProxyNeighbour(proxy);
  kernel.setSysctl({ path: 'net/ipv6/conf/eth0/forwarding', value: '1' });
}

const MARKER = ipv4('192.0.2.99');

/** Resolves when the kernel port has handled what the kernel has notified so far: in order. */
async function earlierNotifications(): Promise<void> {
  const marked = (): boolean =>
    eth0()?.addresses.some(({ address }) => address === MARKER) === true;
  run('ip addr add 192.0.2.99/32 dev eth0');
  await until('a marker address', marked);
  run('ip addr del 192.0.2.99/32 dev eth0');
  await until('the marker to be gone', () => !marked());
}

makeAll();
const once = leftovers();
makeAll();
const twice = leftovers();
if (mode === 'kill') process.kill(process.pid, 'SIGKILL');

run('ip -6 route flush table 1000');
// The flush deletes several routes: their notifications come in one read or in several.
await until('flush noticed', () => disturbances >= 1);
makeAll();
await earlierNotifications();
disturbances = 0;
run('ip link set eth0 down');
await until('IPv4 route missed', () => disturbances >= 1 && eth0()?.running === false);
let refusal = '';
try {
  makeAll();
} catch (thrown) {
  refusal = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : 'untyped';
}
run('ip link set eth0 up');
await until('carrier again', () => eth0()?.running === true);
const replugged = eth0();
makeAll();
for (let time = 0; time < 2; time++) {
  for (const proxy of proxies) kernel.deleteProxyNeighbour(proxy);
  for (const rule of rules) kernel.deleteRule(rule);
  for (const route of routes) kernel.deleteRoute(route);
  for (const address of [home, home4]) kernel.deleteAddress(address);
  kernel.restoreSysctl('net/ipv6/conf/eth0/forwarding');
}
const left = leftovers();
kernel.close();
console.log(JSON.stringify({ seen, once, twice, refusal, replugged, left, now: clock.now() }));
