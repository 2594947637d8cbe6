/**
 * NTMobile: a node that starts behind a symmetric NAT downloads by name from an IPv6-only server,
 * through an IPv6 socket and through an IPv4 socket, and from another node behind another NAT. Both
 * nodes move, sometimes at the same moment. Then Teredo is measured in the same networks.
 */

import type { Capture } from '#lab/capture.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { findLeaks, LEAK_SNAP_LENGTH } from '#lab/leaks.ts';
import { NETWORKS } from '#lab/networks.ts';
import {
  NTMOBILE,
  NTMOBILE_SERVERS,
  type NtmobileNode,
  NtmobileSystem,
  VIRTUAL_PREFIXES,
} from '#lab/ntmobile/ntmobile-lab.ts';
import { PathWatch } from '#lab/ntmobile/path-watch.ts';
import { mayBeDirect } from '#lab/ntmobile/traversal.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import type { Lab, LabOptions } from '#lab/topology.ts';
import { type DemoOutput, secondsAMove } from './demo-output.ts';
import { createDigestedFile } from './digested-file.ts';
import { curl, Download } from './download.ts';
import { startFileServers } from './file-servers.ts';
import {
  type DemoMove,
  type LinkCheck,
  type NetworkPair,
  type NtmobileTotals,
  stepTable,
  totalsText,
} from './ntmobile-report.ts';
import { Pinger } from './pinger.ts';
import { resetsOf } from './tcp-resets.ts';
import { compareWithTeredo } from './teredo-comparison.ts';

/**
 * The networks of the two nodes at each step; from step to step one node moves, or both at once.
 */
const JOURNEY: readonly NetworkPair[] = [
  ['ar4', 'nat-prc-b'],
  ['ar6', 'nat-prc-b'],
  ['ar6', 'dsb'],
  ['nat-prc', 'nat-prc-b'],
  ['nat2', 'nat-prc-b'],
  ['nat-sym', 'nat-sym-b'],
  ['ds', 'nat-sym-b'],
];
const BEGIN: NetworkPair = ['nat-sym', 'nat-prc-b'];
const NODES = ['mn', 'mn2'] as const;
const SERVER = 'gn6.example';
const PING_INTERVAL_MS = 10;
const OCTETS_PER_SECOND = 4_000_000;
const DIRECT_WITHIN_MS = 15_000;
/**
 * Real links on which no virtual address may appear: those of the nodes, the relay and the servers.
 */
const LINKS = [
  ['mn', 'eth0'],
  ['mn2', 'eth0'],
  ['rsn', 'wan'],
  ['dc', 'wan'],
  ['as', 'wan'],
  ['server6', 'wan'],
] as const;

export const NTMOBILE_LAB: LabOptions = {
  networks: [...new Set([BEGIN, ...JOURNEY].flat())],
  nodes: { mn: ['eth0'], mn2: ['eth0'] },
  servers: [...NTMOBILE_SERVERS, 'teredo'],
};

/** Traffic that runs while the nodes move. */
interface Traffic extends Disposable {
  readonly output: DemoOutput;
  readonly lab: Lab;
  readonly nodes: readonly [NtmobileNode, NtmobileNode];
  readonly server6: Download;
  readonly server4: Download;
  readonly between: Download;
  readonly ping: Pinger;
  readonly watch: PathWatch;
}

function labels([mn, mn2]: NetworkPair): string {
  return `mn: ${NETWORKS[mn].label}; mn2: ${NETWORKS[mn2].label}`;
}

async function plug(lab: Lab, networks: NetworkPair, from?: NetworkPair): Promise<void> {
  const movers = NODES.map((node, at) => [node, networks[at], from?.[at]] as const).filter(
    ([, to, was]) => to !== was,
  );
  await Promise.all(
    movers.map(async ([node, to]) => {
      if (to === undefined) return;
      await lab.move(node, to);
      await lab.waitForAddress(node, NETWORKS[to].ipv6 === undefined ? 4 : 6, {
        timeoutMs: 15_000,
      });
    }),
  );
}

