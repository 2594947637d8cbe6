import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4, ipv6, type Prefix } from '#base/ip.ts';
import { ipBatch, waitFor } from '#lab/shell.ts';
import {
  INNER,
  type PlaneHosts,
  TUN,
  TUNNEL,
  tunnelOf,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { ANSWERED, ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import { AES, sealedHosts } from '#test/netns/helpers/plane/sealed-hosts.ts';

/**
 * A node with two kinds of tunnels to the same host: a sealed tunnel to a peer, with routes to the
 * peer's prefixes, and a UDP tunnel to its home agent, with a route from its own prefix.
 *
 *      peer                                   node
 *      fd5a::1, 100.96.0.1   == sealed ==     fd5a::2, 100.96.0.2       virtual: fd5a::/48,
 *      100.96.0.0/16
 *      2001:db8:5::1         ==  UDP   ==     2001:db8:1::2             home address
 */
const VIRTUAL = {
  peer6: 'fd5a::1',
  peer4: '100.96.0.1',
  node6: 'fd5a::2',
  node4: '100.96.0.2',
} as const;
const HOME_TUNNEL = TUNNEL + 1;
const OVERLAYS = [
  { prefix: { address: ipv6('fd5a::'), length: 48 }, address: ipv6(VIRTUAL.node6) },
  { prefix: { address: ipv4('100.96.0.0'), length: 16 }, address: ipv4(VIRTUAL.node4) },
];
const whole6 = (text: string): Prefix => ({ address: ipv6(text), length: 128 });
const whole4 = (text: string): Prefix => ({ address: ipv4(text), length: 32 });

async function twoTunnels(): Promise<PlaneHosts> {
  const hosts = await sealedHosts(AES, 2);
  const { homeAgent: peer, node } = hosts;
  const home = { address: ipv6('2001:db8:1::'), length: 64 };
  for (const side of ['homeAgent', 'node'] as const) {
    const tunnel = { ...tunnelOf(side, 'udp', 1400), id: HOME_TUNNEL };
    await hosts[side].ask({ tunnelSet: tunnel, routeSet: { prefix: home, tunnel: HOME_TUNNEL } });
    await hosts[side].ask({ routeDelete: { prefix: whole4(INNER.node4), tunnel: TUNNEL } });
  }
  await peer.ask({ routeSet: { prefix: whole6(VIRTUAL.node6), tunnel: TUNNEL } });
  await peer.ask({ routeSet: { prefix: whole4(VIRTUAL.node4), tunnel: TUNNEL } });
  for (const overlaySet of OVERLAYS) await node.ask({ overlaySet });
  await node.ask({ routeSet: { prefix: whole6(VIRTUAL.peer6), tunnel: TUNNEL, peer: true } });
  await node.ask({ routeSet: { prefix: whole4(VIRTUAL.peer4), tunnel: TUNNEL, peer: true } });
  for (const [end, who] of [
    [peer, 'peer'],
    [node, 'node'],
  ] as const) {
    const lines = [
      `address add ${VIRTUAL[`${who}6`]}/128 dev ${TUN} nodad`,
      `address add ${VIRTUAL[`${who}4`]}/32 dev ${TUN}`,
      `route add fd5a::/48 dev ${TUN} src ${VIRTUAL[`${who}6`]}`,
      `route add 100.96.0.0/16 dev ${TUN} src ${VIRTUAL[`${who}4`]}`,
    ];
    await ipBatch(lines, { namespace: end.namespace });
  }
  return hosts;
}

describe('peer routes beside routes of the mobile side', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await twoTunnels();
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const carried = async (tunnel: number): Promise<number> =>
    (await hosts.node.ask({ tunnelCounters: tunnel })).tunnel?.['receive-packets'] ?? 0;

  it.each([
    [VIRTUAL.peer6, VIRTUAL.node6, TUNNEL],
    [VIRTUAL.peer4, VIRTUAL.node4, TUNNEL],
    [INNER.homeAgent6, INNER.node6, HOME_TUNNEL],
  ] as const)('carry %s ↔ %s in a tunnel of their own', async (peer, node, tunnel) => {
    const before = [await carried(TUNNEL), await carried(HOME_TUNNEL)];
    expect(await ping(hosts.node.namespace, peer)).toMatch(ANSWERED);
    expect(await ping(hosts.homeAgent.namespace, node)).toMatch(ANSWERED);
    const at = tunnel === TUNNEL ? 0 : 1;
    // A thread counts a packet at the end of the turn in which it arrived.
    const counted = async (): Promise<boolean> => (await carried(tunnel)) === (before[at] ?? 0) + 6;
    await waitFor(counted, { timeoutMs: 5_000, what: 'six packets to be counted' });
    expect(await carried(at === 0 ? HOME_TUNNEL : TUNNEL)).toBe(before[1 - at]);
    expect(await hosts.node.counter('drop-permit')).toBe(0);
  });

  it('accept only packets from a peer to the host’s own virtual address', async () => {
    const { homeAgent, node } = hosts;
    const foreign = ['fd5a::66', '100.96.0.66'] as const;
    const lines = [
      `address add ${foreign[0]}/128 dev ${TUN} nodad`,
      `address add ${foreign[1]}/32 dev ${TUN}`,
    ];
    await ipBatch(lines, { namespace: homeAgent.namespace });
    // The destination is no address of the node, so the node would forward the packet.
    await homeAgent.ask({ routeSet: { prefix: whole6('fd5a::77'), tunnel: TUNNEL } });
    await homeAgent.ask({ routeSet: { prefix: whole4('100.96.0.77'), tunnel: TUNNEL } });
    for (const [source, destination] of [
      [foreign[0], VIRTUAL.node6],
      [foreign[1], VIRTUAL.node4],
      [VIRTUAL.peer6, 'fd5a::77'],
      [VIRTUAL.peer4, '100.96.0.77'],
    ] as const) {
      const [before, received] = [await node.counter('drop-permit'), await carried(TUNNEL)];
      expect(
        await ping(homeAgent.namespace, destination, '-I', source, '-c', '2', '-w', '1'),
      ).toContain(' 0 received');
      await node.counted('drop-permit', before, 2);
      expect(await carried(TUNNEL)).toBe(received);
    }
  });

  it('leave the home address to its own tunnel', async () => {
    const { homeAgent, node } = hosts;
    const before = await node.counter('drop-permit');
    // The peer puts a packet for the home address into the sealed tunnel.
    await homeAgent.ask({ routeSet: { prefix: whole6(INNER.node6), tunnel: TUNNEL } });
    expect(await ping(homeAgent.namespace, INNER.node6, '-c', '2', '-w', '1')).toContain(
      ' 0 received',
    );
    await node.counted('drop-permit', before, 2);
    await homeAgent.ask({ routeDelete: { prefix: whole6(INNER.node6), tunnel: TUNNEL } });
    expect(await ping(homeAgent.namespace, INNER.node6)).toMatch(ANSWERED);
  });
});
