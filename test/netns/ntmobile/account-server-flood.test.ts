/**
 * Strangers of one IPv6 prefix open as many connections to an account server as they can, without
 * or with TLS, silent or slow. Nodes of other networks are served, and so are the other listeners
 * over TCP.
 *
 *   cn (strangers: 17 addresses of a /64) ── core ── as, dc
 *   server6 (nodes of other networks)     ───┘
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { type Background, ipBatch } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';

const PROGRAM = new URL('../../../bench/attacks/connections.ts', import.meta.url).pathname;
const PORT = 4501;
const STRANGERS = Array.from({ length: 17 }, (_, at) => `2001:db8:f:2::a:${at + 1}`);
/** More than the server's 1,024 connections: before, this number kept everybody out. */
const CONNECTIONS = 17 * 64;
const key = (octet: number): string => `base64:${Buffer.alloc(32, octet).toString('base64')}`;

let lab: Lab;
let accountServer: DaemonProcess;
let coordinator: DaemonProcess;

beforeAll(async () => {
  lab = await Lab.create({ networks: [], servers: ['as', 'dc', 'server6'] });
  const system = {
    daemon: { stateDirectory: STATE_DIRECTORY },
    ...{ zone: 'nodes.example', systemPrefix: 'fd12:3456:789a::/48' },
  };
  const endpoints = [ADDRESSES.coordinatorIpv4];
  accountServer = new DaemonProcess(lab, 'as', 'as', {
    ...{ ...system, certificate: { names: ['as.example'] } },
    directionCoordinators: [{ name: 'dc.example', publicKey: key(9), endpoints }],
  });
  coordinator = new DaemonProcess(lab, 'dc', 'dc', {
    ...{ ...system, authorities: [key(7)], addresses: [ADDRESSES.coordinatorIpv6] },
  });
  await accountServer.start();
  await coordinator.start();
  await ipBatch(
    STRANGERS.map((address) => `address add ${address}/64 dev wan nodad`),
    { namespace: 'cn' },
  );
});
afterAll(async () => await lab?.close());

const counted = async (name: string) =>
  Number(objectOf(await accountServer.request('stats'))[name] ?? 0);

/** Strangers that connect until the test stops them. */
function flood(
  kind: 'silent' | 'slow' | 'tls',
  { server, port, perSecond }: { server: string; port: number; perSecond: number },
): Background {
  const options = { kind, server, port, sources: STRANGERS, perSecond, seconds: 60 };
  const argv = [process.execPath, PROGRAM, JSON.stringify({ ...options, most: CONNECTIONS })];
  return lab.spawn('cn', argv, { logName: `flood.${kind}.${port}` });
}

/** The status that a node of another network gets, and `000` within three seconds without one. */
async function nodeAsks(): Promise<string> {
  const url = `https://[${ADDRESSES.accountServerIpv6}]:${PORT}/v1/system`;
  const argv = ['curl', '--silent', '--insecure', '--max-time', '3', '--output', '/dev/null'];
  return (await lab.attempt('server6', [...argv, '--write-out', '%{http_code}', url])).stdout;
}

describe('an account server with connections of strangers', () => {
  it.each(['silent', 'slow', 'tls'] as const)(
    'serves nodes while one /64 opens %s connections, and counts those that it closes',
    async (kind) => {
      const closed = async () =>
        (await counted('connection-shed')) + (await counted('connections-too-fast'));
      const before = await closed();
      const server = ADDRESSES.accountServerIpv6;
      await using strangers = flood(kind, { server, port: PORT, perSecond: 2000 });
      await strangers.ready('passed', 20_000);
      expect([await nodeAsks(), await nodeAsks(), await nodeAsks()]).toEqual(['200', '200', '200']);
      expect(await closed()).toBeGreaterThan(before + 500);
    },
  );

  it('answers DNS over TCP while one /64 opens silent connections to the coordinator', async () => {
    const server = ADDRESSES.coordinatorIpv6;
    await using strangers = flood('silent', { server, port: 53, perSecond: 2000 });
    await strangers.ready('passed', 20_000);
    const dig = [
      'dig',
      '+tcp',
      '+tries=1',
      '+time=2',
      '+short',
      'NS',
      'nodes.example',
      `@${server}`,
    ];
    expect((await lab.attempt('server6', dig)).stdout.trim()).toBe('ns.nodes.example.');
  });

  it('limits requests for the system description of one /64', async () => {
    const url = `https://[${ADDRESSES.accountServerIpv6}]:${PORT}/v1/system`;
    const [source = ''] = STRANGERS;
    const urls = Array.from({ length: 80 }, () => ['--output', '/dev/null', url]).flat();
    const curl = ['curl', '--silent', '--insecure', '--interface', source, '--max-time', '20'];
    const { stdout } = await lab.attempt('cn', [...curl, '--write-out', '%{http_code}\n', ...urls]);
    const statuses = stdout.trim().split('\n');
    expect(statuses.filter((status) => status === '429').length).toBeGreaterThan(5);
    expect(await counted('rate-limited-source')).toBeGreaterThan(5);
    expect(await nodeAsks()).toBe('200');
  });
});
