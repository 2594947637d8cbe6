/**
 * A small internet under virtual time: home agents and mobile nodes (the real engines),
 * correspondents, access networks with NATs, links that delay, lose, reorder and duplicate, and
 * names that resolve or fail. One seed gives one world.
 *
 *      correspondents ── core ── home agents ── (home link)
 *                          │
 *         access networks, each with its NATs ── mobile nodes
 */
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import type { Engine } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { type AnyInput, Violation } from './engine-host.ts';
import { describeFrame, type Frame, outerOctets, type SentData } from './frame.ts';
import { HomeAgentHost } from './home-agent-host.ts';
import { HomeLink } from './home-link.ts';
import { MobileHost } from './mobile-host.ts';
import type { AccessNetwork } from './network.ts';
import { SeededRandom } from './random.ts';
import { RegistrationChecks } from './registration-checks.ts';
import { Schedule } from './schedule.ts';
import { Trace } from './trace.ts';

/** The current faults of the core, as probabilities 0 … 1. */
interface LinkQuality {
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly jitterMs: number;
}

export const PERFECT: LinkQuality = { loss: 0, duplicate: 0, reorder: 0, jitterMs: 0 };

/** 2026-01-01T00:00:00Z. */
export const WALL_OFFSET_MS = 1_767_225_600_000;

export type MakeEngine<C> = (
  configuration: C,
  random: (count: number) => Uint8Array,
) => Engine<AnyInput>;

export class World {
  readonly seed: number;
  readonly random: SeededRandom;
  readonly schedule = new Schedule();
  readonly trace = new Trace();
  readonly homeAgents: HomeAgentHost[] = [];
  readonly mobiles: MobileHost[] = [];
  readonly networks: AccessNetwork[] = [];
  readonly homeLink: HomeLink;
  readonly checks: RegistrationChecks;
  readonly names = new Map<string, readonly IpAddress[]>();
  /** Numbers of data packets that reached the right receiver. */
  readonly delivered = new Set<number>();
  readonly drops = new Map<string, number>();
  namesWork = true;
  quality: LinkQuality = PERFECT;
  #dataNumber = 0;
  readonly correspondents: readonly IpAddress[];

  constructor(seed: number, correspondents: readonly IpAddress[]) {
    this.seed = seed;
    this.random = new SeededRandom(seed);
    this.correspondents = correspondents;
    this.homeLink = new HomeLink(this);
    this.checks = new RegistrationChecks(this.schedule);
  }

  get now(): number {
    return this.schedule.now;
  }

  addHomeAgent(
    name: string,
    configuration: HomeAgentConfiguration,
    make: MakeEngine<HomeAgentConfiguration>,
  ): HomeAgentHost {
    const linkAddress = this.random.bytes(6);
    linkAddress[0] = 2;
    const host = new HomeAgentHost(
      name,
      configuration,
      () => make(configuration, this.random.bytes),
      linkAddress,
      this,
    );
    this.homeAgents.push(host);
    this.checks.watch(host);
    host.start(WALL_OFFSET_MS);
    return host;
  }

  addMobile(
    name: string,
    configuration: MobileNodeConfiguration,
    make: MakeEngine<MobileNodeConfiguration>,
    options: { readonly devices?: readonly string[]; readonly clockSkewMs?: number } = {},
  ): MobileHost {
    const offset = WALL_OFFSET_MS + (options.clockSkewMs ?? 0);
    const host = new MobileHost(
      name,
      configuration,
      () => make(configuration, this.random.bytes),
      options.devices ?? ['eth0'],
      offset,
      this,
    );
    this.mobiles.push(host);
    host.start();
    return host;
  }

  addNetwork(network: AccessNetwork): AccessNetwork {
    this.networks.push(network);
    return network;
  }

  runFor(milliseconds: number): void {
    this.schedule.runUntil(this.now + milliseconds);
  }

  /** Runs until `condition` gives no fault; throws the fault that remains after `limitMs`. */
  runUntil(what: string, limitMs: number, condition: () => string | undefined): number {
    const began = this.now;
    for (let step = 5; ; step = Math.min(step * 1.5, 250)) {
      const wrong = condition();
      if (wrong === undefined) return this.now - began;
      if (this.now - began > limitMs)
        throw new Violation(`${what}: not within ${limitMs} ms: ${wrong}`);
      this.runFor(step);
    }
  }

  /** A new inner packet; `sender` is the real sender, `source` may be forged. */
  data(sender: string, source: IpAddress, destination: IpAddress, octets = 120): SentData {
    const owner = this.mobiles.find((mobile) => mobile.ownsHomeAddress(source));
    const truth =
      owner?.name ?? (this.correspondents.includes(source) ? 'correspondent' : undefined);
    return {
      source,
      destination,
      number: ++this.#dataNumber,
      octets,
      sender,
      home: owner?.configuration.homes[0]?.homeAddress,
      forged: truth !== sender,
    };
  }

  // --- paths through the world ---

