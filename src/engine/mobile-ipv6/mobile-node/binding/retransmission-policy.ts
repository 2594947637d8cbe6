/**
 * When Binding Updates are sent again: retransmission, refresh, retry after a refusal, a home agent
 * that moved.
 *
 * RFC 6275 §11.7.1, §11.8  refresh before the end, back-off, the next home agent
 * RFC 6275 §11.3.6, §11.7.4  unauthenticated wishes of the home agent
 * RFC 5555 §4.4.1          three attempts, then the other family
 */
import { assert } from '#base/assert.ts';
import type { IpAddress } from '#base/ip.ts';
import { after } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { UNAUTHENTICATED_REFRESH_MS } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import {
  assessAttachment,
  completeDeregistration,
  setProvisionalTunnel,
  tryOtherFamily,
} from './attachment.ts';
import type { RegistrationState } from './binding-registration.ts';
import { BindingExchange, initialTimeoutMs } from './exchange.ts';
import { handleUnserved, resumeRefusalAfterLookup } from './role-rejection.ts';
import { resolveHomeAgent, transmitUpdate } from './update-sender.ts';

/** Rounds of attempts to de-register before the home agent's own timer is trusted with it. */
const DEREGISTRATION_ROUNDS = 2;

/** No answer in time. */
export function retransmit(state: RegistrationState, step: Step): void {
  const { exchange, context } = state;
  assert(exchange !== undefined, 'a retransmission belongs to an exchange');
  if (exchange.purpose !== 'register' && !state.stored.mayBeBound(context.wall(step.now))) {
    // Whatever the home agent had has run out by now.
    endDeregistration(state, step, exchange);
    return;
  }
  context.count('binding-update-retransmitted');
  if (!exchange.completeRound()) {
    transmitUpdate(state, step);
    return;
  }
  const silent = exchange.sent.length > 0;
  if (silent) reportSilence(state, step, exchange);
  if (mayBeGivenUp(state, exchange)) {
    endDeregistration(state, step, exchange);
    return;
  }
  // Who refuses to remove a binding has it: no other home agent can.
  const elsewhere = silent && exchange.purpose !== 'deregister-unserved';
  if (elsewhere || exchange.purpose === 'register') tryOtherHomeAgent(state, step);
  if (exchange.purpose !== 'register' || !tryOtherFamily(state, step)) transmitUpdate(state, step);
}

/** On the home link the de-registration goes on: the home address is needed there. */
function mayBeGivenUp(
  { silentRounds }: RegistrationState,
  { purpose, unansweredRounds }: BindingExchange,
): boolean {
  if (purpose === 'deregister-unserved') return unansweredRounds >= DEREGISTRATION_ROUNDS;
  return purpose === 'deregister' && silentRounds >= DEREGISTRATION_ROUNDS;
}

function endDeregistration(
  state: RegistrationState,
  step: Step,
  { purpose }: BindingExchange,
): void {
  if (purpose === 'deregister-unserved')
    handleUnserved(state, step, !state.stored.mayBeBound(state.context.wall(step.now)));
  else completeDeregistration(state, step, undefined);
}

function reportSilence(
  state: RegistrationState,
  step: Step,
  { target, careOfAddress }: BindingExchange,
): void {
  state.context.count('home-agent-silent');
  state.silentRounds++;
  state.event(step, 'home-agent-silent', 'warn', {
    homeAgent: target?.address,
    homeAgentOuterAddress: target?.outerAddress,
    careOfAddress,
    atMs: step.now,
  });
  // Before the name is looked up again: the question must not go into a tunnel that leads nowhere.
  state.context.publishDesired(step);
}

/**
 * RFC 6275 §11.7.1: the next Binding Update goes to the next address of the home agent; its name is
 * looked up again.
 */
export function tryOtherHomeAgent(state: RegistrationState, step: Step): void {
  const { exchange } = state;
  if (exchange === undefined) return;
  resolveHomeAgent(state, step);
  if (state.homeAgents.rotate(exchange.family, (address) => state.role.skips(address)))
    followTarget(state, step);
}

