/**
 * What is done where the home agent does not serve the role that builds upon the mobile node.
 *
 * RFC 3963 §5.3  de-register at a home agent that does not support mobile routers before another is asked
 * RFC 3963 §5.4  no more Binding Updates when every home agent and mode was tried
 */
import { assert } from '#base/assert.ts';
import { deregistered } from './attachment.ts';
import type { HomeAgentTarget } from './binding-update.ts';
import { Exchange, initialTimeoutMs } from './exchange.ts';
import type { Step } from './node-context.ts';
import type { RegistrationState } from './registration-state.ts';
import { tryOtherHomeAgent } from './update-course.ts';
import { transmitUpdate } from './update-transmission.ts';

/** The home agent has a binding of ours that is of no use: it is removed first. */
export function renounce(state: RegistrationState, step: Step, { target }: { readonly target: HomeAgentTarget }): void {
  const { careOf } = state;
  assert(careOf !== undefined, 'a registration has a care-of address');
  state.context.count('role-not-served');
  state.event(step, 'mobile-router-not-supported', 'warn', { homeAgent: target.address, atMs: step.now });
  state.timers.clear('retransmit', 'transmit');
  state.exchange = new Exchange('renounce', careOf, initialTimeoutMs(true));
  state.silentRounds = 0;
  transmitUpdate(state, step);
}

/** Nothing of ours is left at a home agent that does not serve us. */
export function notServed(state: RegistrationState, step: Step): void {
  const { careOf, exchange, memory, list, agent } = state;
  assert(careOf !== undefined && exchange !== undefined, 'it was asked from a care-of address');
  memory.unbound();
  list.clear();
  state.silentRounds = 0;
  state.timers.clear('expiry', 'refresh', 'keepalive', 'retransmit', 'transmit');
  const homeAgent = exchange.target?.outer ?? careOf.address;
  const reaction = state.role.refused(undefined, { homeAgent, known: agent.count(careOf.family) });
  if (reaction === 'stop') {
    stopRegistering(state, step);
    return;
  }
  state.persist(step);
  state.exchange = new Exchange('register', careOf, initialTimeoutMs(false));
  tryOtherHomeAgent(state, step);
  transmitUpdate(state, step);
}

/** The same home agent, another mode; one that refuses each at once gets the back-off. */
export function askOtherwise(state: RegistrationState, step: Step): void {
  state.event(step, 'registration-mode-changed', 'info', state.role.status());
  if (state.exchange?.mayRetryAtOnce() === true) transmitUpdate(state, step);
}

/** RFC 3963 §5.4: silence until the operator registers again, or restarts the daemon. */
export function stopRegistering(state: RegistrationState, step: Step): void {
  state.context.count('registration-stopped');
  state.event(step, 'registration-stopped', 'warn', {
    ...state.role.status(),
    remedy: "mend the home agent's configuration of this mobile router, then: sojourn reregister",
    atMs: step.now,
  });
  state.go('release');
  deregistered(state, step, undefined, true);
}
