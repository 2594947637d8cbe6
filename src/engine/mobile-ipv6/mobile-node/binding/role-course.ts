/**
 * What is done where the home agent does not serve the role that builds upon the mobile node.
 *
 * RFC 3963 §5.3  de-register at a home agent that does not support mobile routers before another is
 *                asked
 * RFC 3963 §5.4  another home agent, another mode; no more Binding Updates when all were tried
 */
import { assert, unreachable } from '#base/assert.ts';
import { NEVER, wall } from '#base/time.ts';
import type { JsonObject } from '#engine/contract.ts';
import type { Step } from '#engine/mobile-ipv6/mobile-node/node-context.ts';
import { forgetRegistration } from './attachment.ts';
import type { HomeAgentTarget } from './binding-update.ts';
import { Exchange, initialTimeoutMs } from './exchange.ts';
import type { RegistrationState } from './registration-state.ts';
import { tryOtherHomeAgent } from './update-course.ts';
import { resolveHomeAgent, transmitUpdate } from './update-transmission.ts';

/**
 * A home agent refused, with `status`, or (undefined) does not serve the role. Says whether the
 * role has something to do about it; otherwise it is as with a mobile node.
 */
export function followRole(
  state: RegistrationState,
  step: Step,
  homeAgent: HomeAgentTarget,
  status: number | undefined,
  looked = false,
): boolean {
  const { exchange, agent, role } = state;
  assert(exchange?.purpose === 'register', 'only a registration is refused so');
  const lookedUp = looked || agent.name === undefined;
  const reaction = role.refused(status, {
    homeAgent: homeAgent.outer,
    known: agent.of(exchange.family),
    lookedUp,
  });
  if (reaction === undefined) return false;
  // A late answer to an earlier Binding Update tells nothing about the next way.
  exchange.forgetSent();
  switch (reaction) {
    case 'other-home-agent':
      tryOtherHomeAgent(state, step);
      askSoon(state, step, exchange);
      return true;
    case 'look-up':
      exchange.refusedBeforeLookup = { homeAgent, status };
      lookUp(state, step);
      return true;
    case 'ask-otherwise':
      state.context.count('registration-mode-changed');
      state.event(step, 'registration-mode-changed', 'warn', { ...role.status(), atMs: step.now });
      if (role.shuns(homeAgent.outer)) tryOtherHomeAgent(state, step);
      askSoon(state, step, exchange);
      return true;
    case 'stop':
      stopRegistering(state, step);
      return true;
    default:
      return unreachable(reaction);
  }
}

/** At once, but a series of refusals gets the back-off. */
function askSoon(state: RegistrationState, step: Step, exchange: Exchange): void {
  if (exchange.mayRetryAtOnce() || state.timers.at('retransmit') === NEVER)
    transmitUpdate(state, step);
}

/** Nothing is sent before the answer. The question must not go into a tunnel that leads nowhere. */
function lookUp(state: RegistrationState, step: Step): void {
  state.timers.clear('retransmit', 'transmit');
  state.silentRounds = Math.max(1, state.silentRounds);
  state.context.publish(step);
  resolveHomeAgent(state, step);
}

/**
 * The name was looked up, or could not be: goes on with a refusal that waited for it. Says whether
 * there was one.
 */
export function lookedUp(state: RegistrationState, step: Step): boolean {
  const refusal = state.exchange?.refusedBeforeLookup;
  if (state.exchange === undefined || refusal === undefined) return false;
  state.exchange.refusedBeforeLookup = undefined;
  followRole(state, step, refusal.homeAgent, refusal.status, true);
  return true;
}

/** The home agent has a binding of ours that is of no use: it is removed first. */
export function renounce(
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
  state.exchange = new Exchange('renounce', careOf, initialTimeoutMs(true));
  state.silentRounds = 0;
  state.context.publish(step);
  transmitUpdate(state, step);
}

/**
 * The home agent that does not serve us was told to forget us; `gone`: and has said that it did.
 */
export function notServed(state: RegistrationState, step: Step, gone: boolean): void {
  const { careOf, exchange, memory, list } = state;
  assert(
    careOf !== undefined && exchange?.target !== undefined,
    'it was asked from a care-of address',
  );
  if (gone) memory.unbound();
  list.clear();
  state.silentRounds = 0;
  state.timers.clear('expiry', 'refresh', 'keepalive', 'retransmit', 'transmit');
  state.go('lapsed');
  state.exchange = new Exchange('register', careOf, initialTimeoutMs(false));
  state.persist(step);
  if (!followRole(state, step, exchange.target, undefined)) transmitUpdate(state, step);
  state.context.publish(step);
}

/** RFC 3963 §5.4: silence until the operator registers again, or restarts the daemon. */
function stopRegistering(state: RegistrationState, step: Step): void {
  const { context, memory, list, role } = state;
  context.count('registration-stopped');
  const fields: JsonObject = {
    ...role.status(),
    remedy: "mend the home agent's configuration of this mobile router, then: sojourn reregister",
    atMs: step.now,
  };
  state.event(step, 'registration-stopped', 'warn', fields);
  // What was refused made no binding (§5.4); one that was accepted before stands until it runs out.
  memory.unbound();
  for (const { expiresAt } of list.entries())
    memory.mayBeBoundUntil(wall(context.wall(step.now) + expiresAt - step.now));
  state.go('stop');
  forgetRegistration(state);
  state.homeLink = undefined;
  state.persist(step);
  context.publish(step);
}
