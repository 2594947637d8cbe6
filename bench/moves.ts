/**
 * Random moves of a sealed mobile node and a sealed mobile router through networks of both
 * families, NATs and the home link, with real daemons.
 *
 * Counts the handshakes, the refused registrations and the TCP connections that were reset, and
 * measures how long data stops. A stall begins when the new care-of address is usable. It ends with
 * the arrival of the first packet that was sent after the cable was pulled (see handover.ts).
 *
 * A node that comes home de-registers, and its keys end with its binding: it leaves home with a
 * handshake again, and waits for Duplicate Address Detection there (RFC 6275 §10.3.1).
 */
import { DaemonProcess, homeAgentConfiguration } from '#lab/daemons.ts';
import { createDigestedFile } from '#lab/demo/digested-file.ts';
import { startFileServers } from '#lab/demo/file-servers.ts';
import { resetsOf } from '#lab/demo/tcp-resets.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ALL_NETWORKS, NETWORKS } from '#lab/networks.ts';
import { numbersFrom } from '#lab/random-networks.ts';
import { Lab } from '#lab/topology.ts';

import { FILE_SERVERS, type Move, Mover, type MovingNode } from './moves/mover.ts';
import {
  median,
  percentile,
  progress,
  type Report,
  type Row,
  thisMachine,
} from './support/report.ts';
import { resolveNeighbours } from './support/stall.ts';

export interface MovesSettings {
  /** Moves of each node. */
  readonly moves: number;
  /** They move at the same time. */
  readonly nodes: readonly MovingNode[];
  /** One-way delay between the core and each visited network, milliseconds. */
  readonly delay: number;
  readonly seed: number;
  /** Default: every network of the lab, the home link among them. */
  readonly networks?: readonly NetworkName[];
}

const OCTETS_PER_SECOND = 20_000;
const MOST_SECONDS_A_MOVE = 4;
/** What a stall may last beyond a round trip. */
const OWN_MS = 5;
/** Moves after which the TCP connections are looked at. */
const FLOW_EVERY = 10;
const PROGRESS_EVERY = 50;

interface Moved {
  readonly node: MovingNode;
  readonly moves: readonly Move[];
  readonly downloads: number;
  readonly wholeDownloads: number;
  readonly handshakes: number;
  readonly refused: number;
}

/** Random networks, each different from the one before; the first is not `home`. */
function* route(seed: number, networks: readonly NetworkName[]): Generator<NetworkName, never> {
  const numbers = numbersFrom(seed);
  for (let here: NetworkName = 'home'; ; ) {
    const others = networks.filter((name) => name !== here);
    here = others[Math.floor(numbers.next().value * others.length)] ?? 'ar6';
    yield here;
  }
}

async function travel(mover: Mover, moves: number, networks: Iterator<NetworkName, never>) {
  for (let made = 1; made <= moves; made += 1) {
    await mover.move(networks.next().value);
    if (made % FLOW_EVERY === 0) await mover.flow();
    if (made % PROGRESS_EVERY === 0) progress(`${mover.node}: ${made} of ${moves} moves`);
  }
  await mover.flow();
}

export async function moves(settings: MovesSettings): Promise<Report> {
  const { nodes, delay, seed, networks = ALL_NETWORKS } = settings;
  const routers = nodes.includes('mr') ? (['mr'] as const) : [];
  await using lab = await Lab.create({
    ...{ networks, mobileRouters: routers, delayMs: delay },
    nodes: nodes.includes('mn') ? { mn: ['eth0'] } : {},
  });
  await resolveNeighbours(lab);
  const options = { sealed: true, mobileRouters: routers };
  const homeAgent = new DaemonProcess(lab, 'ha', 'home', homeAgentConfiguration(options));
  await homeAgent.start();
  const octets = OCTETS_PER_SECOND * MOST_SECONDS_A_MOVE * settings.moves;
  const { path, sha256 } = createDigestedFile(`${LAB_DIRECTORY}/file`, octets);
  const namespaces = new Set(nodes.flatMap((node) => FILE_SERVERS[node]));
  const servers = await startFileServers(lab, namespaces, path, OCTETS_PER_SECOND);
  const clients = [...new Set([...namespaces, ...(routers.length > 0 ? ['mr-b'] : [])])];
  const resetsBefore = await resetsOf(clients);
  using resources = new DisposableStack();
  const travellers: { readonly mover: Mover; readonly way: Iterator<NetworkName, never> }[] = [];
  for (const [at, node] of nodes.entries()) {
    const way = route(seed + at, networks);
    const mover = resources.use(await Mover.start(lab, node, way.next().value, options));
    travellers.push({ mover, way });
  }
  await Promise.all(travellers.map(({ mover, way }) => travel(mover, settings.moves, way)));
  for (const server of servers) server.kill('SIGUSR1');
  const moved: Moved[] = [];
  for (const { mover } of travellers) moved.push(await movedOf(mover, sha256));
  const resets = (await resetsOf(clients)) - resetsBefore;
  const sessions = Number(Object(await homeAgent.request('stats'))['session-started']);
  return {
    ...{ benchmark: 'moves', machine: thisMachine() },
    settings: { ...settings, nodes: nodes.join(','), networks: networks.join(',') },
    rows: moved.flatMap((one) => rowsOf(one, delay)),
    results: resultsOf(moved, { resets, sessions, delay }),
  };
}

