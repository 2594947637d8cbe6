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

/** Sets the MTU of the router's link to the node; the node itself knows it if `access`. */
export async function narrow(
  node: { readonly namespace: string },
  mtu: number,
  access: boolean,
): Promise<void> {
  await ipBatch([`link set right mtu ${mtu}`], { namespace: routerOf(node) });
  if (access) await ipBatch([`link set eth0 mtu ${mtu}`], { namespace: node.namespace });
}
