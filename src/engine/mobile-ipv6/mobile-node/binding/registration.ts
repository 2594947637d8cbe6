/**
 * The registration of one care-of address for one home address.
 *
 * RFC 6275 §11.7.1-3  registration, refresh, acknowledgement
 * RFC 3963 §5.3       a home agent that does not serve the role
 * RFC 5555 §4.3       keepalive
 * RFC 5648 §4.1       binding identifier
 */
import { assert } from '#base/assert.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import { NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import { initialTimeoutMs } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import type { BindingUpdateListEntry } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import {
  dataProtection,
  defaultEndpoints,
  type TunnelEndpoints,
} from '#engine/mobile-ipv6/mobile-node/desired-state/tunnel-endpoints.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import {
  REFUSED_RETRY_MS,
  type RegistrationTimer,
} from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { ReceivedAcknowledgement } from './acknowledgement.ts';
import { Deregistration } from './deregistration.ts';
import type { BindingExchange, MatchedAcknowledgement } from './exchange.ts';
import { bindingUpdateListEntries, grantedBinding, reportAcceptance } from './granted-binding.ts';
import { NatKeepalive } from './nat-keepalive.ts';
import { OwnEntries } from './own-entries.ts';
import {
  type AttemptOutcome,
  type Haste,
  RegistrationAttempt,
  type RegistrationOwner,
} from './registration-attempt.ts';
import type { RegistrationPhase, RegistrationState } from './registration-state.ts';
import type { DeregistrationOutcome } from './retransmission-policy.ts';
import { RoundTripTime } from './round-trip-time.ts';
import { UpdateOrigin } from './update-origin.ts';
import type { Pace } from './update-pacing.ts';

type State = RegistrationState<RegistrationAttempt, Deregistration>;

export class BindingRegistration {
  /** Binding identifier; without one the node has a single binding. */
  readonly bid: number;
  readonly #owner: RegistrationOwner;
  readonly #origin: UpdateOrigin;
  readonly #timers = new Timers<RegistrationTimer>();
  readonly #roundTrip = new RoundTripTime();
  readonly keepalive: NatKeepalive;
  #careOf: CareOfCandidate;
  #state: State = { phase: 'idle', tunnel: undefined };
  readonly #entries: OwnEntries;

  constructor(owner: RegistrationOwner, careOf: CareOfCandidate, bid = NO_BID) {
    this.#owner = owner;
    this.#careOf = careOf;
    this.#origin = new UpdateOrigin(careOf, owner.node.configuration.forceUdp, bid);
    this.keepalive = new NatKeepalive(owner.node.natLifetimes, owner.node.random);
    this.#entries = new OwnEntries(owner.node.bindingUpdateList);
    this.bid = bid;
  }

  get careOf(): CareOfCandidate {
    return this.#careOf;
  }

  get tunnel(): TunnelEndpoints | undefined {
    return this.#state.tunnel;
  }

  get phase(): RegistrationPhase {
    return this.#state.phase === 'unserved' ? this.#state.interrupted : this.#state.phase;
  }

  /** The node uses the care-of address. */
  get active(): boolean {
    return this.#state.phase !== 'idle';
  }

  /** The home agent acknowledged the binding, and its lifetime has not ended. */
  get bound(): boolean {
    return this.#entries.any;
  }

  /** The home agent refused the registration or the role, or its name has to be resolved first. */
  get rejected(): boolean {
    const state = this.#state;
    if ('attempt' in state) return state.attempt.awaitsResolution;
    return state.phase === 'refused' || state.phase === 'unserved';
  }

  entries(): readonly BindingUpdateListEntry[] {
    return this.#entries.get();
  }

  /** The exchange of Binding Updates under way. */
  get #exchange(): BindingExchange | undefined {
    if ('attempt' in this.#state) return this.#state.attempt.exchange;
    return 'removal' in this.#state ? this.#state.removal.exchange : undefined;
  }

  // --- decisions of the home ---

