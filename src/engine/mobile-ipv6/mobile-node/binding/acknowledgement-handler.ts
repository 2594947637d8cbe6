/**
 * Does what a Binding Acknowledgement asks for.
 *
 * RFC 6275 §11.7.3  lifetime, Binding Refresh Advice, refusals
 * RFC 5555 §4.4.2   IPv4 home address, NAT detection, tunnel;  §4.3 keepalive
 * RFC 4285 §6       clock resynchronization
 * RFC 3963 §5.3, §5.4  what a role makes of it: see role-rejection.ts
 */
import { unreachable } from '#base/assert.ts';
import { formatPrefix, type Ipv4Address, isGlobalUnicast, prefixContains } from '#base/ip.ts';
import { after, type Monotonic, wall } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { expiryOf } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import { keepaliveSeconds } from '#engine/mobile-ipv6/common/nat-keepalive.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { TunnelEndpoints } from '#engine/mobile-ipv6/mobile-node/desired-state/policy-routing.ts';
import {
  acknowledgedEndpoints,
  natDetected,
} from '#engine/mobile-ipv6/mobile-node/desired-state/tunnel-endpoints.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/movement-detection.ts';
import { REFUSED_RETRY_MS } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import type { Ipv6Packet } from '#wire/ip/ipv6.ts';
import {
  BINDING_STATUSES,
  bindingStatusMeaning,
  bindingStatusName,
  ipv4AddressStatusName,
  rejects,
} from '#wire/mobility/binding-status.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';
import {
  type Acknowledgement,
  type Reaction,
  reactionTo,
  type SentUpdate,
  validateAcknowledgement,
} from './acknowledgement.ts';
import { abandonHomeAddress, completeDeregistration, tryOtherFamily } from './attachment.ts';
import type { RegistrationState } from './binding-registration.ts';
import type { HomeAgentTarget } from './binding-update.ts';
import type { BindingExchange } from './exchange.ts';
import { enterRefused, refresh, tryOtherHomeAgent } from './retransmission-policy.ts';
import { applyRoleReaction, deregisterUnserved, handleUnserved } from './role-rejection.ts';
import { transmitUpdate } from './update-sender.ts';

export interface ReceivedAcknowledgement {
  readonly path: PacketPath;
  readonly packet: Ipv6Packet;
  /** The Mobility Header as received. */
  readonly header: Uint8Array;
  readonly message: Acknowledgement;
}

/** A de-registration refused so has nothing to remove (RFC 6275 §10.3.2). */
const NO_BINDING = BINDING_STATUSES['not-home-agent-for-this-mobile-node'].code;

/**
 * What is left of a lifetime when it is refreshed: room for three retransmissions where there is
 * room.
 */
const REFRESH_MARGIN_MS = 16_000;

/** When to register again: at the advised moment, else well before the end (RFC 6275 §11.7.1). */
export function refreshAt(
  sentAt: Monotonic,
  lifetimeSeconds: number,
  adviceSeconds: number | undefined,
): Monotonic {
  const lifetimeMs = lifetimeSeconds * 1000;
  const margin = Math.max(lifetimeMs / 4, Math.min(REFRESH_MARGIN_MS, lifetimeMs / 2));
  const advisedMs = (adviceSeconds ?? lifetimeSeconds) * 1000;
  return after(sentAt, Math.min(lifetimeMs - margin, advisedMs));
}

/** An acknowledgement that is believed, and what it answers. */
interface MatchedAcknowledgement {
  readonly exchange: BindingExchange;
  readonly target: HomeAgentTarget;
  readonly message: Acknowledgement;
  readonly update: SentUpdate;
}

