/**
 * One home agent with sealed mobile nodes under load, in a separate process (`node --expose-gc
 * bench/support/sealed-load.ts '{"…"}'`), so that its memory can be measured. Prints one {@link
 * SealedLoadResult} as JSON. Only the home agent's steps are timed.
 *
 * A handshake is everything that the home agent does for it: Tunnel Request with the Binding
 * Update, Tunnel Response with the acknowledgement, and the Keep Alive that has the keys used.
 */
import { assert } from '#base/assert.ts';
import { type Monotonic, monotonic } from '#base/time.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { Output } from '#engine/contract/output.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { HomeAgentInput } from '#engine/mobile-ipv6/home-agent/input.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import { openPlane } from '#host/plane/plane.ts';
import { randomBytes } from '#host/process/random.ts';
import type { PlanePort } from '#runtime/ports.ts';
import type { Reconciler } from '#runtime/reconciler.ts';
import { CLOCK_OFFSET_MS, INTERVAL_MS, nodeAt } from '../registrations.ts';
import { memory, newReconciler, reconcile } from './engine-process.ts';
import { median, percentile } from './report.ts';
import { type HandshakePurpose, SealedPopulation } from './sealed-population.ts';

export interface SealedLoad {
  readonly nodes: number;
  /** Refreshes of each node, and moves. */
  readonly rounds: number;
  /** Nodes of a home agent that is discarded afterwards: the code is compiled. */
  readonly warmUpNodes: number;
  /** True: reconciler and a real data plane, for which the process has to be in the lab. */
  readonly plane: boolean;
}

/** Rates are medians over chunks of a thousand; times in microseconds; memory in octets. */
export interface SealedLoadResult {
  readonly phases: Readonly<Record<PhaseName, SealedPhase>>;
  readonly authorizedResident: number;
  /** Growth of the resident set for each sealed binding. */
  readonly bindingResident: number;
  readonly bindingHeap: number;
  /** The same, after every node has refreshed its binding and moved. */
  readonly bindingResidentLater: number;
  /** The same, after every node has made new keys; the former ones still open. */
  readonly bindingResidentRekeyed: number;
}

/** `post-quantum`: a handshake for new keys, and the encapsulation of ML-KEM after it. */
type PhaseName = 'handshake' | 'refresh' | 'move' | 'rekey' | 'post-quantum';

interface SealedPhase {
  readonly perSecond: number;
  /** Of one step. */
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the process for each, garbage collection included. */
  readonly processorUs: number;
}

/** Below the number of handshakes that a home agent keeps unconfirmed. */
const CHUNK = 1000;

class HomeAgentUnderLoad {
  readonly engine: ReturnType<typeof createHomeAgent>;
  readonly #reconciler: Reconciler | undefined;
  #now: Monotonic = monotonic(1_000_000);
  spentMs = 0;
  processorUs = 0;
  times: number[] = [];

  constructor(population: SealedPopulation, own: Uint8Array, plane: PlanePort | undefined) {
    const configuration = population.configuration();
    this.engine = createHomeAgent(configuration, randomBytes, keyPairOf(own));
    this.#reconciler = plane === undefined ? undefined : newReconciler(plane);
    this.#step({ kind: 'clock', offsetMs: CLOCK_OFFSET_MS });
    this.#step({ kind: 'restored' });
  }

  next(): Monotonic {
    this.#now = monotonic(this.#now + INTERVAL_MS);
    return this.#now;
  }

  /** Handles the inputs; returns the datagram that answers each. */
  handle(inputs: readonly HomeAgentInput[]): readonly Uint8Array[] {
    const before = process.cpuUsage();
    const begin = performance.now();
    let former = begin;
    const outs = inputs.map((input) => {
      const out = this.#step(input);
      const now = performance.now();
      this.times.push((now - former) * 1000);
      former = now;
      return out;
    });
    this.spentMs += former - begin;
    const used = process.cpuUsage(before);
    this.processorUs += used.user + used.system;
    return outs.map((out) => {
      const answer = out.find((one) => one.kind === 'send' && one.path.kind === 'datagram');
      assert(answer?.kind === 'send', 'a datagram is answered');
      return answer.packet;
    });
  }

  #step(input: HomeAgentInput): readonly Output[] {
    const out: Output[] = [];
    const now = this.next();
    this.engine.step(now, input, out);
    if (this.#reconciler !== undefined) reconcile(this.#reconciler, now, out);
    return out;
  }

  expectCount(counter: HomeAgentReason, expected: number): void {
    const counted = this.engine.counters[counter];
    assert(counted === expected, `${counter}: ${expected}, not ${counted}`);
  }
}

