import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '#lab/shell.ts';
import { narrowBehind, routedCable, silenceRouter } from '#test/netns/helpers/plane/narrow-path.ts';
import {
  INNER,
  type PlaneEncapsulation,
  PlaneHosts,
  TUNNEL,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { download, ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import { keysOf } from '#test/netns/helpers/plane/sealed-hosts.ts';

/**
 * A router between the hosts whose link is smaller than the hosts know, and which sends no Packet
 * Too Big: the planes find the size by probes (RFC 8899).
 */

const PATHS: readonly (readonly [PlaneEncapsulation, 4 | 6, number])[] = [
  ['ipip', 6, 1280],
  ['ipip', 6, 1319],
  ['ipip', 6, 1400],
  ['ipip', 4, 1124],
  ['udp', 4, 1124],
  ['udp', 4, 1300],
  ['sealed', 4, 1124],
  ['sealed', 6, 1300],
];
const OVERHEAD = { ipip: { 4: 20, 6: 40 }, udp: { 4: 28, 6: 48 }, sealed: { 4: 52, 6: 72 } };

describe.each(PATHS)('%s over IPv%i, a silent path of %i octets', (encapsulation, family, mtu) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create(encapsulation, 2, routedCable);
    await silenceRouter(hosts.node);
    await narrowBehind(hosts.node, mtu);
    await hosts.carry(encapsulation, 1500 - OVERHEAD[encapsulation][family], family);
    for (const side of encapsulation === 'sealed' ? (['homeAgent', 'node'] as const) : [])
      await hosts[side].ask({ associationsSet: keysOf(side, 'aes-128-gcm', 1, [1]) });
  });
  afterAll(async () => await hosts?.[Symbol.asyncDispose]());

  it.each([INNER.homeAgent6, INNER.homeAgent4])('carries TCP both ways: %s', async (target) => {
    expect(await download(hosts, target, '-n', '4M', '-R')).toBeGreaterThanOrEqual(4 << 20);
    // iperf3 ends an upload while its last megabytes wait in the sending socket.
    expect(await download(hosts, target, '-n', '12M')).toBeGreaterThan(1 << 20);
  });

  it('finds the size exactly from both ends', async () => {
    const ends = [
      [hosts.homeAgent, INNER.node6],
      [hosts.node, INNER.homeAgent6],
    ] as const;
    for (const [end, other] of ends) {
      // TCP made no large segments if the other end lowered its MSS before.
      await ping(end.namespace, other, '-s', '1350', '-c', '1', '-w', '1');
      await waitFor(
        async () => {
          const { tunnel } = await end.ask({ tunnelCounters: TUNNEL });
          return tunnel?.['mtu'] === mtu - OVERHEAD[encapsulation][family];
        },
        { timeoutMs: 5_000, what: `the path MTU of ${end.namespace}` },
      );
      const { counters } = await end.ask();
      expect(counters).toMatchObject({ 'path-mtu-learnt': 0, 'path-mtu-probed': 1 });
    }
  });
});
