/**
 * `bench attacks`: floods against real daemons in the lab, with the attacker on the same cores, and
 * honest clients meanwhile.
 *
 * Every attack is bounded in rate and time, and goes only to addresses of namespaces of the lab.
 */
import type { JsonValue } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import { nowMs } from '#lab/shell.ts';
import { ACCOUNT_SERVER_TARGETS } from './attacks/account-server.ts';
import {
  type Order,
  packetsReceived,
  type Running,
  type Sent,
  type Target,
} from './attacks/attack.ts';
import { NTMOBILE_TARGETS } from './attacks/coordinator-and-relay.ts';
import { HOME_AGENT_TARGETS } from './attacks/home-agent.ts';
import { MOBILE_NODE_TARGETS } from './attacks/mobile-node.ts';
import { residentOctetsOf } from './support/measure.ts';
import { percentile, progress, type Report, type Row, thisMachine } from './support/report.ts';

export interface AttackSettings {
  /** Keys of targets or attacks; undefined: all. */
  readonly only?: readonly string[];
  readonly seconds: number;
  /** Packets in a second of every attack; undefined: each attack's own rate. */
  readonly rate?: number;
}

const TARGETS: readonly Target[] = [
  ...HOME_AGENT_TARGETS,
  ...NTMOBILE_TARGETS,
  ...MOBILE_NODE_TARGETS,
  ...ACCOUNT_SERVER_TARGETS,
];

export const ATTACK_KEYS = TARGETS.flatMap(({ key, attackKeys }) => [key, ...attackKeys]);

/** Honest attempts count from here after the begin of an attack. */
const BEGIN_MS = 500;
/** An attack goes on for this time after the last honest attempt that counts. */
const TAIL_SECONDS = 1;
const MEBIBYTE = 2 ** 20;
const SHOWN_COUNTERS = 3;

interface Measured {
  readonly target: string;
  readonly key: string;
  readonly title: string;
  readonly sentPerSecond: number | null;
  readonly receivedPerSecond: number;
  readonly attempted: number;
  /** Durations of the attempts that succeeded, milliseconds. */
  readonly succeeded: readonly number[];
  readonly residentBefore: number;
  readonly residentAfter: number;
  /** Growth of every counter of the daemon. */
  readonly counted: ReadonlyMap<string, number>;
}

function flatten(value: JsonValue, prefix = ''): readonly (readonly [string, number])[] {
  if (typeof value === 'number') return [[prefix, value]];
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    inner === undefined ? [] : flatten(inner, prefix === '' ? name : `${prefix}.${name}`),
  );
}

async function countersOf({ daemon }: Running): Promise<ReadonlyMap<string, number>> {
  return new Map(flatten(await daemon.request('stats')));
}

function growth(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  const grown = [...after].map(([name, value]) => [name, value - (before.get(name) ?? 0)] as const);
  return new Map(grown.filter(([, value]) => value > 0));
}

interface Plan {
  readonly target: string;
  readonly key: string;
  readonly title: string;
  /** Undefined: the baseline without an attack. */
  readonly launch: (() => Promise<Sent>) | undefined;
  readonly seconds: number;
}

async function measure(running: Running, plan: Plan): Promise<Measured> {
  const { daemon, arrival, honest } = running;
  const { launch, seconds, ...names } = plan;
  const residentBefore = residentOctetsOf(daemon.pid);
  const before = await countersOf(running);
  const packetsBefore = await packetsReceived(arrival);
  const beganMs = nowMs();
  const sent = launch === undefined ? await quiet(seconds) : await launch();
  const packets = (await packetsReceived(arrival)) - packetsBefore;
  // The pool of an attack is made first: the attack itself is the last part of the call.
  const endedMs = nowMs();
  const fromMs = Math.max(beganMs, endedMs - sent.seconds * 1000) + BEGIN_MS;
  const toMs = endedMs - TAIL_SECONDS * 1000;
  const attempts = await honest.attempts(fromMs, toMs);
  const durations = attempts.flatMap(({ ms }) => (ms === null ? [] : [ms]));
  return {
    ...names,
    sentPerSecond: launch === undefined ? null : Math.round(sent.sent / sent.seconds),
    receivedPerSecond: Math.round(packets / sent.seconds),
    attempted: attempts.length,
    succeeded: durations,
    residentBefore,
    residentAfter: residentOctetsOf(daemon.pid),
    counted: growth(before, await countersOf(running)),
  };
}

