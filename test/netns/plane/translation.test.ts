import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { attempt, Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import { TUN } from '#test/netns/helpers/plane/plane-hosts.ts';
import { ANSWERED, type IperfEnd, ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import {
  NODE,
  SERVER,
  SHADOW,
  type TranslatingHosts,
  translatingHosts,
} from '#test/netns/helpers/plane/translating-hosts.ts';

/**
 * Real packets between a node and a server of the other family: sealed tunnel, translation at the
 * relay, routers, and back.
 */

/** Drops that ordinary traffic must not cause. */
const NEVER = [
  'drop-unmapped',
  'drop-untranslatable',
  'drop-permit',
  'drop-malformed',
  'drop-write-error',
];

async function iperf(
  { node, server }: TranslatingHosts,
  target: string,
  ...options: string[]
): Promise<IperfEnd> {
  const logFile = `/run/${server}-iperf3.log`;
  await using listener = new Background(['iperf3', '-s', '-1', '--forceflush'], {
    namespace: server,
    logFile,
  });
  await listener.ready('Server listening');
  const text = await run(['iperf3', '-J', '-c', target, ...options], { namespace: node.namespace });
  const report: { end: IperfEnd } = JSON.parse(text);
  return report.end;
}

const MEGABYTE = 1 << 20;

describe.each([1, 2, 4])('translation with %i threads', (threads) => {
  let hosts: TranslatingHosts;
  beforeAll(async () => {
    hosts = await translatingHosts(threads);
    // The server learns the path MTU first: a datagram socket gets an error when it changes, and
    // iperf3 gives up at an error.
    for (const shadow of [SHADOW[4], SHADOW[6]])
      await ping(hosts.server, shadow, '-M', 'do', '-s', '1440', '-w', '1');
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  let before: Readonly<Record<string, number>> = {};
  beforeEach(async () => {
    before = (await hosts.relay.ask()).counters;
  });
  const nothingDropped = async (): Promise<void> => {
    const { counters } = await hosts.relay.ask();
    expect(NEVER.map((name) => [name, counters[name]])).toEqual(
      NEVER.map((name) => [name, before[name]]),
    );
  };

  describe.each([4, 6] as const)('a connection from an IPv%i socket', (family) => {
    const target = SERVER[family];

    it('carries echo requests both ways', async () => {
      expect(await ping(hosts.node.namespace, target)).toMatch(ANSWERED);
      expect(await ping(hosts.server, SHADOW[family])).toMatch(ANSWERED);
      await nothingDropped();
    });

    it('carries TCP both ways, in super-packets', async () => {
      const down = await iperf(hosts, target, '-n', '20M', '-R');
      expect(down.sum_received?.bytes).toBeGreaterThanOrEqual(20 * MEGABYTE);
      const up = await iperf(hosts, target, '-n', '20M');
      expect(up.sum_received?.bytes).toBeGreaterThan(10 * MEGABYTE);
      const after = (await hosts.relay.ask()).counters;
      const grown = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
      expect(grown('transmit-packets')).toBeGreaterThan((20 * MEGABYTE) / 1460);
      // Super-packets, from the TUN device or coalesced for it, are translated as one packet.
      expect(grown('translated')).toBeGreaterThan(0);
      expect(grown('translated')).toBeLessThan(
        (grown('transmit-packets') + grown('receive-packets')) / 2,
      );
      await nothingDropped();
    });

    it('shows the server a shadow address only', async () => {
      await using listener = new Background(['iperf3', '-s', '-1', '--forceflush'], {
        ...{ namespace: hosts.server, logFile: `/run/${hosts.server}-seen.log` },
      });
      await listener.ready('Server listening');
      await using client = new Background(['iperf3', '-c', target, '-t', '30'], {
        ...{ namespace: hosts.node.namespace, logFile: `/run/${hosts.server}-client.log` },
      });
      const list = ['ss', '-Htn', 'state', 'established', 'sport', '=', ':5201'];
      const connections = await waitFor(
        async () => {
          const text = await run(list, { namespace: hosts.server });
          return text.includes(`${SHADOW[family]}]`) ? text : undefined;
        },
        { timeoutMs: 20_000, what: 'the connection to be seen' },
      );
      expect(connections).not.toContain(`${NODE[family]}]`);
      expect(client.finished).toBeUndefined();
    });

    it.each(['16', '1200', '1400', '3000', '9000'])(
      'carries datagrams of %s octets',
      async (size) => {
        const few = ['-u', '-b', '1M', '-l', size, '-n', size === '16' ? '10K' : '100K'];
        const end = await iperf(hosts, target, ...few);
        expect(end.sum?.packets).toBeGreaterThan(0);
        expect(end.sum?.lost_packets, 'up').toBe(0);
        const back = await iperf(hosts, target, ...few, '-R');
        expect(back.sum?.lost_packets, 'down').toBe(0);
        await nothingDropped();
      },
    );

    it('reports where a packet with a low hop limit ended', async () => {
      const hops = async (count: number): Promise<string> =>
        await ping(hosts.node.namespace, target, '-t', String(count), '-c', '1', '-w', '2');
      // The translator, the relay's kernel and the router. All appear with the server's address,
      // the only one that has a virtual address.
      for (const hop of [1, 2, 3]) {
        const text = await hops(hop);
        expect(text).toMatch(/Time to live exceeded|Hop limit|Time exceeded/);
        expect(text).toContain(`From ${target}`);
      }
      expect(await hosts.relay.counter('refusals-sent')).toBe((before['refusals-sent'] ?? 0) + 1);
      expect(await hops(4)).toContain(' 1 received');
    });

    it('reports a closed port', async () => {
      const { stdout } = await attempt(
        ['dig', `@${target}`, '-p', '9', '+tries=1', '+timeout=3', 'example.'],
        {
          namespace: hosts.node.namespace,
        },
      );
      expect(stdout).toContain('connection refused');
    });

    it('accepts packets of the far end only', async () => {
      const [foreign, six] = family === 4 ? ['2001:db8:80::66', 'nodad'] : ['198.18.0.66', ''];
      await ipBatch([`address replace ${foreign}/${family === 4 ? 128 : 32} dev eth0 ${six}`], {
        namespace: hosts.server,
      });
      const argv = ['-I', foreign, '-c', '2', '-i', '0.05', '-W', '0.2'] as const;
      const { stdout } = await attempt(['ping', '-n', ...argv, SHADOW[family]], {
        namespace: hosts.server,
      });
      expect(stdout).toContain(' 0 received');
      await hosts.relay.counted('drop-unmapped', before['drop-unmapped'] ?? 0, 2);
    });
  });
});

describe.each([4, 6] as const)('a smaller MTU behind the translator, IPv%i socket', (family) => {
  let hosts: TranslatingHosts;
  beforeAll(async () => {
    hosts = await translatingHosts(2);
    await ipBatch(['link set eth1 mtu 1300'], { namespace: hosts.router });
    await ipBatch(['link set eth0 mtu 1300'], { namespace: hosts.server });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('gets reported in the family of the sender', async () => {
    const text = await ping(
      hosts.node.namespace,
      SERVER[family],
      '-M',
      'do',
      '-s',
      '1350',
      '-w',
      '2',
    );
    // An IPv4 header is 20 octets shorter.
    expect(text).toMatch(family === 4 ? /mtu = 1280|mtu=1280/ : /mtu = 1320|mtu=1320/);
  });

  it('carries TCP both ways', async () => {
    // iperf3 ends an upload before the last of it has arrived.
    const up = await iperf(hosts, SERVER[family], '-n', '20M');
    expect(up.sum_received?.bytes).toBeGreaterThan(10 * MEGABYTE);
    const down = await iperf(hosts, SERVER[family], '-n', '5M', '-R');
    expect(down.sum_received?.bytes).toBeGreaterThanOrEqual(5 * MEGABYTE);
  });
});

describe.each([4, 6] as const)('a tunnel with a smaller MTU, IPv%i socket', (family) => {
  let hosts: TranslatingHosts;
  beforeAll(async () => {
    hosts = await translatingHosts(2);
    for (const end of [hosts.relay, hosts.node])
      await ipBatch(['link set eth0 mtu 1400'], { namespace: end.namespace });
    // The plane learns the cable's MTU from a packet that is too big for it.
    await iperf(hosts, SERVER[family], '-n', '5M', '-R');
    await ipBatch([`link set ${TUN} mtu 1340`], { namespace: hosts.node.namespace });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('gets reported to a server of the other family', async () => {
    await run(['ip', '-4', 'route', 'flush', 'cache'], { namespace: hosts.server });
    await run(['ip', '-6', 'route', 'flush', 'cache'], { namespace: hosts.server });
    // The tunnel's MTU is 1348 octets; that of the relay's TUN device is 1460.
    const text = await ping(hosts.server, SHADOW[family], '-M', 'do', '-s', '1390', '-w', '2');
    expect(text).toMatch(family === 4 ? /mtu = 1368|mtu=1368/ : /mtu = 1328|mtu=1328/);
    expect(await hosts.relay.counter('refusals-sent')).toBeGreaterThan(0);
  });

  it('carries TCP from there, and datagrams of any size', async () => {
    const down = await iperf(hosts, SERVER[family], '-n', '5M', '-R');
    expect(down.sum_received?.bytes).toBeGreaterThanOrEqual(5 * MEGABYTE);
    for (const size of ['1380', '3000']) {
      for (const direction of [[], ['-R']]) {
        const end = await iperf(
          hosts,
          SERVER[family],
          '-u',
          '-b',
          '2M',
          '-l',
          size,
          '-n',
          '50K',
          ...direction,
        );
        expect(end.sum?.packets).toBeGreaterThan(0);
        // One loss is permitted: by it the sender learns the path MTU.
        expect(end.sum?.lost_packets).toBeLessThanOrEqual(1);
      }
    }
  });

  it('does not translate echo requests in fragments (RFC 7915 §1.3)', async () => {
    const before = await hosts.relay.counter('drop-untranslatable');
    const from = family === 4 ? hosts.node.namespace : hosts.server;
    const to = family === 4 ? SERVER[family] : SHADOW[family];
    const argv = [
      'ping',
      '-n',
      '-M',
      'dont',
      '-s',
      '4000',
      '-c',
      '2',
      '-i',
      '0.05',
      '-W',
      '0.2',
      to,
    ];
    expect((await attempt(argv, { namespace: from })).stdout).toContain(' 0 received');
    await hosts.relay.counted('drop-untranslatable', before, 2);
  });
});