  transmit(from: string, network: AccessNetwork, frame: Frame): void {
    if (!network.forwards(frame)) {
      this.drop('access network down', from, frame);
      return;
    }
    if (outerOctets(frame) > network.mtu) {
      this.drop('larger than the link', from, frame);
      return;
    }
    if (network.home && this.homeLink.deliverLocally(from, frame)) return;
    const outside = network.translateOut(this.now, frame);
    if (typeof outside === 'string') {
      this.drop(outside, from, frame);
      return;
    }
    this.#cross(from, outside, network.delayMs);
  }

  transmitFromCore(from: string, frame: Frame): void {
    this.#cross(from, frame, 0);
  }

  transmitOnHomeLink(
    from: string,
    linkAddress: Uint8Array,
    path: PacketPath,
    packet: Uint8Array,
  ): void {
    this.homeLink.send(from, linkAddress, path, packet);
  }

  resolve(
    name: string,
    answer: (addresses: readonly IpAddress[], failure: string | undefined) => void,
  ): void {
    this.schedule.in(this.random.between(2, 80), () => {
      const addresses = this.namesWork ? this.names.get(name) : undefined;
      answer(addresses ?? [], addresses === undefined ? 'SERVFAIL' : undefined);
    });
  }

  /** An inner packet reached a mobile node's application. */
  deliver(to: MobileHost, data: SentData): void {
    if (!to.ownsHomeAddress(data.destination))
      throw new Violation(`data for ${data.destination} was delivered to ${to.name}`);
    this.#checkSender(data);
    this.delivered.add(data.number);
  }

  drop(reason: string, from: string, frame: Frame): void {
    this.drops.set(reason, (this.drops.get(reason) ?? 0) + 1);
    this.trace.frame(this.now, from, 'lost', frame, reason);
  }

  #cross(from: string, frame: Frame, delayMs: number): void {
    const { loss, duplicate, reorder, jitterMs } = this.quality;
    if (this.random.chance(loss)) {
      this.drop('loss', from, frame);
      return;
    }
    const late = this.random.chance(reorder) ? this.random.between(5, 120) : 0;
    this.schedule.in(delayMs + this.random.fraction() * jitterMs + late, () =>
      this.#arrive(from, frame),
    );
    if (this.random.chance(duplicate)) {
      this.schedule.in(delayMs + this.random.between(0, 400), () => this.#arrive(from, frame));
    }
  }

  #arrive(from: string, frame: Frame): void {
    const { destination } = frame;
    const agent = this.homeAgents.find((each) => each.owns(destination));
    if (agent !== undefined) {
      this.trace.frame(this.now, from, agent.name, frame);
      agent.receive(frame);
      return;
    }
    if (this.correspondents.includes(destination)) {
      this.#correspond(frame);
      return;
    }
    const serving = this.homeAgents.find((each) => each.serves(destination));
    if (serving !== undefined) {
      this.#arriveHome(from, serving, frame);
      return;
    }
    const network = this.#networkOf(destination);
    if (network === undefined) {
      this.drop('no such destination', from, frame);
      return;
    }
    this.schedule.in(network.delayMs, () => this.#enter(from, network, frame));
  }

  #enter(from: string, network: AccessNetwork, frame: Frame): void {
    if (!network.forwards(frame)) {
      this.drop('access network down', from, frame);
      return;
    }
    if (outerOctets(frame) > network.mtu) {
      this.drop('larger than the link', from, frame);
      return;
    }
    const inside = network.translateIn(this.now, frame);
    if (typeof inside === 'string') {
      this.drop(inside, from, frame);
      return;
    }
    const station = network.stations.get(inside.destination);
    if (station === undefined) {
      this.drop('no host has the address', from, inside);
      return;
    }
    this.trace.frame(this.now, from, station.name, inside);
    station.receive(inside);
  }

  #arriveHome(from: string, agent: HomeAgentHost, frame: Frame): void {
    const onLink = isIpv6(frame.destination) && agent.configuration.homeLink !== undefined;
    if (onLink && this.homeLink.deliverLocally(from, frame)) return;
    if (onLink && frame.data !== undefined) {
      this.drop('no answer on the home link', from, frame);
      return;
    }
    if (frame.data === undefined || !agent.forward(frame.data))
      this.drop('no binding', from, frame);
  }

  #correspond(frame: Frame): void {
    if (frame.data === undefined) return;
    if (!this.correspondents.includes(frame.data.destination))
      throw new Violation(`a correspondent got ${describeFrame(frame)}`);
    this.#checkSender(frame.data);
    this.delivered.add(frame.data.number);
  }

  #checkSender(data: SentData): void {
    if (data.forged && !this.checks.inherited.has(data.number))
      throw new Violation(`data ${data.number} of ${data.sender} passed as ${data.source}`);
  }

  #networkOf(address: IpAddress): AccessNetwork | undefined {
    return this.networks.find((network) => network.attracts(address));
  }
}
