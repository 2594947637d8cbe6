/**
 * Invalid acknowledgements to a mobile node that waits for the genuine one of a real home agent,
 * and must still accept that afterwards.
 */
import { type Ipv4Address, ipv4, ipv6 } from '#base/ip.ts';
import { monotonic, NEVER } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { look } from '#test/sim/peek.ts';
import {
  HOME_AGENT,
  homeAddressOf,
  homeAgentConfiguration,
  mobileNodeConfiguration,
  registrationKeyOf,
} from '#test/sim/population.ts';
import { SeededRandom } from '#test/sim/random.ts';
import { WALL_OFFSET_MS } from '#test/sim/world.ts';
import {
  ACKNOWLEDGEMENT_MUTATIONS,
  type AcknowledgementMaterial,
  type AcknowledgementMutation,
} from './acknowledgement-mutations.ts';
import type { Datagram } from './registrations.ts';

const STEP_MS = 0.5;
const BURST = 60;
/** MAX_UPDATE_RATE of RFC 6275 §12 is three a second. */
const BETWEEN_MOVES_MS = 1500;

type MobileNode = ReturnType<typeof createMobileNode>;

export class MobileNodeFuzz {
  readonly #random: SeededRandom;
  readonly #agent: ReturnType<typeof createHomeAgent>;
  readonly #node: MobileNode;
  readonly #mutations: readonly (readonly [string, AcknowledgementMutation])[] =
    Object.entries(ACKNOWLEDGEMENT_MUTATIONS);
  readonly perMutation = new Map<string, number>();
  #out: Output[] = [];
  #now = 1000;
  #sent = 0;
  #epoch = 1;
  #former: Datagram | undefined;
  accepted = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#agent = createHomeAgent(
      homeAgentConfiguration({ mobileNodes: 1, maximumLifetimeSeconds: 3600 }),
      this.#random.bytes,
    );
    this.#node = createMobileNode(
      mobileNodeConfiguration({ index: 0, lifetimeSeconds: 3600 }),
      this.#random.bytes,
    );
    this.#stepAgent({ kind: 'clock', offsetMs: WALL_OFFSET_MS });
    this.#stepAgent({ kind: 'restored' });
    this.#step({ kind: 'clock', offsetMs: WALL_OFFSET_MS });
    this.#step({ kind: 'restored' });
    this.#accept(this.#move());
  }

  get counters(): Readonly<Record<string, number>> {
    return this.#node.counters;
  }

  get sent(): number {
    return this.#sent;
  }

  run(count: number): void {
    const until = this.#sent + count;
    while (this.#sent < until) {
      const former = this.#former;
      const genuine = this.#move();
      if (former === undefined) throw new Error('nothing was acknowledged before');
      const material: AcknowledgementMaterial = {
        random: this.#random,
        genuine,
        former,
        homeAddress: homeAddressOf(0),
        homeAgent: HOME_AGENT,
        registrationKey: registrationKeyOf(0),
      };
      for (let burst = Math.min(BURST, until - this.#sent); burst > 0; burst--) this.#bad(material);
      this.#accept(genuine);
    }
  }

  #bad(material: AcknowledgementMaterial): void {
    this.#now += STEP_MS;
    const [name, mutation] = this.#random.pick(this.#mutations);
    const { path, packet } = mutation.make(material);
    const before = this.#sum(mutation);
    this.#step({ kind: 'datagram', path, packet });
    this.#sent++;
    this.perMutation.set(name, (this.perMutation.get(name) ?? 0) + 1);
    const changed = this.#out.find(
      (output) => output.kind === 'set-desired' || output.kind === 'persist',
    );
    if (changed !== undefined)
      throw this.#wrong(name, packet, `changed state: ${JSON.stringify(changed)}`);
    if (this.#sum(mutation) === before)
      throw this.#wrong(name, packet, `was not counted as ${mutation.reasons.join(', ')}`);
  }

  /** Attaches to a new network; gives the home agent's answer, which is not yet delivered. */
  #move(): Datagram {
    this.#now += BETWEEN_MOVES_MS;
    this.#tick();
    this.#step({ kind: 'network', interfaces: [this.#interface()] });
    const update = this.#out.find(
      (output) => output.kind === 'send' && look(output.packet).kind === 'binding-update',
    );
    if (update?.kind !== 'send')
      throw new Error(
        `datagram ${this.#sent}: no Binding Update after a move: ${JSON.stringify(this.#out)}`,
      );
    for (const answer of this.#stepAgent({
      kind: 'datagram',
      path: this.#translated(update.path),
      packet: update.packet,
    })) {
      if (answer.kind !== 'send' || look(answer.packet).kind !== 'binding-acknowledgement')
        continue;
      return { path: update.path, packet: answer.packet };
    }
    throw new Error(`datagram ${this.#sent}: the home agent did not answer`);
  }

  #accept(genuine: Datagram): void {
    const before = this.counters['registration-accepted'] ?? 0;
    this.#step({ kind: 'datagram', ...genuine });
    if ((this.counters['registration-accepted'] ?? 0) !== before + 1)
      throw this.#wrong('genuine acknowledgement', genuine.packet, 'was not accepted');
    this.#former = genuine;
    this.accepted++;
  }

  #interface(): NetworkInterface {
    const host = 16 + this.#random.below(200);
    const epoch = ++this.#epoch;
    const six = this.#random.chance(0.5);
    const address = six
      ? ipv6(`2001:db8:a${this.#random.below(10)}::${host.toString(16)}`)
      : ipv4(`198.51.100.${host}`);
    const gateway = six ? ipv6('fe80::1') : ipv4('198.51.100.1');
    const common = {
      tentative: false,
      duplicate: false,
      deprecated: false,
      validUntil: NEVER,
      epoch,
    };
    return {
      index: 2,
      name: 'eth0',
      running: true,
      epoch,
      mtu: 1500,
      linkAddress: Uint8Array.of(2, 0, 0, 0, 0, 1),
      addresses: [{ address, prefixLength: six ? 64 : 24, ...common }],
      routers: [{ family: six ? 6 : 4, gateway, metric: 100, validUntil: NEVER, epoch }],
    };
  }

  /** Half of the IPv4 networks are behind a NAT. */
  #translated(path: PacketPath): PacketPath {
    if (path.kind !== 'udp') return path;
    const outside: Ipv4Address = this.#random.chance(0.5) ? ipv4('203.0.113.7') : path.local;
    return {
      kind: 'udp',
      local: path.remote,
      localPort: path.remotePort,
      remote: outside,
      remotePort: path.localPort,
    };
  }

  #tick(): void {
    for (let ticks = 0; this.#node.deadline() <= this.#now; ticks++) {
      if (ticks > 20) throw new Error('mobile node: busy loop');
      this.#step({ kind: 'tick' });
    }
    if (this.#agent.deadline() <= this.#now) this.#stepAgent({ kind: 'tick' });
  }

  #step(input: Parameters<MobileNode['step']>[1]): void {
    this.#out = [];
    this.#node.step(monotonic(this.#now), input, this.#out);
  }

  #stepAgent(input: Parameters<ReturnType<typeof createHomeAgent>['step']>[1]): readonly Output[] {
    const out: Output[] = [];
    this.#agent.step(monotonic(this.#now), input, out);
    return out;
  }

  #sum(mutation: AcknowledgementMutation): number {
    let sum = 0;
    for (const reason of mutation.reasons) sum += this.counters[reason] ?? 0;
    return sum;
  }

  #wrong(name: string, packet: Uint8Array, text: string): Error {
    return new Error(
      `datagram ${this.#sent}: ${name} ${text}\n${Buffer.from(packet).toString('hex')}`,
    );
  }
}
