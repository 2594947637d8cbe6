/**
 * A node that reaches servers of the other address family through virtual addresses of its own
 * family, and the relay that translates:
 *
 *      node            relay                          router           server
 *      plane (mobile   plane (home agent side)        eth0 ──── eth1   eth0
 *      node side)      eth1 2001:db8:81::1 ────────── .2        .1 ─── 2001:db8:80::80
 *                           198.51.101.1                               198.18.0.80
 *      fd5a::2            = shadow 100.127.0.2
 *      100.96.0.2         = shadow fd5a::2:0:0:6460:2
 *
 * The server's IPv6 address is 100.97.0.1 to the node, its IPv4 address fd5a:0:0:1::1.
 */
import { ipv4, ipv6, type Prefix } from '#base/ip.ts';
import type { DesiredTranslation } from '#engine/contract/ntmobile.ts';
import { ipBatch, nowMs, run } from '#lab/shell.ts';
import { INNER, type PlaneEnd, type PlaneHosts, TUN, TUNNEL } from './plane-hosts.ts';
import { AES, sealedHosts } from './sealed-hosts.ts';

export const NODE = { 4: '100.96.0.2', 6: 'fd5a::2' } as const;
/** The server's address as the node sees it, by the family of the node's socket. */
export const SERVER = { 4: '100.97.0.1', 6: 'fd5a:0:0:1::1' } as const;
/** The node's address as servers and routers see it, by the family of the node's socket. */
export const SHADOW = { 4: 'fd5a::2:0:0:6460:2', 6: '100.127.0.2' } as const;
const REAL = { 4: '2001:db8:80::80', 6: '198.18.0.80' } as const;

const TRANSLATIONS: readonly DesiredTranslation[] = [
  { side: 'near', inner: ipv4(NODE[4]), outer: ipv6(SHADOW[4]) },
  { side: 'far', inner: ipv4(SERVER[4]), outer: ipv6(REAL[4]) },
  { side: 'near', inner: ipv6(NODE[6]), outer: ipv4(SHADOW[6]) },
  { side: 'far', inner: ipv6(SERVER[6]), outer: ipv4(REAL[6]) },
];

const whole = (family: 4 | 6, text: string): Prefix =>
  family === 6 ? { address: ipv6(text), length: 128 } : { address: ipv4(text), length: 32 };

export interface TranslatingHosts extends AsyncDisposable {
  readonly node: PlaneEnd;
  readonly relay: PlaneEnd;
  readonly router: string;
  readonly server: string;
}

async function planes(threads: number): Promise<PlaneHosts> {
  const hosts = await sealedHosts(AES, threads);
  const { homeAgent: relay, node } = hosts;
  await node.ask({
    routeDelete: { prefix: { address: ipv6('2001:db8:1::'), length: 64 }, tunnel: TUNNEL },
  });
  await node.ask({ routeDelete: { prefix: whole(4, INNER.node4), tunnel: TUNNEL } });
  const overlays = [
    { prefix: { address: ipv6('fd5a::'), length: 48 }, address: ipv6(NODE[6]) },
    { prefix: { address: ipv4('100.96.0.0'), length: 12 }, address: ipv4(NODE[4]) },
  ];
  for (const overlaySet of overlays) await node.ask({ overlaySet });
  for (const family of [4, 6] as const) {
    await relay.ask({ routeSet: { prefix: whole(family, NODE[family]), tunnel: TUNNEL } });
    await node.ask({
      routeSet: { prefix: whole(family, SERVER[family]), tunnel: TUNNEL, peer: true },
    });
  }
  for (const translationSet of TRANSLATIONS) await relay.ask({ translationSet });
  const lines = [
    // The MTU that the tunnel carries, so that senders fragment datagrams and no test waits for
    // path MTU discovery.
    `link set ${TUN} mtu 1400`,
    `address add ${NODE[6]}/128 dev ${TUN} nodad`,
    `address add ${NODE[4]}/32 dev ${TUN}`,
    `route add fd5a::/48 dev ${TUN} src ${NODE[6]}`,
    `route add 100.96.0.0/12 dev ${TUN} src ${NODE[4]}`,
  ];
  await ipBatch(lines, { namespace: node.namespace });
  return hosts;
}

/**
 * Disables duplicate address detection, because a router without a link-local address sends no
 * Neighbour Solicitations.
 */
const AT_ONCE = 'echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad';
const FORWARD =
  'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding; ' +
  'echo 0 > /proc/sys/net/ipv4/icmp_ratelimit; echo 0 > /proc/sys/net/ipv6/icmp/ratelimit';

/** The hosts behind the relay. */
async function internet(relay: string, router: string, server: string): Promise<void> {
  await ipBatch([`netns add ${router}`, `netns add ${server}`]);
  for (const namespace of [relay, router, server]) await run(['sh', '-ec', AT_ONCE], { namespace });
  await ipBatch([
    `link add eth1 netns ${relay} type veth peer name eth0 netns ${router}`,
    `link add eth1 netns ${router} type veth peer name eth0 netns ${server}`,
  ]);
  for (const namespace of [relay, router]) await run(['sh', '-ec', FORWARD], { namespace });
  const up = (device: string, six: string, four: string): string[] => [
    `link set ${device} up`,
    `address add ${six}/64 dev ${device} nodad`,
    `address add ${four}/24 dev ${device}`,
  ];
  const shadows = (towards: string): string[] => [
    `route add fd5a:0:0:2::/64 ${towards.replace('GATEWAY', '2001:db8:81::1')}`,
    `route add 100.127.0.0/16 ${towards.replace('GATEWAY', '198.51.101.1')}`,
  ];
  await ipBatch(
    [
      ...up('eth1', '2001:db8:81::1', '198.51.101.1'),
      ...[
        'route add 2001:db8:80::/64 via 2001:db8:81::2',
        'route add 198.18.0.0/24 via 198.51.101.2',
      ],
      ...shadows(`dev ${TUN}`),
      // Routes for packets of the relay itself to nodes.
      ...[`route add fd5a::/64 dev ${TUN}`, `route add 100.96.0.0/16 dev ${TUN}`],
    ],
    { namespace: relay },
  );
  await ipBatch(
    [
      ...['link set lo up', ...up('eth0', '2001:db8:81::2', '198.51.101.2')],
      ...[...up('eth1', '2001:db8:80::1', '198.18.0.1'), ...shadows('via GATEWAY')],
    ],
    { namespace: router },
  );
  await ipBatch(
    [
      ...['link set lo up', ...up('eth0', REAL[4], REAL[6])],
      ...['route add ::/0 via 2001:db8:80::1', 'route add default via 198.18.0.1'],
    ],
    { namespace: server },
  );
}

export async function translatingHosts(threads: number): Promise<TranslatingHosts> {
  const hosts = await planes(threads);
  const name = `translating-${threads}-${Math.round(nowMs())}`;
  const [router, server] = [`${name}-router`, `${name}-server`];
  await internet(hosts.homeAgent.namespace, router, server);
  return {
    ...{ node: hosts.node, relay: hosts.homeAgent, router, server },
    async [Symbol.asyncDispose]() {
      await hosts[Symbol.asyncDispose]();
      await ipBatch([`netns delete ${router}`, `netns delete ${server}`]);
    },
  };
}
