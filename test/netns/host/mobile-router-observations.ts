/**
 * Observes the kernel of a mobile router: multicast groups, addresses, router advertisements,
 * settings, and the route of each kind of packet.
 */
import { attempt, run } from '#lab/shell.ts';

export async function sysctl(path: string): Promise<string> {
  return (await run(['cat', `/proc/sys/net/${path}`])).trim();
}

/** The interfaces that are members of the all-routers group. */
export async function members(...devices: readonly string[]): Promise<readonly string[]> {
  const memberships = devices.map(
    async (device) => [device, await run(['ip', '-6', 'maddr', 'show', 'dev', device])] as const,
  );
  return (await Promise.all(memberships))
    .filter(([, text]) => /\bff02::2$/m.test(text))
    .map(([device]) => device);
}

export async function addressesOf(device: string): Promise<readonly string[]> {
  const text = await run(['ip', '-oneline', 'address', 'show', 'dev', device, 'scope', 'global']);
  return [...text.matchAll(/ inet6? (\S+)/g)].map(([, address = '']) => address);
}

/** The routes of radvd's router: its default route and the address from its prefix. */
export async function advertised(device: string): Promise<readonly string[]> {
  const routes = await run(['ip', '-6', 'route', 'show', 'default', 'proto', 'ra', 'dev', device]);
  const addresses = await run([
    'ip',
    '-6',
    '-oneline',
    'address',
    'show',
    'dev',
    device,
    'scope',
    'global',
    'dynamic',
  ]);
  return [
    /^default via fe80/m.test(routes) ? 'default' : '',
    / inet6 (2001:db8:[\da-f]+):/.exec(addresses)?.[1] ?? '',
  ];
}

export async function settings(): Promise<readonly string[]> {
  const script =
    'grep -H . /proc/sys/net/ipv[46]/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra ' +
    '$(ls /proc/sys/net/ipv6/conf/*/force_forwarding 2>/dev/null)';
  return (await run(['sh', '-c', script])).trim().split('\n');
}

/**
 * What `ip route get` says of a packet that the kernel does not route. Reverse path filtering is
 * EXDEV in older kernels (Linux 6.1) and EINVAL in newer ones.
 */
const REFUSED = /Invalid argument|Invalid cross-device link|unreachable|No route to host|error -22/;

/**
 * The kernel's route of a packet: a device, `local`, or `nowhere`. `inward`: the interface that the
 * packet arrives on; undefined for the router's own packets.
 */
export async function routeOf(
  from: string,
  to: string,
  inward?: string,
  mark?: number,
): Promise<string> {
  const family = to.includes(':') ? '-6' : '-4';
  const options = [
    ...(inward === undefined ? [] : ['iif', inward]),
    ...(mark === undefined ? [] : ['mark', `${mark}`]),
  ];
  const { stdout, stderr } = await attempt([
    'ip',
    family,
    '-oneline',
    'route',
    'get',
    to,
    'from',
    from,
    ...options,
  ]);
  if (/^local |^broadcast /.test(stdout)) return 'local';
  if (/^(blackhole|unreachable|prohibit) /.test(stdout) || stdout === '') {
    return REFUSED.test(stdout + stderr) ? 'nowhere' : `${stdout}${stderr}`;
  }
  return / dev (\S+)/.exec(stdout)?.[1] ?? stdout;
}

const LAN_HOST = '2001:db8:500::a';
const LAN_HOST_V4 = '198.51.100.130';
export const FAR = '2001:db8:f::80';
const FAR_V4 = '203.0.113.200';
export const FOREIGN_SOURCE = '2001:db8:bad::1';
const FOREIGN_SOURCE_V4 = '198.51.100.77';

interface Question {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly inward?: string;
}

/** The route of each kind of packet. `careOf` is the router's care-of address. */
function questions(careOf: string): readonly Question[] {
  return [
    { name: 'lan out', from: LAN_HOST, to: FAR, inward: 'lan0' },
    { name: 'lan out v4', from: LAN_HOST_V4, to: FAR_V4, inward: 'lan0' },
    { name: 'second lan out', from: '2001:db8:500:1::a', to: FAR, inward: 'lan1' },
    { name: 'lan to lan', from: LAN_HOST, to: '2001:db8:500:1::a', inward: 'lan0' },
    { name: 'lan to no lan', from: LAN_HOST, to: '2001:db8:500:7::a', inward: 'lan0' },
    { name: 'lan to visited neighbour', from: LAN_HOST, to: '2001:db8:a::1', inward: 'lan0' },
    { name: 'lan to visited neighbour v4', from: LAN_HOST_V4, to: '203.0.113.1', inward: 'lan0' },
    { name: 'lan to router', from: LAN_HOST, to: '2001:db8:500::1', inward: 'lan0' },
    { name: 'lan to home address', from: LAN_HOST, to: '2001:db8:100::20', inward: 'lan0' },
    { name: 'lan asks for an address', from: '0.0.0.0', to: '255.255.255.255', inward: 'lan0' },
    { name: 'lan foreign source', from: FOREIGN_SOURCE, to: FAR, inward: 'lan0' },
    { name: 'lan claims own lan address', from: '2001:db8:500::1', to: FAR, inward: 'lan0' },
    { name: 'lan claims home address', from: '2001:db8:100::20', to: FAR, inward: 'lan0' },
    { name: 'lan claims care-of address', from: careOf, to: FAR, inward: 'lan0' },
    { name: 'tunnel in', from: FAR, to: LAN_HOST, inward: 'tun9' },
    { name: 'tunnel in v4', from: FAR_V4, to: LAN_HOST_V4, inward: 'tun9' },
    { name: 'tunnel in for no lan', from: FAR, to: '2001:db8:500:7::a', inward: 'tun9' },
    { name: 'tunnel in from own prefix', from: LAN_HOST, to: '2001:db8:500:1::a', inward: 'tun9' },
    { name: 'visited in', from: FAR, to: LAN_HOST, inward: 'eth0' },
    { name: 'visited in v4', from: FAR_V4, to: LAN_HOST_V4, inward: 'eth0' },
    { name: 'visited claims prefix', from: LAN_HOST, to: FAR, inward: 'eth0' },
    { name: 'visited claims home address', from: '2001:db8:100::20', to: FAR, inward: 'eth0' },
    { name: 'visited in transit', from: FOREIGN_SOURCE, to: FAR, inward: 'eth0' },
    { name: 'visited in transit v4', from: FOREIGN_SOURCE_V4, to: FAR_V4, inward: 'eth0' },
    { name: 'home link in', from: FAR, to: LAN_HOST, inward: 'eth2' },
    { name: 'home link in v4', from: FAR_V4, to: LAN_HOST_V4, inward: 'eth2' },
    { name: 'home link claims prefix', from: LAN_HOST, to: '2001:db8:500:1::a', inward: 'eth2' },
    { name: 'own to lan', from: '2001:db8:100::20', to: LAN_HOST },
    { name: 'own care-of to lan', from: careOf, to: LAN_HOST },
    { name: 'own lan address out', from: '2001:db8:500::1', to: FAR },
    { name: 'own lan address out v4', from: '198.51.100.129', to: FAR_V4 },
    { name: 'own care-of out', from: careOf, to: FAR },
    { name: 'own home address out', from: '2001:db8:100::20', to: FAR },
  ];
}

export async function routesOf(careOf: string): Promise<Readonly<Record<string, string>>> {
  const found = questions(careOf).map(
    async ({ name, from, to, inward }) => [name, await routeOf(from, to, inward)] as const,
  );
  return Object.fromEntries(await Promise.all(found));
}