async function quiet(seconds: number): Promise<Sent> {
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return { sent: 0, seconds };
}

/** Failed attempts count as endless, so that they are in the percentiles. */
function latency({ attempted, succeeded }: Measured, percent: number): number | null {
  const failed = Array.from({ length: attempted - succeeded.length }, () => Infinity);
  const value = percentile([...succeeded, ...failed], percent);
  return Number.isFinite(value) ? value : null;
}

/** The counters that grew most: what the daemon did with the packets of the attack. */
function largest({ counted }: Measured): string {
  return [...counted]
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, SHOWN_COUNTERS)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function rowOf(measured: Measured): Row {
  const { attempted, succeeded } = measured;
  return {
    target: measured.target,
    attack: measured.title,
    'sent/s': measured.sentPerSecond,
    'received/s': measured.receivedPerSecond,
    honest: `${succeeded.length} of ${attempted}`,
    'p50 ms': latency(measured, 50),
    'p90 ms': latency(measured, 90),
    'MiB before': measured.residentBefore / MEBIBYTE,
    'MiB after': measured.residentAfter / MEBIBYTE,
    'counters that grew most': largest(measured),
  };
}

function resultsOf(measured: Measured): Record<string, number | null> {
  const name = `${measured.target}_${measured.key}`.replaceAll('-', '_');
  return {
    [`${name}_received_per_second`]: measured.receivedPerSecond,
    [`${name}_honest_attempted`]: measured.attempted,
    [`${name}_honest_succeeded`]: measured.succeeded.length,
    [`${name}_honest_p50_ms`]: latency(measured, 50),
    [`${name}_honest_p90_ms`]: latency(measured, 90),
    [`${name}_resident_before_octets`]: measured.residentBefore,
    [`${name}_resident_after_octets`]: measured.residentAfter,
  };
}

function isWanted(settings: AttackSettings, ...keys: readonly string[]): boolean {
  return settings.only === undefined || keys.some((key) => settings.only?.includes(key));
}

/** Reports a row at once: a run takes minutes. */
function reported(measured: Measured): Measured {
  progress(JSON.stringify(rowOf(measured)));
  return measured;
}

async function attackTarget(target: Target, settings: AttackSettings): Promise<Measured[]> {
  const { running, attacks } = await target.open();
  await using _ = running;
  const seconds = settings.seconds + BEGIN_MS / 1000 + TAIL_SECONDS;
  const baseline: Plan = {
    ...{ target: target.key, key: 'baseline', title: 'none', launch: undefined, seconds },
  };
  progress(`${target.key}: no attack`);
  const measured = [reported(await measure(running, baseline))];
  for (const { key, title, perSecond, launch } of attacks) {
    if (!isWanted(settings, target.key, key)) continue;
    const order: Order = { perSecond: settings.rate ?? perSecond, seconds };
    progress(`${target.key}: ${title}`);
    const names = { target: target.key, key, title, seconds };
    measured.push(reported(await measure(running, { ...names, launch: () => launch(order) })));
  }
  return measured;
}

export async function attacks(settings: AttackSettings): Promise<Report> {
  const unknown = settings.only?.find((key) => !ATTACK_KEYS.includes(key));
  if (unknown !== undefined)
    throw new Error(`no attack ${unknown}; there are: ${ATTACK_KEYS.join(', ')}`);
  const measured: Measured[] = [];
  for (const target of TARGETS) {
    if (!isWanted(settings, target.key, ...target.attackKeys)) continue;
    measured.push(...(await attackTarget(target, settings)));
  }
  const { seconds, rate = 0, only = [] } = settings;
  return {
    benchmark: 'attacks',
    machine: thisMachine(),
    settings: { seconds, rate: rate === 0 ? 'own' : rate, only: only.join(',') || 'all' },
    rows: measured.map(rowOf),
    results: Object.assign({}, ...measured.map(resultsOf)),
  };
}
