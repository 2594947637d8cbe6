/**
 * The relay as a daemon between nodes and servers without NTMobile: real account server, direction
 * coordinator, nodes, NATs, name servers and packets.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LAB_DIRECTORY, STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, NETWORKS } from '#lab/networks.ts';
import { type Background, nowMs, run, waitFor } from '#lab/shell.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { Leftovers } from '#test/netns/helpers/leftovers.ts';
import { LineProcess } from '#test/netns/helpers/line-process.ts';
import { type NodeName, NtmobileNodes } from '#test/netns/helpers/ntmobile/ntmobile-nodes.ts';
import {
  droppedWhileAway,
  TABLE,
  untilNoTable,
} from '#test/netns/helpers/ntmobile/relay-tables.ts';
import { ping } from '#test/netns/helpers/plane/plane-traffic.ts';

const STUB = '127.0.78.90';
const CLI = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
const MAIN = new URL('../../../daemons/rsn/main.ts', import.meta.url).pathname;
const NAMES = `${LAB_DIRECTORY}/names.json`;
const PORT = 7;
/**
 * The rules that docs/guides/operating.md lets operators load into the kernel, so that a restart
 * resets no connection.
 */
const RESTART = new URL('../../../examples/rsn-restart.nft', import.meta.url).pathname;

let nodes: NtmobileNodes;
let leftovers: Leftovers;
const running: Background[] = [];

function relay() {
  if (nodes.relay === undefined) throw new Error('no relay');
  return nodes.relay;
}

function setNames(names: Readonly<Record<string, readonly string[]>>): void {
  writeFileSync(NAMES, JSON.stringify(names));
}

const REAL = {
  'www.example': [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4],
  'six.example': [ADDRESSES.server6],
  'four.example': [ADDRESSES.server4],
} as const;

async function plug(network: NetworkName, node: NodeName = 'a'): Promise<void> {
  await nodes.lab.move(node, network);
  await nodes.lab.waitForAddress(node, NETWORKS[network].ipv4 === undefined ? 6 : 4, {
    timeoutMs: 15_000,
  });
}

async function dig(...parameters: readonly string[]): Promise<string> {
  return (
    await nodes.lab.attempt('a', ['dig', `@${STUB}`, '+tries=1', '+time=10', ...parameters])
  ).stdout.trim();
}

async function virtualOf(name: string, type: 'A' | 'AAAA'): Promise<string> {
  const address = await dig('+short', type, name);
  expect(address).toMatch(type === 'A' ? /^198\.19\.\d+\.\d+$/ : /^fd12:3456:789a:1:/);
  return address;
}

async function connect(address: string, from = ''): Promise<LineProcess> {
  const connection = new LineProcess('a', 'line-peer.ts', 'connect', address, String(PORT), from);
  await connection.until('connected');
  return connection;
}

async function untilRegistered(): Promise<void> {
  const registered = async (): Promise<boolean> =>
    objectsOf(objectOf(await relay().request('status'))['registrations']).every(
      (one) => one['registered'] === true,
    );
  await waitFor(registered, { timeoutMs: 10_000, what: 'the relay to register' });
}

/**
 * Waits until the relay has validated the addresses of its nodes. It sends data to a new address
 * before that, but stores only validated addresses.
 */
async function untilValidated(): Promise<void> {
  const validated = async (): Promise<boolean> =>
    objectsOf(await relay().request('nodes')).every(({ validated }) => validated === true);
  await waitFor(validated, {
    timeoutMs: 5_000,
    what: 'the relay to validate the addresses of its nodes',
  });
}

const general = async () => objectsOf(await relay().request('general'));

