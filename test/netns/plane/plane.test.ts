import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4 } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { attempt, ipBatch, run, waitFor } from '#lab/shell.ts';
import {
  INNER,
  OUTER,
  type PlaneEncapsulation,
  type PlaneEnd,
  PlaneHosts,
  PORT,
  TUN,
  TUNNEL,
  tunnelOf,
  withPath,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import {
  ANSWERED,
  DATAGRAM,
  download,
  packet6,
  ping,
  withChecksum,
} from '#test/netns/helpers/plane/plane-traffic.ts';

/** Real packets through the data plane: no engine, no daemon, the tunnels are set by hand. */

const TO_HOME_AGENT: PacketPath = {
  ...{ kind: 'udp', localPort: PORT, remotePort: PORT },
  local: ipv4(OUTER.node4),
  remote: ipv4(OUTER.homeAgent4),
};

const MOBILITY = Uint8Array.from([59, 1, 5, 0, 0, 0, 0, 1, 0, 0, 0, 10, 0, 0, 0, 0]);

async function packetsOf(namespace: string, rule: string): Promise<number> {
  const ruleset = await run(['nft', 'list', 'ruleset'], { namespace });
  const line = ruleset.split('\n').find((one) => one.includes(rule));
  return Number(/packets (\d+)/.exec(line ?? '')?.[1] ?? Number.NaN);
}

const VARIANTS: readonly (readonly [PlaneEncapsulation, number])[] = [
  ['udp', 1],
  ['udp', 2],
  ['udp', 4],
  ['ipip', 1],
  ['ipip', 2],
];

describe.each(VARIANTS)('%s with %i threads', (encapsulation, threads) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create(encapsulation, threads);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('carries echo requests and answers of both families', async () => {
    for (const [from, to] of [
      [hosts.node, INNER.homeAgent4],
      [hosts.node, INNER.homeAgent6],
      [hosts.homeAgent, INNER.node4],
      [hosts.homeAgent, INNER.node6],
    ] as const) {
      expect(await ping(from.namespace, to)).toMatch(ANSWERED);
    }
  });

  it.each([INNER.homeAgent4, INNER.homeAgent6])('carries TCP both ways: %s', async (target) => {
    const before = await hosts.node.ask();
    expect(await download(hosts, target, '-n', '20M', '-R')).toBeGreaterThanOrEqual(20 << 20);
    // iperf3 ends an upload before the last of it has arrived.
    expect(await download(hosts, target, '-n', '20M')).toBeGreaterThan(10 << 20);
    const { counters } = await hosts.node.ask();
    const grown = (name: string): number => (counters[name] ?? 0) - (before.counters[name] ?? 0);
    expect(grown('receive-packets')).toBeGreaterThan((20 << 20) / 1460);
    // Coalesced on input, segmented on output.
    expect(grown('receive-writes')).toBeLessThan(grown('receive-packets') / 2);
    expect(grown('transmit-reads')).toBeLessThan(grown('transmit-packets') / 2);
    expect(counters['drop-permit']).toBe(0);
  });

  it('carries datagrams of all sizes', async () => {
    for (const size of ['16', '64', '1200', '1400', '3000']) {
      expect(
        await download(hosts, INNER.homeAgent4, '-u', '-b', '5M', '-l', size, '-n', '100K'),
      ).toBeGreaterThan(0);
    }
  });

  it('counts for each tunnel', async () => {
    const counted = await waitFor(
      async () => {
        // A packet may arrive between the reads of the two counters.
        const { tunnel, counters } = await hosts.homeAgent.ask({ tunnelCounters: TUNNEL });
        return tunnel?.['receive-packets'] === counters['receive-packets'] ? tunnel : undefined;
      },
      { timeoutMs: 5_000, what: 'the same packets for the tunnel and for all' },
    );
    expect(counted?.['receive-packets']).toBeGreaterThan(0);
    expect(counted?.['last-received-ms']).toBeGreaterThan(0);
  });

  it('drops an inner source that is not the node’s', async () => {
    const before = await hosts.homeAgent.counter('drop-permit');
    const spoofed = packet6('2001:db8:1:ff::2', INNER.homeAgent6, 17, DATAGRAM);
    await hosts.node.ask({ inject: { path: { kind: 'tunnel', tunnel: TUNNEL }, packet: spoofed } });
    await hosts.homeAgent.counted('drop-permit', before);
  });

  it('drops data that is not an IP packet', async () => {
    const before = await hosts.homeAgent.counter('drop-malformed');
    const cut = packet6(INNER.node6, INNER.homeAgent6, 17, DATAGRAM).slice(0, 60);
    await hosts.node.ask({ inject: { path: TO_HOME_AGENT, packet: cut } });
    await hosts.homeAgent.counted('drop-malformed', before);
  });

  it('sends Packet Too Big to senders of packets that are too big', async () => {
    await hosts.carry(encapsulation, 1300);
    const [four, six] = [
      await ping(hosts.homeAgent.namespace, INNER.node4, '-M', 'do', '-s', '1380', '-w', '1'),
      await ping(hosts.homeAgent.namespace, INNER.node6, '-M', 'do', '-s', '1380', '-w', '1'),
    ];
    expect(four).toMatch(/Frag needed and DF set \(mtu = 1300\)/);
    expect(six).toMatch(/Packet too big: mtu=1300/);
    expect(await hosts.homeAgent.counter('drop-too-big')).toBeGreaterThan(0);
    await hosts.carry(encapsulation);
  });

  it('fragments IPv4 packets that allow it', async () => {
    await hosts.carry(encapsulation, 1100);
    await run(['ip', 'route', 'flush', 'cache'], { namespace: hosts.homeAgent.namespace });
    const before = await hosts.homeAgent.counter('inner-fragments');
    expect(await ping(hosts.homeAgent.namespace, INNER.node4, '-M', 'dont', '-s', '1380')).toMatch(
      ANSWERED,
    );
    expect(await hosts.homeAgent.counter('inner-fragments')).toBeGreaterThan(before);
    await hosts.carry(encapsulation);
  });
});

