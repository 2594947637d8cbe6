/**
 * `npm run demo`: a mobile node visits every kind of network while two real downloads (over its IPv6 and over its IPv4 home address) and two pings go
 * on. `npm run demo -- nemo`: a mobile router does, with ordinary hosts behind it that serve and download. Ends with a table of the handovers;
 * exit code 1 when anything was lost that must not be lost.
 *
 *   node lab/enter.ts -- node lab/demo.ts [node|nemo] [--stay SECONDS] [--json] [--keep-logs DIRECTORY]
 */
import { parseArgs } from 'node:util';
import type { JsonObject } from '#engine/contract.ts';
import { isJsonObject } from '#ops/json-lines.ts';
import { CASTS, type Cast, type DownloadEnds } from './demo/cast.ts';
import { createDigestedFile } from './demo/digested-file.ts';
import { Download } from './demo/download.ts';
import { Pinger } from './demo/pinger.ts';
import { handoverTable, type Totals, totalsLine, type Visit } from './demo/report.ts';
import { tcpResets } from './demo/tcp-resets.ts';
import { LAB_DIRECTORY } from './enter.ts';
import { NETWORKS, type NetworkName } from './networks.ts';
import { type Background, waitFor } from './shell.ts';
import { Lab } from './topology.ts';

const JOURNEY: readonly NetworkName[] = ['ar6', 'ar4', 'nat-prc', 'nat-sym', 'nat2', 'ds', 'home'];
const PING_INTERVAL_MS = 10;
const OCTETS_PER_SECOND = 12_000_000;

interface Journey {
  readonly lab: Lab;
  /** Namespace of who moves. */
  readonly node: string;
  /** Those whose connections are counted. */
  readonly hosts: readonly string[];
  readonly download6: Download;
  readonly download4: Download;
  readonly ping6: Pinger;
  readonly ping4: Pinger;
  readonly events: JsonObject[];
}

const USAGE = 'usage: npm run demo [-- [node|nemo] [--stay SECONDS] [--json] [--keep-logs DIRECTORY]]';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    stay: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
    'keep-logs': { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
});

function say(text: string): void {
  if (!options.json) console.log(text);
}

function eventOf(events: readonly JsonObject[], name: string): JsonObject | undefined {
  const event = events.findLast((candidate) => candidate['name'] === name);
  const fields = event?.['fields'];
  return isJsonObject(fields) ? fields : undefined;
}

async function settled(journey: Journey, network: NetworkName): Promise<void> {
  const wanted = network === 'home' ? 'returned-home' : 'registered';
  await waitFor(() => eventOf(journey.events, wanted) !== undefined, {
    timeoutMs: 20_000,
    what: `the event '${wanted}' after the move to ${NETWORKS[network].label}`,
  });
}