/** Judges an acknowledgement and does what it says. */
export function receiveAcknowledgement(
  state: RegistrationState,
  step: Step,
  received: ReceivedAcknowledgement,
): void {
  const { exchange, home, context } = state;
  const target = exchange?.target;
  if (exchange === undefined || target === undefined) {
    context.count('nothing-outstanding');
    return;
  }
  const { message } = received;
  const verdict = validateAcknowledgement(received, {
    homeAgent: target.address,
    homeAddress: home.homeAddress,
    careOfAddress: exchange.careOfAddress,
    registrationKey: home.registrationKey,
    sent: exchange.sent,
  });
  switch (verdict.kind) {
    case 'ignored':
      context.count(verdict.reason);
      return;
    case 'unverified-refusal':
      context.count('unauthenticated-refusal');
      report(state, step, exchange, message, false);
      return;
    case 'valid':
      applyReaction(state, step, { exchange, target, message, update: verdict.update });
      return;
    default:
      unreachable(verdict);
  }
}

function applyReaction(state: RegistrationState, step: Step, reply: MatchedAcknowledgement): void {
  const { exchange, message, update, target } = reply;
  state.context.countAcknowledgement(message.status);
  if (rejects(message.status)) {
    state.context.count('registration-refused');
    report(state, step, exchange, message, true);
    exchange.discardAnswered(update);
    if (exchange.purpose === 'register' && applyRoleReaction(state, step, target, message.status))
      return;
    refused(state, step, reply, reactionTo(message.status));
  } else if (exchange.purpose === 'register') {
    if (state.role.isServed(message)) accepted(state, step, reply);
    else deregisterUnserved(state, step, reply);
  } else if (exchange.purpose === 'deregister-unserved') {
    handleUnserved(state, step, true);
  } else {
    completeDeregistration(state, step, step.now - update.at);
  }
}

function report(
  state: RegistrationState,
  step: Step,
  exchange: BindingExchange,
  { status }: Acknowledgement,
  authentic: boolean,
): void {
  if (!exchange.worthReporting(status)) return;
  state.event(step, 'registration-refused', 'warn', {
    status,
    statusName: bindingStatusName(status),
    meaning: bindingStatusMeaning(status),
    careOfAddress: exchange.careOfAddress,
    authentic,
    atMs: step.now,
  });
}

// --- refusals ---

function refused(
  state: RegistrationState,
  step: Step,
  reply: MatchedAcknowledgement,
  reaction: Reaction,
): void {
  const { exchange, message, update } = reply;
  const late = update.sequence !== state.stored.sequence;
  switch (reaction) {
    case 'resynchronize-sequence':
      // What left since then is ahead of the number that the home agent has: its own answer
      // decides.
      if (late && sequenceGreater(state.stored.sequence, message.sequence)) return;
      state.context.count('sequence-resynchronized');
      state.stored.resynchronizeSequence(message.sequence);
      if (exchange.mayRetryAtOnce()) transmitUpdate(state, step);
      return;
    case 'resynchronize-clock':
      // How long it was on its way would be taken for a difference of clocks.
      if (late) return;
      if (retryWithCorrection(state, reply) && exchange.mayRetryAtOnce())
        transmitUpdate(state, step);
      return;
    case 'accept':
    case 'back-off':
    case 'retry-slowly':
    case 'next-home-agent':
    case 'next-care-of-address':
    case 'abandon-home-address':
      if (exchange.purpose === 'register') registrationRefused(state, step, reaction);
      // Only this one says that no binding is left; after any other the retransmission timer goes
      // on.
      else if (message.status === NO_BINDING) gone(state, step, exchange);
      return;
    default:
      unreachable(reaction);
  }
}

/** The home agent has no binding of ours. */
function gone(state: RegistrationState, step: Step, exchange: BindingExchange): void {
  if (exchange.purpose === 'deregister-unserved') handleUnserved(state, step, true);
  else completeDeregistration(state, step, undefined, true);
}

function registrationRefused(state: RegistrationState, step: Step, reaction: Reaction): void {
  // The retransmission timer goes on: that is the back-off of the other three.
  if (reaction === 'retry-slowly') enterRefused(state, step, REFUSED_RETRY_MS);
  else if (reaction === 'abandon-home-address') abandonHomeAddress(state, step);
  else if (reaction === 'next-home-agent') tryOtherHomeAgent(state, step);
  // Once: a home agent that likes neither family must not be asked over both in turn without pause.
  else if (reaction === 'next-care-of-address' && state.silentNetwork === undefined)
    tryOtherFamily(state, step);
}

