/**
 * Measures how long packets stop when the mobile host moves (break before make) between networks of
 * the lab, with real router advertisements and DHCP servers.
 *
 * The stall begins when the new care-of address is usable, that is, when rtnetlink has reported the
 * address and the default route to the probe. It ends with the arrival of the first packet that was
 * sent after the move. It excludes the time that the network takes to assign an address.
 */
import type { NetworkName } from '#lab/network.ts';
import { NETWORKS } from '#lab/networks.ts';
import { nowMs } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import {
  type FirstRegistrations,
  firstRegistrations,
  registrationResults,
  registrationRow,
} from './first-registration.ts';
import { type Contender, PEERS, type Roamer, SOJOURN } from './handover-contenders.ts';
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

export interface HandoverSettings {
  /** Moves of each kind. */
  readonly moves: number;
  readonly peerMoves: number;
  /**
   * One-way delays between the core and each visited network, milliseconds. Each delay has its own
   * lab.
   */
  readonly delay: readonly number[];
  readonly peers: boolean;
  readonly sojourn: boolean;
  /** False: Sojourn sealed only. */
  readonly plaintext: boolean;
  /** First registrations over each family. */
  readonly registrations: number;
}

type Traffic = 'both send' | 'downlink only';
const TRAFFICS: readonly Traffic[] = ['both send', 'downlink only'];

/** Stalls of one kind of move, milliseconds. */
interface Stalls {
  readonly downlink: number[];
  readonly uplink: number[];
  /** Moves after which no packet arrived in time. */
  lost: number;
}

interface Measured {
  readonly contender: string;
  readonly delayMs: number;
  readonly traffic: Traffic;
  readonly kind: string;
  readonly stalls: Stalls;
}

const INTERVAL_US = 2_000;
/**
 * Polling interval. It does not limit the precision of the result, because the probes record the
 * times.
 */
const POLL_MS = 40;
/**
 * Pause before the next move, so that the registration is complete and the rate limit of RFC 6275
 * §11.8 does not apply.
 */
const REST_MS = 450;
const NETWORK_NAMES: readonly NetworkName[] = ['ar6', 'ar6b', 'ar4', 'ar4b', 'nat-prc', 'nat-sym'];

const NETWORK_LABELS: Readonly<Partial<Record<NetworkName, string>>> = {
  ar6: 'IPv6',
  ar6b: 'IPv6',
  ar4: 'IPv4',
  ar4b: 'IPv4',
  'nat-prc': 'NAT',
  'nat-sym': 'symmetric NAT',
};

