import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import {
  INNER,
  type PlaneHosts,
  SEALED_PORT,
  TUNNEL,
  tunnelOf,
  withPath,
} from '#test/netns/helpers/plane/plane-hosts.ts';
import {
  ANSWERED,
  download,
  iperf,
  overflows,
  ping,
} from '#test/netns/helpers/plane/plane-traffic.ts';
import {
  AES,
  CHACHA,
  keysOf,
  OVERHEAD,
  pathTo,
  type Sealing,
  sealedHosts,
} from '#test/netns/helpers/plane/sealed-hosts.ts';

/** Real packets through sealed tunnels: no engine; keys and tunnels are set by hand. */

const VARIANTS: readonly (readonly [4 | 6, Sealing['cipher'], number])[] = [
  [4, 'aes-128-gcm', 1],
  [4, 'aes-128-gcm', 2],
  [6, 'aes-128-gcm', 4],
  [6, 'chacha20-poly1305', 1],
  [6, 'chacha20-poly1305', 2],
  [4, 'chacha20-poly1305', 4],
];

/** Drops that ordinary traffic must not cause. */
const NEVER = [
  'drop-forged',
  'drop-replay',
  'drop-unknown-spi',
  'drop-no-association',
  'drop-permit',
  'drop-malformed',
];

async function expectNone(hosts: PlaneHosts): Promise<void> {
  for (const end of [hosts.homeAgent, hosts.node]) {
    const { counters } = await end.ask();
    expect(NEVER.map((name) => [name, counters[name]])).toEqual(NEVER.map((name) => [name, 0]));
  }
}

/**
 * The most datagrams and octets of one flow that the kernel coalesces before it delivers or drops
 * them.
 */
const AT_ONCE = { packets: 64, octets: 65_536 } as const;

type Carried = readonly Readonly<Record<string, number>>[];

/**
 * Packets and octets that each end sent and received, and datagrams that the kernel dropped before
 * it.
 */
async function carried({ homeAgent, node }: PlaneHosts): Promise<Carried> {
  const ends = [homeAgent, node] as const;
  return await Promise.all(
    ends.map(async (end) => ({
      ...(await end.ask()).counters,
      overflows: await overflows(end.namespace),
    })),
  );
}

/**
 * Expects each end to have received since `before` the packets and octets that the other end sent,
 * except for the drops counted by the kernel.
 */
async function everythingArrived(hosts: PlaneHosts, before?: Carried): Promise<void> {
  let missing: readonly string[] = [];
  const arrived = async (): Promise<boolean> => {
    const now = await carried(hosts);
    const grown = (end: number, name: string): number =>
      (now[end]?.[name] ?? 0) - (before?.[end]?.[name] ?? 0);
    missing = [0, 1].flatMap((from) =>
      (['packets', 'octets'] as const).flatMap((what) => {
        const lost = grown(from, `transmit-${what}`) - grown(1 - from, `receive-${what}`);
        const excused = grown(1 - from, 'overflows') * AT_ONCE[what];
        return lost < 0 || lost > excused ? [`${lost} ${what} sent by end ${from}`] : [];
      }),
    );
    return missing.length === 0;
  };
  await waitFor(arrived, { timeoutMs: 5_000, what: 'everything to arrive' }).catch(
    async (cause) => {
      throw new Error(`missing: ${missing.join(', ')}; ${JSON.stringify(await carried(hosts))}`, {
        cause,
      });
    },
  );
}

describe.each(VARIANTS)('sealed over IPv%i with %s and %i threads', (family, cipher, threads) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts({ family, cipher }, threads);
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
    // Coalesced on input, segmented on output, many in one call.
    expect(grown('receive-writes')).toBeLessThan(grown('receive-packets') / 2);
    expect(grown('transmit-reads')).toBeLessThan(grown('transmit-packets') / 2);
    expect(grown('transmit-calls')).toBeLessThan(grown('transmit-packets') / 2);
    await expectNone(hosts);
  });

  it('carries datagrams of all sizes', async () => {
    for (const size of ['16', '64', '1200', '1400', '3000']) {
      expect(
        await download(hosts, INNER.homeAgent4, '-u', '-b', '5M', '-l', size, '-n', '100K'),
      ).toBeGreaterThan(0);
    }
  });

  it('counts inner packets for each tunnel', async () => {
    await everythingArrived(hosts);
    const { tunnel, counters } = await hosts.homeAgent.ask({ tunnelCounters: TUNNEL });
    expect(tunnel?.['receive-octets']).toBe(counters['receive-octets']);
    expect(tunnel?.['transmit-octets']).toBe(counters['transmit-octets']);
    expect(tunnel?.['mtu']).toBe(1500 - OVERHEAD[family]);
  });

  it('changes keys under load without loss', async () => {
    const last = 30;
    const generations = Array.from({ length: last - 1 }, (_, at) => at + 2);
    const former = await carried(hosts);
    const end = await iperf(
      hosts,
      ['-c', INNER.homeAgent6, '-u', '-b', '20M', '-l', '1000', '-t', '2'],
      async () => {
        for (const generation of generations) {
          // Former keys stay for some rounds, because packets sealed with them may still be queued.
          const receive = Array.from({ length: 6 }, (_, back) => generation - back).filter(
            (one) => one > 0,
          );
          for (const send of [generation - 1, generation]) {
            for (const side of ['homeAgent', 'node'] as const) {
              await hosts[side].ask({ associationsSet: keysOf(side, cipher, send, receive) });
            }
          }
        }
      },
    );
    expect(end.sum?.packets).toBeGreaterThan(1000);
    await everythingArrived(hosts, former);
    await expectNone(hosts);
    // The receiver no longer has the key under which this was sealed.
    const before = await hosts.homeAgent.counter('drop-unknown-spi');
    await hosts.node.ask({ associationsSet: keysOf('node', cipher, 1, [last]) });
    await ping(hosts.node.namespace, INNER.homeAgent4, '-w', '1');
    await hosts.homeAgent.counted('drop-unknown-spi', before);
  });
});

