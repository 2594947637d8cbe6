/**
 * Measures the cost of prefixes: a flow from a home address (host routes), from the network of a
 * mobile router with one prefix of each family, and from one of 10,000 prefixes, interleaved in one
 * run. Real daemons run on three pairs of hosts, each pair with its own cable, and tunnel in UDP
 * over IPv4.
 */

import { mkdtempSync } from 'node:fs';
import type { JsonObject } from '#base/json.ts';
import { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ipBatch, waitFor } from '#lab/shell.ts';
import { IperfServer, residentOctetsOf, tcp, udpPacketsPerSecond } from './support/measure.ts';
import { buildPair, CABLE, type Pair, removePair } from './support/pair.ts';
import { median, progress, type Report, type Row, thisMachine } from './support/report.ts';
import { BenchSpawner } from './support/sojourn.ts';

export interface PrefixSettings {
  readonly seconds: number;
  readonly repeats: number;
  readonly threads: number;
  /** Number of prefixes of the third contender. */
  readonly prefixes: number;
}

const SECURITY = { spi: 1000, key: 'text:a key for the benchmark alone' } as const;
const HOME = { address: '2001:db8:200::10', ipv4Address: '203.0.113.10' } as const;
const NETWORK = { ipv6: '2001:db8:500::/64', ipv4: '192.0.2.0/28' } as const;
const ROUTER = { ipv6: '2001:db8:500::1/64', ipv4: '192.0.2.1/28' } as const;
const PORT = 5201;
/** Different prefix lengths, so that every lookup tries several. */
const LENGTHS = [48, 56, 60, 64] as const;

interface Contender {
  readonly name: string;
  readonly label: string;
  readonly pair: Pair;
  /** The source of the flow. */
  readonly source: string;
  readonly homeAgent: DaemonProcess;
  readonly moving: DaemonProcess;
  /** Time until the registration was in force at both ends. */
  readonly registeredMs: number;
  readonly sample: { readonly up: number[]; readonly down: number[]; readonly udp64: number[] };
}

/** `count` prefixes, including those of the network; each of the others is in its own /48. */
function prefixes(count: number): readonly string[] {
  const others = Array.from({ length: Math.max(0, count - 2) }, (_, index) => {
    return `3fff:0:${(index + 1).toString(16)}::/${LENGTHS[index % LENGTHS.length]}`;
  });
  return [NETWORK.ipv6, NETWORK.ipv4, ...others];
}

interface Setting {
  readonly name: string;
  readonly label: string;
  readonly count: number;
}

function daemonSection(label: string, role: string, threads: number, directory: string) {
  const name = `${label}-${role}`;
  return { name, device: name, threads, stateDirectory: directory };
}

function homeAgentConfiguration(count: number) {
  const grant = {
    security: SECURITY,
    homeAddresses: [HOME.address],
    ipv4HomeAddresses: [HOME.ipv4Address],
  };
  return {
    addresses: [CABLE.right6],
    ipv4Addresses: [CABLE.right4],
    homePrefixes: ['2001:db8:200::/64'],
    ipv4HomePrefixes: ['203.0.113.0/25'],
    mobileNodes: [count > 0 ? { ...grant, mobileNetworkPrefixes: prefixes(count) } : grant],
  };
}

function movingConfiguration(router: boolean) {
  const home = {
    homeAgent: [CABLE.right6, CABLE.right4],
    homeAddress: HOME.address,
    ipv4HomeAddress: HOME.ipv4Address,
    security: SECURITY,
  };
  if (!router) return { homes: [home], forceUdp: true };
  // In implicit mode the home agent forwards every prefix that the router is granted.
  const network = {
    mobileNetworkPrefixes: [NETWORK.ipv6, NETWORK.ipv4],
    registrationModes: ['implicit'],
  };
  const mobileNetworks = [{ device: 'lan0', addresses: [ROUTER.ipv6, ROUTER.ipv4] }];
  return { homes: [{ ...home, ...network }], mobileNetworks, forceUdp: true };
}

