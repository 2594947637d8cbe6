/**
 * A mobile node, and a mobile router with a host behind it, move between wide and narrow paths:
 *
 *   mn   ┐                          ┌─ home (ha, virtual home network)
 *   mr ──┴─ access router ── core ──┤
 *   mr-a       (MTU of this link)   └─ cn
 *
 * Bulk TCP in both directions, of both families, arrives whole on each path, and connections that
 * began on a wide path survive each move. The narrow link is behind the access router, which says
 * so by ICMP or does not, or it is the node's own.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
} from '#lab/daemons.ts';
import { createDigestedFile, type DigestedFile } from '#lab/demo/digested-file.ts';
import { curl, Download } from '#lab/demo/download.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES, ATTACHMENT_POINTS } from '#lab/networks.ts';
import { ipBatch, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { Sessions } from '#test/netns/helpers/sessions.ts';

const PAIR = { homeLink: false, mobileRouters: ['mr'] } as const;
const MOVING = ['mn', 'mr'] as const;
const WIDE_MTU = 1500;
/** Two minutes at the rate of a session. */
const SESSION_OCTETS = 60_000_000;
const BULK_OCTETS = 3_000_000;
const BULK_PORT = 81;

interface Path {
  readonly network: NetworkName;
  readonly mtu: number;
  /** `access`: the node's own link; `behind`: the access router's other link. */
  readonly where: 'access' | 'behind';
  readonly icmp: boolean;
}

const path = (network: NetworkName, mtu: number, icmp = true, where: Path['where'] = 'behind') =>
  ({ network, mtu, where, icmp }) satisfies Path;

/** In the order of the journey: each narrow path comes after a wide one or another narrow one. */
const PATHS: readonly Path[] = [
  path('ar6', 1280),
  path('ar6b', WIDE_MTU),
  path('ar6', 1280, false),
  path('ar4', 1124, false),
  path('ar4b', WIDE_MTU),
  path('ar4', 1124),
  path('nat-prc', 1124, false),
  path('ar6', 1280, true, 'access'),
  path('nat-prc', 1280, false),
];
const NETWORKS = [...new Set(PATHS.map(({ network }) => network))];

let lab: Lab;
let homeAgent: DaemonProcess;
const daemons = new Map<(typeof MOVING)[number], DaemonProcess>();
let sessions: Sessions;
let file: DigestedFile;
let routed: readonly [ipv6: string, ipv4: string];

const SILENCE = `table inet silent { chain out {
  type filter hook output priority 0;
  icmp type destination-unreachable drop;
  icmpv6 type packet-too-big drop;
}; }`;

/** Both ends of the link between the core and an access network, and the routers that talk ICMP. */
async function shape({ network, mtu, where, icmp }: Path): Promise<void> {
  const behind = where === 'behind' ? mtu : WIDE_MTU;
  const access = where === 'access' ? mtu : WIDE_MTU;
  await ipBatch([`link set to-${network} mtu ${behind}`], { namespace: 'core' });
  const ends = [`link set wan mtu ${behind}`, `link set lan mtu ${access}`];
  await ipBatch(ends, { namespace: network });
  for (const node of MOVING) await ipBatch([`link set eth0 mtu ${access}`], { namespace: node });
  for (const namespace of ['core', network]) {
    await lab.attempt(namespace, ['nft', 'delete table inet silent']);
    if (!icmp) await lab.exec(namespace, ['nft', SILENCE]);
  }
}

async function moveTo(next: Path): Promise<void> {
  for (const node of MOVING) await lab.unplug(node);
  await shape(next);
  for (const node of MOVING) await lab.move(node, next.network);
  for (const node of MOVING)
    await waitFor(async () => await isRegisteredFrom(node, next.network), {
      timeoutMs: 20_000,
      what: `${node} to register from ${next.network}`,
    });
}

async function isRegisteredFrom(
  node: (typeof MOVING)[number],
  network: NetworkName,
): Promise<boolean> {
  const status = objectOf((await daemons.get(node)?.request('status')) ?? {});
  const [home] = objectsOf(status['homes']);
  const family = ATTACHMENT_POINTS[network].ipv6 === undefined ? 4 : 6;
  const { address } = await lab.waitForAddress(node, family, { timeoutMs: 15_000 });
  return home?.['phase'] === 'registered' && home['careOfAddress'] === address;
}

