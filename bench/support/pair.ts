/**
 * Two hosts on one cable, for benchmarks:
 *
 *      left  (client, mobile node)          right (server, home agent)
 *      eth0 198.51.100.1/24  ---- veth ---- eth0 198.51.100.2/24           (IPv4)
 *           2001:db8:f::1/64                     2001:db8:f::2/64          (IPv6)
 *                                           lo   203.0.113.193, 2001:db8:c::1   (behind every
 *                               tunnel)
 */
import { ipBatch, run, runSync } from '#lab/shell.ts';

export interface Pair {
  readonly left: string;
  readonly right: string;
}

/** Addresses on the cable and behind the tunnels. */
export const CABLE = {
  left4: '198.51.100.1',
  right4: '198.51.100.2',
  left6: '2001:db8:f::1',
  right6: '2001:db8:f::2',
  server4: '203.0.113.193',
  server6: '2001:db8:c::1',
} as const;

interface PairOptions {
  readonly name: string;
  readonly families: readonly (4 | 6)[];
  /** False: the cable carries real 1500-octet frames, as a network card's wire does. */
  readonly segmentationOffload: boolean;
}

const OFFLOADS = ['tso', 'gso', 'gro', 'tx-udp-segmentation', 'sg'] as const;

/** Builds the pair; both directions forward and have default routes through each other. */
export async function buildPair(options: PairOptions): Promise<Pair> {
  const pair = { left: `${options.name}-left`, right: `${options.name}-right` };
  await ipBatch([
    `netns add ${pair.left}`,
    `netns add ${pair.right}`,
    `link add eth0 netns ${pair.left} type veth peer name eth0 netns ${pair.right}`,
  ]);
  for (const [namespace, own, other] of [
    [pair.left, 'left', 'right'],
    [pair.right, 'right', 'left'],
  ] as const) {
    await run(
      [
        'sh',
        '-ec',
        'echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad; echo 1 > ' +
          '/proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
      ],
      { namespace },
    );
    const commands = ['link set lo up', 'link set eth0 up'];
    if (options.families.includes(4)) {
      commands.push(
        `address add ${CABLE[`${own}4`]}/24 dev eth0`,
        `route add default via ${CABLE[`${other}4`]}`,
      );
    }
    if (options.families.includes(6)) {
      commands.push(
        `address add ${CABLE[`${own}6`]}/64 dev eth0 nodad`,
        `route add ::/0 via ${CABLE[`${other}6`]}`,
      );
    }
    if (own === 'right')
      commands.push(
        `address add ${CABLE.server4}/32 dev lo`,
        `address add ${CABLE.server6}/128 dev lo nodad`,
      );
    await ipBatch(commands, { namespace });
    if (!options.segmentationOffload) {
      await run(['ethtool', '-K', 'eth0', ...OFFLOADS.flatMap((offload) => [offload, 'off'])], {
        namespace,
      });
    }
  }
  return pair;
}

export function removePair(pair: Pair): void {
  for (const namespace of [pair.left, pair.right]) runSync(['ip', 'netns', 'delete', namespace]);
}
