/**
 * One home of a mobile node, as the node sees it: everything that can happen to its registration
 * has a method here.
 *
 * RFC 6275 §11.5, §11.7, §11.8;  RFC 5555 §4.4
 * Left out: Dynamic Home Agent Address Discovery, mobile prefix discovery, several care-of
 * addresses at a time (RFC 5648).
 */
import { unreachable } from '#base/assert.ts';
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import {
  type ReceivedAcknowledgement,
  receiveAcknowledgement,
} from '#engine/mobile-ipv6/mobile-node/binding/acknowledgement-handler.ts';
import {
  advertiseAtHome,
  assessAttachment,
  completeDeregistration,
} from '#engine/mobile-ipv6/mobile-node/binding/attachment.ts';
import { RegistrationState } from '#engine/mobile-ipv6/mobile-node/binding/binding-registration.ts';
import {
  BindingExchange,
  initialTimeoutMs,
} from '#engine/mobile-ipv6/mobile-node/binding/exchange.ts';
import {
  expireRegistration,
  followRefreshRequest,
  homeAgentResolved,
  refresh,
  retransmit,
  retryRefused,
} from '#engine/mobile-ipv6/mobile-node/binding/retransmission-policy.ts';
import {
  resolveHomeAgent,
  transmitUpdate,
} from '#engine/mobile-ipv6/mobile-node/binding/update-sender.ts';
import type {
  HomeConfiguration,
  MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { Pin } from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import type { NodeContext } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import { CLOCK_JUMP_MS, type HomeTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';

export class HomeRegistration {
  readonly state: RegistrationState;

  constructor(home: HomeConfiguration, context: NodeContext) {
    this.state = new RegistrationState(home, context);
  }

  /** The network, or what is known of it, may have changed. */
  assess(step: Step): void {
    assessAttachment(this.state, step);
  }

  receive(step: Step, received: ReceivedAcknowledgement): void {
    receiveAcknowledgement(this.state, step, received);
  }

  /** An unauthenticated message asked for a new registration; says whether it was followed. */
  requestRefresh(step: Step): boolean {
    return followRefreshRequest(this.state, step);
  }

  homeAgentResolved(
    step: Step,
    addresses: readonly IpAddress[],
    failure: string | undefined,
  ): void {
    homeAgentResolved(this.state, step, addresses, failure);
  }

  /**
   * The wall clock went ahead of the monotonic one by `jumpMs`: it was set, or the machine slept,
   * and the home agent's timers did not.
   */
  adjustForClockJump(step: Step, jumpMs: number): void {
    const { state } = this;
    const { stored, context } = state;
    stored.adjustForClockJump(jumpMs);
    if (Math.abs(jumpMs) < CLOCK_JUMP_MS || !stored.mayBeBound(context.wall(step.now))) return;
    state.persist(step);
    if (jumpMs > 0) refresh(state, step);
  }

  /**
   * The operator decided otherwise. What a registration says counts with a new one, which is due
   * now.
   */
  reconfigured(now: Monotonic, former: MobileNodeConfiguration): void {
    const { timers, context, phase } = this.state;
    const { forceUdp, lifetimeSeconds, natKeepaliveSeconds } = context.configuration;
    // A home agent that refused it before may be asked again.
    if (forceUdp !== former.forceUdp) this.state.forceUdp = forceUdp;
    const says = [forceUdp, lifetimeSeconds, natKeepaliveSeconds].join();
    const said = [former.forceUdp, former.lifetimeSeconds, former.natKeepaliveSeconds].join();
    if (says !== said && phase === 'registered') timers.set('refresh', now);
  }

  /** Handles every timer that is due. */
  tick(step: Step): void {
    const { timers } = this.state;
    for (let name = timers.due(step.now); name !== undefined; name = timers.due(step.now))
      this.#timer(step, name);
  }

  #timer(step: Step, name: HomeTimer): void {
    const { state } = this;
    switch (name) {
      case 'retransmit':
        retransmit(state, step);
        return;
      case 'transmit':
        transmitUpdate(state, step);
        return;
      case 'keepalive':
        state.context.count('keepalive-sent');
        refresh(state, step);
        return;
      case 'refresh':
        refresh(state, step);
        return;
      case 'expiry':
        expireRegistration(state, step);
        return;
      case 'refused-retry':
        retryRefused(state, step);
        return;
      case 'resolve-retry':
        resolveHomeAgent(state, step);
        return;
      case 'advertise':
        advertiseAtHome(state, step);
        return;
      default:
        unreachable(name);
    }
  }

  // --- the operator ---

  /** Removes the binding at the home agent and all of it here. */
  release(step: Step): void {
    const { state } = this;
    const { careOf, phase } = state;
    if (phase === 'deregistering' || phase === 'released') return;
    state.transition('release');
    state.pinned = undefined;
    state.silentRounds = 0;
    state.homeLink = undefined;
    state.timers.clearAll();
    if (careOf === undefined || !state.stored.mayBeBound(state.context.wall(step.now))) {
      completeDeregistration(state, step, undefined);
      return;
    }
    state.exchange = new BindingExchange('deregister', careOf, initialTimeoutMs(true));
    transmitUpdate(state, step);
  }

  /** Registers again now, whatever the phase. */
  reregister(step: Step): void {
    const { state } = this;
    state.role.reset();
    switch (state.phase) {
      case 'deregistering':
      case 'released':
      case 'stopped':
        state.transition('resume');
        state.exchange = undefined;
        state.timers.clearAll();
        assessAttachment(state, step);
        return;
      case 'registered':
        refresh(state, step);
        return;
      case 'refused':
        retryRefused(state, step);
        return;
      default:
        transmitUpdate(state, step);
    }
  }

  /**
   * Prefers a care-of address while it is usable; undefined leaves the choice to the rules again.
   */
  pin(step: Step, pin: Pin | undefined): void {
    this.state.pinned = pin;
    assessAttachment(this.state, step);
  }
}