describe('an endpoint without a tunnel', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create('udp', 2);
    await run(['ip', 'address', 'add', '198.51.100.3/24', 'dev', 'eth0'], {
      namespace: hosts.node.namespace,
    });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const from = { ...TO_HOME_AGENT, local: ipv4('198.51.100.3') };

  it('loses its packets if there is no route to the inner source', async () => {
    const before = await hosts.homeAgent.counter('drop-unknown-endpoint');
    const packet = packet6('2001:db8:77::1', INNER.homeAgent6, 17, DATAGRAM);
    await hosts.node.ask({ inject: { path: from, packet } });
    await hosts.homeAgent.counted('drop-unknown-endpoint', before);
  });

  it('delivers held packets once the tunnel is set', async () => {
    const packet = packet6(INNER.node6, INNER.homeAgent6, 17, DATAGRAM);
    for (let count = 0; count < 3; count++)
      await hosts.node.ask({ inject: { path: from, packet } });
    await hosts.homeAgent.counted('held', 0, 3);
    const before = await hosts.homeAgent.ask();
    const moved = withPath(tunnelOf('homeAgent', 'udp'), { remote: ipv4('198.51.100.3') });
    const { counters } = await hosts.homeAgent.ask({ tunnelSet: moved });
    expect(counters['replayed']).toBe(3);
    expect(counters['receive-packets']).toBe((before.counters['receive-packets'] ?? 0) + 3);
    await hosts.carry('udp');
  });

  it('loses held packets after the hold time', async () => {
    const before = await hosts.homeAgent.counter('drop-hold-expired');
    const packet = packet6(INNER.node6, INNER.homeAgent6, 17, DATAGRAM);
    await hosts.node.ask({ inject: { path: from, packet } });
    await hosts.homeAgent.counted('drop-hold-expired', before);
  });
});

