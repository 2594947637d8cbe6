import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run, waitFor } from '#lab/shell.ts';
import {
  INNER,
  OUTER,
  type PlaneEnd,
  PlaneHosts,
  TUNNEL,
  tunnelOf,
  withPath,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { DATAGRAM, packet6, ping } from '#test/netns/helpers/plane/plane-traffic.ts';

/** The notice that an idle plane carries packets again. */
describe.each([
  ['udp', 1],
  ['udp', 2],
  ['ipip', 4],
] as const)('a %s tunnel with %i threads', (encapsulation, threads) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create(encapsulation, threads);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const noticed = (end: PlaneEnd, count: number) =>
    waitFor(() => end.trafficNotices[count - 1]?.[0], {
      timeoutMs: 5_000,
      what: `traffic notice ${count} of ${end.namespace}`,
    });

  it('gives no notice that was not asked for', async () => {
    await ping(hosts.node.namespace, INNER.homeAgent4);
    await hosts.node.ask();
    expect(hosts.node.trafficNotices).toEqual([]);
  });

  it('gives one notice for many packets, with what the tunnel carried until then', async () => {
    const before = (await hosts.node.ask({ tunnelCounters: TUNNEL, armTrafficNotice: true }))
      .tunnel;
    await ping(hosts.node.namespace, INNER.homeAgent6);
    const notice = await noticed(hosts.node, 1);
    // The thread that receives the answer may be ahead of the one that sent the request.
    const packets = (notice?.transmitted ?? 0) + (notice?.received ?? 0);
    const earlier = (before?.['transmit-packets'] ?? 0) + (before?.['receive-packets'] ?? 0);
    expect(packets).toBeGreaterThan(earlier);
    await ping(hosts.node.namespace, INNER.homeAgent6);
    await hosts.node.ask();
    expect(hosts.node.trafficNotices).toHaveLength(1);
  });

  it('gives another notice for a received packet once it is armed again', async () => {
    await hosts.node.ask({ armTrafficNotice: true });
    await hosts.homeAgent.ask({
      inject: {
        path: { kind: 'tunnel', tunnel: TUNNEL },
        packet: packet6(INNER.homeAgent6, INNER.node6, 17, DATAGRAM),
      },
    });
    expect((await noticed(hosts.node, 2))?.received).toBeGreaterThan(0);
  });

  it('gives a notice for packets that the kernel refuses to send, and counts them', async () => {
    const end = hosts.homeAgent;
    const remote = tunnelOf('homeAgent', encapsulation).path.remote;
    const family = remote === OUTER.node4 ? '-4' : '-6';
    await run(['ip', family, 'route', 'add', 'unreachable', remote], { namespace: end.namespace });
    await end.ask({ tunnelSet: withPath(tunnelOf('homeAgent', encapsulation), {}) });
    const before = (await end.ask({ armTrafficNotice: true })).counters['drop-send-error'] ?? 0;
    await ping(end.namespace, INNER.node6, '-c', '1', '-w', '1');
    const { transmitted } = (await noticed(end, 1)) ?? { transmitted: 0 };
    const { counters, tunnel } = await end.ask({ tunnelCounters: TUNNEL });
    expect(counters['drop-send-error']).toBeGreaterThan(before);
    expect(transmitted).toBeGreaterThan(tunnel?.['transmit-packets'] ?? Number.NaN);
    await run(['ip', family, 'route', 'delete', 'unreachable', remote], {
      namespace: end.namespace,
    });
  });
});
