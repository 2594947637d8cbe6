/**
 * A router between the two hosts of plane-hosts.ts, whose link to the node may be narrow:
 *
 *      home agent                     router                         mobile node
 *      eth0 198.51.100.1/32 --- left        right  ------------- eth0 198.51.100.2/32
 *           2001:db8:f::1/128                  (its MTU is set)       2001:db8:f::2/128
 */
import { ipBatch, run } from '#lab/shell.ts';
import { NO_ANSWERS, OUTER } from './plane-hosts.ts';

const ROUTER = { ipv4: '198.51.100.254', ipv6: 'fe80::1' } as const;
const FORWARDING = `for f in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
do echo 1 > $f; done`;

const SILENT = `add table inet silent
add chain inet silent out { type filter hook output priority 0; }
add rule inet silent out icmp type destination-unreachable counter drop
add rule inet silent out icmpv6 type packet-too-big counter drop
`;

/** Inner sources in fe80::/32, behind the outer IP header or a UDP header as well. */
const PROBES = `add table inet probes
add chain inet probes forward { type filter hook forward priority 0; }
add rule inet probes forward meta l4proto 41 @th,64,32 0xfe800000 counter drop
add rule inet probes forward meta l4proto udp @th,128,32 0xfe800000 counter drop
`;

function routerOf(end: { readonly namespace: string }): string {
  return end.namespace.replace(/-(ha|mn)$/, '-router');
}

/** For PlaneHosts.create. */
export async function routedCable(name: string): Promise<readonly string[]> {
  const [left, router, right] = [`${name}-ha`, `${name}-router`, `${name}-mn`];
  await ipBatch([
    ...[left, router, right].map((one) => `netns add ${one}`),
    `link add eth0 netns ${left} type veth peer name left netns ${router}`,
    `link add eth0 netns ${right} type veth peer name right netns ${router}`,
  ]);
  const sides = [
    [left, 'left', 'homeAgent'],
    [right, 'right', 'node'],
  ] as const;
  await run(['sh', '-c', FORWARDING], { namespace: router });
  for (const [namespace, side, who] of sides) {
    await ipBatch(
      [
        `link set ${side} up`,
        `address add ${ROUTER.ipv4}/32 dev ${side}`,
        `address add ${ROUTER.ipv6}/64 dev ${side} nodad`,
        `route add ${OUTER[`${who}4`]} dev ${side}`,
        `route add ${OUTER[`${who}6`]} dev ${side}`,
      ],
      { namespace: router },
    );
    await ipBatch(
      [
        'link set lo up',
        'link set eth0 up',
        `address add ${OUTER[`${who}4`]}/32 dev eth0`,
        `address add ${OUTER[`${who}6`]}/128 dev eth0 nodad`,
        `route add ${ROUTER.ipv4} dev eth0`,
        `route add default via ${ROUTER.ipv4}`,
        `route add default via ${ROUTER.ipv6} dev eth0`,
      ],
      { namespace },
    );
    await run(['nft', '-f', '-'], { namespace, input: NO_ANSWERS });
  }
  return [left, router, right];
}

/** Sets the MTU of the link between router and node, which the node knows. */
export async function narrowAccess(
  node: { readonly namespace: string },
  mtu: number,
): Promise<void> {
  await ipBatch([`link set right mtu ${mtu}`], { namespace: routerOf(node) });
  await ipBatch([`link set eth0 mtu ${mtu}`], { namespace: node.namespace });
}

/** The router forwards no larger packets in either direction, as if a link behind it were small. */
export async function narrowBehind(
  node: { readonly namespace: string },
  mtu: number,
): Promise<void> {
  const routes = [
    [OUTER.homeAgent4, 'left'],
    [OUTER.homeAgent6, 'left'],
    [OUTER.node4, 'right'],
    [OUTER.node6, 'right'],
  ] as const;
  await ipBatch(
    routes.map(([address, device]) => `route replace ${address} dev ${device} mtu lock ${mtu}`),
    { namespace: routerOf(node) },
  );
}

/** The router sends no Packet Too Big from now on. */
export async function silenceRouter(node: { readonly namespace: string }): Promise<void> {
  await run(['nft', '-f', '-'], { namespace: routerOf(node), input: SILENT });
}

/** The router drops all probes of plain tunnels from now on, so that neither host answers any. */
export async function ignoreProbes(node: { readonly namespace: string }): Promise<void> {
  await run(['nft', '-f', '-'], { namespace: routerOf(node), input: PROBES });
}