async function movedOf(mover: Mover, sha256: string): Promise<Moved> {
  const wholeDownloads = await mover.finish(sha256);
  return {
    ...{ node: mover.node, moves: mover.moves, downloads: mover.downloads, wholeDownloads },
    handshakes: await mover.count('handshake-started'),
    refused: await mover.count('registration-refused'),
  };
}

function labelOf(name: NetworkName): string {
  if (name === 'home') return 'home';
  const { ipv4, ipv6, nat } = NETWORKS[name];
  if (ipv4 === undefined) return 'IPv6';
  if (ipv6 !== undefined) return 'dual stack';
  return nat.length > 0 ? 'NAT' : 'IPv4';
}

/** What a stall may last: a round trip and our own time. */
const boundMs = (delay: number): number => 2 * delay + OWN_MS;

function figures(made: readonly Move[], delay: number) {
  const downlink = made.flatMap((move) => move.downlinkMs ?? []);
  const uplink = made.flatMap((move) => move.uplinkMs ?? []);
  return {
    moves: made.length,
    lost: made.length - Math.min(downlink.length, uplink.length),
    median: median(downlink),
    p95: percentile(downlink, 95),
    max: percentile(downlink, 100),
    uplinkMedian: median(uplink),
    uplinkMax: percentile(uplink, 100),
    over: downlink.filter((stall) => stall > boundMs(delay)).length,
  };
}

function rowsOf({ node, moves: made }: Moved, delay: number): readonly Row[] {
  const kinds = Map.groupBy(made, ({ from, to }) => `${labelOf(from)} → ${labelOf(to)}`);
  return [...kinds]
    .toSorted(([first], [second]) => first.localeCompare(second))
    .map(([move, group]) => {
      const {
        moves: count,
        median: middle,
        p95,
        max,
        uplinkMedian,
        over,
        lost,
      } = figures(group, delay);
      return {
        ...{ node, move, moves: count, 'median ms': middle, 'p95 ms': p95, 'max ms': max },
        ...{ 'uplink median ms': uplinkMedian, 'over bound': over, lost },
      };
    });
}

/** Moves between visited networks; those from and to the home link are rows of their own. */
const roaming = (made: readonly Move[]): readonly Move[] =>
  made.filter(({ from, to }) => from !== 'home' && to !== 'home');

function resultsOf(
  moved: readonly Moved[],
  totals: { readonly resets: number; readonly sessions: number; readonly delay: number },
): Record<string, number | null> {
  const { resets, sessions, delay } = totals;
  const results: Record<string, number | null> = {};
  for (const { node, moves: made, handshakes, refused, downloads, wholeDownloads } of moved) {
    const all = figures(roaming(made), delay);
    const leftHome = made.filter(({ from }) => from === 'home').length;
    Object.assign(results, {
      [`${node}_moves`]: made.length,
      [`${node}_moves_from_home`]: leftHome,
      [`${node}_handshakes`]: handshakes,
      // One is the first, and each binding that begins after a stay at home needs one.
      [`${node}_further_handshakes`]: handshakes - 1 - leftHome,
      [`${node}_refused`]: refused,
      [`${node}_lost`]: figures(made, delay).lost,
      [`${node}_downloads_broken`]: downloads - wholeDownloads,
      [`${node}_stall_median_ms`]: all.median,
      [`${node}_stall_p95_ms`]: all.p95,
      [`${node}_stall_max_ms`]: all.max,
      [`${node}_stalls_over_bound`]: all.over,
      [`${node}_uplink_stall_median_ms`]: all.uplinkMedian,
      [`${node}_uplink_stall_max_ms`]: all.uplinkMax,
    });
  }
  const started = moved.reduce((sum, { handshakes }) => sum + handshakes, 0);
  return { ...results, stall_bound_ms: boundMs(delay), rekeys: sessions - started, resets };
}
