/**
 * Moves a mobile node or a mobile router through every kind of network during two real downloads
 * and two pings, and captures the access networks meanwhile.
 */

import type { JsonObject } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import type { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import { type Background, waitFor } from '#lab/shell.ts';
import type { Lab } from '#lab/topology.ts';
import { AccessCaptures, accessText, isSealed } from './access-captures.ts';
import { type DemoOutput, secondsAMove } from './demo-output.ts';
import type { DemoSetup, DownloadEnds } from './demo-setup.ts';
import { createDigestedFile } from './digested-file.ts';
import { curl, Download } from './download.ts';
import { startFileServers } from './file-servers.ts';
import { Pinger } from './pinger.ts';
import { handoverTable, type Totals, totalsLine, type Visit } from './report.ts';
import { resetsOf } from './tcp-resets.ts';

const JOURNEY: readonly NetworkName[] = ['ar6', 'ar4', 'nat-prc', 'nat-sym', 'nat2', 'ds', 'home'];
const PING_INTERVAL_MS = 10;
const OCTETS_PER_SECOND = 12_000_000;

const isAccessNetwork = (name: NetworkName): boolean => name !== 'home';

interface Journey {
  readonly output: DemoOutput;
  /** The daemon that moves. */
  readonly moving: DaemonProcess;
  readonly lab: Lab;
  /** Namespace of the node or router that moves. */
  readonly node: string;
  /** Namespaces whose TCP connections are checked for resets. */
  readonly hosts: readonly string[];
  readonly download6: Download;
  readonly download4: Download;
  readonly ping6: Pinger;
  readonly ping4: Pinger;
  readonly events: JsonObject[];
}

function eventOf(events: readonly JsonObject[], name: string): JsonObject | undefined {
  const event = events.findLast((candidate) => candidate['name'] === name);
  const fields = event?.['fields'];
  return isJsonObject(fields) ? fields : undefined;
}

async function settled(journey: Journey, network: NetworkName): Promise<void> {
  const expected = network === 'home' ? 'returned-home' : 'registered';
  await waitFor(() => eventOf(journey.events, expected) !== undefined, {
    timeoutMs: 20_000,
    what: `the event '${expected}' after the move to ${NETWORKS[network].label}`,
  });
}

/** Handshakes that the daemon has begun. */
async function handshakesOf({ moving }: Journey): Promise<number> {
  const counters = await moving.request('stats');
  return isJsonObject(counters) ? Number(counters['handshake-started'] ?? 0) : 0;
}

async function visit(journey: Journey, from: NetworkName, to: NetworkName): Promise<Visit> {
  const { lab, node, download6, download4, ping6, ping4 } = journey;
  const handshakes = await handshakesOf(journey);
  journey.events.length = 0;
  const startMs = performance.now();
  await lab.move(node, to);
  const family = NETWORKS[to].ipv6 === undefined ? 4 : 6;
  await lab.waitForAddress(node, family, { timeoutMs: 15_000 });
  const addressMs = performance.now();
  await settled(journey, to);
  await waitFor(
    () => download6.flowing && download4.flowing && ping6.firstAnswerMs(addressMs) !== undefined,
    {
      timeoutMs: 40_000,
      what: `data of both downloads after the move to ${NETWORKS[to].label}`,
    },
  );
  await new Promise((resolve) => setTimeout(resolve, journey.output.stayMs));
  const endMs = performance.now();
  const registered = eventOf(journey.events, 'registered');
  const firstMs = ping6.firstAnswerMs(addressMs);
  const roundTrip = registered?.['roundTripMs'];
  return {
    from: NETWORKS[from].label,
    to: NETWORKS[to].label,
    careOfAddress: to === 'home' ? 'at home' : String(registered?.['careOfAddress']),
    encapsulation: to === 'home' ? 'plain' : String(registered?.['encapsulation']),
    handshakes: (await handshakesOf(journey)) - handshakes,
    signallingMs: typeof roundTrip === 'number' ? roundTrip : undefined,
    firstPacketMs: firstMs === undefined ? undefined : firstMs - addressMs,
    stall6Ms: download6.stallMs(startMs, endMs),
    stall4Ms: download4.stallMs(startMs, endMs),
    lost6: ping6.lost(startMs, endMs),
    lost4: ping4.lost(startMs, endMs),
  };
}

async function finish(
  journey: Journey,
  servers: readonly Background[],
  digest: string,
  resetsBefore: number,
  visits: readonly Visit[],
): Promise<Totals> {
  const { print } = journey.output;
  print('the last network is reached; downloading the rest of both files at full speed …');
  for (const server of servers) server.kill('SIGUSR1');
  const results = await Promise.all([journey.download6.result, journey.download4.result]);
  for (const { exitCode, message } of results) {
    if (exitCode !== 0) print(`curl ended with ${exitCode}: ${message}`);
  }
  return {
    octets: results.reduce((sum, { octets }) => sum + octets, 0),
    checksumsRight: results.every(({ sha256, exitCode }) => exitCode === 0 && sha256 === digest),
    resets: (await resetsOf(journey.hosts)) - resetsBefore,
    pingsLost: visits.reduce((sum, { lost6, lost4 }) => sum + lost6 + lost4, 0),
  };
}

function downloadOf({ client, from, to }: DownloadEnds): Download {
  return new Download(
    client,
    curl(`http://${to.includes(':') ? `[${to}]` : to}/file`, '--interface', from),
  );
}

/**
 * Resolves with true if all connections survived, all checksums are right and, with public keys,
 * no access network showed an inner address or payload.
 */
export async function runJourney(lab: Lab, setup: DemoSetup, output: DemoOutput): Promise<boolean> {
  const { node, sealed } = setup;
  const { print } = output;
  const [homeAgent, moving] = [setup.homeAgent(lab), setup.moving(lab)];
  print(setup.introduction);
  await homeAgent.start();
  await lab.move(node, 'home');
  await lab.waitForAddress(node, 6);
  await moving.start();
  const { downloads, pinged, inner } = await setup.ends(lab);
  const hosts = [...new Set(downloads.flatMap(({ client, server }) => [client, server]))];

  const seconds = JOURNEY.length * (output.stayMs / 1000 + secondsAMove(output));
  const rate = output.rate ?? OCTETS_PER_SECOND;
  const file = `${LAB_DIRECTORY}/file`;
  const { sha256 } = createDigestedFile(file, rate * seconds);
  const servers = await startFileServers(
    lab,
    new Set(downloads.map(({ server }) => server)),
    file,
    rate,
  );
  const captures = await AccessCaptures.start(lab, JOURNEY.filter(isAccessNetwork));
  const events: JsonObject[] = [];
  using _follower = await moving.follow((event) => events.push(event));
  const resetsBefore = await resetsOf(hosts);
  // Disposed of in every case: a curl or ping left running would keep this process alive.
  using download6 = downloadOf(downloads[0]);
  using download4 = downloadOf(downloads[1]);
  using ping6 = new Pinger('cn', pinged[0], PING_INTERVAL_MS);
  using ping4 = new Pinger('cn', pinged[1], PING_INTERVAL_MS);
  const traffic = { download6, download4, ping6, ping4 };
  const journey: Journey = { output, moving, lab, node, hosts, events, ...traffic };
  await waitFor(
    () => download6.octets > 0 && download4.octets > 0 && ping6.received > 0 && ping4.received > 0,
    {
      timeoutMs: 10_000,
      what: 'both downloads and both pings to begin at home',
    },
  );
  const plans = downloads.map(({ client, server, to }) => `${client} from ${server} at ${to}`);
  const megabytes = (2 * rate * seconds) / 1e6;
  print(`downloading ${megabytes} MB: ${plans.join(', ')} …\n`);

  const visits: Visit[] = [];
  let here: NetworkName = 'home';
  for (const next of JOURNEY) {
    print(`→ ${NETWORKS[next].label}`);
    await captures.leave(here);
    const made = await visit(journey, here, next);
    print(
      `    ${made.careOfAddress}, ${made.encapsulation}; TCP stood still for ` +
        `${made.stall6Ms.toFixed(0)} / ${made.stall4Ms.toFixed(0)} ms; pings lost ` +
        `${made.lost6} / ${made.lost4}`,
    );
    visits.push(made);
    here = next;
  }
  const totals = await finish(journey, servers, sha256, resetsBefore, visits);
  const accessNetworks = await captures.finish(inner);
  output.report({ handovers: visits, totals, accessNetworks });
  print(`\n${handoverTable(visits)}\n\n${totalsLine(totals)}\n${accessText(accessNetworks)}`);
  await moving.stop();
  await homeAgent.stop();
  return totals.checksumsRight && totals.resets === 0 && (!sealed || isSealed(accessNetworks));
}