async function start(
  spawner: BenchSpawner,
  directory: string,
  { name, label, count }: Setting,
  threads: number,
): Promise<Contender> {
  const pair = await buildPair({ name: label, families: [4], segmentationOffload: true });
  const router = count > 0;
  const lan = ['link add lan0 type veth peer name lan1', 'link set lan0 up', 'link set lan1 up'];
  if (router) await ipBatch(lan, { namespace: pair.left });
  const launch = (role: string, namespace: string, configuration: JsonObject): DaemonProcess => {
    const daemon = daemonSection(label, role, threads, directory);
    const whole = { daemon, ...configuration };
    return new DaemonProcess(spawner, role, namespace, whole, `${label}-${role}`);
  };
  const homeAgent = launch('ha', pair.right, homeAgentConfiguration(count));
  const moving = launch(router ? 'mr' : 'mn', pair.left, movingConfiguration(router));
  await homeAgent.start();
  const startMs = performance.now();
  await moving.start();
  await waitFor(
    async () => JSON.stringify(await moving.request('status')).includes('"registered"'),
    {
      timeoutMs: 30_000,
      what: `the registration of ${name}`,
      intervalMs: 5,
    },
  );
  const registeredMs = performance.now() - startMs;
  const source = router ? '192.0.2.1' : HOME.ipv4Address;
  const sample = { up: [], down: [], udp64: [] };
  return { name, label, pair, source, homeAgent, moving, registeredMs, sample };
}

async function measure({ name, pair, source, sample }: Contender, seconds: number): Promise<void> {
  const to = { namespace: pair.right, address: CABLE.server4 };
  progress(name);
  sample.up.push(await tcp(pair.left, to, PORT, seconds, false, source));
  sample.down.push(await tcp(pair.left, to, PORT, seconds, true, source));
  sample.udp64.push(await udpPacketsPerSecond(pair.left, to, PORT, 64, seconds, source));
}

function rowOf(
  { name, sample, homeAgent, registeredMs }: Contender,
  base: Contender['sample'],
): Row {
  const ratio = (own: readonly number[], reference: readonly number[]): number =>
    median(own) / median(reference);
  return {
    flow: name,
    'TCP up Gbit/s': median(sample.up),
    '× host': ratio(sample.up, base.up),
    'TCP down Gbit/s': median(sample.down),
    '× host ': ratio(sample.down, base.down),
    'UDP64 kpps': median(sample.udp64) / 1000,
    '×  host': ratio(sample.udp64, base.udp64),
    'start to registered ms': registeredMs,
    'home agent MiB': residentOctetsOf(homeAgent.pid) / 2 ** 20,
  };
}

export async function prefixCost(settings: PrefixSettings): Promise<Report> {
  const directory = mkdtempSync(`${LAB_DIRECTORY}/prefixes-`);
  const spawner = new BenchSpawner(directory);
  const many = settings.prefixes.toLocaleString('en');
  const plans = [
    { name: 'host routes (mobile node)', label: 'bh', count: 0 },
    { name: 'one prefix of each family', label: 'b1', count: 2 },
    { name: `${many} prefixes`, label: 'bm', count: settings.prefixes },
  ];
  const contenders: Contender[] = [];
  const servers: IperfServer[] = [];
  try {
    for (const plan of plans) {
      const contender = await start(spawner, directory, plan, settings.threads);
      contenders.push(contender);
      servers.push(await IperfServer.start(contender.pair.right, PORT, directory));
    }
    for (let repeat = 0; repeat < settings.repeats; repeat += 1) {
      progress(`round ${repeat + 1} of ${settings.repeats}`);
      for (const contender of contenders) await measure(contender, settings.seconds);
    }
    const [host, one, all] = contenders;
    if (host === undefined || one === undefined || all === undefined)
      throw new Error('three contenders');
    const per = (own: Contender, reference: Contender, key: keyof Contender['sample']): number =>
      median(own.sample[key]) / median(reference.sample[key]);
    return {
      benchmark: 'prefixes',
      machine: thisMachine(),
      settings: { ...settings },
      rows: contenders.map((contender) => rowOf(contender, host.sample)),
      results: {
        prefix_tcp_up_per_host_route: per(one, host, 'up'),
        prefix_tcp_down_per_host_route: per(one, host, 'down'),
        prefix_udp64_per_host_route: per(one, host, 'udp64'),
        many_tcp_up_per_one_prefix: per(all, one, 'up'),
        many_tcp_down_per_one_prefix: per(all, one, 'down'),
        many_udp64_per_one_prefix: per(all, one, 'udp64'),
      },
    };
  } finally {
    for (const server of servers) await server.stop();
    for (const { moving, homeAgent } of contenders) {
      await moving.stop();
      await homeAgent.stop();
    }
    for (const { pair } of contenders) removePair(pair);
  }
}