function flowing({ server6, server4, between, ping }: Traffic, sinceMs: number): boolean {
  return (
    server6.flowing &&
    server4.flowing &&
    between.flowing &&
    ping.firstAnswerMs(sinceMs) !== undefined
  );
}

/** True if all downloads go on soon: a busy machine pauses longer than `flowing` allows. */
async function stillFlowing(traffic: Traffic, sinceMs: number): Promise<boolean> {
  const now = (): boolean => flowing(traffic, sinceMs);
  return await waitFor(now, { timeoutMs: 3_000, what: 'data of all downloads' }).catch(now);
}

/**
 * Waits until all downloads are running and the path is the best that the NATs permit. Resolves
 * with the time when the path became so, if it changed.
 */
async function settle(
  traffic: Traffic,
  networks: NetworkPair,
  sinceMs: number,
): Promise<number | undefined> {
  const expected = mayBeDirect(...networks) ? 'direct' : 'relayed';
  await waitFor(() => flowing(traffic, sinceMs) && traffic.watch.state === expected, {
    timeoutMs: DIRECT_WITHIN_MS,
    what:
      `data of all downloads and a ${expected} path (${labels(networks)}); the path is ` +
      `${traffic.watch.state}`,
  });
  return traffic.watch.changedAfter(sinceMs);
}

/** A move, or the start if `from` is undefined. */
async function step(
  traffic: Traffic,
  from: NetworkPair | undefined,
  to: NetworkPair,
): Promise<DemoMove> {
  const { lab, output, server6, server4, between, ping, watch } = traffic;
  const startMs = performance.now();
  if (from !== undefined) await plug(lab, to, from);
  const addressMs = performance.now();
  const settledMs = await settle(traffic, to, addressMs);
  await new Promise((resolve) => setTimeout(resolve, output.stayMs));
  const endMs = performance.now();
  return {
    networks: to,
    moved: from === undefined ? '' : NODES.filter((_, at) => from[at] !== to[at]).join(' and '),
    pathState: watch.state,
    afterMs: settledMs === undefined ? undefined : settledMs - addressMs,
    stall6Ms: server6.stallMs(startMs, endMs),
    stall4Ms: server4.stallMs(startMs, endMs),
    stallBetweenMs: between.stallMs(startMs, endMs),
    flowed: await stillFlowing(traffic, addressMs),
    lost: ping.lost(startMs, endMs),
  };
}

/** All traffic uses names, as applications do. */
function begin(
  output: DemoOutput,
  lab: Lab,
  nodes: readonly [NtmobileNode, NtmobileNode],
): Traffic {
  using made = new DisposableStack();
  const [mn, mn2] = nodes;
  const download = (url: string, option: string): Download =>
    made.use(new Download(mn.name, mn.argv(curl(url, option))));
  const traffic = {
    ...{ output, lab, nodes },
    server6: download(`http://${SERVER}/file`, '-6'),
    server4: download(`http://${SERVER}/file`, '-4'),
    between: download(`http://${mn2.domainName}/file`, '-6'),
    ping: made.use(new Pinger(mn2.name, mn.domainName, PING_INTERVAL_MS, (argv) => mn2.argv(argv))),
    watch: made.use(new PathWatch(nodes)),
  };
  const resources = made.move();
  return { ...traffic, [Symbol.dispose]: () => resources.dispose() };
}

async function finish(
  traffic: Traffic,
  servers: readonly Background[],
  digest: string,
): Promise<Omit<NtmobileTotals, 'resets'>> {
  const { server6, server4, between, output } = traffic;
  output.print('the last networks are reached; downloading the rest of the files at full speed …');
  for (const server of servers) server.kill('SIGUSR1');
  const results = await Promise.all([server6.result, server4.result, between.result]);
  for (const { exitCode, message } of results)
    if (exitCode !== 0) output.print(`curl ended with ${exitCode}: ${message}`);
  return {
    octets: results.reduce((sum, { octets }) => sum + octets, 0),
    checksumsRight: results.every(({ sha256, exitCode }) => exitCode === 0 && sha256 === digest),
  };
}