/** The tunnel follows the address of the home agent that the next Binding Update goes to. */
function followTarget(state: RegistrationState, step: Step): void {
  const { exchange, careOf, context } = state;
  if (exchange?.purpose !== 'register' || careOf === undefined || !context.configuration.optimistic)
    return;
  setProvisionalTunnel(state, careOf);
  context.publishDesired(step);
}

/** A new exchange for the care-of address that is registered already. */
export function refresh(state: RegistrationState, step: Step): void {
  const { careOf } = state;
  if (careOf === undefined || state.phase !== 'registered') return;
  state.transition('refresh');
  state.timers.clear('refresh', 'keepalive');
  state.exchange = new BindingExchange('register', careOf, initialTimeoutMs(true));
  transmitUpdate(state, step);
}

/**
 * An unauthenticated message asked for a new registration: done, but seldom. Says whether it was
 * done.
 */
export function followRefreshRequest(state: RegistrationState, step: Step): boolean {
  if (step.now < state.refreshRequestAllowedAtMs || state.phase !== 'registered') return false;
  state.refreshRequestAllowedAtMs = step.now + UNAUTHENTICATED_REFRESH_MS;
  refresh(state, step);
  return true;
}

/** Only an operator can mend it, or a move: tried again at a slow rate. */
export function enterRefused(state: RegistrationState, step: Step, retryMs: number): void {
  state.transition('refused');
  state.exchange = undefined;
  state.timers.clear('retransmit', 'transmit', 'refresh', 'keepalive');
  state.timers.set('refused-retry', after(step.now, retryMs));
}

export function retryRefused(state: RegistrationState, step: Step): void {
  const { careOf } = state;
  if (careOf === undefined || state.phase !== 'refused') return;
  state.transition('retry');
  state.timers.clear('refused-retry');
  resolveHomeAgent(state, step);
  state.exchange = new BindingExchange('register', careOf, initialTimeoutMs(state.bound));
  transmitUpdate(state, step);
}

/** The home agent has dropped the binding by now. */
export function expireRegistration(state: RegistrationState, step: Step): void {
  state.bindingUpdateList.clear();
  state.stored.clearBound();
  state.persist(step);
  if (!state.attached) return;
  state.context.count('registration-lapsed');
  state.transition('lapsed');
  state.event(step, 'registration-lapsed', 'warn', {
    careOfAddress: state.careOf?.address,
    atMs: step.now,
  });
}

/** The answer of a lookup. A failure keeps what was known. */
export function homeAgentResolved(
  state: RegistrationState,
  step: Step,
  addresses: readonly IpAddress[],
  failure: string | undefined,
): void {
  const { homeAgents, timers, context } = state;
  context.count(addresses.length > 0 ? 'name-resolved' : 'name-not-resolved');
  const changed = homeAgents.resolved(addresses);
  if (addresses.length === 0)
    state.event(step, 'home-agent-not-resolved', 'warn', { name: homeAgents.name, failure });
  timers.clear('resolve-retry');
  if (changed) {
    state.persist(step);
    assessAttachment(state, step);
  }
  if (resumeRefusalAfterLookup(state, step)) return;
  // Addresses of a family that this network does not have are as good as none.
  if (addresses.length === 0 || state.phase === 'resolving') {
    if (!homeAgents.resolving)
      timers.set('resolve-retry', after(step.now, homeAgents.nextRetryMs()));
    return;
  }
  homeAgents.resetRetry();
  if (!changed) return;
  const { exchange } = state;
  const target = exchange === undefined ? undefined : homeAgents.target(exchange.family);
  if (exchange === undefined || target === undefined) return;
  if (
    exchange.target?.address === target.address &&
    exchange.target.outerAddress === target.outerAddress
  )
    return;
  followTarget(state, step);
  transmitUpdate(state, step);
}
