/**
 * Measures one TCP flow in each direction, small UDP packets, and round trips over a plain cable,
 * kernel VXLAN, wireguard-go, OpenVPN and each encapsulation of Sojourn. The measurements are
 * interleaved; results are medians and ratios to VXLAN in the same run.
 */
import { mkdtempSync } from 'node:fs';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { sealed } from './sealed.ts';
import { IperfServer, roundTrip, tcp, udpPacketsPerSecond } from './support/measure.ts';
import { openvpn } from './support/openvpn.ts';
import { buildPair, type Pair, removePair } from './support/pair.ts';
import { type Peer, plain, plain6, vxlan, wireguardGo } from './support/peers.ts';
import { median, progress, type Report, type Row, thisMachine } from './support/report.ts';
import { BenchSpawner, sojourn } from './support/sojourn.ts';

interface ThroughputSettings {
  readonly seconds: number;
  readonly repeats: number;
  readonly threads: number;
  /** False: real 1500-octet frames on the cable. */
  readonly segmentationOffload: boolean;
  readonly udp: boolean;
  /** Beginnings of the names of contenders to measure beside the references; empty: all. */
  readonly only: readonly string[];
}

interface Sample {
  up: number[];
  down: number[];
  udp64: number[];
  udp200: number[];
  p50: number[];
  p99: number[];
}

interface Contender {
  readonly peer: Peer;
  readonly pair: Pair;
  readonly port: number;
  readonly sample: Sample;
}

async function measure(contender: Contender, settings: ThroughputSettings): Promise<void> {
  const { peer, pair, port, sample } = contender;
  const to = { namespace: pair.right, address: peer.server };
  progress(`${peer.name}: TCP`);
  sample.up.push(await tcp(pair.left, to, port, settings.seconds, false));
  sample.down.push(await tcp(pair.left, to, port, settings.seconds, true));
  const trip = await roundTrip(pair.left, to, 500);
  sample.p50.push(trip.p50Us);
  sample.p99.push(trip.p99Us);
  if (!settings.udp) return;
  progress(`${peer.name}: UDP`);
  sample.udp64.push(await udpPacketsPerSecond(pair.left, to, port, 64, settings.seconds));
  sample.udp200.push(await udpPacketsPerSecond(pair.left, to, port, 200, settings.seconds));
}

function row({ peer, sample }: Contender, vxlanSample: Sample, plainSample: Sample): Row {
  const ratio = (own: readonly number[], reference: readonly number[]): number =>
    median(own) / median(reference);
  return {
    tunnel: peer.name,
    'TCP up Gbit/s': median(sample.up),
    '× VXLAN': ratio(sample.up, vxlanSample.up),
    'TCP down Gbit/s': median(sample.down),
    '× VXLAN ': ratio(sample.down, vxlanSample.down),
    'UDP64 kpps': median(sample.udp64) / 1000,
    '×  VXLAN': ratio(sample.udp64, vxlanSample.udp64),
    'UDP200 kpps': median(sample.udp200) / 1000,
    '×  VXLAN ': ratio(sample.udp200, vxlanSample.udp200),
    'RTT p50 µs': median(sample.p50),
    'added µs': median(sample.p50) - median(plainSample.p50),
    'RTT p99 µs': median(sample.p99),
  };
}

/** Prefix of the keys of the results and of the contender's name. */
const ENCAPSULATIONS = [
  ['udp', 'udp'],
  ['ipip', 'ipip'],
  ['sealed_ipv4', 'sealed, IPv4'],
  ['sealed_ipv6', 'sealed, IPv6'],
  ['sealed_aes128gcm', 'sealed, AES'],
  ['sealed_chacha20poly1305', 'sealed, ChaCha20'],
] as const;

function resultsOf(contenders: readonly Contender[]): Record<string, number | null> {
  const of = (name: string): Sample | undefined =>
    contenders.find(({ peer }) => peer.name.startsWith(name))?.sample;
  const results: Record<string, number | null> = {};
  const put = (
    key: string,
    own: readonly number[] | undefined,
    reference: readonly number[] | undefined,
  ): void => {
    results[key] =
      own && reference && own.length > 0 && reference.length > 0
        ? median(own) / median(reference)
        : null;
  };
  const [base, plainCable] = [of('kernel VXLAN'), of('plain cable')];
  const peers = [
    ['wireguard_go', of('wireguard-go')],
    ['openvpn', of('OpenVPN')],
  ] as const;
  for (const [encapsulation, name] of ENCAPSULATIONS) {
    const own = of(`Sojourn ${name}`);
    put(`${encapsulation}_tcp_up_per_vxlan`, own?.up, base?.up);
    put(`${encapsulation}_tcp_down_per_vxlan`, own?.down, base?.down);
    for (const [name, peer] of peers) {
      put(`${encapsulation}_tcp_up_per_${name}`, own?.up, peer?.up);
      put(`${encapsulation}_tcp_down_per_${name}`, own?.down, peer?.down);
    }
    put(`${encapsulation}_udp64_per_vxlan`, own?.udp64, base?.udp64);
    put(`${encapsulation}_udp200_per_vxlan`, own?.udp200, base?.udp200);
    results[`${encapsulation}_rtt_added_us`] =
      own && plainCable ? median(own.p50) - median(plainCable.p50) : null;
  }
  return results;
}

