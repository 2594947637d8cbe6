/**
 * The mobile node: inputs in, what follows from them out.
 *
 * RFC 6275 §11, RFC 5555 §4.4, RFC 4285, RFC 4283; see the files beside this one for which section
 * is where
 * RFC 6275 §11.2     checks of a Mobility Header and the errors of §9.2, §9.3.3;  RFC 8200 §4.2,
 *                    §4.4
 * RFC 6275 §11.3.6   Binding Error;  §11.7.4 Binding Refresh Request, as far as the home agent
 *                    sends them
 * Left out: correspondent registration (§11.6, §11.7.2), ICMP errors to and from correspondents.
 */
import { unreachable } from '#base/assert.ts';
import { isMalformed } from '#base/bytes.ts';
import { type IpAddress, isGlobalUnicast } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { earliest, type Monotonic, type Wall, wall } from '#base/time.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { Timers } from '#engine/common/timers.ts';
import { type DesiredPart, describeTunnel } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput, ResolvedInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { UpdateRateLimit } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import {
  ErrorReporter,
  extensionFault,
  type Fault,
  readMobility,
} from '#engine/mobile-ipv6/common/packet-faults.ts';
import { type Ipv6Packet, ipv6Codec, upperLayerDestination } from '#wire/ip/ipv6.ts';
import { bindingStatusName } from '#wire/mobility/binding-status.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { BindingErrorStatus, type MobilityMessage } from '#wire/mobility/message.ts';
import type { HomeConfiguration, MobileNodeConfiguration } from './configuration.ts';
import {
  changesMainTable,
  desiredParts,
  type HomeState,
  isHomePart,
} from './desired-state/policy-routing.ts';
import { HomeRegistration } from './home/home.ts';
import { type HomeRole, PLAIN_ROLE } from './home/home-role.ts';
import { MOBILE_NODE_TABLE } from './home/stored-registration-record.ts';
import { type Exclusions, MovementDetection, NO_EXCLUSIONS } from './network/movement-detection.ts';
import type { NodeContext } from './node-context.ts';
import { handleOperatorCommand } from './operator-commands.ts';
import { MOBILE_NODE_REASONS, type MobileNodeReason } from './reasons.ts';
import type { NodeTimer } from './timers.ts';

export type MobileNodeInput = CommonInput | NetworkInput | ResolvedInput;

/** What a role that builds upon the mobile node adds to it. */
export interface MobileNodeExtension {
  /** For the operator. */
  readonly name: string;
  /** What the role does in the registration of one home. */
  roleOf(home: HomeConfiguration): HomeRole;
  /** Interfaces and addresses that lead to the role's own networks. */
  readonly exclusions: Exclusions;
  /** Further parts of the desired state, by keys that the mobile node does not use. */
  parts(
    situations: readonly HomeState[],
    egress: readonly NetworkInterface[],
  ): ReadonlyMap<string, DesiredPart>;
}

const NO_EXTENSION: MobileNodeExtension = {
  name: 'mobile-node',
  roleOf: () => PLAIN_ROLE,
  exclusions: NO_EXCLUSIONS,
  parts: () => new Map(),
};

export type MobileNodeEngine = Engine<MobileNodeInput> &
  Reconfigurable<MobileNodeConfiguration> & { readonly counters: Counters };

export function createMobileNode(
  configuration: MobileNodeConfiguration,
  random: RandomBytes,
  extension: MobileNodeExtension = NO_EXTENSION,
): MobileNodeEngine {
  return new MobileNode(configuration, random, extension);
}

class MobileNode implements MobileNodeEngine, NodeContext {
  configuration: MobileNodeConfiguration;
  readonly random: RandomBytes;
  readonly movement: MovementDetection;
  readonly updateRateLimit = new UpdateRateLimit();
  readonly homes: readonly HomeRegistration[];
  readonly #extension: MobileNodeExtension;
  readonly #counters = new CounterSet<MobileNodeReason>(MOBILE_NODE_REASONS);
  readonly #acknowledgements = new CounterSet<string>({});
  readonly #errors = new ErrorReporter();
  readonly #timers = new Timers<NodeTimer>();
  /** Each part as last wanted, with its text for comparison. */
  readonly #desired = new Map<string, { readonly part: DesiredPart; readonly text: string }>();
  #clockOffsetMs = 0;

  constructor(
    configuration: MobileNodeConfiguration,
    random: RandomBytes,
    extension: MobileNodeExtension,
  ) {
    this.configuration = configuration;
    this.random = random;
    this.#extension = extension;
    const fixed = configuration.homes.flatMap(({ homeAddress, ipv4HomeAddress }): IpAddress[] =>
      ipv4HomeAddress === 'none' || ipv4HomeAddress === 'dynamic'
        ? [homeAddress]
        : [homeAddress, ipv4HomeAddress],
    );
    this.movement = new MovementDetection(
      configuration.interfaces,
      new Set(fixed),
      extension.exclusions,
    );
    this.homes = configuration.homes.map((home) => new HomeRegistration(home, this));
  }