async function startCaptures(lab: Lab): Promise<readonly Capture[]> {
  const start = ([namespace, name]: readonly [string, string]): Promise<Capture> =>
    lab.capture(namespace, name, `${LAB_DIRECTORY}/${namespace}.pcap`, LEAK_SNAP_LENGTH);
  return await Promise.all(LINKS.map(start));
}

async function checkCaptures(captures: readonly Capture[]): Promise<readonly LinkCheck[]> {
  const checks: LinkCheck[] = [];
  for (const [at, capture] of captures.entries()) {
    await capture.stop();
    const { frames, tunnelled, leakCount, leaks } = findLeaks(
      capture.file,
      VIRTUAL_PREFIXES,
      NTMOBILE.port,
    );
    const dropped = capture.dropped ?? 0;
    checks.push({
      link: LINKS[at]?.join(' ') ?? '',
      frames,
      tunnelled,
      dropped,
      leaked: leakCount,
      first: leaks[0],
    });
  }
  return checks;
}

/**
 * Resolves with true if all connections of both nodes survived and no capture contains one of their
 * virtual addresses outside UDP.
 */
export async function runNtmobileDemo(lab: Lab, output: DemoOutput): Promise<boolean> {
  const { print } = output;
  const system = new NtmobileSystem(lab, { nodes: NODES });
  print(
    'starting the account server, the direction coordinator and the relay; creating accounts …',
  );
  await system.start();
  const rate = output.rate ?? OCTETS_PER_SECOND;
  const seconds = (JOURNEY.length + 1) * (output.stayMs / 1000 + secondsAMove(output));
  const file = `${LAB_DIRECTORY}/file`;
  const { sha256 } = createDigestedFile(file, rate * seconds);
  const servers = await startFileServers(lab, ['server6', 'mn2'], file, rate);
  const captures = await startCaptures(lab);
  print(`plugging both nodes in (${labels(BEGIN)}) …`);
  await plug(lab, BEGIN);
  const nodes = [system.node('mn'), system.node('mn2')] as const;
  for (const node of nodes) await node.start();
  const hosts = [...NODES, 'server6'];
  const resetsBefore = await resetsOf(hosts);
  using traffic = begin(output, lab, nodes);
  print(
    `downloading ${SERVER} (IPv6 only) by an IPv6 and by an IPv4 socket, and mn2 by its ` +
      `name; mn2 pings mn\n`,
  );

  const steps: DemoMove[] = [];
  for (const [at, next] of [BEGIN, ...JOURNEY].entries()) {
    print(`→ ${labels(next)}`);
    const made = await step(traffic, steps[at - 1]?.networks, next);
    print(
      `    ${made.pathState}; TCP stood still for ${made.stall6Ms.toFixed(0)} / ` +
        `${made.stall4Ms.toFixed(0)} / ${made.stallBetweenMs.toFixed(0)} ms; pings lost ` +
        `${made.lost}`,
    );
    steps.push(made);
  }
  const totals: NtmobileTotals = {
    ...(await finish(traffic, servers, sha256)),
    resets: (await resetsOf(hosts)) - resetsBefore,
  };
  await system.stop();
  const links = await checkCaptures(captures);
  print(`\n${stepTable(steps)}\n\n${totalsText(totals, links)}\n`);
  const teredo = await compareWithTeredo(lab, output, file, steps);
  output.report({ steps, totals, links, teredo });
  return (
    totals.checksumsRight &&
    totals.resets === 0 &&
    steps.every(({ flowed }) => flowed) &&
    links.every(isClean)
  );
}

/**
 * True if the capture is complete, contains no leak, and contains tunnel packets where the link
 * carries a tunnel.
 */
function isClean({ link, tunnelled, dropped, leaked }: LinkCheck): boolean {
  const tunnels = !link.startsWith('as ') && !link.startsWith('server6 ');
  return leaked === 0 && dropped === 0 && (tunnelled > 0 || !tunnels);
}
