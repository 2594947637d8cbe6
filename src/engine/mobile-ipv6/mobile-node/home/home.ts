/**
 * One home of a mobile node: the state that its registrations share, and the methods that they
 * call.
 *
 * RFC 6275 §11.7    registration;  §11.5.5 returning home
 * RFC 5555 §4.4.2   IPv4 home address
 * RFC 3963 §5.3-4   home agents that do not serve the role
 * Left out: Dynamic Home Agent Address Discovery, mobile prefix discovery, registration of several
 * care-of addresses at a time (RFC 5648).
 */
import { formatPrefix, type IpAddress, type Ipv4Address } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { earliest, type Monotonic, wall } from '#base/time.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { MatchedAcknowledgement } from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import type { DeregistrationOutcome } from '#engine/mobile-ipv6/mobile-node/binding/retransmission-policy.ts';
import type {
  HomeConfiguration,
  MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { HomeState } from '#engine/mobile-ipv6/mobile-node/desired-state/home-state.ts';
import type { Pin } from '#engine/mobile-ipv6/mobile-node/network/care-of-selection.ts';
import type { NodeContext } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import type { Handover } from '#engine/mobile-ipv6/mobile-node/operator-commands.ts';
import type { ReceivedAcknowledgement } from '../binding/acknowledgement.ts';
import { RecentUpdates } from '../binding/recent-updates.ts';
import { type AttachedHome, Attachment } from './attachment.ts';
import { DeadPathDetection } from './dead-path-detection.ts';
import { HomeAgentAddresses, type UnansweredExchange } from './home-agent-addresses.ts';
import { HomeAgentResolution } from './home-agent-resolution.ts';
import { HomeAgentSilence } from './home-agent-silence.ts';
import type { HomeRole } from './home-role.ts';
import { Ipv4HomeAddress } from './ipv4-home-address.ts';
import { acceptedNameServers, trustsNameServers } from './name-servers.ts';
import { reportSilentHomeAgent } from './path-events.ts';
import { StoredRegistration } from './stored-registration.ts';

/** A wall clock that went ahead by less drifted; by more, the machine may have been suspended. */
const CLOCK_JUMP_MS = 5000;

export class Home implements AttachedHome {
  readonly configuration: HomeConfiguration;
  readonly node: NodeContext;
  readonly role: HomeRole;
  readonly stored: StoredRegistration;
  readonly homeAgents: HomeAgentAddresses;
  readonly silence = new HomeAgentSilence();
  readonly recentUpdates = new RecentUpdates();
  /** The node's attachment, with the list of registrations. */
  readonly attachment: Attachment;
  readonly #ipv4: Ipv4HomeAddress;
  readonly #resolution: HomeAgentResolution;
  readonly #deadPath: DeadPathDetection;
  #linkLocalCompatible = false;
  #lastHandover: Handover | undefined;

  constructor(configuration: HomeConfiguration, node: NodeContext) {
    this.configuration = configuration;
    this.node = node;
    this.role = node.roleOf(configuration);
    this.stored = new StoredRegistration(configuration, node.random, node.lastTimestampOfKey);
    this.homeAgents = new HomeAgentAddresses(
      configuration.homeAgent,
      configuration.homeAgentAddress,
    );
    this.#ipv4 = new Ipv4HomeAddress(configuration, this.stored);
    this.attachment = new Attachment(this);
    this.#resolution = new HomeAgentResolution(this, this.attachment);
    this.#deadPath = new DeadPathDetection(this.attachment, node);
  }

  // --- state shared by the registrations ---

  get bound(): boolean {
    return this.attachment.registrations.bound;
  }

  mayBeBound({ now }: Step): boolean {
    return this.stored.mayBeBound(this.node.wall(now));
  }

  get ipv4HomeAddress(): Ipv4Address | undefined {
    return this.#ipv4.current;
  }

  get silentRounds(): number {
    return this.silence.rounds;
  }

  /** A de-registration repeats the bit: it says which addresses the home agent defended. */
  linkLocalCompatibility(registering: boolean): boolean {
    const { virtualHomeNetwork, homeAddress } = this.configuration;
    if (registering)
      this.#linkLocalCompatible =
        !virtualHomeNetwork && this.node.movement.linkLocalCompatible(homeAddress);
    return this.#linkLocalCompatible;
  }

  restore(value: JsonValue): void {
    this.homeAgents.restore(this.stored.restore(value));
  }

  persist(step: Step, question?: boolean): void {
    this.stored.persist(step, this.homeAgents.known, question);
  }

  event(
    { out }: Step,
    name: EngineEvent['name'],
    level: EngineEvent['level'],
    fields: JsonObject,
  ): void {
    const event = { name, level, fields: { home: this.configuration.name, ...fields } };
    out.push({ kind: 'event', event });
  }

  /** For the operator. */
  get lastHandover(): Handover | undefined {
    return this.#lastHandover;
  }

  recordHandover({ now }: Step, roundTripMs: number | undefined): void {
    const to = this.attachment.location;
    this.#lastHandover = { to, atWallMs: this.node.wall(now), roundTripMs };
  }

  // --- desired state ---

  /** Undefined if the operator withdrew the home, or no home agent serves the role. */
  homeState(): HomeState | undefined {
    const { phase, homeStay } = this.attachment;
    if (phase === 'released' || phase === 'stopped') return undefined;
    return {
      home: this.configuration,
      ipv4HomeAddress: this.ipv4HomeAddress,
      mobileNetworkPrefixes: this.#carriesPrefixes ? this.role.tunnelledPrefixes() : [],
      tunnel: this.attachment.tunnel,
      session: this.node.sealed?.sessionOf(this.configuration.homeAddress),
      careOf: this.attachment.current?.careOf,
      trying: this.attachment.trying,
      silent: this.silence.rounds > 0,
      homeLink: homeStay?.desired,
      nameServers: trustsNameServers(this.configuration) ? this.stored.nameServers : undefined,
    };
  }

  /** Mobile network prefixes use the tunnel: registered, or likely to be. */
  get #carriesPrefixes(): boolean {
    const { homeStay, current } = this.attachment;
    if (homeStay !== undefined || current?.rejected === true) return false;
    return this.bound || this.node.configuration.optimistic;
  }

  // --- movement and reachability ---

  /** The network, or the node's knowledge of it, may have changed. */
  assess(step: Step): void {
    this.attachment.assess(step);
  }

  careOfAddressRejected(step: Step, careOfAddress: IpAddress): void {
    this.attachment.recordSilence(step, careOfAddress);
    this.attachment.tryOtherPaths(step, careOfAddress);
  }

  reportSilence(step: Step, exchange: UnansweredExchange): void {
    if (!this.attachment.recordSilence(step, exchange.careOfAddress)) return;
    this.silence.recordRound();
    this.node.udpPort.unanswered(step, this.attachment.current?.tunnel);
    reportSilentHomeAgent(this, step, exchange);
    // Before the name is resolved again: the query must not enter a tunnel that leads nowhere.
    this.node.publishDesired(step);
  }

  suspectTunnel(step: Step): void {
    this.silence.suspect();
    this.node.publishDesired(step);
  }

  /** The query for the home agent's name has ended; without addresses it failed. */
  homeAgentResolved(
    step: Step,
    addresses: readonly IpAddress[],
    failure: string | undefined,
  ): void {
    this.#resolution.complete(step, addresses, failure);
  }

  // --- packets of the home agent ---

  /** Whether packets to the address belong to a registration of this home. */
  ownsCareOf(address: IpAddress): boolean {
    return this.attachment.registrations.get(address)?.active === true;
  }

  receive(step: Step, received: ReceivedAcknowledgement): void {
    this.attachment.receive(step, received);
  }

  /** An unauthenticated message asks for a new registration; says whether it is sent. */
  requestRefresh(step: Step): boolean {
    return this.#deadPath.request(step);
  }

  /** The tunnel carried data, or did not. */
  sampleTraffic(step: Step, sample: TrafficSample): void {
    this.attachment.current?.keepalive.carried(step.now, sample);
    this.#deadPath.sample(step, sample);
    this.node.sealed?.carried(step, this.configuration.homeAddress, sample);
  }

  applyAcceptance(
    step: Step,
    careOfAddress: IpAddress,
    { message, update, target, question }: MatchedAcknowledgement,
    expiresAt: Monotonic,
  ): boolean {
    const { node, role, stored } = this;
    for (const { prefix, status } of role.applyAcceptance(message)) {
      node.count('mobile-network-prefix-refused');
      const fields = { prefix: formatPrefix(prefix), status };
      this.event(step, 'mobile-network-prefix-refused', 'warn', fields);
    }
    this.homeAgents.prefer(target.outerAddress);
    this.attachment.carryDataBy(step, careOfAddress);
    this.#deadPath.answered(step);
    this.silence.reset();
    const boundUntil = wall(node.wall(step.now) + (expiresAt - step.now));
    stored.recordAccepted(update.timestamp, question ? undefined : boundUntil);
    stored.setNameServers(acceptedNameServers(this.configuration, node.configuration, message));
    const { refusal, repeat } = this.#ipv4.applyAnswer(role.ipv4HomeAddressAnswer(message));
    if (refusal !== undefined)
      this.event(step, 'ipv4-home-address-refused', 'warn', { ...refusal });
    return repeat;
  }

  // --- the end of bindings ---

  bindingExpired(step: Step, careOfAddress: IpAddress): void {
    const affected = this.attachment.dropExpired(careOfAddress);
    if (!this.bound) this.stored.clearBound();
    this.persist(step);
    affected?.expire(step);
  }

  unservedBindingFound(step: Step): void {
    this.silence.reset();
    this.node.publishDesired(step);
  }

  unservedBindingRemoved(step: Step, careOfAddress: IpAddress, removed: boolean): void {
    const registration = this.attachment.registrations.get(careOfAddress);
    if (registration !== undefined)
      this.attachment.registrations.dropBindingsReplacedBy(registration);
    if (removed) this.stored.clearBound();
    this.silence.reset();
    this.persist(step);
  }

  /** Off the home link the home addresses are withdrawn too. */
  deregistered(step: Step, outcome: DeregistrationOutcome): void {
    const confirmed = outcome.kind === 'confirmed';
    this.#forgetRegistrations('released');
    this.node.sealed?.forget(this.configuration.homeAddress);
    if (outcome.kind !== 'unconfirmed') this.stored.clearBound();
    this.persist(step);
    this.node.publishDesired(step);
    if (confirmed) this.node.count('deregistered');
    if (this.attachment.homeStay === undefined)
      this.event(step, 'deregistered', 'info', { atMs: step.now, confirmed });
  }

  #forgetRegistrations(next: 'released' | 'stopped'): void {
    this.#resolution.stopRetries();
    this.attachment.forget(next);
  }

  /**
   * Another node on the home link has the home address. It is not used, on the host either, until
   * the operator registers again or restarts the node.
   */
  abandonHomeAddress(step: Step): void {
    this.node.count('home-address-abandoned');
    this.event(step, 'home-address-duplicate', 'warn', {
      homeAddress: this.configuration.homeAddress,
      atMs: step.now,
    });
    this.deregistered(step, { kind: 'no-binding' });
  }

  /** Silence until the operator registers again or restarts the daemon. */
  stopRegistering(step: Step): void {
    const { node, stored } = this;
    node.count('registration-stopped');
    this.event(step, 'registration-stopped', 'warn', {
      ...this.role.status(),
      remedy: "correct this mobile router's entry at the home agent, then run: sojourn reregister",
      atMs: step.now,
    });
    // A refusal made no binding (RFC 3963 §5.4); an accepted one lasts until its lifetime ends.
    stored.clearBound();
    for (const { expiresAt } of this.attachment.registrations.entries())
      stored.mayBeBoundUntil(wall(node.wall(step.now) + expiresAt - step.now));
    this.#forgetRegistrations('stopped');
    this.persist(step);
    node.publishDesired(step);
  }

  // --- timers ---

  deadline(): Monotonic {
    return earliest(this.#resolution.deadline(), this.attachment.deadline());
  }

  /** Handles every timer that is due, the earliest first. */
  tick(step: Step): void {
    for (let at = this.deadline(); at <= step.now; at = this.deadline())
      if (at === this.attachment.deadline()) this.attachment.handleTimer(step, at);
      else this.#resolution.handleTimer(step);
  }

  /** The wall clock was set by `jumpMs`, or the machine was suspended, unlike the home agent. */
  adjustForClockJump(step: Step, jumpMs: number): void {
    this.stored.adjustForClockJump(jumpMs);
    if (Math.abs(jumpMs) < CLOCK_JUMP_MS || !this.mayBeBound(step)) return;
    this.persist(step);
    if (jumpMs > 0) this.attachment.current?.refresh(step);
  }

  // --- the operator ---

  reconfigure(now: Monotonic, former: MobileNodeConfiguration): void {
    this.attachment.uplinks.forgive();
    for (const registration of this.attachment.registrations) registration.reconfigure(now, former);
  }

  /** Removes the binding at the home agent and everything that belongs to it on the host. */
  release(step: Step): void {
    if (this.attachment.phase === 'deregistering' || this.attachment.phase === 'released') return;
    this.attachment.uplinks.pin(undefined);
    this.silence.reset();
    this.#stopTimers();
    const { current } = this.attachment;
    if (current !== undefined && this.mayBeBound(step)) {
      current.deregister(step);
      return;
    }
    this.attachment.withdraw();
    this.deregistered(step, { kind: 'unconfirmed' });
  }

  #stopTimers(): void {
    this.#resolution.stopRetries();
    this.attachment.stopTimers();
  }

  /** Registers again now, in any phase. */
  reregister(step: Step): void {
    const { suspended, current, homeStay } = this.attachment;
    this.role.reset();
    this.attachment.uplinks.forgive();
    if (suspended) {
      this.#stopTimers();
      this.attachment.resume(step);
      return;
    }
    this.assess(step);
    if (current === undefined) homeStay?.transmit(step);
    else if (current === this.attachment.current) current.registerAgain(step);
  }

  pin(step: Step, pin: Pin | undefined): void {
    this.attachment.uplinks.pin(pin);
    this.assess(step);
  }
}