describe('control packets', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create('udp', 2);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const punted = (end: PlaneEnd, packet: string) =>
    waitFor(() => end.punts.find((punt) => punt.packet === packet), {
      timeoutMs: 5_000,
      what: 'the punt',
    });

  it('reach the engine from UDP with the address that they were sent to', async () => {
    const mobility = withChecksum(MOBILITY, INNER.node6);
    const packet = packet6(INNER.node6, OUTER.homeAgent6, 135, mobility);
    await hosts.node.ask({ inject: { path: TO_HOME_AGENT, packet } });
    expect((await punted(hosts.homeAgent, packet)).path).toEqual({
      ...TO_HOME_AGENT,
      local: OUTER.homeAgent4,
      remote: OUTER.node4,
    });
  });

  it('reach the engine from the link as whole packets', async () => {
    const packet = packet6(OUTER.node6, OUTER.homeAgent6, 135, withChecksum(MOBILITY));
    const { injected } = await hosts.node.ask({ inject: { path: { kind: 'ipv6' }, packet } });
    expect(injected).toBe(0);
    expect((await punted(hosts.homeAgent, packet)).path).toEqual({ kind: 'ipv6' });
  });

  it('get dropped and counted with a wrong checksum, from UDP and from the link', async () => {
    const punts = hosts.homeAgent.punts.length;
    const { counters: before } = await hosts.homeAgent.ask();
    const inUdp = packet6(INNER.node6, OUTER.homeAgent6, 135, MOBILITY);
    await hosts.node.ask({ inject: { path: TO_HOME_AGENT, packet: inUdp } });
    const onLink = packet6(OUTER.node6, OUTER.homeAgent6, 135, MOBILITY);
    await hosts.node.ask({ inject: { path: { kind: 'ipv6' }, packet: onLink } });
    await waitFor(
      async () =>
        (await hosts.homeAgent.counter('drop-checksum')) === (before['drop-checksum'] ?? 0) + 2,
      { timeoutMs: 5_000, what: 'two packets with a wrong checksum to be counted' },
    );
    expect(hosts.homeAgent.punts.length).toBe(punts);
  });

  it('report why they cannot be sent', async () => {
    const packet = packet6(OUTER.node6, '2001:db8:dead::1', 135, MOBILITY);
    const { injected } = await hosts.node.ask({ inject: { path: { kind: 'ipv6' }, packet } });
    expect(injected).toBe(101); // ENETUNREACH
  });
});

describe('DSCP and ECN', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create('udp', 1);
    await run(['nft', '-f', '-'], {
      namespace: hosts.node.namespace,
      input: `add table inet marks
add chain inet marks outer { type filter hook prerouting priority raw; }
add rule inet marks outer iif eth0 udp dport ${PORT} ip dscp ef counter comment "outer-ef"
add rule inet marks outer iif eth0 udp dport ${PORT} ip ecn ect0 ip dscp cs4 ip ecn set ce
add rule inet marks outer iif eth0 udp dport ${PORT} ip dscp cs5 ip ecn set ce
add rule inet marks outer iifname ${TUN} ip ecn ce counter comment "inner-ce"
`,
    });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('copy the inner packet’s value to the outer packet', async () => {
    expect(await ping(hosts.homeAgent.namespace, INNER.node4, '-Q', '0xb8')).toMatch(ANSWERED);
    expect(await packetsOf(hosts.node.namespace, 'outer-ef')).toBeGreaterThanOrEqual(3);
  });

  it('carry a congestion mark of the outer packet to the inner one', async () => {
    expect(await ping(hosts.homeAgent.namespace, INNER.node4, '-Q', '0x82')).toMatch(ANSWERED);
    expect(await packetsOf(hosts.node.namespace, 'inner-ce')).toBeGreaterThanOrEqual(3);
  });

  it('drop a marked packet whose inner packet is not ECN-capable', async () => {
    expect(await ping(hosts.homeAgent.namespace, INNER.node4, '-Q', '0xa0', '-w', '1')).toContain(
      '100% packet loss',
    );
    expect(await hosts.node.counter('drop-ecn')).toBeGreaterThanOrEqual(3);
  });
});

