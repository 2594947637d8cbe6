import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { run, waitFor } from '#lab/shell.ts';
import { narrowAccess, routedCable } from '#test/netns/helpers/plane/narrow-path.ts';
import {
  INNER,
  OUTER,
  type PlaneEncapsulation,
  PlaneHosts,
  PORT,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import { download, packet6, ping, withChecksum } from '#test/netns/helpers/plane/plane-traffic.ts';

/**
 * Access links whose MTU leaves less than 1280 octets inside a tunnel: outer packets are fragmented
 * (RFC 2473 §7.1 b, RFC 4213 §3.2), and the other end reassembles them.
 */

const PATHS: readonly (readonly [PlaneEncapsulation, 4 | 6, number])[] = [
  ['ipip', 6, 1280],
  ['ipip', 6, 1300],
  ['ipip', 6, 1319],
  ['ipip', 4, 1124],
  ['ipip', 4, 1280],
  ['udp', 4, 1124],
  ['udp', 4, 1300],
];

describe.each(PATHS)('%s over IPv%i on a path of %i octets', (encapsulation, family, mtu) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create(encapsulation, 2, routedCable);
    await narrowAccess(hosts.node, mtu);
    await hosts.carry(encapsulation, 1280, family);
  });
  afterAll(async () => await hosts?.[Symbol.asyncDispose]());

  it('carries IPv6 packets of 1280 octets in both directions', async () => {
    // The first packet of the home agent meets the router, whose Packet Too Big says the MTU.
    await ping(hosts.homeAgent.namespace, INNER.node6, '-s', '1232', '-c', '1', '-w', '1');
    const [down, up] = [
      await ping(hosts.homeAgent.namespace, INNER.node6, '-s', '1232'),
      await ping(hosts.node.namespace, INNER.homeAgent6, '-s', '1232'),
    ];
    expect(down).toContain(' 0% packet loss');
    expect(up).toContain(' 0% packet loss');
    const { counters } = await hosts.homeAgent.ask();
    expect(counters['drop-fragment']).toBe(0);
  });

  it.each([INNER.homeAgent4, INNER.homeAgent6])('carries TCP both ways: %s', async (target) => {
    expect(await download(hosts, target, '-n', '2M', '-R')).toBeGreaterThanOrEqual(2 << 20);
    expect(await download(hosts, target, '-n', '6M')).toBeGreaterThan(1 << 20);
  });

  it('carries UDP datagrams that fill 1280 octets', async () => {
    const options = ['-u', '-b', '5M', '-l', '1232', '-n', '200K'];
    expect(await download(hosts, INNER.homeAgent6, ...options)).toBeGreaterThan(150 << 10);
    expect(await download(hosts, INNER.homeAgent6, ...options, '-R')).toBeGreaterThan(150 << 10);
  });
});

const DEAF = `add table inet deaf
add chain inet deaf input { type filter hook input priority 0; }
add rule inet deaf input icmp type destination-unreachable drop
add rule inet deaf input icmpv6 type packet-too-big drop
`;

describe.each(['udp', 'ipip'] as const)('TCP through a small tunnel, %s', (encapsulation) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create(encapsulation, 2);
    for (const { namespace } of [hosts.homeAgent, hosts.node])
      await run(['nft', '-f', '-'], { namespace, input: DEAF });
    await hosts.carry(encapsulation, 1300);
  });
  afterAll(async () => await hosts?.[Symbol.asyncDispose]());

  it.each([INNER.homeAgent4, INNER.homeAgent6])(
    'fits without Packet Too Big, because the MSS of its SYNs is lowered: %s',
    async (target) => {
      const before = await hosts.node.counter('mss-clamped');
      expect(await download(hosts, target, '-n', '2M', '-R')).toBeGreaterThanOrEqual(2 << 20);
      for (const end of [hosts.homeAgent, hosts.node]) {
        const { counters } = await end.ask();
        expect(counters).toMatchObject({ 'packet-too-big-sent': 0, 'drop-too-big': 0 });
      }
      // Two connections, a SYN out and a SYN-ACK in for each; the home agent found them lowered.
      expect((await hosts.node.counter('mss-clamped')) - before).toBe(2);
      expect(await hosts.homeAgent.counter('mss-clamped')).toBeGreaterThanOrEqual(2);
    },
  );
});