async function visit(journey: Journey, from: NetworkName, to: NetworkName): Promise<Visit> {
  const { lab, node, download6, download4, ping6, ping4 } = journey;
  journey.events.length = 0;
  const startMs = performance.now();
  await lab.move(node, to);
  const family = NETWORKS[to].ipv6 === undefined ? 4 : 6;
  await lab.waitForAddress(node, family, { timeoutMs: 15_000 });
  const addressMs = performance.now();
  await settled(journey, to);
  await waitFor(() => download6.flowing && download4.flowing && ping6.firstAnswerMs(addressMs) !== undefined, {
    timeoutMs: 40_000,
    what: `data of both downloads after the move to ${NETWORKS[to].label}`,
  });
  await new Promise((resolve) => setTimeout(resolve, Number(options.stay) * 1000));
  const endMs = performance.now();
  const registered = eventOf(journey.events, 'registered');
  const firstMs = ping6.firstAnswerMs(addressMs);
  const roundTrip = registered?.['roundTripMs'];
  return {
    from: NETWORKS[from].label,
    to: NETWORKS[to].label,
    careOfAddress: to === 'home' ? 'at home' : String(registered?.['careOfAddress']),
    encapsulation: to === 'home' ? 'plain' : String(registered?.['encapsulation']),
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
  say('the journey is over; the rest of both files at full speed …');
  for (const server of servers) server.kill('SIGUSR1');
  const results = await Promise.all([journey.download6.result, journey.download4.result]);
  for (const { exitCode, message } of results) {
    if (exitCode !== 0) say(`curl ended with ${exitCode}: ${message}`);
  }
  return {
    octets: results.reduce((sum, { octets }) => sum + octets, 0),
    checksumsRight: results.every(({ sha256, exitCode }) => exitCode === 0 && sha256 === digest),
    resets: (await resetsOf(journey.hosts)) - resetsBefore,
    pingsLost: visits.reduce((sum, { lost6, lost4 }) => sum + lost6 + lost4, 0),
  };
}

async function resetsOf(hosts: readonly string[]): Promise<number> {
  const counts = await Promise.all(hosts.map(tcpResets));
  return counts.reduce((sum, count) => sum + count, 0);
}

async function startServers(lab: Lab, names: ReadonlySet<string>, file: string): Promise<readonly Background[]> {
  const argv = [process.execPath, 'lab/demo/file-server.ts', file, '80', String(OCTETS_PER_SECOND)];
  const servers = [...names].map((name) => lab.spawn(name, argv));
  for (const server of servers) await server.ready('ready');
  return servers;
}

function downloadOf({ client, from, to }: DownloadEnds): Download {
  return new Download(client, `http://${to.includes(':') ? `[${to}]` : to}/file`, from);
}

async function demo(lab: Lab, cast: Cast): Promise<number> {
  const { node } = cast;
  const [homeAgent, moving] = [cast.homeAgent(lab), cast.moving(lab)];
  say(cast.opening);
  await homeAgent.start();
  await lab.move(node, 'home');
  await lab.waitForAddress(node, 6);
  await moving.start();
  const { downloads, pinged } = await cast.ends(lab);
  const hosts = [...new Set(downloads.flatMap(({ client, server }) => [client, server]))];

  const seconds = JOURNEY.length * (Number(options.stay) + 3);
  const file = `${LAB_DIRECTORY}/file`;
  const { sha256 } = createDigestedFile(file, OCTETS_PER_SECOND * seconds);
  const servers = await startServers(lab, new Set(downloads.map(({ server }) => server)), file);
  const events: JsonObject[] = [];
  using _follower = await moving.follow((event) => events.push(event));
  const resetsBefore = await resetsOf(hosts);
  // Disposed of whatever happens: a curl or ping left running would keep this process alive.
  using download6 = downloadOf(downloads[0]);
  using download4 = downloadOf(downloads[1]);
  using ping6 = new Pinger('cn', pinged[0], PING_INTERVAL_MS);
  using ping4 = new Pinger('cn', pinged[1], PING_INTERVAL_MS);
  const journey: Journey = { lab, node, hosts, events, download6, download4, ping6, ping4 };
  await waitFor(() => download6.octets > 0 && download4.octets > 0 && ping6.received > 0 && ping4.received > 0, {
    timeoutMs: 10_000,
    what: 'both downloads and both pings to begin at home',
  });
  say(
    `downloading ${(2 * OCTETS_PER_SECOND * seconds) / 1e6} MB: ${downloads.map(({ client, server, to }) => `${client} from ${server} at ${to}`).join(', ')} …\n`,
  );

  const visits: Visit[] = [];
  let here: NetworkName = 'home';
  for (const next of JOURNEY) {
    say(`→ ${NETWORKS[next].label}`);
    const made = await visit(journey, here, next);
    say(
      `    ${made.careOfAddress}, ${made.encapsulation}; TCP stood still for ${made.stall6Ms.toFixed(0)} / ${made.stall4Ms.toFixed(0)} ms; pings lost ${made.lost6} / ${made.lost4}`,
    );
    visits.push(made);
    here = next;
  }
  const totals = await finish(journey, servers, sha256, resetsBefore, visits);
  if (options.json) console.log(JSON.stringify({ handovers: visits, totals }));
  say(`\n${handoverTable(visits)}\n\n${totalsLine(totals)}`);
  await moving.stop();
  await homeAgent.stop();
  return totals.checksumsRight && totals.resets === 0 ? 0 : 1;
}

const cast = positionals.length > 1 ? undefined : CASTS[positionals[0] ?? 'node'];
if (options.help) {
  console.log(
    `${USAGE}\n\n  node   a mobile node (default)\n  nemo   a mobile router with a network of ordinary hosts`,
  );
} else if (cast === undefined) {
  console.error(`demo: no demo "${positionals.join(' ')}"\n${USAGE}`);
  process.exitCode = 64;
} else {
  const logs = options['keep-logs'];
  say('building the lab: networks, routers, translators in namespaces of their own …');
  await using lab = await Lab.create({ ...cast.lab, ...(logs === undefined ? {} : { logDirectory: logs }) });
  try {
    process.exitCode = await demo(lab, cast);
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