describe('a path with a smaller MTU', () => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create('udp', 2);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  const narrow = async (mtu: number): Promise<void> => {
    for (const { namespace } of [hosts.homeAgent, hosts.node])
      await ipBatch([`link set eth0 mtu ${mtu}`], { namespace });
  };

  it('gets its MTU from the kernel, and TCP continues', async () => {
    await narrow(1400);
    expect(await download(hosts, INNER.homeAgent6, '-n', '5M', '-R')).toBeGreaterThanOrEqual(
      5 << 20,
    );
    const { counters, tunnel } = await hosts.homeAgent.ask({ tunnelCounters: TUNNEL });
    expect(counters['path-mtu-learnt']).toBeGreaterThan(0);
    expect(tunnel?.['mtu']).toBe(1372);
  });

  it('carries IPv6 in outer fragments when the MTU is below 1280', async () => {
    await narrow(1290);
    expect(await ping(hosts.homeAgent.namespace, INNER.node6, '-s', '1232')).toMatch(ANSWERED);
    expect(await hosts.homeAgent.counter('outer-fragments')).toBeGreaterThan(0);
  });
});

describe.each([1, 2])('errors about outer packets, with %i threads', (threads) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await PlaneHosts.create('udp', threads);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('reach the sender of the inner packet (RFC 2003 §4)', async () => {
    await run(['nft', '-f', '-'], {
      namespace: hosts.node.namespace,
      input: `add table ip refusing
add chain ip refusing input { type filter hook input priority 0; }
add rule ip refusing input udp dport ${PORT} reject with icmp type admin-prohibited
`,
    });
    expect(await ping(hosts.homeAgent.namespace, INNER.node4)).toContain(
      'Destination Host Unreachable',
    );
    expect(await ping(hosts.homeAgent.namespace, INNER.node6)).toContain(
      'Destination unreachable: Address unreachable',
    );
    expect(await hosts.homeAgent.counter('unreachable-sent')).toBeGreaterThanOrEqual(2);
  });
});

describe('the TUN device', () => {
  it('disappears when the process is killed', async () => {
    const hosts = await PlaneHosts.create('udp', 2);
    await hosts.homeAgent.kill();
    const links = await run(['ip', '-o', 'link'], { namespace: hosts.homeAgent.namespace });
    expect(links).not.toContain(TUN);
    await hosts.node[Symbol.asyncDispose]();
  });

  it.each([1, 2, 4])(
    'fails to open, like the port, while another process holds it, %i threads',
    async (threads) => {
      const hosts = await PlaneHosts.create('udp', threads);
      const script = `import { openPlane } from '#host/plane/plane.ts';
      const limits = { deviceMtu: 1460, threads: ${threads}, mark: 0, holdMs: 0 };
      const options = { lookup: 'inner-destination', raw: false, linkDevices: [], ...limits };
      for (const [device, udpPort] of [['other', ${PORT}], ['${TUN}', 0]]) {
        try { openPlane({ ...options, device, udpPort }); }
        catch (error) { console.log(error.code, error.message); }
      }`;
      const { stdout } = await attempt([process.execPath, '--input-type=module', '-e', script], {
        namespace: hosts.homeAgent.namespace,
      });
      expect(stdout).toContain(
        `EADDRINUSE UDP port ${PORT}: Address already in use - another program has this port`,
      );
      expect(stdout).toContain(`EBUSY device ${TUN}: Device or resource busy - the name is taken`);
      await hosts[Symbol.asyncDispose]();
    },
  );
});
