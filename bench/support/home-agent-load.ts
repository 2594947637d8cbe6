/**
 * One home agent under load, in a separate process (`node --expose-gc
 * bench/support/home-agent-load.ts '{"…"}'`), so that its memory can be measured. Prints one {@link
 * LoadResult} as JSON. Real engine, codecs and authentication; no socket, no store.
 */
import { assert } from '#base/assert.ts';
import { monotonic } from '#base/time.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { Output } from '#engine/contract/output.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { HomeAgentInput } from '#engine/mobile-ipv6/home-agent/input.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { Reconciler } from '#runtime/reconciler.ts';
import {
  type Arrival,
  CLOCK_OFFSET_MS,
  configurationFor,
  type Plan,
  Registrations,
} from '../registrations.ts';
import { memory, newReconciler, reconcile } from './engine-process.ts';
import { median, percentile } from './report.ts';
import { SilentPlane } from './silent-plane.ts';

export interface Load {
  readonly plan: Plan;
  readonly file: string;
  /**
   * Warm-up with a home agent that is discarded afterwards: compiles the code and grows the heap's
   * young generation.
   */
  readonly warmUpPlan: Plan;
  readonly warmUpFile: string;
  /** True: the reconciler runs behind the engine, on a plane and a kernel that do nothing. */
  readonly reconciler: boolean;
}

/** Rates are medians over chunks of a thousand; times in microseconds; memory in octets. */
export interface LoadResult {
  readonly phases: Readonly<Record<string, Phase>>;
  /**
   * Growth of the resident set for each authorised mobile node: its configuration and its entry in
   * the directory.
   */
  readonly authorizedResident: number;
  readonly authorizedHeap: number;
  /** Growth of the resident set for each registration. */
  readonly bindingResident: number;
  readonly bindingHeap: number;
  /** The same, after every node has refreshed its binding and moved. */
  readonly bindingResidentLater: number;
}

interface Phase {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the whole process for each Binding Update, garbage collection included. */
  readonly processorUs: number;
  readonly updates: number;
}

const CHUNK = 1000;
type Handle = (arrival: Arrival, out: Output[]) => void;

function handler(engine: Engine<HomeAgentInput>, reconciler: Reconciler | undefined): Handle {
  if (reconciler === undefined) return ({ now, input }, out) => engine.step(now, input, out);
  return ({ now, input }, out) => {
    engine.step(now, input, out);
    reconcile(reconciler, now, out);
  };
}

interface Agent {
  readonly engine: ReturnType<typeof createHomeAgent>;
  readonly reconciler: Reconciler | undefined;
}

function start(configuration: ReturnType<typeof configurationFor>, withReconciler: boolean): Agent {
  const engine = createHomeAgent(configuration, (count) => new Uint8Array(count));
  const reconciler = withReconciler ? newReconciler(new SilentPlane()) : undefined;
  const handle = handler(engine, reconciler);
  const out: Output[] = [];
  handle({ now: monotonic(0), input: { kind: 'clock', offsetMs: CLOCK_OFFSET_MS } }, out);
  handle({ now: monotonic(0), input: { kind: 'restored' } }, out);
  return { engine, reconciler };
}

/**
 * Runs the rounds from `first` to `last` and times every step. Throws if a Binding Update is not
 * answered, since the run is then invalid.
 */
function runRounds(
  { engine, reconciler }: Agent,
  load: Load,
  from: Registrations,
  first: number,
  last: number,
): Phase {
  const { nodes } = load.plan;
  const handle = handler(engine, reconciler);
  const times = new Float64Array((last - first) * nodes);
  const rates: number[] = [];
  let processorUs = 0;
  let done = 0;
  for (let round = first; round < last; round += 1) {
    for (let index = 0; index < nodes; index += CHUNK) {
      const arrivals = from.read(round, index, CHUNK);
      const processorBefore = process.cpuUsage();
      const begin = performance.now();
      let former = begin;
      for (const arrival of arrivals) {
        const out: Output[] = [];
        handle(arrival, out);
        assert(
          out.some(({ kind }) => kind === 'send'),
          'a Binding Update is acknowledged',
        );
        const now = performance.now();
        times[done] = (now - former) * 1000;
        former = now;
        done += 1;
      }
      rates.push((arrivals.length * 1000) / (former - begin));
      const used = process.cpuUsage(processorBefore);
      processorUs += used.user + used.system;
    }
  }
  const sorted = [...times];
  return {
    perSecond: median(rates),
    p50Us: median(sorted),
    p99Us: percentile(sorted, 99),
    processorUs: processorUs / done,
    updates: done,
  };
}

function warmUp(load: Load): void {
  const registrations = new Registrations(load.warmUpFile, load.warmUpPlan);
  const agent = start(configurationFor(load.warmUpPlan.nodes), load.reconciler);
  runRounds(
    agent,
    { ...load, plan: load.warmUpPlan },
    registrations,
    0,
    load.warmUpPlan.rounds.length,
  );
  registrations.close();
}

function measure(load: Load): LoadResult {
  warmUp(load);
  const registrations = new Registrations(load.file, load.plan);
  const { nodes, rounds } = load.plan;
  const empty = memory();
  const agent = start(configurationFor(nodes), load.reconciler);
  const authorized = memory();
  const moveFrom = rounds.indexOf('move');
  const register = runRounds(agent, load, registrations, 0, 1);
  const registered = memory();
  const refresh = runRounds(agent, load, registrations, 1, moveFrom);
  const move = runRounds(agent, load, registrations, moveFrom, rounds.length);
  const later = memory();
  expectCount(agent, 'binding-created', nodes);
  expectCount(agent, 'binding-refreshed', refresh.updates);
  expectCount(agent, 'binding-moved', move.updates);
  return {
    phases: { register, refresh, move },
    authorizedResident: (authorized.resident - empty.resident) / nodes,
    authorizedHeap: (authorized.heap - empty.heap) / nodes,
    bindingResident: (registered.resident - authorized.resident) / nodes,
    bindingHeap: (registered.heap - authorized.heap) / nodes,
    bindingResidentLater: (later.resident - authorized.resident) / nodes,
  };
}

/**
 * Checks that every Binding Update had its effect. Also keeps the home agent reachable for the
 * garbage collector while its memory is measured.
 */
function expectCount({ engine }: Agent, counter: HomeAgentReason, expected: number): void {
  const counted = engine.counters[counter];
  assert(counted === expected, `${counter}: ${expected}, not ${counted}`);
}

function isLoad(value: unknown): value is Load {
  return typeof value === 'object' && value !== null && 'plan' in value && 'warmUpPlan' in value;
}

const load: unknown = JSON.parse(process.argv[2] ?? '');
assert(isLoad(load), 'the load as JSON in the first argument');
process.stdout.write(JSON.stringify(measure(load)));