/** Runs one phase over all nodes; `chunk` handles the nodes of one chunk. */
function runPhase(
  agent: HomeAgentUnderLoad,
  nodes: number,
  chunk: (members: readonly number[]) => void,
): SealedPhase {
  const rates: number[] = [];
  let processorUs = 0;
  const times: number[] = [];
  for (let first = 0; first < nodes; first += CHUNK) {
    const count = Math.min(CHUNK, nodes - first);
    const members = Array.from({ length: count }, (_, at) => nodeAt(first + at, nodes));
    agent.spentMs = 0;
    agent.processorUs = 0;
    agent.times = [];
    chunk(members);
    rates.push((count * 1000) / agent.spentMs);
    processorUs += agent.processorUs;
    times.push(...agent.times);
  }
  agent.times = [];
  return {
    perSecond: median(rates),
    p50Us: median(times),
    p99Us: percentile(times, 99),
    processorUs: processorUs / nodes,
  };
}

function handshakes(
  agent: HomeAgentUnderLoad,
  population: SealedPopulation,
  purpose: HandshakePurpose,
) {
  return (members: readonly number[]): void => {
    const requests = members.map((node) =>
      population.tunnelRequest(node, agent.next(), 0, purpose),
    );
    const responses = agent.handle(requests);
    const confirmations = members.map((node, at) =>
      population.finish(node, 0, responses[at] ?? new Uint8Array(0)),
    );
    agent.handle(confirmations);
    if (purpose !== 'post-quantum') return;
    agent.handle(members.map((node) => population.encapsulationRequest(node, 0)));
  };
}

function updates(agent: HomeAgentUnderLoad, population: SealedPopulation, careOfIndex: number) {
  return (members: readonly number[]): void => {
    agent.handle(members.map((node) => population.sealedUpdate(node, careOfIndex)));
  };
}

function openLoadPlane(): PlanePort {
  return openPlane({
    device: 'bench-sealed',
    lookup: 'inner-destination',
    deviceMtu: 1448,
    udpPort: 0,
    sealedPort: 4191,
    threads: 2,
    mark: 0,
    raw: false,
    linkDevices: [],
    holdMs: 0,
  });
}

function phasesOf(agent: HomeAgentUnderLoad, population: SealedPopulation, load: SealedLoad) {
  const { nodes, rounds } = load;
  const repeat = (careOf: (round: number) => number): SealedPhase => {
    const found = Array.from({ length: rounds }, (_, round) =>
      runPhase(agent, nodes, updates(agent, population, careOf(round))),
    );
    const of = (key: keyof SealedPhase): number => median(found.map((phase) => phase[key]));
    return {
      ...{ perSecond: of('perSecond'), p50Us: of('p50Us'), p99Us: of('p99Us') },
      processorUs: of('processorUs'),
    };
  };
  return {
    handshake: () => runPhase(agent, nodes, handshakes(agent, population, 'register')),
    refresh: () => repeat(() => 0),
    move: () => repeat((round) => (round + 1) % 2),
    rekey: () => runPhase(agent, nodes, handshakes(agent, population, 'rekey')),
    postQuantum: () => runPhase(agent, nodes, handshakes(agent, population, 'post-quantum')),
  };
}

function warmUp({ warmUpNodes, rounds }: SealedLoad): void {
  const own = randomBytes(32);
  const population = new SealedPopulation(warmUpNodes, keyPairOf(own).publicKey);
  const agent = new HomeAgentUnderLoad(population, own, undefined);
  const load = { nodes: warmUpNodes, rounds, warmUpNodes: 0, plane: false };
  const phases = phasesOf(agent, population, load);
  for (const phase of Object.values(phases)) phase();
}

function measure(load: SealedLoad): SealedLoadResult {
  warmUp(load);
  const { nodes, rounds } = load;
  const own = randomBytes(32);
  const population = new SealedPopulation(nodes, keyPairOf(own).publicKey);
  const plane = load.plane ? openLoadPlane() : undefined;
  const empty = memory();
  const agent = new HomeAgentUnderLoad(population, own, plane);
  const phases = phasesOf(agent, population, load);
  const authorized = memory();
  const handshake = phases.handshake();
  const registered = memory();
  const refresh = phases.refresh();
  const move = phases.move();
  const later = memory();
  const rekey = phases.rekey();
  const rekeyed = memory();
  const postQuantum = phases.postQuantum();
  agent.expectCount('binding-created', nodes);
  agent.expectCount('binding-refreshed', nodes * rounds);
  agent.expectCount('binding-moved', nodes * rounds);
  plane?.close();
  const growth = ({ resident }: { readonly resident: number }): number =>
    (resident - authorized.resident) / nodes;
  return {
    phases: { handshake, refresh, move, rekey, 'post-quantum': postQuantum },
    authorizedResident: (authorized.resident - empty.resident) / nodes,
    bindingResident: growth(registered),
    bindingHeap: (registered.heap - authorized.heap) / nodes,
    bindingResidentLater: growth(later),
    bindingResidentRekeyed: growth(rekeyed),
  };
}

function isLoad(value: unknown): value is SealedLoad {
  return typeof value === 'object' && value !== null && 'nodes' in value && 'plane' in value;
}

const load: unknown = JSON.parse(process.argv[2] ?? '');
assert(isLoad(load), 'the load as JSON in the first argument');
process.stdout.write(JSON.stringify(measure(load)));