beforeAll(async () => {
  setNames(REAL);
  nodes = await NtmobileNodes.create({
    networks: ['ar4', 'ar6', 'nat-sym', 'nat-sym-b', 'nat-prc'],
    ...{
      servers: ['as', 'dc', 'rsn', 'server6', 'server4'],
      ntmobile: { generalNames: ['example'] },
    },
    relay: {
      daemon: { stateDirectory: STATE_DIRECTORY, resolvers: ['127.0.0.54'], logLevel: 'debug' },
    },
  });
  for (const namespace of ['cn', 'server6', 'server4'] as const)
    running.push(
      nodes.lab.spawn(namespace, [
        process.execPath,
        join(import.meta.dirname, '../helpers/line-peer.ts'),
        'serve',
        String(PORT),
      ]),
    );
  running.push(
    nodes.lab.spawn('rsn', [
      process.execPath,
      join(import.meta.dirname, '../helpers/ntmobile/scripted-name-server.ts'),
      NAMES,
    ]),
  );
  for (const one of running) await one.ready('ready');
  await run(['nft', '-f', RESTART], { namespace: 'rsn' });
  leftovers = await Leftovers.since(['rsn']);
});
afterAll(async () => await nodes?.close());

describe('the relay daemon', () => {
  it('shows its key before it runs and registers with a coordinator by it', async () => {
    const { stdout } = await nodes.lab.attempt('rsn', [
      process.execPath,
      MAIN,
      '--show-key',
      '--config',
      `${LAB_DIRECTORY}/rsn.yaml`,
    ]);
    expect(stdout).toMatch(/^hex:[0-9a-f]{64}\n$/);
    await relay().start();
    await untilRegistered();
    expect(objectOf(await relay().request('status'))['publicKey']).toBe(stdout.trim());
    const status = await run([process.execPath, CLI, '--daemon', 'rsn', 'status']);
    expect(status).toContain('coordinator    dc.example: registered');
    expect(status).toContain(
      `addresses      [${ADDRESSES.relayIpv6}]:7890, ${ADDRESSES.relayIpv4}:7890`,
    );
  });

  it('connects a node on IPv4 to a server by name in both families', async () => {
    await plug('nat-sym');
    await nodes.start('a');
    for (const [type, relayAddress, real] of [
      ['AAAA', ADDRESSES.relayIpv6, ADDRESSES.correspondentIpv6],
      ['A', ADDRESSES.relayIpv4, ADDRESSES.correspondentIpv4],
    ] as const) {
      using connection = await connect(await virtualOf('www.example', type));
      expect(await connection.ask()).toBe(`${relayAddress} ${real}`);
    }
    expect(await general()).toMatchObject([
      { name: 'www.example', realIpv6: ADDRESSES.correspondentIpv6, nodes: 1 },
    ]);
    const [tunnel] = objectsOf(await relay().request('tunnels'));
    expect(tunnel).toMatchObject({
      name: 'a.nodes.example',
      encapsulation: 'sealed',
      remote: expect.stringMatching(/^198\.51\.100\./),
    });
    expect(objectOf(tunnel?.['traffic'])['receive-packets']).toBeGreaterThan(4);
  });

  it.each([
    ['IPv4', 'A', 'six.example', ADDRESSES.relayIpv6, ADDRESSES.server6],
    ['IPv6', 'AAAA', 'four.example', ADDRESSES.relayIpv4, ADDRESSES.server4],
  ] as const)(
    'connects %s sockets to a server without that family',
    async (_family, type, name, relayAddress, real) => {
      const address = await virtualOf(name, type);
      using connection = await connect(address);
      expect(await connection.ask()).toBe(`${relayAddress} ${real}`);
      expect(await ping('a', address)).toContain(' 0% packet loss');
      for (const network of ['ar6', 'nat-sym'] as const) {
        await plug(network);
        expect(await connection.ask()).toBe(`${relayAddress} ${real}`);
      }
      await untilValidated();
      await relay().kill();
      await relay().start();
      expect(await connection.ask()).toBe(`${relayAddress} ${real}`);
    },
  );

  it('resolves names itself and reports names that do not exist', async () => {
    expect(await dig('nobody.example')).toContain('status: NXDOMAIN');
    expect(await dig('+short', 'AAAA', 'www.example')).toMatch(/^fd12:3456:789a:1:/);
  });

  it.each([
    ['its host', ['127.0.0.1', '::1']],
    ['its own addresses', [ADDRESSES.relayIpv4, ADDRESSES.relayIpv6]],
    ['a private network', ['10.77.0.1', '192.168.4.1', 'fd00::1']],
    ['its link', ['169.254.169.254', 'fe80::1']],
    ['a node', ['198.18.0.1', 'fd12:3456:789a::1']],
    ['its host by another form', ['::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::1']],
    ['its cloud platform, or nobody', ['168.63.129.16', 'fd00:ec2::254', '200::1', '4000::1']],
    ['an IPv4 network in IPv6', ['2600::5efe:10.77.0.1', '64:ff9b::a83f:8110', '::ffff:0:a4d:1']],
  ])('refuses to connect a node to %s', async (_what, addresses) => {
    setNames({ ...REAL, 'trap.example': addresses });
    expect(await dig('AAAA', 'trap.example')).toContain('status: SERVFAIL');
    expect((await general()).filter(({ name }) => name === 'trap.example')).toEqual([]);
  });

  it('refuses an internal address that a name resolves to later', async () => {
    setNames({ ...REAL, 'turn.example': REAL['www.example'] });
    const address = await virtualOf('turn.example', 'AAAA');
    setNames({ ...REAL, 'turn.example': ['::1', '10.0.0.1'] });
    // The relay caches an answer for at least 30 seconds; a new process starts with an empty cache.
    await relay().kill();
    await relay().start();
    await untilRegistered();
    await waitFor(async () => (await dig('AAAA', 'other-turn.example')).includes('NXDOMAIN'), {
      ...{ timeoutMs: 30_000, what: 'the coordinator to know the relay again', intervalMs: 200 },
    });
    const before = Number(objectOf(await relay().request('stats'))['direction-forbidden']);
    await nodes.node('a').kill();
    await nodes.start('a');
    expect(await dig('AAAA', 'turn.example')).toContain('status: SERVFAIL');
    expect(Number(objectOf(await relay().request('stats'))['direction-forbidden'])).toBeGreaterThan(
      before,
    );
    expect(await run(TABLE, { namespace: 'rsn' })).toContain(
      `${address} : ${ADDRESSES.correspondentIpv6}`,
    );
  });
});

