/**
 * The mobile node: takes inputs, passes them to its homes, and owns the state that the homes share.
 *
 * RFC 6275 §11, RFC 5555 §4.4, RFC 4285, RFC 4283; the files beside this one name their sections
 * RFC 6275 §11.1  the Binding Update List
 * Left out: correspondent registration (§11.6, §11.7.2), ICMP errors to and from correspondents.
 */
import { unreachable } from '#base/assert.ts';
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import { earliest, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type {
  CommonInput,
  NetworkInput,
  ResolvedInput,
  TrafficInput,
} from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { BindingUpdateList } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import type { EspReason } from '#engine/mobile-ipv6/common/esp/reasons.ts';
import { UpdateRateLimit } from '#engine/mobile-ipv6/common/update-rate-limit.ts';
import { bindingStatusName } from '#wire/mobility/binding-status.ts';
import { NatLifetimes } from './binding/nat-lifetimes.ts';
import {
  fixedAddressesOf,
  type HomeConfiguration,
  type MobileNodeConfiguration,
} from './configuration.ts';
import { ControlPackets } from './control-packets.ts';
import { type DesiredParts, desiredParts } from './desired-state/desired-parts.ts';
import { DesiredStatePublisher } from './desired-state/desired-state-publisher.ts';
import { homesByTunnel, homesOn } from './desired-state/home-part.ts';
import type { HomeState } from './desired-state/home-state.ts';
import { KillSwitch, type KillSwitchState } from './desired-state/kill-switch.ts';
import { Home } from './home/home.ts';
import type { HomeAgentAddresses } from './home/home-agent-addresses.ts';
import type { HomeRole } from './home/home-role.ts';
import { MOBILE_NODE_TABLE } from './home/stored-registration.ts';
import { type MobileNodeExtension, NO_EXTENSION } from './mobile-node-extension.ts';
import { parseAdvertisement, type RouterAdvertisement } from './network/discovery-packets.ts';
import { MovementDetection } from './network/movement-detection.ts';
import { UdpPort } from './network/udp-port.ts';
import type { NodeContext } from './node-context.ts';
import { handleOperatorCommand } from './operator-commands.ts';
import { MOBILE_NODE_REASONS, type MobileNodeReason } from './reasons.ts';
import { HANDSHAKE_TABLE, SealedHomes } from './sealed/sealed-homes.ts';
import type { NodeTimer } from './timers.ts';

/** `roaming`: the home agent's own address changed; the node follows its acknowledgements alone. */
export type MobileNodeInput =
  | CommonInput
  | NetworkInput
  | ResolvedInput
  | TrafficInput
  | RoamingInput;

export type MobileNodeEngine = Engine<MobileNodeInput> &
  Reconfigurable<MobileNodeConfiguration> & {
    readonly counters: Counters;
    /** For the ESP around the engine. */
    count(reason: EspReason): void;
  };

interface MobileNodeParts {
  readonly extension?: MobileNodeExtension;
  /** The node's own key, for home agents that have one. */
  readonly own?: KeyPair | undefined;
}

export function createMobileNode(
  configuration: MobileNodeConfiguration,
  random: RandomBytes,
  { extension = NO_EXTENSION, own }: MobileNodeParts = {},
): MobileNodeEngine {
  return new MobileNode(configuration, random, extension, own);
}

class MobileNode implements MobileNodeEngine, NodeContext {
  #configuration: MobileNodeConfiguration;
  readonly random: RandomBytes;
  readonly movement: MovementDetection;
  readonly natLifetimes = new NatLifetimes();
  readonly lastTimestampOfKey = new Map<number, bigint>();
  readonly bindingUpdateList = new BindingUpdateList();
  readonly udpPort = new UdpPort((reason) => this.count(reason));
  readonly updateRateLimit = new UpdateRateLimit();
  readonly homes: readonly Home[];
  readonly sealed: SealedHomes | undefined;
  readonly #extension: MobileNodeExtension;
  readonly #packets: ControlPackets;
  readonly #publisher = new DesiredStatePublisher();
  readonly #counters = new CounterSet<MobileNodeReason>(MOBILE_NODE_REASONS);
  readonly #acknowledgements = new CounterSet<string>({});
  readonly #timers = new Timers<NodeTimer>();
  #clockOffsetMs = 0;
  readonly #killSwitch: KillSwitch;

  constructor(
    configuration: MobileNodeConfiguration,
    random: RandomBytes,
    extension: MobileNodeExtension,
    own: KeyPair | undefined,
  ) {
    this.#configuration = configuration;
    this.random = random;
    this.#extension = extension;
    this.movement = new MovementDetection(
      configuration.interfaces,
      new Set(configuration.homes.flatMap(fixedAddressesOf)),
      extension.exclusions,
    );
    this.#killSwitch = new KillSwitch([...extension.exclusions.devices]);
    this.sealed = own && new SealedHomes(configuration.homes, own, random, this);
    this.homes = configuration.homes.map((home) => new Home(home, this));
    this.#packets = new ControlPackets(
      this.homes,
      (address) => this.movement.hasAddress(address),
      (reason) => this.count(reason),
    );
  }

  // --- state shared by the homes ---

  get configuration(): MobileNodeConfiguration {
    return this.#configuration;
  }

  get counters(): Counters {
    return { ...this.sealed?.counters, ...this.#counters.counters };
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

  // --- inputs ---

  step(now: Monotonic, input: MobileNodeInput, out: Output[]): void {
    const first = out.length;
    this.#handle({ now, out }, input);
    const part = this.#killSwitch.changed(this.homes, this.#configuration);
    // In front of the packets of this step, which may go to a new address of the home agent.
    if (part !== undefined) out.splice(first, 0, { kind: 'set-desired', key: 'kill-switch', part });
  }

  #handle(step: Step, input: MobileNodeInput): void {
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'link') this.#hear(step, input.path.device, input.packet);
        else if (input.path.kind === 'datagram')
          this.sealed?.receive(step, input.path, input.packet);
        else this.#packets.receive(step, input.path, input.packet, homesOn(this.homes, input.path));
        return;
      case 'network':
        this.movement.update(step.now, input.interfaces);
        this.#solicitRouters(step);
        this.#assess(step);
        return;
      case 'tick':
        this.#tick(step);
        return;
      case 'resolved':
        this.#resolved(step, input);
        return;
      case 'roaming':
        return;
      case 'traffic':
        this.#sampleTraffic(step, input);
        return;
      case 'clock':
        this.#setClock(step, input.offsetMs);
        return;
      case 'record':
        if (input.table === MOBILE_NODE_TABLE) this.#restore(input.key, input.value);
        else if (input.table === HANDSHAKE_TABLE) this.sealed?.restore(input.value);
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
        // By default the binding stays: a restart resumes it, and otherwise its lifetime ends.
        if (this.#configuration.deregisterOnStop) for (const home of this.homes) home.release(step);
        return;
      default:
        unreachable(input);
    }
  }

  /** Homes, ports, tables and marks do not change while the node runs. */
  reconfigure(now: Monotonic, fresh: MobileNodeConfiguration): void {
    const former = this.#configuration;
    const { interfaces, optimistic, preferIpv4, firstRegistrationTimeoutMs, forceUdp } = fresh;
    const { natKeepaliveSeconds, lifetimeSeconds, failBackSeconds, defaultRoute, tunnelMtu } =
      fresh;
    const { deregisterOnStop, splitTunnel } = fresh;
    const { killSwitch = 'off', allowLocalNetwork = false, acceptDns = false } = fresh;
    this.#configuration = {
      ...former,
      interfaces,
      optimistic,
      preferIpv4,
      ...(firstRegistrationTimeoutMs === undefined ? {} : { firstRegistrationTimeoutMs }),
      forceUdp,
      natKeepaliveSeconds,
      lifetimeSeconds,
      failBackSeconds,
      defaultRoute,
      deregisterOnStop,
      tunnelMtu,
      ...{ splitTunnel, killSwitch, allowLocalNetwork, acceptDns },
    };
    this.movement.setPreferences(interfaces);
    for (const home of this.homes) home.reconfigure(now, former);
    this.#timers.set('movement', now);
  }

  #setClock(step: Step, offsetMs: number): void {
    const jumpMs = offsetMs - this.#clockOffsetMs;
    this.#clockOffsetMs = offsetMs;
    this.sealed?.setClockOffset(offsetMs);
    for (const home of this.homes) home.adjustForClockJump(step, jumpMs);
  }

  #restore(homeName: string, record: JsonValue): void {
    this.homes.find(({ configuration }) => configuration.name === homeName)?.restore(record);
  }

  #resolved(step: Step, { name, addresses, failure }: ResolvedInput): void {
    for (const home of this.homes)
      if (home.homeAgents.name === name) home.homeAgentResolved(step, addresses, failure);
  }

  #sampleTraffic(step: Step, { tunnels }: TrafficInput): void {
    const homes = homesByTunnel(this.homes);
    for (const sample of tunnels)
      for (const home of homes.get(sample.tunnel) ?? []) home.sampleTraffic(step, sample);
  }

  /** Takes an advertisement of a link. */
  #hear(step: Step, device: string, bytes: Uint8Array): void {
    const heard = parseAdvertisement(bytes);
    const link = this.movement.interfaces.find(({ name }) => name === device);
    if (heard === undefined) this.count('advertisement-ignored');
    else if (heard.body.type === 'neighbour-advertisement')
      for (const { attachment } of this.homes) attachment.homeStay?.hear(step, device, heard.body);
    else if (link !== undefined) this.#hearRouter(step, link, heard.source, heard.body);
  }

  #hearRouter(
    step: Step,
    link: NetworkInterface,
    source: Ipv6Address,
    body: RouterAdvertisement,
  ): void {
    const { advertised } = this.movement;
    if (!advertised.hear(step.now, link, source, body)) return;
    const undecided = this.homes.some(
      ({ configuration: { virtualHomeNetwork, homePrefix } }) =>
        !virtualHomeNetwork && advertised.verdict(step.now, link, homePrefix) === 'unknown',
    );
    if (undecided) advertised.solicitAgain(step, link);
    this.#assess(step);
  }

  #solicitRouters(step: Step): void {
    const { advertised, egress } = this.movement;
    if (this.#configuration.discovery === true) advertised.solicit(step, egress);
  }

  // --- time and movement ---

  deadline(): Monotonic {
    const sealed = this.sealed?.deadline() ?? NEVER;
    return earliest(this.#timers.deadline(), sealed, ...this.homes.map((home) => home.deadline()));
  }

  #tick(step: Step): void {
    if (this.#timers.due(step.now) !== undefined) {
      this.#solicitRouters(step);
      this.#assess(step);
    }
    for (const home of this.homes) home.tick(step);
    this.sealed?.tick(step);
  }

  #assess(step: Step): void {
    for (const home of this.homes) home.assess(step);
    this.#timers.set('movement', this.movement.deadline(step.now));
    this.publishDesired(step);
  }

  sealedPacketReceived(step: Step, udpPath: UdpPath, packet: Uint8Array, home: Ipv6Address): void {
    const homes = this.homes.filter(({ configuration }) => configuration.homeAddress === home);
    this.#packets.receive(step, { kind: 'datagram', ...udpPath }, packet, homes);
  }

  keysLost(step: Step, homeAddress: Ipv6Address): void {
    const home = this.homes.find(({ configuration }) => configuration.homeAddress === homeAddress);
    home?.attachment.current?.registerAgain(step);
  }

  // --- desired state ---

  publishDesired(step: Step): void {
    const parts = this.#parts();
    if (parts !== undefined) this.#publisher.publish(step, parts);
  }

  publishUrgent(step: Step, careOf: IpAddress, homeAgents: HomeAgentAddresses): void {
    const parts = this.#parts();
    if (parts !== undefined) this.#publisher.publishUrgent(step, parts, careOf, homeAgents);
  }

  /** Undefined before the network is known: the addresses may belong on the home link. */
  #parts(): DesiredParts | undefined {
    const { known, interfaces, egress } = this.movement;
    if (!known) return undefined;
    const homes = this.#homeStates();
    const links = interfaces.filter(({ name }) => !this.#extension.exclusions.devices.has(name));
    const isClosed = this.killSwitch === 'closed';
    const parts = desiredParts(homes, links, this.#configuration, isClosed);
    const further = this.#extension.parts(homes, egress);
    return further.size === 0 ? parts : new Map([...further, ...parts]);
  }

  get killSwitch(): KillSwitchState | undefined {
    return this.#killSwitch.stateFor(this.#configuration);
  }

  liftKillSwitch(step: Step, isLifted: boolean): void {
    this.#killSwitch.lift(step, isLifted);
    this.publishDesired(step);
  }

  #homeStates(): readonly HomeState[] {
    return this.homes.map((home) => home.homeState()).filter((state) => state !== undefined);
  }

  tunnels(): JsonValue {
    return this.#publisher.tunnels();
  }
}