beforeAll(async () => {
  lab = await Lab.create({ networks: NETWORKS, mobileRouters: ['mr'] });
  homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration(PAIR));
  daemons.set('mn', new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration(PAIR)));
  daemons.set('mr', new DaemonProcess(lab, 'mr', 'mr', mobileRouterConfiguration('mr', PAIR)));
  await homeAgent.start();
  await Promise.all([...daemons.values()].map((daemon) => daemon.start()));
  file = createDigestedFile(`${LAB_DIRECTORY}/bulk`, BULK_OCTETS);
  await moveTo(path('ar6b', WIDE_MTU));
  routed = [
    (await lab.waitForAddress('mr-a', 6, { timeoutMs: 15_000 })).address,
    (await lab.waitForAddress('mr-a', 4, { timeoutMs: 15_000 })).address,
  ];
  for (const server of ['cn', 'mn', 'mr-a']) {
    const argv = [
      process.execPath,
      'lab/demo/file-server.ts',
      file.path,
      `${BULK_PORT}`,
      'Infinity',
    ];
    await lab.spawn(server, argv).ready('ready');
  }
  const plan = { conversations: [], streams: [], downloads: flows(), octets: SESSION_OCTETS };
  sessions = await Sessions.open(lab, plan);
  await sessions.flow('ar6b');
});
afterAll(async () => {
  sessions?.[Symbol.dispose]();
  await lab?.close();
});

/** Each end downloads from the other, over both families. */
function flows() {
  const correspondent = [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4] as const;
  const moving = [
    ['mn', HOME.virtualAddress, correspondent[0]],
    ['mn', HOME.virtualIpv4Address, correspondent[1]],
    ['mr-a', routed[0], correspondent[0]],
    ['mr-a', routed[1], correspondent[1]],
  ] as const;
  return moving.flatMap(([host, address, cn]) => [
    { client: host, from: address, server: 'cn', to: cn },
    { client: 'cn', from: cn, server: host, to: address },
  ]);
}

/** Downloads the whole file over every flow at the same time. */
async function expectBulk(): Promise<void> {
  const results = await Promise.all(
    flows().map(async ({ client, from, to }) => {
      const host = to.includes(':') ? `[${to}]` : to;
      const url = `http://${host}:${BULK_PORT}/file`;
      using download = new Download(client, curl(url, '--interface', from, '--max-time', '30'));
      return { client, to, ...(await download.result) };
    }),
  );
  for (const result of results)
    expect(result).toMatchObject({ octets: BULK_OCTETS, sha256: file.sha256, exitCode: 0 });
}

/** IPv6 packets of 1280 octets pass in both directions, whatever the path. */
async function expectMinimumMtu(): Promise<void> {
  for (const [from, to] of [
    ['cn', HOME.virtualAddress],
    ['mn', ADDRESSES.correspondentIpv6],
    ['cn', routed[0]],
    ['mr-a', ADDRESSES.correspondentIpv6],
  ] as const)
    await waitFor(
      async () => (await lab.attempt(from, ping(to))).stdout.includes(' 0% packet loss'),
      { timeoutMs: 5_000, what: `answers of 1280 octets from ${to} at ${from}`, intervalMs: 50 },
    );
}

const ping = (to: string): readonly string[] => [
  'ping',
  '-n',
  '-c',
  '2',
  '-i',
  '0.05',
  '-W',
  '1',
  '-s',
  '1232',
  to,
];

const nameOf = ({ network, mtu, where, icmp }: Path): string => {
  const link = where === 'access' ? "the node's own link" : 'a link behind its router';
  return `${network}, ${link} of ${mtu} octets${icmp ? '' : ', without ICMP'}`;
};

describe('mobile node and mobile router after a move to', () => {
  test.each(PATHS.map((each) => [nameOf(each), each] as const))('%s', async (name, next) => {
    await moveTo(next);
    await sessions.flow(name);
    await expectBulk();
    await expectMinimumMtu();
  });
});

test('tunnels have their full size again on a wide path, and all sessions end whole', async () => {
  await moveTo(path('ar6b', WIDE_MTU));
  await sessions.finish();
  for (const daemon of [homeAgent, ...daemons.values()]) {
    const tunnels = objectsOf(await daemon.request('tunnels'));
    const sizes = tunnels.map(({ traffic }) => objectOf(traffic)['mtu']);
    expect(sizes, daemon.name).toEqual(tunnels.map(() => WIDE_MTU - 40));
    expect(tunnels.length, daemon.name).toBeGreaterThan(0);
  }
});