describe('a connection through the relay', () => {
  it('survives moves of its node between families and a killed relay', async () => {
    setNames(REAL);
    using connection = await connect(await virtualOf('www.example', 'AAAA'));
    const same = `${ADDRESSES.relayIpv6} ${ADDRESSES.correspondentIpv6}`;
    expect(await connection.ask()).toBe(same);
    for (const network of ['ar6', 'ar4', 'nat-prc'] as const) {
      await plug(network);
      expect(await connection.ask()).toBe(same);
    }
    await untilValidated();
    await relay().kill();
    await untilNoTable(nodes.lab);
    await relay().start();
    const started = nowMs();
    expect(await connection.ask()).toBe(same);
    // Its node would have sent a Keep Alive after twenty seconds.
    expect(nowMs() - started).toBeLessThan(10_000);
    expect(await connection.ask()).toBe(same);
  });

  it.each(['A', 'AAAA'] as const)(
    'survives data that its server sends while the relay is down: %s',
    async (type) => {
      setNames(REAL);
      using connection = await connect(await virtualOf('www.example', type));
      connection.send('go on');
      const more = async (what: string): Promise<void> => {
        const before = connection.lines.length;
        await waitFor(() => connection.lines.length > before + 5, { timeoutMs: 20_000, what });
      };
      await more('lines before');
      const before = await droppedWhileAway();
      await relay().kill();
      await waitFor(async () => (await droppedWhileAway()) > before, {
        timeoutMs: 10_000,
        what: 'the server to send meanwhile',
      });
      await relay().start();
      await more('lines afterwards');
      const now = await droppedWhileAway();
      await more('lines that nothing keeps off');
      expect(await droppedWhileAway()).toBe(now);
      expect(connection.lines.filter((line) => line.startsWith('failed'))).toEqual([]);
    },
  );

  it('keeps its server when the name changes; the next connection follows it', async () => {
    setNames({ 'changing.example': REAL['www.example'] });
    using first = await connect(await virtualOf('changing.example', 'A'));
    expect(await first.ask()).toBe(`${ADDRESSES.relayIpv4} ${ADDRESSES.correspondentIpv4}`);
    setNames({ 'changing.example': [ADDRESSES.server6, ADDRESSES.server4] });
    const moved = async (): Promise<boolean> => {
      await dig('A', 'changing.example');
      return (await general()).some(
        ({ realIpv4, name }) => name === 'changing.example' && realIpv4 === ADDRESSES.server4,
      );
    };
    await waitFor(moved, { timeoutMs: 60_000, what: 'the other address', intervalMs: 1_000 });
    using second = await connect(await virtualOf('changing.example', 'A'));
    expect(await second.ask()).toBe(`${ADDRESSES.relayIpv4} ${ADDRESSES.server4}`);
    expect(await first.ask()).toBe(`${ADDRESSES.relayIpv4} ${ADDRESSES.correspondentIpv4}`);
  });
});

