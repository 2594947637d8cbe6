/**
 * What is done where the home agent does not serve the role that builds upon the mobile node.
 *
 * RFC 3963 §5.3  de-register at a home agent that does not support mobile routers before another is
 *                asked
 * RFC 3963 §5.4  another home agent, another mode; no more Binding Updates when all were tried
 */
import { assert, unreachable } from '#base/assert.ts';
import type { JsonObject } from '#base/json.ts';
import { NEVER, wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { clearRegistration } from './attachment.ts';
import type { RegistrationState } from './binding-registration.ts';
import type { HomeAgentTarget } from './binding-update.ts';
import { BindingExchange, initialTimeoutMs } from './exchange.ts';
import { tryOtherHomeAgent } from './retransmission-policy.ts';
import { resolveHomeAgent, transmitUpdate } from './update-sender.ts';

/**
 * A home agent refused, with `status`, or (undefined) does not serve the role. Says whether the
 * role has something to do about it; otherwise it is as with a mobile node.
 */
export function applyRoleReaction(
  state: RegistrationState,
  step: Step,
  homeAgent: HomeAgentTarget,
  status: number | undefined,
  looked = false,
): boolean {
  const { exchange, homeAgents, role } = state;
  assert(exchange?.purpose === 'register', 'only a registration is refused so');
  const nameResolvedNow = looked || homeAgents.name === undefined;
  const reaction = role.reactionToRefusal(status, {
    homeAgent: homeAgent.outerAddress,
    knownAddresses: homeAgents.addressesOf(exchange.family),
    nameResolvedNow,
  });
  if (reaction === undefined) return false;
  // A late answer to an earlier Binding Update tells nothing about the next way.
  exchange.discardSent();
  switch (reaction) {
    case 'next-home-agent':
      tryOtherHomeAgent(state, step);
      retryPromptly(state, step, exchange);
      return true;
    case 'resolve-again':
      exchange.refusalAwaitingLookup = { homeAgent, status };
      resolveBeforeRetry(state, step);
      return true;
    case 'next-mode':
      state.context.count('registration-mode-changed');
      state.event(step, 'registration-mode-changed', 'warn', { ...role.status(), atMs: step.now });
      if (role.skips(homeAgent.outerAddress)) tryOtherHomeAgent(state, step);
      retryPromptly(state, step, exchange);
      return true;
    case 'stop':
      stopRegistering(state, step);
      return true;
    default:
      return unreachable(reaction);
  }
}

/** At once, but a series of refusals gets the back-off. */
function retryPromptly(state: RegistrationState, step: Step, exchange: BindingExchange): void {
  if (exchange.mayRetryAtOnce() || state.timers.at('retransmit') === NEVER)
    transmitUpdate(state, step);
}

/** Nothing is sent before the answer. The question must not go into a tunnel that leads nowhere. */
function resolveBeforeRetry(state: RegistrationState, step: Step): void {
  state.timers.clear('retransmit', 'transmit');
  state.silentRounds = Math.max(1, state.silentRounds);
  state.context.publishDesired(step);
  resolveHomeAgent(state, step);
}

/**
 * The name was looked up, or could not be: goes on with a refusal that waited for it. Says whether
 * there was one.
 */
export function resumeRefusalAfterLookup(state: RegistrationState, step: Step): boolean {
  const refusal = state.exchange?.refusalAwaitingLookup;
  if (state.exchange === undefined || refusal === undefined) return false;
  state.exchange.refusalAwaitingLookup = undefined;
  applyRoleReaction(state, step, refusal.homeAgent, refusal.status, true);
  return true;
}

/** The home agent has a binding of ours that is of no use: it is removed first. */
export function deregisterUnserved(
  state: RegistrationState,
  step: Step,
  { target }: { readonly target: HomeAgentTarget },
): void {
  const { careOf } = state;
  assert(careOf !== undefined, 'a registration has a care-of address');
  state.context.count('role-not-served');
  state.event(step, 'mobile-router-not-supported', 'warn', {
    homeAgent: target.address,
    atMs: step.now,
  });
  state.timers.clear('refresh', 'keepalive');
  state.exchange = new BindingExchange('deregister-unserved', careOf, initialTimeoutMs(true));
  state.silentRounds = 0;
  state.context.publishDesired(step);
  transmitUpdate(state, step);
}

/**
 * The home agent that does not serve us was told to forget us; `gone`: and has said that it did.
 */
export function handleUnserved(state: RegistrationState, step: Step, gone: boolean): void {
  const { careOf, exchange, stored, bindingUpdateList } = state;
  assert(
    careOf !== undefined && exchange?.target !== undefined,
    'it was asked from a care-of address',
  );
  if (gone) stored.clearBound();
  bindingUpdateList.clear();
  state.silentRounds = 0;
  state.timers.clear('expiry', 'refresh', 'keepalive', 'retransmit', 'transmit');
  state.transition('lapsed');
  state.exchange = new BindingExchange('register', careOf, initialTimeoutMs(false));
  state.persist(step);
  if (!applyRoleReaction(state, step, exchange.target, undefined)) transmitUpdate(state, step);
  state.context.publishDesired(step);
}

/** RFC 3963 §5.4: silence until the operator registers again, or restarts the daemon. */
function stopRegistering(state: RegistrationState, step: Step): void {
  const { context, stored, bindingUpdateList, role } = state;
  context.count('registration-stopped');
  const fields: JsonObject = {
    ...role.status(),
    remedy: "mend the home agent's configuration of this mobile router, then: sojourn reregister",
    atMs: step.now,
  };
  state.event(step, 'registration-stopped', 'warn', fields);
  // What was refused made no binding (§5.4); one that was accepted before stands until it runs out.
  stored.clearBound();
  for (const { expiresAt } of bindingUpdateList.entries())
    stored.mayBeBoundUntil(wall(context.wall(step.now) + expiresAt - step.now));
  state.transition('stop');
  clearRegistration(state);
  state.homeLink = undefined;
  state.persist(step);
  context.publishDesired(step);
}