  /** Begins to register; `transmit` sends the first Binding Update. */
  start(careOf: CareOfCandidate): void {
    this.updateCareOf(careOf);
    this.#origin.setForceUdp(this.#owner.node.configuration.forceUdp);
    this.#timers.clear('refresh', 'keepalive', 'refused-retry');
    const attempt = this.#attempt(this.#owner.bound);
    this.#state = { phase: 'registering', attempt, tunnel: this.tunnel };
  }

  /** The same point of attachment, with another lifetime or router. */
  updateCareOf(careOf: CareOfCandidate): void {
    this.#careOf = careOf;
    this.#origin.update(careOf);
  }

  /** Until the acknowledgement says whether there is a NAT, IPv4 is carried in UDP. */
  useProvisionalTunnel(): void {
    const target = this.#owner.homeAgents.target(this.#careOf.family);
    assert(target !== undefined, 'a selected care-of address reaches the home agent');
    const protection = dataProtection(this.#owner.configuration);
    this.#state = { ...this.#state, tunnel: defaultEndpoints(this.#careOf, target, protection) };
  }

  /** Sends the Binding Update that is under way, if there is one. */
  transmit(step: Step): void {
    if ('attempt' in this.#state) this.#state.attempt.transmit(step);
    else if ('removal' in this.#state) this.#state.removal.exchange.transmit(step);
  }

  /** `bound`: the home agent has a binding, so that it answers soon. */
  #attempt(bound: boolean, question: Pick<Pace, 'questionMs'> = {}): RegistrationAttempt {
    const initialMs = initialTimeoutMs(bound, this.#owner.node.configuration);
    return new RegistrationAttempt(this.#owner, this.#origin, { initialMs, ...question });
  }

  /** Renews the binding; says whether there was one to renew. */
  refresh(step: Step): boolean {
    return this.#renew(step, this.#attempt(true));
  }

  /** Asks whether the path works; says whether there is a binding to renew. */
  ask(step: Step): boolean {
    return this.#renew(step, this.#attempt(true, { questionMs: this.#roundTrip.timeoutMs }));
  }

  hasten(step: Step, haste: Haste): void {
    if ('attempt' in this.#state) this.#state.attempt.hasten(step, haste);
  }

  #renew(step: Step, attempt: RegistrationAttempt): boolean {
    if (this.#state.phase !== 'registered') return false;
    this.#timers.clear('refresh', 'keepalive');
    this.#origin.setCallback(this.keepalive.request(step.now));
    this.#state = { phase: 'refreshing', attempt, tunnel: this.#state.tunnel };
    attempt.transmit(step);
    return true;
  }

  /** Registers now, in any phase. */
  registerAgain(step: Step): void {
    if (this.#state.phase === 'registered') this.refresh(step);
    else if (this.#state.phase === 'refused') this.#retryRefused(step);
    else this.transmit(step);
  }

  #retryRefused(step: Step): void {
    this.#timers.clear('refused-retry');
    this.#owner.homeAgents.resolve(step);
    const attempt = this.#attempt(this.#owner.bound);
    this.#state = { phase: 'registering', attempt, tunnel: this.tunnel };
    attempt.transmit(step);
  }

  /** Takes changed settings; registers now if a Binding Update contains one of them. */
  reconfigure(now: Monotonic, former: MobileNodeConfiguration): void {
    const { forceUdp, lifetimeSeconds, natKeepaliveSeconds } = this.#owner.node.configuration;
    // A home agent that refused the F flag before may be asked again.
    if (forceUdp !== former.forceUdp) this.#origin.setForceUdp(forceUdp);
    const changed =
      forceUdp !== former.forceUdp ||
      lifetimeSeconds !== former.lifetimeSeconds ||
      natKeepaliveSeconds !== former.natKeepaliveSeconds;
    if (changed && this.#state.phase === 'registered') this.#timers.set('refresh', now);
  }

  deregister(step: Step): void {
    this.stopTimers();
    const removal = new Deregistration(this.#owner, this.#origin, 'deregister');
    this.#state = { phase: 'deregistering', removal, tunnel: this.tunnel };
    removal.exchange.transmit(step);
  }

  /** Leaves the care-of address; a binding remains until its lifetime ends. */
  leave(): void {
    this.#timers.clear('refresh', 'keepalive', 'refused-retry');
    this.#state = { phase: 'idle', tunnel: this.tunnel };
  }

  stopTimers(): void {
    this.#timers.clearAll();
    this.#exchange?.timers.clearAll();
  }

  /** The binding no longer exists: removes its entries from the Binding Update List. */
  dropBinding(): void {
    this.#entries.delete();
    this.#timers.clear('expiry');
  }

  /** A binding of the home has expired while this registration is in use. */
  expire(step: Step): void {
    const state = this.#state;
    this.#owner.node.count('registration-lapsed');
    if (state.phase === 'refreshing') this.#state = { ...state, phase: 'registering' };
    else if (state.phase === 'unserved') this.#state = { ...state, interrupted: 'registering' };
    this.#owner.event(step, 'registration-lapsed', 'warn', {
      careOfAddress: this.#careOf.address,
      atMs: step.now,
    });
  }

  /** The home agent's name is resolved: continues with a refusal that awaited it. */
  resumeAfterResolution(step: Step): boolean {
    return 'attempt' in this.#state && this.#state.attempt.resumeAfterResolution(step);
  }

  /** The home agent has another address: a Binding Update under way is sent there. */
  followMovedHomeAgent(step: Step): void {
    const state = this.#state;
    if ('attempt' in state) state.attempt.followMovedHomeAgent(step);
    else if ('removal' in state) state.removal.followMovedHomeAgent(step);
  }

  // --- timers ---

  deadline(): Monotonic {
    const exchange = this.#exchange;
    const own = this.#timers.deadline();
    return exchange === undefined ? own : earliest(own, exchange.timers.deadline());
  }

  /** Handles the timer that is due first. */
  handleTimer(step: Step): void {
    const exchange = this.#exchange;
    if (exchange === undefined || this.#timers.deadline() <= exchange.timers.deadline())
      this.#handleOwnTimer(step, this.#timers.due(step.now));
    else this.#handleExchangeTimer(step);
  }

  #handleOwnTimer(step: Step, name: RegistrationTimer | undefined): void {
    if (name === 'keepalive') this.#keepAlive(step);
    else if (name === 'refresh') this.refresh(step);
    else if (name === 'expiry') this.#owner.bindingExpired(step, this.#careOf.address);
    else if (name === 'refused-retry') this.#retryRefused(step);
  }

  /** Data may have refreshed the NAT mapping meanwhile. */
  #keepAlive(step: Step): void {
    const laterAt = this.keepalive.due(step.now);
    this.#timers.set('keepalive', laterAt ?? NEVER);
    if (laterAt === undefined && this.refresh(step)) this.#owner.node.count('keepalive-sent');
  }

  /** The home agent called back; says whether it was asked to. */
  callbackReturned(step: Step, token: bigint): boolean {
    const outcome = this.keepalive.returned(step.now, token);
    if (outcome === 'survived') this.refresh(step);
    return outcome !== 'not-asked';
  }

  #handleExchangeTimer(step: Step): void {
    const state = this.#state;
    if ('attempt' in state) state.attempt.handleTimer(step);
    else if ('removal' in state) this.#removalEnded(step, state.removal.handleTimer(step));
  }

  // --- acknowledgements ---

  /** Takes an acknowledgement; says whether a Binding Update was under way. */
  receive(step: Step, received: ReceivedAcknowledgement): boolean {
    const state = this.#state;
    if ('attempt' in state)
      this.#attemptEnded(step, state.attempt, state.attempt.receive(step, received));
    else if ('removal' in state) this.#removalEnded(step, state.removal.receive(step, received));
    else return false;
    return true;
  }

  #attemptEnded(
    step: Step,
    attempt: RegistrationAttempt,
    outcome: AttemptOutcome | undefined,
  ): void {
    if (outcome?.kind === 'accepted') this.#accepted(step, attempt, outcome.answer);
    else if (outcome?.kind === 'unserved') this.#removeUnserved(step, outcome.answer);
    else if (outcome?.kind === 'refused') this.#refused(step);
  }

  #refused(step: Step): void {
    this.#timers.clear('refresh', 'keepalive');
    this.#state = { phase: 'refused', tunnel: this.tunnel };
    this.#timers.set('refused-retry', after(step.now, REFUSED_RETRY_MS));
  }

  #accepted(step: Step, attempt: RegistrationAttempt, answer: MatchedAcknowledgement): void {
    const { node, configuration: home } = this.#owner;
    const { natKeepaliveSeconds } = node.configuration;
    const grant = grantedBinding(answer, this.#careOf, { natKeepaliveSeconds, home });
    if (grant.lifetimeSeconds === 0) {
      this.#refused(step);
      return;
    }
    node.count('registration-accepted');
    this.#roundTrip.measured(step.now - answer.update.at);
    const moved = this.#state.phase !== 'refreshing';
    this.#state = { phase: 'registered', tunnel: grant.tunnel };
    const { expiresAt, refreshAt } = grant.schedule;
    this.#timers.set('expiry', expiresAt);
    this.#timers.set('refresh', refreshAt);
    const keepaliveAt = this.keepalive.accepted(this.#careOf, answer.update.at, grant);
    this.#timers.set('keepalive', keepaliveAt ?? NEVER);
    const { address } = this.#careOf;
    const repeat = this.#owner.applyAcceptance(step, address, answer, expiresAt);
    this.#entries.replace(bindingUpdateListEntries(this.#owner, address, answer, grant));
    this.#owner.persist(step, answer.question);
    node.publishDesired(step);
    const { startedAt } = attempt.exchange;
    reportAcceptance(step, this.#owner, this.#careOf, answer, grant, { moved, startedAt });
    if (answer.toConfirm) node.count('binding-confirmed');
    if (repeat || answer.toConfirm) this.refresh(step);
  }

  // --- removal of a binding ---

  /** RFC 3963 §5.3: the home agent has a binding that does not serve the role. */
  #removeUnserved(step: Step, { target }: MatchedAcknowledgement): void {
    this.#owner.node.count('role-not-served');
    this.#owner.event(step, 'mobile-router-not-supported', 'warn', {
      homeAgent: target.address,
      atMs: step.now,
    });
    this.#timers.clear('refresh', 'keepalive');
    const removal = new Deregistration(this.#owner, this.#origin, 'deregister-unserved');
    const interrupted = this.#state.phase === 'refreshing' ? 'refreshing' : 'registering';
    this.#state = { phase: 'unserved', interrupted, removal, tunnel: this.tunnel };
    this.#owner.unservedBindingFound(step);
    removal.exchange.transmit(step);
  }

  #removalEnded(step: Step, outcome: DeregistrationOutcome | undefined): void {
    if (outcome === undefined) return;
    if (this.#state.phase === 'unserved') this.#unservedRemoved(step, this.#state.removal, outcome);
    else this.#owner.deregistered(step, outcome);
  }

  #unservedRemoved(
    step: Step,
    { exchange: { target } }: Deregistration,
    outcome: DeregistrationOutcome,
  ): void {
    assert(target !== undefined, 'a de-registration ends after its first transmission');
    const removed = outcome.kind !== 'unconfirmed' || !this.#owner.mayBeBound(step);
    this.stopTimers();
    this.dropBinding();
    const attempt = this.#attempt(false);
    this.#state = { phase: 'registering', attempt, tunnel: this.tunnel };
    this.#owner.unservedBindingRemoved(step, this.#careOf.address, removed);
    const refusal = { homeAgent: target, status: undefined };
    if (!attempt.applyRoleRejection(step, refusal)) attempt.transmit(step);
    this.#owner.node.publishDesired(step);
  }
}