/**
 * RFC 4285 §6: our clock is wrong. Or RFC 5555 §4.4.2: the home agent refuses the F flag by the
 * same number, and then our own timestamp comes back, all 64 bits of it. Says whether something was
 * mended.
 */
function retryWithCorrection(
  state: RegistrationState,
  { exchange, message, update }: MatchedAcknowledgement,
): boolean {
  const returned = findOption(message.options, 'replay-protection')?.timestamp;
  const { timestamp, at } = update;
  if (returned !== undefined && returned !== timestamp) {
    state.context.count('clock-resynchronized');
    state.stored.resynchronizeClock(returned, state.context.wall(at));
    return true;
  }
  const forced = state.forceUdp && exchange.family === 4;
  if (forced) state.forceUdp = false;
  return forced;
}

// --- acceptance ---

/** What an acceptance grants. */
interface GrantedBinding {
  readonly careOf: CareOfCandidate;
  readonly lifetimeSeconds: number;
  readonly expiresAt: Monotonic;
  readonly nat: boolean;
}

function accepted(state: RegistrationState, step: Step, reply: MatchedAcknowledgement): void {
  const { message, update, target } = reply;
  const { careOf, context, stored } = state;
  const lifetimeSeconds =
    Math.min(message.lifetimeUnits, update.lifetimeUnits) * LIFETIME_UNIT_SECONDS;
  if (careOf === undefined || lifetimeSeconds === 0) {
    enterRefused(state, step, REFUSED_RETRY_MS);
    return;
  }
  context.count('registration-accepted');
  const detection = careOf.family === 4 ? findOption(message.options, 'nat-detection') : undefined;
  const expiresAt = expiryOf(update.at, lifetimeSeconds);
  const grant: GrantedBinding = { careOf, lifetimeSeconds, expiresAt, nat: natDetected(detection) };
  for (const { prefix, status } of state.role.applyAcceptance(message)) {
    context.count('mobile-network-prefix-refused');
    state.event(step, 'mobile-network-prefix-refused', 'warn', {
      prefix: formatPrefix(prefix),
      status,
    });
  }
  const moved = state.phase !== 'refreshing';
  settle(state, acknowledgedEndpoints(careOf, target, detection));
  if (state.silentNetwork !== undefined && prefixContains(state.silentNetwork, careOf.address))
    state.silentNetwork = undefined;
  stored.recordAccepted(update.timestamp, wall(context.wall(step.now) + (expiresAt - step.now)));
  const askAgain = takeIpv4HomeAddress(state, step, message);
  armTimers(state, reply, grant);
  addToBindingUpdateList(state, reply, grant);
  state.persist(step);
  context.publishDesired(step);
  tell(state, step, reply, grant, moved);
  if (askAgain) refresh(state, step);
}

function tell(
  state: RegistrationState,
  step: Step,
  { message, update, exchange }: MatchedAcknowledgement,
  grant: GrantedBinding,
  moved: boolean,
) {
  const { careOf, lifetimeSeconds, nat } = grant;
  const roundTripMs = step.now - update.at;
  if (moved) state.recordHandover(step, roundTripMs);
  state.event(step, moved ? 'registered' : 'refreshed', moved ? 'info' : 'debug', {
    careOfAddress: careOf.address,
    interface: careOf.device,
    encapsulation: state.tunnel?.encapsulation,
    roundTripMs,
    status: message.status,
    nat,
    lifetimeSeconds,
    ipv4HomeAddress: state.ipv4Refused ? undefined : state.stored.ipv4HomeAddress,
    addressAtMs: careOf.appearedAt,
    updateAtMs: exchange.startedAt ?? update.at,
    atMs: step.now,
  });
}

