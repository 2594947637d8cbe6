/**
 * Sends one Binding Update of the exchange under way, as soon as the rate limit and the home
 * agent's name allow.
 *
 * RFC 6275 §11.8    a new sequence number for each retransmission, MAX_UPDATE_RATE, time to wait
 * RFC 6275 §11.7.1  L bit, lifetime
 * RFC 4285 §6       a new timestamp for each
 */
import { after, wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import { lifetimeUnits } from '#engine/mobile-ipv6/mobile-node/desired-state/tunnel-endpoints.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { RegistrationState } from './binding-registration.ts';
import { buildBindingUpdate, type HomeAgentTarget } from './binding-update.ts';
import type { BindingExchange } from './exchange.ts';

/**
 * Asks for the home agent's addresses unless a question is on its way or there is nothing to ask.
 */
export function resolveHomeAgent(state: RegistrationState, step: Step): void {
  const { name, resolving } = state.homeAgents;
  if (name === undefined || resolving) return;
  state.everResolved = true;
  state.homeAgents.resolutionStarted();
  step.out.push({ kind: 'resolve', name });
}

/**
 * Sends now and arms 'retransmit', or arms 'transmit' for the moment at which it may be sent, or
 * asks for the address first.
 */
export function transmitUpdate(state: RegistrationState, step: Step): void {
  const { exchange, context, timers } = state;
  if (exchange === undefined) return;
  exchange.refusalAwaitingLookup = undefined;
  const target = state.homeAgents.target(exchange.family);
  if (target === undefined) {
    resolveHomeAgent(state, step);
    return;
  }
  const allowedAt = context.updateRateLimit.allowedAt(target.address, step.now);
  timers.clear('retransmit', 'transmit');
  if (allowedAt > step.now) {
    context.count('binding-update-delayed');
    timers.set('transmit', allowedAt);
    return;
  }
  const waitMs = send(state, step, exchange, target);
  context.updateRateLimit.recordSent(target.address, step.now);
  context.count('binding-update-sent');
  timers.set('retransmit', after(step.now, waitMs));
}

/** Gives the milliseconds to wait for the answer. */
function send(
  state: RegistrationState,
  step: Step,
  exchange: BindingExchange,
  target: HomeAgentTarget,
): number {
  const { home, stored, context } = state;
  const { homeAddress, identifier, registrationKey } = home;
  const { now } = step;
  const registers = exchange.purpose === 'register';
  const wallNow = context.wall(now);
  const units = registers
    ? lifetimeUnits(now, context.configuration.lifetimeSeconds, state.careOf)
    : 0;
  const sequence = stored.advanceSequence();
  const timestamp = registrationKey === undefined ? undefined : stored.advanceTimestamp(wallNow);
  stored.mayBeBoundUntil(wall(wallNow + units * LIFETIME_UNIT_SECONDS * 1000));
  // At home the bit stays as it was registered: it tells which addresses have to be advertised
  // afterwards.
  if (registers) state.linkLocalCompatibility = setsLinkLocalCompatibility(state);
  const { path, packet } = buildBindingUpdate({
    homeAddress,
    careOfAddress: exchange.careOfAddress,
    target,
    sequence,
    lifetimeUnits: units,
    linkLocalCompatibility: state.linkLocalCompatibility,
    forceUdp: state.forceUdp,
    ipv4HomeAddress: registers ? stored.requestedIpv4HomeAddress : undefined,
    identifier,
    timestamp,
    registrationKey,
    udpPort: context.configuration.udpPort,
    additions: state.role.roleOptions(exchange.purpose),
  });
  state.persist(step);
  step.out.push({ kind: 'send', path, packet });
  return exchange.transmitted({ sequence, timestamp, at: now, lifetimeUnits: units }, target);
}

function setsLinkLocalCompatibility({ home, context }: RegistrationState): boolean {
  return !home.virtualHomeNetwork && context.movement.linkLocalCompatible(home.homeAddress);
}