/** Each contender's beginning, on a pair of hosts of its own where daemons would collide. */
type Start = readonly [name: string, pair: Pair, start: (pair: Pair) => Promise<Peer>];

function wanted(name: string, only: readonly string[]): boolean {
  const isReference = name.startsWith('plain') || name.startsWith('kernel');
  return only.length === 0 || isReference || only.some((one) => name.startsWith(one));
}

export async function throughput(settings: ThroughputSettings): Promise<Report> {
  const directory = mkdtempSync(`${LAB_DIRECTORY}/throughput-`);
  const { segmentationOffload, threads } = settings;
  const pairOf = (name: string, families: readonly (4 | 6)[]): Promise<Pair> =>
    buildPair({ name, families, segmentationOffload });
  const [four, six] = [await pairOf('four', [4]), await pairOf('six', [6])];
  const [sealedFour, sealedSix] = [await pairOf('seal4', [4]), await pairOf('seal6', [6])];
  const pairs = [four, six, sealedFour, sealedSix];
  const spawner = new BenchSpawner(directory);
  const daemons = (label: string) => ({ label, threads, stateDirectory: directory });
  const starts: readonly Start[] = [
    ['plain cable', four, async () => plain()],
    ['plain cable, IPv6', six, async () => plain6()],
    ['kernel VXLAN', four, vxlan],
    ['wireguard-go', four, (pair) => wireguardGo(pair, directory)],
    ['OpenVPN', four, (pair) => openvpn(pair, directory)],
    ['udp', four, (pair) => sojourn(pair, spawner, 'udp', daemons('b4'))],
    ['ipip', six, (pair) => sojourn(pair, spawner, 'ipip', daemons('b6'))],
    ['sealed', sealedFour, (pair) => sojourn(pair, spawner, 'sealed-ipv4', daemons('s4'))],
    ['sealed', sealedSix, (pair) => sojourn(pair, spawner, 'sealed-ipv6', daemons('s6'))],
    ['keys by hand', four, (pair) => sealed(pair, directory, 'aes-128-gcm', threads)],
    ['keys by hand', four, (pair) => sealed(pair, directory, 'chacha20-poly1305', threads)],
  ];
  const servers: IperfServer[] = [];
  for (const { right } of pairs) servers.push(await IperfServer.start(right, 5201, directory));
  const contenders: Contender[] = [];
  try {
    for (const [name, pair, start] of starts)
      if (wanted(name, settings.only))
        contenders.push({ peer: await start(pair), pair, port: 5201, sample: emptySample() });
    for (let repeat = 0; repeat < settings.repeats; repeat += 1) {
      progress(`round ${repeat + 1} of ${settings.repeats}`);
      for (const contender of contenders) await measure(contender, settings);
    }
  } finally {
    for (const server of servers) await server.stop();
    for (const { peer } of contenders) await peer[Symbol.asyncDispose]();
    for (const pair of pairs) removePair(pair);
  }
  return report(settings, contenders);
}

function report(settings: ThroughputSettings, contenders: readonly Contender[]): Report {
  const of = (name: string): Sample =>
    contenders.find(({ peer }) => peer.name === name)?.sample ?? emptySample();
  const plainOn = ({ left }: Pair): Sample =>
    of(left.startsWith('six') || left.startsWith('seal6') ? 'plain cable, IPv6' : 'plain cable');
  return {
    benchmark: 'throughput',
    machine: thisMachine(),
    settings: { ...settings, only: settings.only.join(',') },
    rows: contenders.map((one) => row(one, of('kernel VXLAN'), plainOn(one.pair))),
    results: resultsOf(contenders),
  };
}

function emptySample(): Sample {
  return { up: [], down: [], udp64: [], udp200: [], p50: [], p99: [] };
}
