/**
 * Invalid registrations to a home agent that serves valid ones in between. Every invalid packet is
 * counted and changes nothing.
 */

import { ipv4, ipv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { look } from '#test/sim/peek.ts';
import { homeAddressOf, homeAgentConfiguration, registrationKeyOf } from '#test/sim/population.ts';
import { SeededRandom } from '#test/sim/random.ts';
import { WALL_OFFSET_MS } from '#test/sim/world.ts';
import { type Material, MUTATIONS, type Mutation } from './mutations.ts';
import {
  type Datagram,
  datagramOf,
  HOME_AGENT,
  HOME_REGISTRATION,
  type Registration,
} from './registrations.ts';

const NODES = 32;
/** Virtual time between two datagrams. */
const STEP_MS = 1;
const CHECK_EVERY = 20_000;

interface Node {
  readonly index: number;
  sequence: number;
  former: Datagram;
}

export class HomeAgentFuzz {
  readonly #random: SeededRandom;
  readonly #engine: ReturnType<typeof createHomeAgent>;
  readonly #nodes: Node[] = [];
  readonly #mutations: readonly (readonly [string, Mutation])[] = Object.entries(MUTATIONS);
  readonly perMutation = new Map<string, number>();
  readonly #out: Output[] = [];
  #now = 1000;
  #sent = 0;
  /** Number of records and parts of desired state at the engine's host, to detect growth. */
  readonly #held = new Set<string>();
  accepted = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#engine = createHomeAgent(
      homeAgentConfiguration({ mobileNodes: NODES, maximumLifetimeSeconds: 3600 }),
      this.#random.bytes,
    );
    this.#step({ kind: 'clock', offsetMs: WALL_OFFSET_MS });
    this.#step({ kind: 'restored' });
    for (let index = 0; index < NODES; index++) this.#join(index);
  }

  get sent(): number {
    return this.#sent;
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#engine.counters;
  }

  get held(): number {
    return this.#held.size;
  }

  run(count: number): void {
    for (let done = 0; done < count; done++) {
      this.#now += STEP_MS;
      this.#tick();
      if (this.#random.chance(0.05)) this.#good();
      else this.#bad();
      if (++this.#sent % CHECK_EVERY === 0) this.#checkAll();
    }
  }

  #bad(): void {
    const [name, mutation] = this.#random.pick(this.#mutations);
    const { path, packet } = mutation.make(this.#material());
    const before = this.#sum(mutation);
    this.#step({ kind: 'datagram', path, packet });
    this.perMutation.set(name, (this.perMutation.get(name) ?? 0) + 1);
    const changed = this.#out.find(
      (output) => output.kind === 'set-desired' || output.kind === 'persist',
    );
    if (changed !== undefined)
      throw this.#wrong(name, packet, `changed state: ${JSON.stringify(changed)}`);
    if (this.#sum(mutation) === before) {
      throw this.#wrong(
        name,
        packet,
        `was not counted as ${mutation.reasons.join(', ') || 'anything'}`,
      );
    }
  }

  #good(): void {
    const node = this.#random.pick(this.#nodes);
    const registration = this.#fresh(node);
    const datagram = datagramOf(registration);
    this.#step({ kind: 'datagram', ...datagram });
    for (const output of this.#out) {
      if (output.kind !== 'send') continue;
      const seen = look(output.packet);
      if (seen.kind !== 'binding-acknowledgement' || seen.status !== 0)
        throw this.#wrong('good registration', output.packet, JSON.stringify(seen));
      this.accepted++;
      node.sequence = registration.sequence;
      node.former = datagram;
      return;
    }
    throw this.#wrong('good registration', datagram.packet, 'was not acknowledged');
  }

  #join(index: number): void {
    const node: Node = {
      index,
      sequence: this.#random.below(65_536),
      former: { path: { kind: 'ipv6' }, packet: new Uint8Array(0) },
    };
    this.#nodes.push(node);
    const registration = this.#fresh(node);
    node.former = datagramOf(registration);
    this.#now += STEP_MS;
    this.#step({ kind: 'datagram', ...node.former });
    if (!this.#out.some((output) => output.kind === 'persist'))
      throw this.#wrong('first registration', node.former.packet, 'was not accepted');
    node.sequence = registration.sequence;
  }

  /** The Binding Update that this node sends next. */
  #fresh(node: Node): Registration {
    const random = this.#random;
    const host = random.below(200) + 16;
    const careOfAddress4 = ipv4(`198.51.100.${host}`);
    const port = random.chance(0.5) ? 4191 : 1024 + random.below(60_000);
    return {
      over: random.chance(0.5) ? 'ipv6' : 'udp',
      homeAddress: homeAddressOf(node.index),
      homeAgent: HOME_AGENT,
      careOfAddress: ipv6(`2001:db8:a${random.below(10)}::${host.toString(16)}`),
      careOfAddress4,
      seenAs: { address: random.chance(0.5) ? careOfAddress4 : ipv4(`203.0.113.${host}`), port },
      sequence: (node.sequence + 1) & 0xffff,
      lifetimeUnits: 800,
      flags: HOME_REGISTRATION,
      registrationKey: registrationKeyOf(node.index),
      identifier: `mn${node.index}@example`,
      wallMs: WALL_OFFSET_MS + this.#now,
      timestamped: true,
      extraOptions: [],
      extraExtensions: [],
    };
  }

  #material(): Material {
    const random = this.#random;
    const node = random.pick(this.#nodes);
    const foreign = random.chance(0.5)
      ? homeAddressOf((node.index + 1) % NODES)
      : homeAddressOf(1000 + random.below(1000));
    return { random, fresh: this.#fresh(node), former: node.former, foreign };
  }

  #tick(): void {
    if (this.#engine.deadline() > this.#now) return;
    this.#step({ kind: 'tick' });
  }

  #step(input: Parameters<ReturnType<typeof createHomeAgent>['step']>[1]): void {
    this.#out.length = 0;
    this.#engine.step(monotonic(this.#now), input, this.#out);
    for (const output of this.#out) {
      if (output.kind === 'set-desired')
        this.#hold(`desired ${output.key}`, output.part !== undefined);
      if (output.kind === 'persist')
        this.#hold(`${output.table} ${output.key}`, output.value !== undefined);
    }
  }

  #hold(key: string, held: boolean): void {
    if (held) this.#held.add(key);
    else this.#held.delete(key);
  }

  #checkAll(): void {
    const bindings = this.#ask('bindings');
    const count = Array.isArray(bindings) ? bindings.length : -1;
    if (count !== NODES) throw new Error(`${count} bindings of ${NODES}`);
    if (this.#held.size > 10 + 5 * NODES)
      throw new Error(`growth: ${this.#held.size} parts of desired state and records`);
  }

  #ask(command: string): JsonValue {
    this.#step({ kind: 'request', id: 1, command, parameters: {} });
    for (const output of this.#out) if (output.kind === 'reply') return output.value;
    throw new Error(`request ${command} was not answered`);
  }

  /** For a mutation without reasons every counter may increase. */
  #sum(mutation: Mutation): number {
    const { counters } = this.#engine;
    let sum = 0;
    if (mutation.reasons.length === 0) for (const reason in counters) sum += counters[reason] ?? 0;
    else for (const reason of mutation.reasons) sum += counters[reason] ?? 0;
    return sum;
  }

  #wrong(name: string, packet: Uint8Array, text: string): Error {
    return new Error(
      `datagram ${this.#sent}: ${name} ${text}\n${Buffer.from(packet).toString('hex')}`,
    );
  }
}
