/**
 * Measures how long data stops when the path or the fixed end of a tunnel fails in silence: the
 * mobile host keeps its link, its address and its default route.
 *
 * The stall begins when the path has failed; with a restart, when the server is ready again. It
 * ends with the arrival of the first packet that was sent after that. If both ends send, the longer
 * of both directions counts.
 */
import { ADDRESSES } from '#lab/networks.ts';
import { renameHost } from '#lab/services.ts';
import { nowMs, waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { type Contender, MOBILE_ADDRESS, SERVER_NAME, type Tunnel } from './outages/contender.ts';
import { OPENVPN } from './outages/openvpn.ts';
import { OUTAGES, type Outage } from './outages/outage.ts';
import { SOJOURN } from './outages/sojourn.ts';
import { STRONGSWAN } from './outages/strongswan.ts';
import { Probe } from './support/probe.ts';
import {
  median,
  percentile,
  progress,
  type Report,
  type Row,
  thisMachine,
} from './support/report.ts';
import { stallMs } from './support/stall.ts';

export interface OutageSettings {
  readonly repeats: number;
  readonly peerRepeats: number;
  readonly peers: boolean;
  readonly sojourn: boolean;
  /** Keys of the outages to measure; all without it. */
  readonly only: string | undefined;
}

type Traffic = 'both send' | 'node sends' | 'home side sends';
const TRAFFICS: readonly Traffic[] = ['both send', 'node sends', 'home side sends'];
/** Longest time to wait for a packet after an outage began. */
const PATIENCE_MS = 30_000;
const INTERVAL_US = 20_000;
const POLL_MS = 20;
/** Packets of the stream before the outage: 2.5 s. */
const STREAM = 125;

interface Measured {
  readonly contender: string;
  readonly outage: Outage;
  readonly traffic: Traffic;
  readonly stalls: readonly number[];
  /** Outages after which no packet arrived in time. */
  readonly lost: number;
}

/** A probe at each end; those whose packets are awaited receive from an end that sends. */
interface Probes extends AsyncDisposable {
  readonly receivers: readonly Probe[];
}

async function startProbes(lab: Lab, traffic: Traffic, label: string): Promise<Probes> {
  const mobileEnd = { namespace: 'mn', address: MOBILE_ADDRESS };
  const otherEnd = { namespace: 'cn', address: ADDRESSES.correspondentIpv4 };
  const mobile = await Probe.start(lab, mobileEnd, otherEnd, {
    sends: traffic !== 'home side sends',
    intervalUs: INTERVAL_US,
    logName: `probe.mn.${label}`,
  });
  const other = await Probe.start(lab, otherEnd, mobileEnd, {
    sends: traffic !== 'node sends',
    intervalUs: INTERVAL_US,
    logName: `probe.cn.${label}`,
  });
  const receivers = [
    ...(traffic === 'node sends' ? [] : [mobile]),
    ...(traffic === 'home side sends' ? [] : [other]),
  ];
  return {
    receivers,
    async [Symbol.asyncDispose]() {
      await mobile.stop();
      await other.stop();
    },
  };
}

/** Data arrives in each direction that is measured. */
async function flows({ receivers }: Probes): Promise<void> {
  for (const probe of receivers) {
    probe.forget();
    await waitFor(() => probe.received().length > STREAM, {
      timeoutMs: 20_000,
      what: 'data to flow before the outage',
      intervalMs: POLL_MS,
    });
  }
}

/** The stall, or undefined if data did not come back in time. */
async function measureOutage(
  lab: Lab,
  outage: Outage,
  tunnel: Tunnel,
  probes: Probes,
): Promise<number | undefined> {
  await flows(probes);
  await outage.begin(lab, tunnel);
  const sinceUs = nowMs() * 1000;
  const stalls = await waitFor(
    () => {
      const found = probes.receivers.map((probe) => stallMs(probe, sinceUs, sinceUs));
      return found.includes(undefined) ? undefined : found.filter((stall) => stall !== undefined);
    },
    { timeoutMs: PATIENCE_MS, what: 'data after the outage', intervalMs: POLL_MS },
  ).catch(() => undefined);
  return stalls === undefined ? undefined : Math.max(...stalls);
}

/** Each repetition has a tunnel of its own, so that none profits from the one before. */
async function measureOnce(
  lab: Lab,
  contender: Contender,
  outage: Outage,
  traffic: Traffic,
  label: string,
): Promise<number | undefined> {
  renameHost(SERVER_NAME, outage.addresses);
  await lab.move('mn', outage.network);
  await lab.waitForAddress('mn', 4);
  if (outage.network === 'ds') await lab.waitForAddress('mn', 6);
  await outage.prepare?.(lab);
  await using tunnel = await contender.start(lab, outage);
  await using probes = await startProbes(lab, traffic, label);
  try {
    return await measureOutage(lab, outage, tunnel, probes);
  } finally {
    await outage.end(lab);
  }
}

async function measure(
  contender: Contender,
  outage: Outage,
  traffic: Traffic,
  repeats: number,
): Promise<Measured> {
  progress(`${contender.name}: ${outage.name}, ${traffic}: ${repeats} times`);
  const stalls: number[] = [];
  let lost = 0;
  await using lab = await Lab.create({ networks: ['ds', 'nat-sym'], servers: ['ha2'] });
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    const label = `${contender.name}.${outage.key}.${traffic}.${repeat}`.replaceAll(' ', '-');
    const stall = await measureOnce(lab, contender, outage, traffic, label);
    if (stall === undefined) lost += 1;
    else stalls.push(stall);
  }
  return { contender: contender.name, outage, traffic, stalls, lost };
}

function rowOf({ contender, outage, traffic, stalls, lost }: Measured): Row {
  const seconds = stalls.map((stall) => stall / 1000);
  return {
    outage: outage.name,
    traffic,
    tunnel: contender,
    times: stalls.length + lost,
    'median s': median(seconds),
    'max s': percentile(seconds, 100),
    lost,
  };
}

function resultsOf(all: readonly Measured[]): Record<string, number | null> {
  const results: Record<string, number | null> = {};
  for (const { contender, outage, traffic, stalls, lost } of all) {
    const key = `${contender} ${outage.key} ${traffic}`.toLowerCase().replaceAll(' ', '_');
    results[`${key}_median_ms`] = stalls.length === 0 ? null : median(stalls);
    results[`${key}_max_ms`] = stalls.length === 0 ? null : percentile(stalls, 100);
    results[`${key}_lost`] = lost;
  }
  return results;
}

export async function outages(settings: OutageSettings): Promise<Report> {
  const keys = settings.only?.split(',');
  const chosen = OUTAGES.filter(({ key }) => keys?.includes(key) ?? true);
  const contenders = [
    ...(settings.sojourn ? [SOJOURN] : []),
    ...(settings.peers ? [STRONGSWAN, OPENVPN] : []),
  ];
  const measured: Measured[] = [];
  for (const outage of chosen) {
    for (const traffic of TRAFFICS) {
      for (const contender of contenders) {
        if (outage.servers.length > 1 && !contender.severalServers) continue;
        const repeats = contender === SOJOURN ? settings.repeats : settings.peerRepeats;
        measured.push(await measure(contender, outage, traffic, repeats));
      }
    }
  }
  return {
    benchmark: 'outages',
    machine: thisMachine(),
    settings: { ...settings, only: settings.only ?? 'all' },
    rows: measured.map(rowOf),
    results: resultsOf(measured),
  };
}