describe('a process that exits under load with its plane open', () => {
  it('exits with its own code', async () => {
    await using hosts = await sealedHosts(AES, 4);
    const argv = ['ping', '-q', '-f', '-s', '1300', '-l', '100', '-w', '20', INNER.homeAgent4];
    const logFile = `/run/${hosts.node.namespace}-flood.log`;
    await using flood = new Background(argv, { namespace: hosts.node.namespace, logFile });
    await hosts.homeAgent.counted('transmit-packets', 0, 1000);
    expect(flood.finished).toBeUndefined();
    expect(await hosts.homeAgent.exit(3)).toBe(3);
  });
});

describe.each([AES, CHACHA])('the envelope of a relay over IPv$family', ({ family, cipher }) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts({ family, cipher }, 2);
    for (const side of ['homeAgent', 'node'] as const) {
      const tunnel = tunnelOf(side, 'sealed', 1500 - OVERHEAD[family] - 4, family);
      await hosts[side].ask({ tunnelSet: withPath(tunnel, { relayIndex: 77 }) });
    }
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('carries traffic both ways', async () => {
    expect(await ping(hosts.node.namespace, INNER.homeAgent4)).toMatch(ANSWERED);
    expect(await download(hosts, INNER.homeAgent6, '-n', '5M', '-R')).toBeGreaterThanOrEqual(
      5 << 20,
    );
    expect((await hosts.node.ask({ tunnelCounters: TUNNEL })).tunnel?.['mtu']).toBe(
      1496 - OVERHEAD[family],
    );
    await expectNone(hosts);
    expect(hosts.homeAgent.notices).toEqual([]);
  });
});

describe.each([AES, CHACHA])('roaming, over IPv$family', ({ family, cipher }) => {
  const NEW = { 4: '198.51.100.3', 6: '2001:db8:f::3' } as const;
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts({ family, cipher }, 2);
    const length = family === 4 ? '24' : '64 nodad';
    await run(['sh', '-c', `ip address add ${NEW[family]}/${length} dev eth0`], {
      namespace: hosts.node.namespace,
    });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('gets reported at most once a second for each address and changes nothing', async () => {
    expect(await ping(hosts.node.namespace, INNER.homeAgent4)).toMatch(ANSWERED);
    expect(hosts.homeAgent.notices).toEqual([]);
    const local = family === 4 ? ipv4(NEW[family]) : ipv6(NEW[family]);
    await hosts.node.ask({
      tunnelSet: withPath(tunnelOf('node', 'sealed', 1400, family), { local }),
    });
    // Answers still go to the former address; the node still has it and accepts them there.
    const started = performance.now();
    expect(await ping(hosts.node.namespace, INNER.homeAgent4, '-c', '20', '-i', '0.01')).toContain(
      ' 20 received',
    );
    const seconds = Math.ceil((performance.now() - started) / 1000);
    const { notices } = hosts.homeAgent;
    await waitFor(() => notices.length > 0, { timeoutMs: 5_000, what: 'the notice' });
    expect(notices.length).toBeLessThanOrEqual(seconds);
    expect(notices[0]).toEqual({
      ...{ tunnel: TUNNEL, localPort: SEALED_PORT, remotePort: SEALED_PORT, relayIndex: 0 },
      ...{ local: pathTo(family).remote, remote: local },
    });
    expect(await hosts.homeAgent.counter('roaming-notices')).toBe(notices.length);
    expect(await ping(hosts.homeAgent.namespace, INNER.node6)).toMatch(ANSWERED);
    await expectNone(hosts);
  });
});

describe.each([AES, CHACHA])('a path with a smaller MTU over IPv$family', ({ family, cipher }) => {
  let hosts: PlaneHosts;
  beforeAll(async () => {
    hosts = await sealedHosts({ family, cipher }, 2);
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
    expect(tunnel?.['mtu']).toBe(1400 - OVERHEAD[family]);
  });

  it('causes Packet Too Big to senders', async () => {
    const four = await ping(
      hosts.homeAgent.namespace,
      INNER.node4,
      '-M',
      'do',
      '-s',
      '1380',
      '-w',
      '1',
    );
    expect(four).toContain(`Frag needed and DF set (mtu = ${1400 - OVERHEAD[family]})`);
  });

  it('fragments IPv4 packets that allow it', async () => {
    await run(['ip', 'route', 'flush', 'cache'], { namespace: hosts.homeAgent.namespace });
    const before = await hosts.homeAgent.counter('inner-fragments');
    expect(await ping(hosts.homeAgent.namespace, INNER.node4, '-M', 'dont', '-s', '1380')).toMatch(
      ANSWERED,
    );
    expect(await hosts.homeAgent.counter('inner-fragments')).toBeGreaterThan(before);
  });

  it('carries IPv6 in outer fragments when less than 1280 octets remain', async () => {
    await narrow(1300);
    expect(await ping(hosts.homeAgent.namespace, INNER.node6, '-s', '1232')).toMatch(ANSWERED);
    expect(await hosts.homeAgent.counter('outer-fragments')).toBeGreaterThan(0);
    await expectNone(hosts);
  });
});