function kindOf(from: NetworkName, to: NetworkName): string {
  return `${NETWORK_LABELS[from] ?? from} → ${NETWORK_LABELS[to] ?? to}`;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The two probes of one run. */
interface Probes {
  readonly mobile: Probe;
  readonly correspondent: Probe;
}

async function measureMove(
  lab: Lab,
  to: NetworkName,
  probes: Probes,
  traffic: Traffic,
  contender: Contender,
  into: Stalls,
) {
  await lab.unplug('mn');
  probes.mobile.forget();
  probes.correspondent.forget();
  const pulledUs = nowMs() * 1000;
  await lab.move('mn', to);
  const patientUntilMs = nowMs() + contender.patienceMs;
  let downlink: number | undefined;
  let uplink: number | undefined;
  while (nowMs() < patientUntilMs) {
    await sleep(POLL_MS);
    const sinceUs = usableSince(probes.mobile, to);
    if (sinceUs === undefined) continue;
    downlink ??= stallMs(probes.mobile, sinceUs, pulledUs);
    uplink ??= stallMs(probes.correspondent, sinceUs, pulledUs);
    if (downlink !== undefined && (uplink !== undefined || traffic === 'downlink only')) break;
  }
  if (downlink === undefined) into.lost += 1;
  else into.downlink.push(downlink);
  if (uplink !== undefined) into.uplink.push(uplink);
  await sleep(REST_MS);
}

async function measureTraffic(
  lab: Lab,
  contender: Contender,
  roamer: Roamer,
  traffic: Traffic,
  rounds: number,
): Promise<ReadonlyMap<string, Stalls>> {
  const { mobile, correspondent } = roamer;
  const name = `${contender.name} ${traffic}`.replaceAll(' ', '-');
  const intervalUs = INTERVAL_US;
  const probes: Probes = {
    mobile: await Probe.start(lab, mobile, correspondent, {
      sends: traffic === 'both send',
      watch: 'eth0',
      intervalUs,
      logName: `probe.mn.${name}`,
    }),
    correspondent: await Probe.start(lab, correspondent, mobile, {
      sends: true,
      intervalUs,
      logName: `probe.cn.${name}`,
    }),
  };
  const stalls = new Map<string, Stalls>();
  const { tour } = contender;
  try {
    for (let step = 1; step <= rounds * tour.length; step += 1) {
      const from = tour[(step - 1) % tour.length] ?? 'home';
      const to = tour[step % tour.length] ?? 'home';
      const kind = kindOf(from, to);
      const into = stalls.get(kind) ?? { downlink: [], uplink: [], lost: 0 };
      stalls.set(kind, into);
      await measureMove(lab, to, probes, traffic, contender, into);
    }
  } finally {
    await probes.mobile.stop();
    await probes.correspondent.stop();
  }
  return stalls;
}

async function measureContender(
  lab: Lab,
  contender: Contender,
  delayMs: number,
  moves: number,
): Promise<Measured[]> {
  const [start = 'home'] = contender.tour;
  await resolveNeighbours(lab);
  await lab.move('mn', start);
  await lab.waitForAddress('mn', NETWORKS[start].ipv6 === undefined ? 4 : 6);
  await using roamer = await contender.start(lab);
  const measured: Measured[] = [];
  // A tour may contain one kind of move several times.
  const kinds = new Set(
    contender.tour.map((from, at) =>
      kindOf(from, contender.tour[(at + 1) % contender.tour.length] ?? from),
    ),
  );
  const rounds = Math.max(1, Math.ceil((moves * kinds.size) / contender.tour.length));
  for (const traffic of TRAFFICS) {
    progress(
      `${contender.name}, ${delayMs} ms one way, ${traffic}: ` +
        `${rounds * contender.tour.length} moves`,
    );
    for (const [kind, stalls] of await measureTraffic(lab, contender, roamer, traffic, rounds)) {
      measured.push({ contender: contender.name, delayMs, traffic, kind, stalls });
    }
  }
  return measured;
}

function rowOf({ contender, delayMs, traffic, kind, stalls }: Measured): Row {
  const { downlink, uplink, lost } = stalls;
  return {
    tunnel: contender,
    'delay ms': delayMs,
    traffic,
    move: kind,
    moves: downlink.length + lost,
    'median ms': median(downlink),
    'p95 ms': percentile(downlink, 95),
    'max ms': percentile(downlink, 100),
    'median without round trip ms': median(downlink) - 2 * delayMs,
    'uplink median ms': uplink.length === 0 ? null : median(uplink),
    lost,
  };
}

function keyOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(' → ', '_to_')
    .replaceAll(/[^a-z0-9]+/g, '_');
}

function resultsOf(all: readonly Measured[]): Record<string, number | null> {
  const results: Record<string, number | null> = {};
  const groups = Map.groupBy(
    all,
    ({ contender, delayMs, traffic }) => `${contender} ${delayMs} ms ${traffic}`,
  );
  for (const [name, group] of groups) {
    const stalls = group.flatMap((one) => one.stalls.downlink);
    const key = keyOf(name);
    results[`${key}_median_ms`] = stalls.length === 0 ? null : median(stalls);
    results[`${key}_p95_ms`] = stalls.length === 0 ? null : percentile(stalls, 95);
    results[`${key}_max_ms`] = stalls.length === 0 ? null : percentile(stalls, 100);
    const delayMs = group[0]?.delayMs ?? 0;
    results[`${key}_median_without_round_trip_ms`] =
      stalls.length === 0 ? null : median(stalls) - 2 * delayMs;
    results[`${key}_lost`] = group.reduce((sum, one) => sum + one.stalls.lost, 0);
    for (const { kind, stalls: own } of group) {
      results[`${key}_${keyOf(kind)}_median_ms`] =
        own.downlink.length === 0 ? null : median(own.downlink);
    }
  }
  return results;
}

export async function handover(settings: HandoverSettings): Promise<Report> {
  const measured: Measured[] = [];
  const registrations: FirstRegistrations[] = [];
  const own = settings.sojourn ? SOJOURN.slice(settings.plaintext ? 0 : 1) : [];
  for (const delayMs of settings.delay) {
    // Each contender has its own lab, so that it does not inherit routes or devices.
    for (const contender of [...own, ...(settings.peers ? PEERS : [])]) {
      await using lab = await Lab.create({ networks: NETWORK_NAMES, delayMs });
      const moves = SOJOURN.includes(contender) ? settings.moves : settings.peerMoves;
      if (moves > 0) measured.push(...(await measureContender(lab, contender, delayMs, moves)));
    }
    if (settings.sojourn && settings.registrations > 0)
      registrations.push(...(await firstRegistrations(delayMs, settings.registrations)));
  }
  return {
    benchmark: 'handover',
    machine: thisMachine(),
    settings: { ...settings, delay: settings.delay.join(',') },
    rows: [...measured.map(rowOf), ...registrations.map(registrationRow)],
    results: { ...resultsOf(measured), ...registrationResults(registrations) },
  };
}
