/**
 * Measures, in round trips of the path through the relay, how long data between two NTMobile nodes
 * stops when one of them or both at once move. Counts broken connections. Measures the time from
 * the lookup of a name to the first octet from its server. The visited networks of the lab are some
 * milliseconds away.
 *
 * Probes (native/tools/probe.cc) send between the virtual addresses. A stall begins when the new
 * address of the node that moved last is usable. It ends with the arrival of the first packet that
 * was sent after the cables were pulled. The longer of both directions counts.
 */
import { createDigestedFile } from '#lab/demo/digested-file.ts';
import { curl, Download } from '#lab/demo/download.ts';
import { startFileServers } from '#lab/demo/file-servers.ts';
import { Pinger } from '#lab/demo/pinger.ts';
import { resetsOf } from '#lab/demo/tcp-resets.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { NTMOBILE_SERVERS, type NtmobileNode, NtmobileSystem } from '#lab/ntmobile/ntmobile-lab.ts';
import { pathStateBetween } from '#lab/ntmobile/path-watch.ts';
import { mayBeDirect } from '#lab/ntmobile/traversal.ts';
import { type Background, nowMs, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { measureNames } from './ntmobile-names.ts';
import { Probe } from './support/probe.ts';
import {
  median,
  percentile,
  progress,
  type Report,
  type Row,
  thisMachine,
} from './support/report.ts';
import { resolveNeighbours, stallMs, usableSince } from './support/stall.ts';

export interface NtmobileHandoverSettings {
  /** Minimum number of moves; rounded up to whole tours. */
  readonly moves: number;
  /** One-way delay between the core and each visited network, milliseconds. */
  readonly delay: number;
  /** Names that are looked up for the first time. */
  readonly names: number;
}

type NetworkPair = readonly [mn: NetworkName, mn2: NetworkName];

/**
 * At each step, one node or both move. The steps cover every combination of direct and relayed
 * paths before and after the move.
 */
const TOUR: readonly NetworkPair[] = [
  ['nat-sym', 'nat-prc-b'],
  ['ar4', 'nat-prc-b'],
  ['nat-prc', 'nat-prc-b'],
  ['ar4', 'nat-adf-b'],
  ['nat-prc', 'nat-prc-b'],
  ['nat-sym', 'nat-sym-b'],
  ['nat-adm', 'nat-sym-b'],
  ['nat-adm', 'nat-prc-b'],
  ['nat2', 'ar4b'],
  ['ar6', 'ar4b'],
];
const NODES = ['mn', 'mn2'] as const;
const INTERVAL_US = 2_000;
const POLL_MS = 20;
const TIMEOUT_MS = 20_000;
/** Longer than path checks take, so that the next move begins with a settled path. */
const DIRECT_WITHIN_MS = 10_000;
const OCTETS_PER_SECOND = 400_000;
const MOST_SECONDS_A_MOVE = 6;

interface Move {
  readonly who: 'one moves' | 'both move';
  readonly before: 'direct' | 'relayed';
  readonly after: 'direct' | 'relayed';
  /** Undefined if no packet arrived in time. */
  readonly stallMs: number | undefined;
  /**
   * Stall of pings from the first node to a general node; undefined if the first node did not move.
   */
  readonly generalMs: number | undefined;
}

interface Setup {
  readonly lab: Lab;
  readonly nodes: readonly [NtmobileNode, NtmobileNode];
  readonly probes: readonly [Probe, Probe];
  readonly general: Pinger;
}

const theory = (networks: NetworkPair): 'direct' | 'relayed' =>
  mayBeDirect(...networks) ? 'direct' : 'relayed';

async function settle({ nodes }: Setup, networks: NetworkPair): Promise<void> {
  const expected = theory(networks);
  await waitFor(async () => (await pathStateBetween(...nodes)) === expected, {
    timeoutMs: DIRECT_WITHIN_MS,
    what: `a ${expected} path between ${networks.join(' and ')}`,
    intervalMs: POLL_MS,
  });
}

/** performance.now() at a time of CLOCK_MONOTONIC. */
const performanceAt = (monotonicUs: number): number =>
  performance.now() - (nowMs() - monotonicUs / 1000);

async function measureMove(setup: Setup, from: NetworkPair, to: NetworkPair): Promise<Move> {
  const { lab, probes, general } = setup;
  const movers = ([0, 1] as const).filter((at) => from[at] !== to[at]);
  await Promise.all(movers.map((at) => lab.unplug(NODES[at])));
  for (const probe of probes) probe.forget();
  const pulledUs = nowMs() * 1000;
  await Promise.all(movers.map((at) => lab.move(NODES[at], to[at])));
  const untilMs = nowMs() + TIMEOUT_MS;
  let sinceUs: number | undefined;
  let stall: number | undefined;
  while (stall === undefined && nowMs() < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const usable = movers.map((at) => usableSince(probes[at], to[at]));
    if (usable.includes(undefined)) continue;
    sinceUs = Math.max(...usable.filter((each) => each !== undefined));
    const since = sinceUs;
    const stalls = probes.map((probe) => stallMs(probe, since, pulledUs));
    if (!stalls.includes(undefined))
      stall = Math.max(...stalls.filter((each) => each !== undefined));
  }
  await settle(setup, to);
  const sinceMs = sinceUs === undefined ? undefined : performanceAt(sinceUs);
  const answeredMs =
    sinceMs === undefined || !movers.includes(0) ? undefined : general.firstAnswerMs(sinceMs);
  return {
    who: movers.length === 2 ? 'both move' : 'one moves',
    ...{ before: theory(from), after: theory(to), stallMs: stall },
    generalMs: answeredMs === undefined || sinceMs === undefined ? undefined : answeredMs - sinceMs,
  };
}

async function startProbes(lab: Lab, nodes: Setup['nodes']): Promise<readonly [Probe, Probe]> {
  const addresses = await Promise.all(
    nodes.map(async (node) => (await node.virtualAddresses())[0]),
  );
  const start = async (own: 0 | 1, peer: 0 | 1): Promise<Probe> => {
    const end = (at: 0 | 1) => ({ namespace: NODES[at], address: addresses[at] ?? '' });
    const options = {
      sends: true,
      watch: 'eth0',
      intervalUs: INTERVAL_US,
      logName: `probe.${NODES[own]}`,
    };
    return await Probe.start(lab, end(own), end(peer), options);
  };
  return [await start(0, 1), await start(1, 0)];
}

/** Connections that must survive all moves. */
interface Sessions extends Disposable {
  readonly downloads: readonly Download[];
  readonly servers: readonly Background[];
  readonly sha256: string;
}

async function startSessions(
  lab: Lab,
  [mn, mn2]: Setup['nodes'],
  moves: number,
): Promise<Sessions> {
  const octets = OCTETS_PER_SECOND * MOST_SECONDS_A_MOVE * moves;
  const { path, sha256 } = createDigestedFile(`${LAB_DIRECTORY}/file`, octets);
  const servers = await startFileServers(lab, ['server6', 'mn2'], path, OCTETS_PER_SECOND);
  const urls = [
    ['-6', 'gn6.example'] as const,
    ['-4', 'gn6.example'] as const,
    ['-6', mn2.domainName] as const,
  ];
  using made = new DisposableStack();
  const downloads = urls.map(([option, name]) =>
    made.use(new Download(mn.name, mn.argv(curl(`http://${name}/file`, option)))),
  );
  for (const download of downloads) await download.began();
  const resources = made.move();
  return { downloads, servers, sha256, [Symbol.dispose]: () => resources.dispose() };
}

/** Waits for the rest of the files; returns how many arrived complete. */
async function endSessions({ downloads, servers, sha256 }: Sessions): Promise<number> {
  for (const server of servers) server.kill('SIGUSR1');
  const results = await Promise.all(downloads.map(({ result }) => result));
  return results.filter((result) => result.exitCode === 0 && result.sha256 === sha256).length;
}

interface Measured {
  readonly moves: readonly Move[];
  readonly resets: number;
  readonly whole: number;
}

async function measureMoves(lab: Lab, nodes: Setup['nodes'], moves: number): Promise<Measured> {
  const tours = Math.ceil(moves / TOUR.length);
  const hosts = [...NODES, 'server6'];
  const resetsBefore = await resetsOf(hosts);
  using sessions = await startSessions(lab, nodes, tours * TOUR.length);
  using general = new Pinger('mn', 'gn6.example', 5, (argv) => nodes[0].argv(argv));
  const setup: Setup = { lab, nodes, general, probes: await startProbes(lab, nodes) };
  const [begin = ['nat-sym', 'nat-prc-b']] = TOUR;
  await settle(setup, begin);
  const made: Move[] = [];
  for (let step = 1; step <= tours * TOUR.length; step += 1) {
    const from = TOUR[(step - 1) % TOUR.length] ?? begin;
    const to = TOUR[step % TOUR.length] ?? begin;
    made.push(await measureMove(setup, from, to));
    if (step % TOUR.length === 0) progress(`${step} moves`);
  }
  for (const probe of setup.probes) await probe.stop();
  const whole = await endSessions(sessions);
  return { moves: made, resets: (await resetsOf(hosts)) - resetsBefore, whole };
}

function rowsOf(moves: readonly Move[], roundTripMs: number): readonly Row[] {
  const groups = Map.groupBy(moves, ({ who, before, after }) => `${who}|${before}|${after}`);
  return [...groups].map(([key, group]) => {
    const [who = '', before = '', after = ''] = key.split('|');
    const stalls = group.flatMap((move) => move.stallMs ?? []);
    return {
      ...{ move: who, before, after, moves: group.length, lost: group.length - stalls.length },
      ...{
        'median ms': median(stalls),
        'p95 ms': percentile(stalls, 95),
        'max ms': percentile(stalls, 100),
      },
      ...{
        'median RTT': median(stalls) / roundTripMs,
        'max RTT': percentile(stalls, 100) / roundTripMs,
      },
    };
  });
}

function resultsOf({ moves, resets, whole }: Measured, delayMs: number): Record<string, number> {
  const stalls = moves.flatMap((move) => move.stallMs ?? []);
  const both = moves.filter(({ who }) => who === 'both move').flatMap((move) => move.stallMs ?? []);
  const general = moves.flatMap((move) => move.generalMs ?? []);
  const nodeRoundTrip = 4 * delayMs;
  return {
    ...{
      moves: moves.length,
      moves_without_data_after: moves.length - stalls.length,
      resets,
      downloads_whole: whole,
    },
    stall_median_round_trips: median(stalls) / nodeRoundTrip,
    stall_p95_round_trips: percentile(stalls, 95) / nodeRoundTrip,
    stall_max_round_trips: percentile(stalls, 100) / nodeRoundTrip,
    both_move_stall_max_round_trips: percentile(both, 100) / nodeRoundTrip,
    general_server_stall_median_round_trips: median(general) / (2 * delayMs),
    general_server_stall_max_round_trips: percentile(general, 100) / (2 * delayMs),
  };
}

export async function ntmobileHandover(settings: NtmobileHandoverSettings): Promise<Report> {
  const { moves, delay, names } = settings;
  await using lab = await Lab.create({
    networks: [...new Set(TOUR.flat())],
    nodes: { mn: ['eth0'], mn2: ['eth0'] },
    servers: NTMOBILE_SERVERS,
    delayMs: delay,
  });
  await resolveNeighbours(lab);
  const system = new NtmobileSystem(lab, { nodes: NODES });
  await system.start();
  const nodes = [system.node('mn'), system.node('mn2')] as const;
  const [begin = ['nat-sym', 'nat-prc-b']] = TOUR;
  for (const [at, node] of NODES.entries()) {
    await lab.move(node, begin[at] ?? 'home');
    await lab.waitForAddress(node, 4);
    await system.node(node).start();
  }
  const nameResults = await measureNames(lab, nodes, names, delay);
  const measured = await measureMoves(lab, nodes, moves);
  await system.stop();
  return {
    ...{ benchmark: 'ntmobile-handover', machine: thisMachine(), settings: { ...settings } },
    rows: rowsOf(measured.moves, 4 * delay),
    results: { ...nameResults, ...resultsOf(measured, delay) },
  };
}
