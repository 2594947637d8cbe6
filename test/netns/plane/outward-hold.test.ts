import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { attempt, ipBatch, run } from '#lab/shell.ts';
import { type PlaneHosts, TUN, TUNNEL, tunnelOf } from '#test/netns/helpers/plane/plane-hosts.ts';
import { iperf } from '#test/netns/helpers/plane/plane-traffic.ts';
import { AES, keysOf, sealedHosts } from '#test/netns/helpers/plane/sealed-hosts.ts';

/**
 * Packets from a node to a virtual address whose tunnel does not exist yet. Addresses as in
 * peer-routes.test.ts.
 */
const PEER = { 6: 'fd5a::1', 4: '100.96.0.1' } as const;
const NODE = { 6: 'fd5a::2', 4: '100.96.0.2' } as const;
const prefixOf = (family: 4 | 6, address: string) =>
  family === 6 ? { address: ipv6(address), length: 128 } : { address: ipv4(address), length: 32 };
const toPeer = (family: 4 | 6) => ({
  prefix: prefixOf(family, PEER[family]),
  tunnel: TUNNEL,
  peer: true,
});

async function virtualHosts(threads: number): Promise<PlaneHosts> {
  const hosts = await sealedHosts(AES, threads);
  await hosts.node.ask({
    overlaySet: { prefix: { address: ipv6('fd5a::'), length: 48 }, address: ipv6(NODE[6]) },
  });
  await hosts.node.ask({
    overlaySet: { prefix: { address: ipv4('100.96.0.0'), length: 16 }, address: ipv4(NODE[4]) },
  });
  for (const family of [4, 6] as const)
    await hosts.homeAgent.ask({
      routeSet: { prefix: prefixOf(family, NODE[family]), tunnel: TUNNEL },
    });
  for (const [end, own] of [
    [hosts.homeAgent, PEER],
    [hosts.node, NODE],
  ] as const) {
    const lines = [
      `address add ${own[6]}/128 dev ${TUN} nodad`,
      `address add ${own[4]}/32 dev ${TUN}`,
      `route add fd5a::/48 dev ${TUN} src ${own[6]}`,
      `route add 100.96.0.0/16 dev ${TUN} src ${own[4]}`,
    ];
    await ipBatch(lines, { namespace: end.namespace });
  }
  return hosts;
}

/** A value of /proc/net/netstat or /proc/net/snmp, as the kernel of `namespace` counts. */
async function kernelCounter(namespace: string, group: string, name: string): Promise<number> {
  const text = await run(['cat', '/proc/net/netstat', '/proc/net/snmp'], { namespace });
  const [names = '', values = ''] = text
    .split('\n')
    .filter((line) => line.startsWith(`${group}: `));
  const value = values.split(' ')[names.split(' ').indexOf(name)];
  if (value === undefined) throw new Error(`no ${group} ${name}`);
  return Number(value);
}

describe.each([1, 2, 4])(
  'the hold queue for a virtual address without a tunnel, %i threads',
  (threads) => {
    let hosts: PlaneHosts;
    beforeAll(async () => {
      hosts = await virtualHosts(threads);
    });
    afterAll(async () => await hosts[Symbol.asyncDispose]());

    it.each([4, 6] as const)(
      'releases packets when the route comes, so that no SYN is repeated, IPv%i',
      async (family) => {
        const { node } = hosts;
        const before = await node.counter('held-outward');
        const replayed = await node.counter('replayed-outward');
        const retransmitted = await kernelCounter(node.namespace, 'TcpExt', 'TCPSynRetrans');
        const end = await iperf(hosts, ['-c', PEER[family], '-n', '200K'], async () => {
          await node.counted('held-outward', before);
          await node.ask({ routeSet: toPeer(family) });
        });
        expect(end.sum_received?.bytes).toBeGreaterThan(0);
        expect(await kernelCounter(node.namespace, 'TcpExt', 'TCPSynRetrans')).toBe(retransmitted);
        expect(await node.counter('replayed-outward')).toBe(replayed + 1);
        expect(await node.counter('drop-outward-hold-expired')).toBe(0);
      },
    );

    it('waits for keys and for the tunnel as well', async () => {
      const { node } = hosts;
      await node.ask({ associationsDelete: TUNNEL, tunnelDelete: TUNNEL });
      const before = await node.counter('held-outward');
      const retransmitted = await kernelCounter(node.namespace, 'TcpExt', 'TCPSynRetrans');
      await iperf(hosts, ['-c', PEER[6], '-n', '200K'], async () => {
        await node.counted('held-outward', before);
        await node.ask({ tunnelSet: tunnelOf('node', 'sealed', 1400, 4) });
        // The keys keep their sequence numbers, so the other end drops no packet as a replay.
        await node.ask({ associationsSet: keysOf('node', AES.cipher, 1, [1]) });
      });
      expect(await kernelCounter(node.namespace, 'TcpExt', 'TCPSynRetrans')).toBe(retransmitted);
      expect(await hosts.homeAgent.counter('drop-replay')).toBe(0);
    });

    it('holds few packets for one destination and drops them after a second', async () => {
      const { node } = hosts;
      const names = [
        'held-outward',
        'drop-outward-hold-full',
        'drop-outward-hold-expired',
      ] as const;
      const before = (await node.ask()).counters;
      const argv = ['ping', '-n', '-q', '-c', '20', '-i', '0.01', '-W', '0.1', 'fd5a::9'];
      await attempt(argv, { namespace: node.namespace });
      await node.counted('drop-outward-hold-expired', before['drop-outward-hold-expired'] ?? 0, 8);
      const after = (await node.ask()).counters;
      expect(names.map((name) => (after[name] ?? 0) - (before[name] ?? 0))).toEqual([8, 12, 8]);
    });

    it('drops packets for other addresses at once', async () => {
      const { node } = hosts;
      await ipBatch([`route add 2001:db8:77::/64 dev ${TUN} src ${NODE[6]}`], {
        namespace: node.namespace,
      });
      const [held, dropped] = [
        await node.counter('held-outward'),
        await node.counter('drop-no-route'),
      ];
      await attempt(['ping', '-n', '-c', '2', '-i', '0.01', '-W', '0.1', '2001:db8:77::1'], {
        namespace: node.namespace,
      });
      await node.counted('drop-no-route', dropped, 2);
      expect(await node.counter('held-outward')).toBe(held);
    });
  },
);
