/**
 * The container lab's demonstration: downloads continue while a mobile node, a mobile router and an
 * NTMobile node move through every access network.
 *
 * The measurements go through `docker exec`, which adds some milliseconds to every interruption.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { formatTable } from '#daemon/answers/tables.ts';
import { DockerError, execute } from './docker.ts';
import { Flow, type FlowOptions } from './flow.ts';
import { move, reset, waitUntilHealthy, waitUntilRegistered } from './lab.ts';
import {
  ACCESS_NETWORKS,
  type AccessNetwork,
  ADDRESSES,
  dockerName,
  type MovingNode,
} from './topology.ts';

const OCTETS_PER_SECOND = 400_000;
/** A download without data for this time after a move has failed. */
const STALL_LIMIT_MS = 30_000;
const STAY_MS = 1_500;

/** A scenario of the demonstration: a moving node and its downloads. */
interface Scenario {
  readonly title: string;
  readonly node: MovingNode;
  readonly journey: readonly AccessNetwork[];
  readonly flows: readonly (Omit<FlowOptions, 'octets' | 'octetsPerSecond'> & {
    readonly title: string;
  })[];
}

const ALL: readonly AccessNetwork[] = ['ar6', 'ds', 'nat-cone', 'nat-sym', 'ar4'];

const SCENARIOS: readonly Scenario[] = [
  {
    title: 'a mobile node (Mobile IPv6, DSMIPv6), encrypted',
    node: 'mn',
    journey: ALL,
    flows: [
      {
        title: 'IPv6 home address',
        container: 'mn',
        url: `http://[${ADDRESSES.correspondent6}]/file`,
        curl: ['--interface', ADDRESSES.home6],
      },
      {
        title: 'IPv4 home address',
        container: 'mn',
        url: `http://${ADDRESSES.correspondent4}/file`,
        curl: ['--interface', ADDRESSES.home4],
      },
    ],
  },
  {
    title: 'a network behind a mobile router (NEMO), encrypted',
    node: 'mr',
    journey: ['ds', 'nat-cone', 'nat-sym', 'ar4', 'ar6'],
    flows: [
      {
        title: 'host-a, IPv6',
        container: 'host-a',
        url: `http://[${ADDRESSES.correspondent6}]/file`,
      },
      {
        title: 'host-b, IPv4',
        container: 'host-b',
        url: `http://${ADDRESSES.correspondent4}/file`,
      },
    ],
  },
  {
    title: 'NTMobile: an IPv6-only web server by name',
    node: 'mn2',
    journey: ['nat-sym', 'ar4', 'ar6', 'ds', 'nat-cone'],
    flows: [
      {
        title: 'IPv6 socket',
        container: 'mn2',
        url: `http://${ADDRESSES.onlyIpv6}/file`,
        curl: ['-6'],
      },
      {
        title: 'IPv4 socket',
        container: 'mn2',
        url: `http://${ADDRESSES.onlyIpv6}/file`,
        curl: ['-4'],
      },
    ],
  },
];

interface Row {
  readonly node: string;
  readonly network: string;
  readonly flow: string;
  readonly stallMs: number;
}

interface DemoReport {
  readonly moves: readonly Row[];
  readonly downloads: readonly {
    readonly flow: string;
    readonly octets: number;
    readonly right: boolean;
  }[];
  readonly node: boolean;
  readonly ok: boolean;
}

/**
 * Runs all scenarios; calls `progress` for each step. Throws `DockerError` if the lab is not up.
 */
export async function demo(progress: (text: string) => void): Promise<DemoReport> {
  const waiting = await waitUntilHealthy(60, progress);
  if (waiting.length > 0) {
    const names = waiting.map(({ name, state }) => `${name} (${state})`).join(', ');
    throw new DockerError(
      `the lab is not healthy: ${names}; see: docker logs ${dockerName(waiting[0]?.name ?? '')}`,
    );
  }
  await reset();
  const moves: Row[] = [];
  const downloads: DemoReport['downloads'][number][] = [];
  for (const scenario of SCENARIOS) {
    progress(`\n${scenario.title}`);
    const results = await runScenario(scenario, progress);
    moves.push(...results.moves);
    downloads.push(...results.downloads);
  }
  progress('\nNTMobile: from one node to another, by name');
  const node = await reachNode(progress);
  await reset();
  const ok = node && downloads.every(({ right }) => right);
  return { moves, downloads, node, ok };
}

