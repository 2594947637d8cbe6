/**
 * One home: where its registration stands, and what moves it on.
 *
 * RFC 6275 §11.5.1-5  movement, returning home;  §11.7.1 registration, refresh;  §11.8 retransmission
 * RFC 5555 §4.4       care-of address of either family, NAT keepalive by Binding Update
 * Left out: Dynamic Home Agent Address Discovery, mobile prefix discovery, several care-of addresses at a time (RFC 5648).
 */
import { assert, unreachable } from '#base/assert.ts';
import { type IpAddress, isUniqueLocal } from '#base/ip.ts';
import { after, type Monotonic } from '#base/time.ts';
import type { EngineEvent, JsonObject, JsonValue } from '#engine/contract.ts';
import { BindingUpdateList } from '#engine/shared/binding-list.ts';
import { Timers } from '#engine/shared/timers.ts';
import { AcknowledgementHandler, type ReceivedAcknowledgement } from './acknowledgement-handler.ts';
import type { Home } from './configuration.ts';
import { type BackOffs, Exchange, initialTimeoutMs, type Purpose } from './exchange.ts';
import { HomeAgentAddresses } from './home-agent-addresses.ts';
import { HomeMemory } from './home-memory.ts';
import type { HomeSituation, TunnelEndpoints } from './host-state.ts';
import {
  type CareOfCandidate,
  chooseCareOf,
  type HomeLink,
  networkAround,
  type SilentNetwork,
  sameAttachment,
} from './movement.ts';
import type { NodeContext, Step } from './node-context.ts';
import { nextPhase, type Phase, type PhaseChange } from './registration-phase.ts';
import { advertiseHomeAddresses } from './returning-home.ts';
import {
  type HomeTimer,
  MAX_NEIGHBOR_ADVERTISEMENT,
  RETRANS_TIMER_MS,
  UNAUTHENTICATED_WISH_MS,
} from './timer-names.ts';
import { defaultEndpoints } from './tunnel-endpoints.ts';
import { transmitUpdate } from './update-transmission.ts';

/** Phases that keep to a care-of address. */
const ATTACHED: ReadonlySet<Phase> = new Set(['registering', 'registered', 'refreshing', 'refused']);
/** Attempts to de-register before the home agent's own timer is trusted with it. */
const DEREGISTRATION_ROUNDS = 2;

export class HomeRegistration {
  readonly home: Home;
  readonly memory: HomeMemory;
  readonly agent: HomeAgentAddresses;
  readonly list = new BindingUpdateList();
  readonly timers = new Timers<HomeTimer>();
  readonly #context: NodeContext;
  readonly #acknowledgements: AcknowledgementHandler;
  #phase: Phase = 'detached';
  #careOf: CareOfCandidate | undefined;
  #homeLink: HomeLink | undefined;
  #noDad = false;
  #tunnel: TunnelEndpoints | undefined;
  #exchange: Exchange | undefined;
  #silent: SilentNetwork | undefined;
  #pinned: IpAddress | undefined;
  #advertisements = 0;
  #rounds = 0;
  #wishAllowedAt = 0;
  #everResolved = false;
  #forceUdp: boolean;
  /** The home agent refused the IPv4 home address. */
  ipv4Refused = false;
  /** The L bit of the last registration: the home agent defended the link-local address too. */
  #linkLocalCompatibility = false;

  constructor(home: Home, context: NodeContext) {
    this.home = home;
    this.#context = context;
    this.memory = new HomeMemory(home, context.random);
    this.agent = new HomeAgentAddresses(home);
    this.#forceUdp = context.configuration.forceUdp;
    this.#acknowledgements = new AcknowledgementHandler(this, context);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get careOf(): CareOfCandidate | undefined {
    return this.#careOf;
  }

  get exchange(): Exchange | undefined {
    return this.#exchange;
  }

  get tunnel(): TunnelEndpoints | undefined {
    return this.#tunnel;
  }

  get homeLink(): HomeLink | undefined {
    return this.#homeLink;
  }

  get forceUdp(): boolean {
    return this.#forceUdp;
  }