  get counters(): Counters {
    return this.#counters.counters;
  }

  get acknowledgements(): Counters {
    return this.#acknowledgements.counters;
  }

  count(reason: MobileNodeReason): void {
    this.#counters.count(reason);
  }

  countAcknowledgement(status: number): void {
    this.#acknowledgements.count(bindingStatusName(status));
  }

  wall(now: Monotonic): Wall {
    return wall(now + this.#clockOffsetMs);
  }

  roleOf(home: HomeConfiguration): HomeRole {
    return this.#extension.roleOf(home);
  }

  get roleName(): string {
    return this.#extension.name;
  }

  step(now: Monotonic, input: MobileNodeInput, out: Output[]): void {
    this.#handle({ now, out }, input);
  }

  /** Homes, ports, tables and marks stay as they are. */
  reconfigure(now: Monotonic, fresh: MobileNodeConfiguration): void {
    const former = this.configuration;
    const { interfaces, optimistic, preferIpv4, forceUdp } = fresh;
    const { natKeepaliveSeconds, lifetimeSeconds, defaultRoute, tunnelMtu } = fresh;
    const registering = {
      interfaces,
      optimistic,
      preferIpv4,
      forceUdp,
      natKeepaliveSeconds,
      lifetimeSeconds,
    };
    this.configuration = { ...former, ...registering, defaultRoute, tunnelMtu };
    this.movement.setPreferences(interfaces);
    for (const home of this.homes) home.reconfigured(now, former);
    this.#timers.set('movement', now);
  }

  #handle(step: Step, input: MobileNodeInput): void {
    switch (input.kind) {
      case 'datagram':
        this.#received(this.#datagram(step, input.path, input.packet));
        return;
      case 'network':
        this.movement.update(step.now, input.interfaces);
        this.#assess(step);
        return;
      case 'tick':
        this.#tick(step);
        return;
      case 'resolved':
        this.#resolved(step, input);
        return;
      case 'clock':
        this.#setClock(step, input.offsetMs);
        return;
      case 'record':
        if (input.table === MOBILE_NODE_TABLE) this.#home(input.key)?.state.restore(input.value);
        return;
      case 'restored':
        this.#assess(step);
        return;
      case 'request':
        step.out.push({
          kind: 'reply',
          id: input.id,
          ...handleOperatorCommand(step, this, input.command, input.parameters),
        });
        return;
      case 'stop':
        // The binding stays: a restart takes it up again, and without one its lifetime ends it.
        return;
      default:
        unreachable(input);
    }
  }

