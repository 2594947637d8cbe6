/**
 * The kernel's part of a relay, with a cable instead of its tunnels:
 *
 *      nodes                               relay                                    server
 *      198.18.0.1  fd12:3456:789a::1 ---- sojourn-rsn   eth0 203.0.113.1/24 ------- 203.0.113.80,
 *                  .81
 *      100.127.0.5 (a shadow address)                        2001:db8:6::1/64       2001:db8:6::80,
 *      ::81
 */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { attempt, Background, ipBatch, nowMs, run, waitFor } from '#lab/shell.ts';
import { LineProcess } from '#test/netns/helpers/line-process.ts';
import { ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

const CAPTURE = new URL('../../../native/build/sojourn-capture', import.meta.url).pathname;
const DEVICE = 'sojourn-rsn';
const NODE = { ipv4: '198.18.0.1', ipv6: 'fd12:3456:789a::1', shadow: '100.127.0.5' } as const;
const VIRTUAL = { ipv4: '198.19.0.80', ipv6: 'fd12:3456:789a:1::80' } as const;
const REAL = { ipv4: '203.0.113.80', ipv6: '2001:db8:6::80' } as const;
const OTHER = { ipv4: '203.0.113.81', ipv6: '2001:db8:6::81' } as const;
const RELAY = { ipv4: '203.0.113.1', ipv6: '2001:db8:6::1' } as const;
const MACS = { nodes: '02:00:00:00:00:01', relay: '02:00:00:00:00:02' } as const;
const PORT = 7;
const FAMILIES = ['ipv4', 'ipv6'] as const;
type Family = (typeof FAMILIES)[number];

const NAME_PREFIX = `map-${Math.round(nowMs())}`;
const [NODES, HOST, SERVER] = [
  `${NAME_PREFIX}-nodes`,
  `${NAME_PREFIX}-relay`,
  `${NAME_PREFIX}-server`,
];
let serving: Background;

async function openMaps(over: Readonly<Record<string, unknown>> = {}): Promise<LineProcess> {
  const virtualPrefixes = [
    { address: 'fd12:3456:789a::', length: 48 },
    { address: '198.18.0.0', length: 15 },
    { address: '100.127.0.0', length: 16 },
  ];
  const forwards = { ipv4: false, ipv6: false };
  const connectionsOfSource = 100;
  const common = { table: DEVICE, device: DEVICE, virtualPrefixes, connectionsOfSource, forwards };
  const options = { ...common, ...over };
  const maps = new LineProcess(HOST, 'address-map-end.ts', JSON.stringify(options));
  await maps.until('ready');
  return maps;
}

/** Changes the maps and waits until the table shows the change. */
async function change(
  maps: LineProcess,
  command: Readonly<Record<string, unknown>>,
  listed: RegExp,
  there = true,
): Promise<void> {
  maps.send(command);
  const found = async (): Promise<boolean> => listed.test(await ruleset()) === there;
  await waitFor(found, { timeoutMs: 5_000, what: `${listed} in the table` });
}

const ruleset = (): Promise<string> => run(['nft', 'list', 'ruleset'], { namespace: HOST });
const mapOf = (family: Family, real: string): RegExp =>
  new RegExp(`${VIRTUAL[family]} : ${real}[ ,]`);
const serve = (maps: LineProcess, family: Family, real: string = REAL[family]): Promise<void> =>
  change(maps, { set: { virtual: VIRTUAL[family], real } }, mapOf(family, real));

async function connect(to: string, from: string): Promise<LineProcess> {
  const connection = new LineProcess(NODES, 'line-peer.ts', 'connect', to, String(PORT), from);
  await connection.until('connected');
  return connection;
}

/** Sends one packet; returns whether it is answered. */
async function answers(namespace: string, from: string, to: string): Promise<boolean> {
  const argv = ['ping', '-n', '-c', '1', '-W', '0.3', '-I', from, to];
  return (await attempt(argv, { namespace })).code === 0;
}

async function drops(chain: string): Promise<number> {
  const text = await run(['nft', 'list', 'chain', 'inet', DEVICE, chain], { namespace: HOST });
  return [...text.matchAll(/counter packets (\d+)/g)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

beforeAll(async () => {
  await ipBatch([
    ...[NODES, HOST, SERVER].map((name) => `netns add ${name}`),
    `link add eth0 address ${MACS.nodes} netns ${NODES} type veth peer name ${DEVICE} ` +
      `address ${MACS.relay} netns ${HOST}`,
    `link add eth0 netns ${HOST} type veth peer name eth0 netns ${SERVER}`,
  ]);
  // A tunnel device resolves no link-layer address.
  const nodes = ['link set lo up', 'link set eth0 up'];
  for (const address of [`${NODE.ipv4}/32`, `${NODE.shadow}/32`, `${NODE.ipv6}/128`])
    nodes.push(`address add ${address} dev eth0${address.includes(':') ? ' nodad' : ''}`);
  for (const gateway of ['169.254.0.2', 'fe80::2']) {
    nodes.push(`neighbour add ${gateway} lladdr ${MACS.relay} dev eth0`);
    nodes.push(
      `route add ${gateway.includes(':') ? '::/0' : '0.0.0.0/0'} via ${gateway} dev eth0 onlink`,
    );
  }
  await ipBatch(nodes, { namespace: NODES });
  const relay = ['link set lo up', 'link set eth0 up', `link set ${DEVICE} up`];
  relay.push(
    `address add ${RELAY.ipv4}/24 dev eth0`,
    `address add ${RELAY.ipv6}/64 dev eth0 nodad`,
  );
  for (const gateway of ['169.254.0.1', 'fe80::1'])
    relay.push(`neighbour add ${gateway} lladdr ${MACS.nodes} dev ${DEVICE}`);
  for (const prefix of ['198.18.0.0/15', '100.127.0.0/16'])
    relay.push(`route add ${prefix} via 169.254.0.1 dev ${DEVICE} onlink`);
  relay.push(`route add fd12:3456:789a::/48 via fe80::1 dev ${DEVICE} onlink`);
  await ipBatch(relay, { namespace: HOST });
  await run(['sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1'], {
    namespace: HOST,
  });
  const server = ['link set lo up', 'link set eth0 up'];
  for (const { ipv4, ipv6 } of [REAL, OTHER])
    server.push(`address add ${ipv4}/24 dev eth0`, `address add ${ipv6}/64 dev eth0 nodad`);
  // The server has a route to the nodes, so that answers do not depend on masquerading.
  server.push(
    `route add 198.18.0.0/15 via ${RELAY.ipv4}`,
    `route add 100.127.0.0/16 via ${RELAY.ipv4}`,
  );
  server.push(`route add fd12:3456:789a::/48 via ${RELAY.ipv6}`);
  await ipBatch(server, { namespace: SERVER });
  serving = new Background(
    [process.execPath, join(import.meta.dirname, '../helpers/line-peer.ts'), 'serve', String(PORT)],
    {
      ...{ namespace: SERVER, logFile: `${LAB_DIRECTORY}/${NAME_PREFIX}.log` },
    },
  );
  await serving.ready('ready');
});
afterAll(async () => {
  await serving?.stop();
  await ipBatch(
    [NODES, HOST, SERVER].map((name) => `netns delete ${name}`),
    { force: true },
  );
});

let maps: LineProcess;
afterEach(async () => {
  await maps.end();
  expect(maps.lines).toEqual(['ready']);
  expect(await ruleset()).toBe('');
});

describe('virtual addresses at the relay’s kernel', () => {
  it.each(FAMILIES)(
    'translates %s connections to the real address, with the relay as source',
    async (family) => {
      maps = await openMaps();
      await serve(maps, family);
      using connection = await connect(VIRTUAL[family], NODE[family]);
      expect(await connection.ask()).toBe(`${RELAY[family]} ${REAL[family]}`);
      expect(await ping(NODES, VIRTUAL[family], '-I', NODE[family])).toContain(' 0% packet loss');
    },
  );

  it.each(FAMILIES)('track a limited number of %s connections of one source', async (family) => {
    maps = await openMaps({ connectionsOfSource: 2 });
    await serve(maps, family);
    using first = await connect(VIRTUAL[family], NODE[family]);
    using second = await connect(VIRTUAL[family], NODE[family]);
    const before = await drops('outward');
    expect(await answers(NODES, NODE[family], VIRTUAL[family])).toBe(false);
    expect(await drops('outward')).toBeGreaterThan(before);
    for (const connection of [first, second])
      expect(await connection.ask()).toBe(`${RELAY[family]} ${REAL[family]}`);
    // Another source has its own share.
    if (family === 'ipv4') {
      using other = await connect(VIRTUAL.ipv4, NODE.shadow);
      expect(await other.ask()).toBe(`${RELAY.ipv4} ${REAL.ipv4}`);
    }
  });

  it('accepts connections from a shadow address', async () => {
    maps = await openMaps();
    await serve(maps, 'ipv4');
    using connection = await connect(VIRTUAL.ipv4, NODE.shadow);
    expect(await connection.ask()).toBe(`${RELAY.ipv4} ${REAL.ipv4}`);
  });

  it.each(FAMILIES)(
    'keeps %s connections when the real address changes or disappears',
    async (family) => {
      maps = await openMaps();
      await serve(maps, family);
      using first = await connect(VIRTUAL[family], NODE[family]);
      expect(await first.ask()).toBe(`${RELAY[family]} ${REAL[family]}`);
      await serve(maps, family, OTHER[family]);
      using second = await connect(VIRTUAL[family], NODE[family]);
      expect(await second.ask()).toBe(`${RELAY[family]} ${OTHER[family]}`);
      expect(await first.ask()).toBe(`${RELAY[family]} ${REAL[family]}`);
      await change(
        maps,
        { delete: { virtual: VIRTUAL[family], real: OTHER[family] } },
        mapOf(family, OTHER[family]),
        false,
      );
      expect(await first.ask()).toBe(`${RELAY[family]} ${REAL[family]}`);
      expect(await second.ask()).toBe(`${RELAY[family]} ${OTHER[family]}`);
      expect(await answers(NODES, NODE[family], VIRTUAL[family])).toBe(false);
      // The connection works again.
      await serve(maps, family);
      expect(await first.ask()).toBe(`${RELAY[family]} ${REAL[family]}`);
    },
  );

  it.each(FAMILIES)('sends %s ICMP errors from the virtual address', async (family) => {
    maps = await openMaps();
    const nowhere = { ipv4: '203.0.113.99', ipv6: '2001:db8:6::99' }[family];
    await serve(maps, family, nowhere);
    const { stdout } = await attempt(
      ['ping', '-n', '-c', '1', '-W', '5', '-I', NODE[family], VIRTUAL[family]],
      {
        namespace: NODES,
      },
    );
    expect(stdout).toMatch(
      new RegExp(`From ${VIRTUAL[family]} .*(Host Unreachable|Address unreachable)`),
    );
  });

  it('clamps the TCP MSS to the MTU of the tunnel', async () => {
    maps = await openMaps();
    await serve(maps, 'ipv6');
    await ipBatch([`link set ${DEVICE} mtu 1404`], { namespace: HOST });
    const file = `${LAB_DIRECTORY}/${NAME_PREFIX}.pcap`;
    const capture = new Background([CAPTURE, '--interface', 'eth0', '--file', file], {
      ...{ namespace: SERVER, logFile: `${LAB_DIRECTORY}/${NAME_PREFIX}-capture.log` },
    });
    await capture.ready('ready');
    using connection = await connect(VIRTUAL.ipv6, NODE.ipv6);
    await connection.ask();
    await capture.stop('SIGINT');
    const [syn] = await dissect(file, 'tcp.flags.syn == 1 && tcp.flags.ack == 0', [
      'tcp.options.mss_val',
    ]);
    expect(syn?.('tcp.options.mss_val')).toBe(String(1404 - 40 - 20));
    await ipBatch([`link set ${DEVICE} mtu 1500`], { namespace: HOST });
  });
});

describe('the packet filter of the relay', () => {
  it.each(FAMILIES)(
    'drops %s packets out of a tunnel to unmapped and real addresses, other nodes and the relay',
    async (family) => {
      maps = await openMaps();
      await serve(maps, family);
      const other = { ipv4: '198.18.0.2', ipv6: 'fd12:3456:789a::2' }[family];
      const unmapped = { ipv4: '198.19.0.81', ipv6: 'fd12:3456:789a:1::81' }[family];
      const [outward, input] = [await drops('outward'), await drops('input')];
      for (const to of [unmapped, REAL[family], other])
        expect([to, await answers(NODES, NODE[family], to)]).toEqual([to, false]);
      expect(await drops('outward')).toBeGreaterThanOrEqual(outward + 3);
      expect(await answers(NODES, NODE[family], RELAY[family])).toBe(false);
      expect(await drops('input')).toBeGreaterThan(input);
    },
  );

  it.each(FAMILIES)(
    'passes %s packets of the relay itself regardless of the map',
    async (family) => {
      maps = await openMaps();
      await serve(maps, family, RELAY[family]);
      expect(await answers(NODES, NODE[family], VIRTUAL[family])).toBe(false);
    },
  );

  it.each(FAMILIES)('keeps unsolicited %s packets out of tunnels', async (family) => {
    maps = await openMaps();
    await serve(maps, family);
    const before = await drops('inward');
    expect(await answers(SERVER, REAL[family], NODE[family])).toBe(false);
    expect(await drops('inward')).toBeGreaterThan(before);
  });

  it.each(FAMILIES)(
    'forwards %s packets between other networks only where the host did so before',
    async (family) => {
      const [here, there] = [{ ipv4: '192.0.2.1', ipv6: '2001:db8:7::1' }[family], REAL[family]];
      const length = family === 'ipv4' ? 24 : 64;
      const otherHost = `${NAME_PREFIX}-other`;
      const gateway = { ipv4: '192.0.2.2', ipv6: '2001:db8:7::2' }[family];
      await ipBatch([
        `netns add ${otherHost}`,
        `link add eth1 netns ${HOST} type veth peer name eth0 netns ${otherHost}`,
      ]);
      const nodad = family === 'ipv6' ? ' nodad' : '';
      await ipBatch([`address add ${gateway}/${length} dev eth1${nodad}`, 'link set eth1 up'], {
        namespace: HOST,
      });
      await ipBatch(
        [
          `address add ${here}/${length} dev eth0${nodad}`,
          'link set eth0 up',
          `route add ${there} via ${gateway}`,
        ],
        {
          namespace: otherHost,
        },
      );
      await ipBatch([`route replace ${here} via ${RELAY[family]}`], { namespace: SERVER });
      maps = await openMaps();
      expect(await answers(otherHost, here, there)).toBe(false);
      await maps.end();
      maps = await openMaps({ forwards: { ipv4: true, ipv6: true } });
      expect(await answers(otherHost, here, there)).toBe(true);
      await ipBatch([`netns delete ${otherHost}`]);
    },
  );
});

describe('the nftables table', () => {
  it('disappears with a process that is killed', async () => {
    maps = await openMaps();
    await serve(maps, 'ipv4');
    await maps.kill();
    await waitFor(async () => (await ruleset()) === '', {
      timeoutMs: 5_000,
      what: 'an empty ruleset',
    });
  });
});