/** The fragments of an IPv6 packet whose payload is cut at `cuts`. */
function fragmentsOf(
  payload: Uint8Array,
  { cuts, next, id }: { cuts: readonly number[]; next: number; id: number },
): string[] {
  return [0, ...cuts].map((begin, index) => {
    const end = cuts[index] ?? payload.length;
    const piece = new Uint8Array(8 + end - begin);
    const offset = begin | (end < payload.length ? 1 : 0);
    piece.set([next, 0, offset >> 8, offset & 255, 0, 0, id >> 8, id & 255]);
    piece.set(payload.subarray(begin, end), 8);
    return packet6(OUTER.node6, OUTER.homeAgent6, 44, piece);
  });
}

/** A Mobility Header of 128 octets; the plane reads its length and checksum only. */
const MOBILITY = withChecksum(
  Uint8Array.from({ length: 128 }, (_, at) => [59, 15, 5, 0][at] ?? at),
);

describe('fragments of control packets', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create('udp', 2);
  });
  afterAll(async () => await hosts?.[Symbol.asyncDispose]());

  const send = async (packets: readonly string[], path: PacketPath): Promise<void> => {
    for (const packet of packets) await hosts.node.ask({ inject: { path, packet } });
  };
  const punted = (packet: string) =>
    waitFor(() => hosts.homeAgent.punts.find((punt) => punt.packet === packet), {
      timeoutMs: 5_000,
      what: 'the punt',
    });
  const whole = (payload: Uint8Array) => packet6(OUTER.node6, OUTER.homeAgent6, 135, payload);

  it('punts a Binding Update that came in fragments as one packet', async () => {
    const [first = '', second = '', third = ''] = fragmentsOf(MOBILITY, {
      ...{ cuts: [48, 96], next: 135, id: 1 },
    });
    // In another order, and one of them twice.
    await send([third, first, first, second], { kind: 'ipv6' });
    expect((await punted(whole(MOBILITY))).path).toEqual({ kind: 'ipv6' });
    await hosts.homeAgent.counted('drop-fragment-duplicate', 0);
    const { counters } = await hosts.homeAgent.ask();
    expect(counters).toMatchObject({ reassembled: 1, 'drop-fragment': 0 });
  });

  it('punts an atomic fragment without its Fragment header (RFC 6946)', async () => {
    const payload = withChecksum(MOBILITY.map((octet, at) => (at > 8 ? 0xaa : octet)));
    await send(fragmentsOf(payload, { cuts: [], next: 135, id: 2 }), { kind: 'ipv6' });
    await punted(whole(payload));
  });

  it('punts a Binding Update whose fragments came over UDP', async () => {
    const payload = withChecksum(MOBILITY.map((octet, at) => (at > 8 ? 0xbb : octet)));
    const path: PacketPath = {
      ...{ kind: 'udp', localPort: PORT, remotePort: PORT },
      local: ipv4(OUTER.node4),
      remote: ipv4(OUTER.homeAgent4),
    };
    await send(fragmentsOf(payload, { cuts: [64], next: 135, id: 3 }), path);
    expect((await punted(whole(payload))).path.kind).toBe('udp');
  });

  it('refuses fragments that overlap or that no packet has, and counts why', async () => {
    const { counters: before } = await hosts.homeAgent.ask();
    const punts = hosts.homeAgent.punts.length;
    const [first = '', last = ''] = fragmentsOf(MOBILITY, { cuts: [64], next: 135, id: 4 });
    const [, overlapping = ''] = fragmentsOf(MOBILITY, { cuts: [56], next: 135, id: 4 });
    await send([first, overlapping, last], { kind: 'ipv6' });
    // The length of a fragment that is not the last is a multiple of eight.
    await send(fragmentsOf(MOBILITY, { cuts: [60], next: 135, id: 5 }).slice(0, 1), {
      kind: 'ipv6',
    });
    await hosts.homeAgent.counted('drop-fragment', before['drop-fragment'] ?? 0);
    const { counters } = await hosts.homeAgent.ask();
    expect(counters['drop-fragment-overlap']).toBe(3);
    expect(hosts.homeAgent.punts.length).toBe(punts);
  });
});