export function reportText({ moves, downloads, node, ok }: DemoReport): string {
  const rows = moves.map((row) => ({ ...row, stallMs: Math.round(row.stallMs) }));
  const ends = downloads.map(({ flow, octets, right }) => ({
    download: flow,
    octets,
    completeAndCorrect: right,
  }));
  return [
    formatTable(rows),
    formatTable(ends),
    `node to node by name: ${node ? 'yes' : 'no'}`,
    ok ? 'all downloads are complete' : 'a download is incomplete or wrong',
  ].join('\n\n');
}

async function runScenario(
  scenario: Scenario,
  progress: (text: string) => void,
): Promise<Pick<DemoReport, 'moves' | 'downloads'>> {
  const { node, journey, flows: flowOptions } = scenario;
  if (!(await waitUntilRegistered(node)))
    throw new DockerError(`${node} did not register; see: docker logs ${dockerName(node)}`);
  // Large enough to last for all moves.
  const octets = OCTETS_PER_SECOND * Math.ceil(((STAY_MS + 3_000) * journey.length) / 1000);
  const flows = flowOptions.map(({ title, ...options }) => ({
    title: `${scenario.node} ${title}`,
    flow: new Flow({ ...options, octets, octetsPerSecond: OCTETS_PER_SECOND }),
  }));
  try {
    await untilFlowing(flows, performance.now());
    const moves: Row[] = [];
    for (const network of journey) {
      progress(`  ${node} → ${network} (${ACCESS_NETWORKS[network]})`);
      const from = performance.now();
      await move(node, network);
      await untilFlowing(flows, performance.now());
      await delay(STAY_MS);
      for (const { title, flow } of flows)
        moves.push({ node, network, flow: title, stallMs: flow.stallSince(from) });
    }
    progress('  waiting for the downloads to end …');
    const downloads = await Promise.all(
      flows.map(async ({ title, flow }) => {
        const { octets: received, expected, right, exitCode } = await flow.ended;
        if (exitCode !== 0) progress(`  ${title}: curl ended with exit code ${exitCode}`);
        const complete = right && exitCode === 0 && received === expected;
        return { flow: title, octets: received, right: complete };
      }),
    );
    return { moves, downloads };
  } finally {
    for (const { flow } of flows) flow.stop();
  }
}

/**
 * Waits until data arrives on each unfinished flow after `from`.
 */
async function untilFlowing(
  flows: readonly { readonly title: string; readonly flow: Flow }[],
  from: number,
): Promise<void> {
  const end = performance.now() + STALL_LIMIT_MS;
  for (;;) {
    const silent = flows.filter(({ flow }) => !flow.done && !flow.flowsSince(from));
    if (silent.length === 0) return;
    if (performance.now() > end)
      throw new DockerError(
        `no data for ${STALL_LIMIT_MS / 1000} s: ${silent.map(({ title }) => title).join(', ')}`,
      );
    await delay(20);
  }
}

/** Both nodes are behind NATs, one of them symmetric. */
async function reachNode(progress: (text: string) => void): Promise<boolean> {
  await move('mn3', 'nat-sym');
  await move('mn2', 'nat-cone');
  if (!(await waitUntilRegistered('mn3')) || !(await waitUntilRegistered('mn2'))) return false;
  const { code, output } = await execute(
    dockerName('mn2'),
    'ping',
    '-6',
    '-c',
    '5',
    '-i',
    '0.2',
    '-W',
    '5',
    ADDRESSES.node,
  );
  progress(output.trim());
  return code === 0;
}