/** The current care-of address is registered; the tunnel follows what the acknowledgement said. */
function settle(state: RegistrationState, tunnel: TunnelEndpoints): void {
  state.transition('accepted');
  state.exchange = undefined;
  state.tunnel = tunnel;
  state.silentRounds = 0;
  state.timers.clear('retransmit', 'transmit');
}

function armTimers(
  { timers, context }: RegistrationState,
  { message, update }: MatchedAcknowledgement,
  grant: GrantedBinding,
): void {
  const { careOf, expiresAt, lifetimeSeconds } = grant;
  const advice = findOption(message.options, 'binding-refresh-advice')?.refreshIntervalUnits;
  const adviceSeconds =
    advice === undefined || advice === 0 ? undefined : advice * LIFETIME_UNIT_SECONDS;
  timers.set('expiry', expiresAt);
  timers.set('refresh', refreshAt(update.at, lifetimeSeconds, adviceSeconds));
  const detection = careOf.family === 4 ? findOption(message.options, 'nat-detection') : undefined;
  const seconds = keepaliveSeconds(detection, context.configuration.natKeepaliveSeconds);
  if (seconds === undefined) timers.clear('keepalive');
  else timers.set('keepalive', after(update.at, seconds * 1000));
}

/**
 * One entry for each home address that is bound, RFC 5555 §4.4.2; with R and the prefixes, RFC 3963
 * §5.1.
 */
function addToBindingUpdateList(
  state: RegistrationState,
  { target, update }: MatchedAcknowledgement,
  grant: GrantedBinding,
): void {
  const { bindingUpdateList, home, stored, ipv4Refused, tunnel, role } = state;
  const { mobileRouter, prefixes } = role.registeredPrefixes();
  bindingUpdateList.clear();
  const entry = {
    destination: target.address,
    careOfAddress: grant.careOf.address,
    initialLifetimeSeconds: grant.lifetimeSeconds,
    sentAt: update.at,
    expiresAt: grant.expiresAt,
    sequence: update.sequence,
    acknowledged: true,
    homeRegistration: true,
    encapsulation: tunnel?.encapsulation ?? 'ipip',
    nat: grant.nat,
    mobileRouter,
    mobileNetworkPrefixes: prefixes,
  } as const;
  bindingUpdateList.put({ ...entry, homeAddress: home.homeAddress });
  const ipv4 = stored.ipv4HomeAddress;
  if (ipv4 !== undefined && !ipv4Refused) bindingUpdateList.put({ ...entry, homeAddress: ipv4 });
}

/**
 * Says whether it is worth asking again at once: for any address, because the remembered one was
 * refused.
 */
function takeIpv4HomeAddress(
  state: RegistrationState,
  step: Step,
  message: Acknowledgement,
): boolean {
  const { stored, home } = state;
  if (home.ipv4HomeAddress === 'none') return false;
  const option = state.role.ipv4HomeAddressAnswer(message);
  const granted = option !== undefined && !rejects(option.status);
  if (granted && acceptableIpv4(state, option.address)) {
    state.ipv4Refused = false;
    stored.setIpv4HomeAddress(option.address);
    return false;
  }
  if (!state.ipv4Refused) {
    const refused = option === undefined ? 'not-answered' : ipv4AddressStatusName(option.status);
    const status = granted ? 'not-acceptable' : refused;
    const address = granted ? option.address : stored.ipv4HomeAddress;
    state.event(step, 'ipv4-home-address-refused', 'warn', { status, address });
  }
  state.ipv4Refused = true;
  return option !== undefined && stored.forgetIpv4HomeAddress();
}

/**
 * What is granted goes onto the host: it must be unicast, and where the operator fixed it, the one
 * that he fixed.
 */
function acceptableIpv4({ home }: RegistrationState, address: Ipv4Address): boolean {
  return home.ipv4HomeAddress === 'dynamic'
    ? isGlobalUnicast(address)
    : address === home.ipv4HomeAddress;
}