  restore(value: JsonValue): void {
    this.agent.remember(this.memory.restore(value));
  }

  /** Where the addresses belong; undefined when the operator wants none of it. */
  situation(): HomeSituation | undefined {
    if (this.#phase === 'released') return undefined;
    const { home } = this;
    const ipv4HomeAddress = this.ipv4Refused ? undefined : this.memory.ipv4HomeAddress;
    const homeLink = this.#homeLink === undefined ? undefined : { device: this.#homeLink.device, noDad: this.#noDad };
    return { home, ipv4HomeAddress, tunnel: this.#tunnel, homeLink };
  }

  /** Looks at the network and goes where it leads. Harmless when nothing changed. */
  assess(step: Step): void {
    const { movement } = this.#context;
    if (!movement.known || this.#phase === 'deregistering' || this.#phase === 'released') return;
    const { home } = this;
    const homeLink = home.virtualHomeNetwork ? undefined : movement.homeLink(step.now, home.homePrefix);
    if (homeLink !== undefined) {
      this.#assessHomeLink(step, homeLink);
      return;
    }
    const candidates = movement.candidates(step.now);
    if (candidates.length > 0 && !this.#everResolved) this.resolve(step);
    const choice = chooseCareOf(candidates, this.#choiceRules());
    if (choice === undefined) this.#detach(step, candidates.length > 0);
    else if (ATTACHED.has(this.#phase) && sameAttachment(choice, this.#careOf)) this.#careOf = choice;
    else this.#attach(step, choice, new Map());
  }

  #choiceRules() {
    const native = this.agent.target(6);
    return {
      current: this.#careOf,
      pinned: this.#pinned,
      families: this.agent.families(),
      preferIpv4: this.#context.configuration.preferIpv4,
      silent: this.#silent,
      uniqueLocalReaches: native !== undefined && isUniqueLocal(native.address),
    };
  }

  #go(change: PhaseChange): void {
    this.#phase = nextPhase(this.#phase, change);
  }

  // --- movement ---

  #attach(step: Step, careOf: CareOfCandidate, backOffs: BackOffs): void {
    const from = this.#place();
    this.#leave('attach');
    this.#careOf = careOf;
    this.#forceUdp = this.#context.configuration.forceUdp;
    const initialMs = initialTimeoutMs(this.#bound());
    this.#exchange = new Exchange('register', careOf, initialMs, backOffs);
    if (this.#context.configuration.optimistic || this.#tunnel === undefined) this.#pointTunnel(careOf);
    this.#context.publish(step);
    this.#transmit(step);
    this.#context.count('handover');
    this.event(step, 'handover', 'info', {
      from,
      to: this.#place(),
      careOfAddress: careOf.address,
      encapsulation: this.#encapsulation(careOf),
      interface: careOf.device,
      addressAtMs: careOf.appearedAt,
      atMs: step.now,
    });
  }

  /** Until the acknowledgement tells of NATs, IPv4 is carried in UDP. */
  #pointTunnel(careOf: CareOfCandidate): void {
    const target = this.agent.target(careOf.family);
    assert(target !== undefined, 'a chosen care-of address reaches the home agent');
    this.#tunnel = defaultEndpoints(careOf, target);
  }

  #encapsulation(careOf: CareOfCandidate): string {
    return careOf.family === 6 ? 'ipip' : (this.#tunnel?.encapsulation ?? 'udp');
  }

  #detach(step: Step, addresses: boolean): void {
    if (addresses) this.resolve(step);
    const change = addresses ? 'unresolved' : 'detach';
    const lost = this.#careOf !== undefined || this.#homeLink !== undefined;
    if (nextPhase(this.#phase, change) === this.#phase && !lost) return;
    const from = this.#place();
    this.#leave(change);
    this.#context.publish(step);
    if (!lost) return;
    this.#context.count('care-of-address-lost');
    this.event(step, 'no-care-of-address', 'warn', { from, atMs: step.now });
  }

  /** Forgets what belonged to the place left behind; the tunnel and the binding's own expiry stay. */
  #leave(change: PhaseChange): void {
    this.#go(change);
    this.#careOf = undefined;
    this.#homeLink = undefined;
    this.#exchange = undefined;
    this.timers.clear('retransmit', 'transmit', 'refresh', 'keepalive', 'refused-retry', 'advertise');
  }

  // --- home link ---

  #assessHomeLink(step: Step, link: HomeLink): void {
    const here = this.#homeLink;
    if (here?.device === link.device && here.epoch === link.epoch) {
      this.#homeLink = link;
      if (this.#phase === 'returning' && this.#exchange?.target === undefined) this.#transmit(step);
      return;
    }
    const bound = this.memory.mayBeBound(this.#context.wall(step.now));
    // RFC 6275 §11.5.5: no Duplicate Address Detection while the home agent may defend the address.
    this.#noDad = bound || here?.device === link.device;
    this.#leave(bound ? 'home-bound' : 'home-free');
    this.#homeLink = link;
    if (!bound || this.#context.configuration.optimistic) this.#tunnel = undefined;
    this.#context.publish(step);
    if (!bound) {
      this.timers.clear('expiry');
      this.list.clear();
      this.#arrivedHome(step, undefined);
      return;
    }
    const place = { address: this.home.homeAddress, family: 6 } as const;
    this.#exchange = new Exchange('return', place, initialTimeoutMs(true));
    this.#transmit(step);
  }

  #arrivedHome(step: Step, roundTripMs: number | undefined): void {
    this.#context.count('returned-home');
    const { device: interfaceName, seenAt } = this.#homeLink ?? { device: '', seenAt: step.now };
    const fields = {
      interface: interfaceName,
      addressAtMs: seenAt,
      atMs: step.now,
      deregistered: roundTripMs !== undefined,
    };
    this.event(step, 'returned-home', 'info', roundTripMs === undefined ? fields : { ...fields, roundTripMs });
  }

  /** RFC 6275 §11.5.5: tell the home link where the addresses are now, thrice. */
  #advertise(step: Step): void {
    const link = this.#homeLink;
    if (link === undefined) return;
    const ipv4HomeAddress = this.home.ipv4HomeLink === undefined ? undefined : this.memory.ipv4HomeAddress;
    const linkLocal = this.#linkLocalCompatibility ? link.linkLocal : undefined;
    const { homeAddress } = this.home;
    step.out.push(...advertiseHomeAddresses(link, { homeAddress, linkLocal, ipv4HomeAddress }));
    this.#advertisements++;
    if (this.#advertisements >= MAX_NEIGHBOR_ADVERTISEMENT) return;
    this.timers.set('advertise', after(step.now, RETRANS_TIMER_MS));
  }

  /** The de-registration was acknowledged, or is as good as. `roundTripMs` is undefined when it was not. */
  deregistered(step: Step, roundTripMs: number | undefined): void {
    const atHome = this.#homeLink !== undefined;
    this.#go('deregistered');
    this.#exchange = undefined;
    this.#tunnel = undefined;
    this.#careOf = undefined;
    this.timers.clearAll();
    this.list.clear();
    this.memory.unbound();
    this.persist(step);
    this.#context.publish(step);
    if (roundTripMs !== undefined) this.#context.count('deregistered');
    if (!atHome) {
      this.event(step, 'deregistered', 'info', { atMs: step.now });
      return;
    }
    this.#advertisements = 0;
    this.#advertise(step);
    this.#arrivedHome(step, roundTripMs);
  }

  // --- Binding Updates ---

  #transmit(step: Step): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    const target = this.agent.target(exchange.family);
    if (target === undefined) {
      this.resolve(step);
      return;
    }
    const { home } = this;
    this.#linkLocalCompatibility =
      !home.virtualHomeNetwork && this.#context.movement.linkLocalCompatible(home.homeAddress);
    const how = { forceUdp: this.#forceUdp, linkLocalCompatibility: this.#linkLocalCompatibility };
    transmitUpdate(step, this.#context, this, exchange, target, how);
  }

  #bound(): boolean {
    for (const entry of this.list.entries()) if (entry.acknowledged) return true;
    return false;
  }

  #retransmit(step: Step): void {
    const exchange = this.#exchange;
    assert(exchange !== undefined, 'a retransmission belongs to an exchange');
    this.#context.count('binding-update-retransmitted');
    if (!exchange.exhausted()) {
      this.#transmit(step);
      return;
    }
    this.#context.count('home-agent-silent');
    const { address, outer } = exchange.target ?? { address: undefined, outer: undefined };
    this.event(step, 'home-agent-silent', 'warn', { homeAgent: address, outer, careOfAddress: exchange.careOfAddress });
    this.#rounds++;
    if (exchange.purpose === 'deregister' && this.#rounds >= DEREGISTRATION_ROUNDS) this.deregistered(step, undefined);
    else this.tryElsewhere(step, true);
  }

  /** Another address of the home agent, another family, or the same once more. RFC 6275 §11.7.1, RFC 5555 §4.4.1. */
  tryElsewhere(step: Step, atOnce: boolean): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    this.resolve(step);
    this.agent.rotate(exchange.family);
    if (exchange.purpose === 'register' && this.otherFamily(step)) return;
    if (atOnce) this.#transmit(step);
  }

  /** Marks the family as useless in this network and says whether another care-of address was taken instead. */
  otherFamily(step: Step): boolean {
    const careOf = this.#careOf;
    if (careOf === undefined) return false;
    this.#silent = networkAround(careOf.address);
    const choice = chooseCareOf(this.#context.movement.candidates(step.now), this.#choiceRules());
    if (choice === undefined || sameAttachment(choice, careOf)) return false;
    if (choice.family !== careOf.family) this.#context.count('family-changed');
    this.#attach(step, choice, this.#exchange?.backOffs ?? new Map());
    return true;
  }

  /** Sends again at once; `purpose` stays. */
  resend(step: Step): void {
    this.#transmit(step);
  }

  /** A new exchange for the care-of address that is registered already. */
  refresh(step: Step): void {
    const careOf = this.#careOf;
    if (careOf === undefined || (this.#phase !== 'registered' && this.#phase !== 'refreshing')) return;
    this.#go('refresh');
    this.timers.clear('refresh', 'keepalive');
    this.#exchange = new Exchange('register', careOf, initialTimeoutMs(true));
    this.#transmit(step);
  }

  /** An unauthenticated message asked for a new registration: done, but seldom. */
  wish(step: Step): boolean {
    if (step.now < this.#wishAllowedAt || this.#phase !== 'registered') return false;
    this.#wishAllowedAt = step.now + UNAUTHENTICATED_WISH_MS;
    this.refresh(step);
    return true;
  }

  // --- acknowledgements ---

  receive(step: Step, received: ReceivedAcknowledgement): void {
    this.#acknowledgements.receive(step, received);
  }

  /** The current care-of address is registered; the tunnel follows what the acknowledgement said. */
  accepted(tunnel: TunnelEndpoints): { readonly moved: boolean } {
    const moved = this.#phase !== 'refreshing';
    this.#go('accepted');
    this.#exchange = undefined;
    this.#tunnel = tunnel;
    this.#rounds = 0;
    this.timers.clear('retransmit', 'transmit');
    return { moved };
  }

  refused(step: Step, retryMs: number): void {
    this.#go('refused');
    this.#exchange = undefined;
    this.timers.clear('retransmit', 'transmit', 'refresh', 'keepalive');
    this.timers.set('refused-retry', after(step.now, retryMs));
  }

  dropForcedUdp(): void {
    this.#forceUdp = false;
  }

  // --- names ---

  /** Asks for the home agent's addresses unless a question is on its way or there is nothing to ask. */
  resolve(step: Step): void {
    const { name, asking } = this.agent;
    if (name === undefined || asking) return;
    this.#everResolved = true;
    this.agent.asked();
    step.out.push({ kind: 'resolve', name });
  }

  resolved(step: Step, addresses: readonly IpAddress[], failure: string | undefined): void {
    this.#context.count(addresses.length > 0 ? 'name-resolved' : 'name-not-resolved');
    const changed = this.agent.resolved(addresses);
    if (addresses.length === 0) {
      this.event(step, 'home-agent-not-resolved', 'warn', { name: this.agent.name, failure });
      this.timers.set('resolve-retry', after(step.now, this.agent.nextRetryMs()));
      return;
    }
    this.timers.clear('resolve-retry');
    if (!changed) return;
    this.persist(step);
    this.assess(step);
    const exchange = this.#exchange;
    const target = exchange === undefined ? undefined : this.agent.target(exchange.family);
    if (exchange === undefined || target === undefined || exchange.target?.address === target.address) return;
    if (exchange.purpose === 'register' && this.#careOf !== undefined && this.#context.configuration.optimistic) {
      this.#pointTunnel(this.#careOf);
      this.#context.publish(step);
    }
    this.#transmit(step);
  }

  // --- timers ---

  timer(step: Step, name: HomeTimer): void {
    switch (name) {
      case 'retransmit':
        this.#retransmit(step);
        return;
      case 'transmit':
        this.#transmit(step);
        return;
      case 'refresh':
      case 'keepalive':
        this.refresh(step);
        return;
      case 'expiry':
        this.#expired(step);
        return;
      case 'refused-retry':
        this.#retryRefused(step);
        return;
      case 'resolve-retry':
        this.resolve(step);
        return;
      case 'advertise':
        this.#advertise(step);
        return;
      default:
        unreachable(name);
    }
  }

  #expired(step: Step): void {
    this.list.clear();
    this.memory.unbound();
    this.persist(step);
    if (!ATTACHED.has(this.#phase)) return;
    this.#context.count('registration-lapsed');
    this.#go('lapsed');
    this.event(step, 'registration-lapsed', 'warn', { careOfAddress: this.#careOf?.address });
  }

  #retryRefused(step: Step): void {
    const careOf = this.#careOf;
    if (careOf === undefined) return;
    this.#go('retry');
    this.resolve(step);
    this.#exchange = new Exchange('register', careOf, initialTimeoutMs(this.#bound()));
    this.#transmit(step);
  }

  // --- operator ---

  /** Removes the binding at the home agent and all of it here. */
  release(step: Step): void {
    if (this.#phase === 'deregistering') return;
    const careOf = this.#careOf;
    this.#pinned = undefined;
    this.#rounds = 0;
    this.timers.clearAll();
    const idle = this.#phase === 'released';
    this.#go('release');
    if (idle) return;
    this.#homeLink = undefined;
    if (careOf === undefined || !this.memory.mayBeBound(this.#context.wall(step.now))) {
      this.deregistered(step, undefined);
      return;
    }
    this.#exchange = new Exchange('deregister' satisfies Purpose, careOf, initialTimeoutMs(true));
    this.#transmit(step);
  }

  /** Registers again now, whatever the phase. */
  reregister(step: Step): void {
    if (this.#phase === 'deregistering' || this.#phase === 'released') {
      this.#go('resume');
      this.#exchange = undefined;
      this.timers.clearAll();
      this.assess(step);
      return;
    }
    if (this.#phase === 'registered') this.refresh(step);
    else if (this.#phase === 'refused') this.#retryRefused(step);
    else if (this.#exchange !== undefined) this.#transmit(step);
  }

  /** Prefers a care-of address while it is usable; undefined leaves the choice to the rules again. */
  pin(step: Step, address: IpAddress | undefined): void {
    this.#pinned = address;
    this.assess(step);
  }

  // --- small things ---

  persist(step: Step): void {
    this.memory.persist(step.out, this.agent.known);
  }

  event(step: Step, name: string, level: EngineEvent['level'], fields: JsonObject): void {
    step.out.push({ kind: 'event', event: { name, level, fields: { home: this.home.name, ...fields } } });
  }

  #place(): string {
    if (this.#homeLink !== undefined) return 'home';
    return this.#careOf?.address ?? 'none';
  }

  deadline(): Monotonic {
    return this.timers.deadline();
  }
}