  #setClock(step: Step, offsetMs: number): void {
    const jumpMs = offsetMs - this.#clockOffsetMs;
    this.#clockOffsetMs = offsetMs;
    for (const home of this.homes) home.adjustForClockJump(step, jumpMs);
  }

  #home(name: string): HomeRegistration | undefined {
    return this.homes.find(({ state }) => state.home.name === name);
  }

  deadline(): Monotonic {
    return earliest(
      this.#timers.deadline(),
      ...this.homes.map((home) => home.state.timers.deadline()),
    );
  }

  #tick(step: Step): void {
    if (this.#timers.due(step.now) !== undefined) this.#assess(step);
    for (const home of this.homes) home.tick(step);
  }

  #assess(step: Step): void {
    for (const home of this.homes) home.assess(step);
    this.#timers.set('movement', this.movement.deadline(step.now));
    this.publishDesired(step);
  }

  #resolved(step: Step, { name, addresses, failure }: ResolvedInput): void {
    for (const home of this.homes)
      if (home.state.homeAgents.name === name) home.homeAgentResolved(step, addresses, failure);
  }

  // --- wanted state ---

  publishDesired(step: Step): void {
    const parts = this.#parts();
    if (parts === undefined) return;
    this.#setDesired(step, parts);
    for (const key of this.#desired.keys()) {
      if (parts.has(key)) continue;
      this.#desired.delete(key);
      step.out.push({ kind: 'set-desired', key, part: undefined });
    }
  }

  publishDesiredTunnels(step: Step): void {
    if ([...this.#desired.values()].some(({ part }) => changesMainTable(part))) {
      this.publishDesired(step);
      return;
    }
    const parts = this.#parts()
      ?.entries()
      .filter(([key]) => isHomePart(key));
    if (parts !== undefined) this.#setDesired(step, parts);
  }

  #setDesired({ out }: Step, parts: Iterable<readonly [string, DesiredPart]>): void {
    for (const [key, part] of parts) {
      const text = JSON.stringify(part);
      if (this.#desired.get(key)?.text === text) continue;
      this.#desired.set(key, { part, text });
      out.push({ kind: 'set-desired', key, part });
    }
  }

  #parts(): ReadonlyMap<string, DesiredPart> | undefined {
    // Before the network is known nobody can say whether the addresses belong on the tunnel or on
    // the home link.
    if (!this.movement.known) return undefined;
    const situations = this.homes
      .map((home) => home.state.homeState())
      .filter((situation) => situation !== undefined);
    const ingress = this.#extension.exclusions.devices;
    const addresses = this.movement.interfaces
      .filter(({ running, name }) => running && !ingress.has(name))
      .flatMap((link) => link.addresses.map(({ address }) => address))
      .filter(isGlobalUnicast);
    const parts = desiredParts(situations, [...new Set(addresses)].sort(), this.configuration);
    return new Map([...this.#extension.parts(situations, this.movement.egress), ...parts]);
  }

  tunnels(): JsonValue {
    return [...this.#desired.values()].flatMap(({ part }) =>
      (part.tunnels ?? []).map(describeTunnel),
    );
  }

  // --- packets ---

  #received(reason: MobileNodeReason | undefined): void {
    if (reason !== undefined) this.count(reason);
  }

  /**
   * Takes a control packet; gives the reason to count if it was not for a registration to judge.
   */
  #datagram(step: Step, path: PacketPath, bytes: Uint8Array): MobileNodeReason | undefined {
    if (path.kind === 'link') return 'unexpected-path';
    const packet = ipv6Codec.parse(bytes);
    if (isMalformed(packet)) return 'malformed-packet';
    const fault = extensionFault(packet);
    if (fault !== undefined) return this.#answer(step, path, packet, bytes, fault);
    if (packet.protocol !== PROTOCOL_MOBILITY) return 'unexpected-protocol';
    const read = readMobility(packet, bytes);
    if (read.fault !== undefined) return this.#answer(step, path, packet, bytes, read.fault);
    return this.#message(step, path, packet, read.message);
  }

  /**
   * What is wrong with a packet to an address of ours is told to its source, where the RFCs want
   * that.
   */
  #answer(
    step: Step,
    path: PacketPath,
    packet: Ipv6Packet,
    bytes: Uint8Array,
    { reason, answer }: Fault,
  ): MobileNodeReason {
    if (answer !== undefined && this.#owner(packet.destination) !== undefined) {
      this.count(this.#errors.report(step, path, packet, bytes, answer));
    }
    return reason;
  }

  #owner(address: IpAddress): HomeRegistration | undefined {
    return this.homes.find(
      (one) => one.state.home.homeAddress === address || ownsCareOf(one, address),
    );
  }

  /** Several homes may share a care-of address: a Binding Error tells which is meant. */
  #named(
    homeAddress: IpAddress,
    destination: IpAddress,
    fallback: HomeRegistration,
  ): HomeRegistration {
    const named = this.homes.find(({ state }) => state.home.homeAddress === homeAddress);
    return named !== undefined && ownsCareOf(named, destination) ? named : fallback;
  }

  #message(
    step: Step,
    path: PacketPath,
    packet: Ipv6Packet,
    message: MobilityMessage,
  ): MobileNodeReason | undefined {
    const home = this.#owner(upperLayerDestination(packet));
    if (home === undefined) return 'not-our-home-address';
    switch (message.type) {
      case 'binding-acknowledgement':
        home.receive(step, { path, packet, header: packet.payload, message });
        return undefined;
      case 'binding-refresh-request':
        if (!fromHomeAgent(home, packet)) return 'not-from-home-agent';
        return home.requestRefresh(step) ? 'refresh-requested' : 'request-rate-limited';
      case 'binding-error':
        if (!fromHomeAgent(home, packet)) return 'binding-error-ignored';
        if (message.status !== BindingErrorStatus.unknownBinding) return 'binding-error-ignored';
        return this.#named(message.homeAddress, packet.destination, home).requestRefresh(step)
          ? 'binding-error-followed'
          : 'request-rate-limited';
      default:
        return 'unexpected-message';
    }
  }
}

/** Binding Errors come to the care-of address, without routing header (RFC 6275 §9.3.3). */
function ownsCareOf(home: HomeRegistration, destination: IpAddress): boolean {
  return home.state.careOf?.address === destination;
}

function fromHomeAgent(home: HomeRegistration, packet: Ipv6Packet): boolean {
  return (
    home.state.homeAgents.target(6)?.address === packet.source ||
    home.state.homeAgents.target(4)?.address === packet.source
  );
}