describe('a path between two nodes without a direct path', () => {
  it('uses the relay and survives its kill -9', async () => {
    await plug('nat-sym');
    await plug('nat-sym-b', 'b');
    await nodes.start('b');
    running.push(
      nodes.lab.spawn('b', [
        process.execPath,
        join(import.meta.dirname, '../helpers/line-peer.ts'),
        'serve',
        String(PORT),
      ]),
    );
    await running.at(-1)?.ready('ready');
    const [a, b] = [await nodes.status('a'), await nodes.status('b')];
    expect(await dig('+short', 'AAAA', 'b.nodes.example')).toBe(b['virtualIpv6']);
    using connection = await connect(String(b['virtualIpv6']));
    const ends = `${a['virtualIpv6']} ${b['virtualIpv6']}`;
    expect(await connection.ask()).toBe(ends);
    expect((await nodes.paths('a')).find(({ name }) => name === 'b.nodes.example')).toMatchObject({
      kind: 'relayed',
    });
    const legs = objectsOf(await relay().request('legs'));
    expect(legs).toMatchObject([{ validated: true }, { validated: true }]);
    expect(legs.map(({ peerIndex }) => peerIndex)).toEqual(
      legs.map(({ index }) => index).reverse(),
    );
    const table = await run([process.execPath, CLI, '--daemon', 'rsn', 'legs']);
    const leg = /^[0-9a-f]{16} +(initiator|responder) +[ab]\.nodes\.example/.source;
    const traffic = / +198\.51\.100\.\d+:\d+ +yes +yes +100 Mbit\/s +[1-9]\d* +[1-9]\d* +0$/.source;
    expect(table).toMatch(new RegExp(leg + traffic, 'm'));
    await relay().kill();
    await relay().start();
    expect(await connection.ask(30_000)).toBe(ends);
    await nodes.node('b').stop();
  });
});

describe('a tunnel to the relay', () => {
  it('drops packets that no directed node sealed', async () => {
    const before = objectOf(objectOf(await relay().request('stats'))['plane']);
    // Sealed data under an unknown SPI, sent by bash.
    const flood =
      `for i in 1 2 3; do printf '\\x10\\x00\\x00\\x01\\x00\\x00\\x00\\x01%060d' 0 > ` +
      `/dev/udp/${ADDRESSES.relayIpv4}/7890; done`;
    await run(['bash', '-c', flood], { namespace: 'cn' });
    const grown = async (): Promise<boolean> => {
      const now = objectOf(objectOf(await relay().request('stats'))['plane']);
      return Object.entries(now).some(
        ([name, count]) => name.includes('spi') && Number(count) >= Number(before[name]) + 3,
      );
    };
    await waitFor(grown, { timeoutMs: 5_000, what: 'three drops for an unknown SPI' });
  });
});

describe('the end of the relay daemon', () => {
  it('leaves nothing on the host', async () => {
    await nodes.node('a').stop();
    expect(await relay().stop()).toBe(0);
    await leftovers.expectNone();
  });

  it('leaves only state that --cleanup removes when it is killed', async () => {
    await relay().start();
    await untilRegistered();
    await relay().kill();
    await run([process.execPath, CLI, 'cleanup', 'rsn', `${LAB_DIRECTORY}/rsn.yaml`], {
      namespace: 'rsn',
    });
    await leftovers.expectNone();
  });
});
