/**
 * Does what a Binding Acknowledgement asks for.
 *
 * RFC 6275 §11.7.3  lifetime, Binding Refresh Advice, refusals
 * RFC 5555 §4.4.2   IPv4 home address, NAT detection, tunnel;  §4.3 keepalive
 * RFC 4285 §6       clock resynchronization
 */
import { unreachable } from '#base/assert.ts';
import { after, type Monotonic, wall } from '#base/time.ts';
import type { Path } from '#engine/contract.ts';
import { expiryOf } from '#engine/shared/binding-list.ts';
import { keepaliveSeconds } from '#engine/shared/nat-keepalive.ts';
import { bindingStatusMeaning, bindingStatusName, ipv4AddressStatusName, rejects } from '#wire/binding-status.ts';
import type { Ipv6Packet } from '#wire/ipv6.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility.ts';
import { findOption } from '#wire/mobility-options.ts';
import {
  type Acknowledgement,
  clockDifferenceMs,
  judgeAcknowledgement,
  type Reaction,
  reactionTo,
  type SentUpdate,
} from './acknowledgement.ts';
import type { HomeAgentTarget } from './binding-update.ts';
import type { Exchange } from './exchange.ts';
import type { HomeRegistration } from './home-registration.ts';
import type { CareOfCandidate } from './movement.ts';
import type { NodeContext, Step } from './node-context.ts';
import { REFUSED_RETRY_MS } from './timer-names.ts';
import { acknowledgedEndpoints, natDetected } from './tunnel-endpoints.ts';

export interface ReceivedAcknowledgement {
  readonly path: Path;
  readonly packet: Ipv6Packet;
  /** The Mobility Header as received. */
  readonly header: Uint8Array;
  readonly message: Acknowledgement;
}

/** What is left of a lifetime when it is refreshed: room for three retransmissions where there is room. */
const REFRESH_MARGIN_MS = 16_000;

/** When to register again: at the advised moment, else well before the end (RFC 6275 §11.7.1). */
export function refreshAt(sentAt: Monotonic, lifetimeSeconds: number, adviceSeconds: number | undefined): Monotonic {
  const lifetimeMs = lifetimeSeconds * 1000;
  const margin = Math.max(lifetimeMs / 4, Math.min(REFRESH_MARGIN_MS, lifetimeMs / 2));
  const advisedMs = (adviceSeconds ?? lifetimeSeconds) * 1000;
  return after(sentAt, Math.min(lifetimeMs - margin, advisedMs));
}

export class AcknowledgementHandler {
  readonly #registration: HomeRegistration;
  readonly #context: NodeContext;

  constructor(registration: HomeRegistration, context: NodeContext) {
    this.#registration = registration;
    this.#context = context;
  }

  receive(step: Step, received: ReceivedAcknowledgement): void {
    const { exchange, home } = this.#registration;
    const target = exchange?.target;
    if (exchange === undefined || target === undefined) {
      this.#context.count('nothing-outstanding');
      return;
    }
    const verdict = judgeAcknowledgement(received, {
      homeAgent: target.address,
      homeAddress: home.homeAddress,
      careOfAddress: exchange.careOfAddress,
      securityAssociation: home.securityAssociation,
      sent: exchange.sent,
    });
    switch (verdict.kind) {
      case 'ignored':
        this.#context.count(verdict.reason);
        return;
      case 'unverified-refusal':
        this.#context.count('unauthenticated-refusal');
        this.#report(step, exchange, received.message, false);
        return;
      case 'valid':
        this.#obey(step, exchange, target, received.message, verdict.update);
        return;
      default:
        unreachable(verdict);
    }
  }

  #obey(step: Step, exchange: Exchange, target: HomeAgentTarget, message: Acknowledgement, update: SentUpdate): void {
    const reaction = reactionTo(message.status);
    if (rejects(message.status)) {
      this.#context.count('registration-refused');
      this.#report(step, exchange, message, true);
      exchange.answered(update);
      this.#refused(step, exchange, message, update, reaction);
    } else if (exchange.purpose === 'register') {
      this.#accepted(step, exchange, target, message, update);
    } else {
      this.#registration.deregistered(step, step.now - update.at);
    }
  }

  #report(step: Step, exchange: Exchange, message: Acknowledgement, authentic: boolean): void {
    if (!exchange.worthReporting(message.status)) return;
    this.#registration.event(step, 'registration-refused', 'warn', {
      status: message.status,
      statusName: bindingStatusName(message.status),
      meaning: bindingStatusMeaning(message.status),
      careOfAddress: exchange.careOfAddress,
      authentic,
      atMs: step.now,
    });
  }

  // --- refusals ---

  #refused(step: Step, exchange: Exchange, message: Acknowledgement, update: SentUpdate, reaction: Reaction): void {
    const registration = this.#registration;
    switch (reaction) {
      case 'resynchronize-sequence':
        this.#context.count('sequence-resynchronized');
        registration.memory.resynchronizeSequence(message.sequence);
        if (exchange.mayRetryAtOnce()) registration.resend(step);
        return;
      case 'resynchronize-clock':
        this.#resynchronizeClock(step, exchange, message, update);
        return;
      case 'accept':
      case 'back-off':
      case 'slow':
      case 'other-home-agent':
      case 'other-care-of-address':
        if (exchange.purpose === 'register') this.#refusedForGood(step, reaction);
        // A binding that the home agent will not delete is one that it does not have, or that its timer will end.
        else registration.deregistered(step, undefined);
        return;
      default:
        unreachable(reaction);
    }
  }

  #refusedForGood(step: Step, reaction: Reaction): void {
    const registration = this.#registration;
    // The retransmission timer goes on: that is the back-off of the other three.
    if (reaction === 'slow' || reaction === 'accept') registration.refused(step, REFUSED_RETRY_MS);
    else if (reaction === 'other-home-agent') registration.tryElsewhere(step, false);
    else if (reaction === 'other-care-of-address') registration.otherFamily(step);
  }

  /** RFC 4285 §6; or RFC 5555 §4.4.2, whose refusal of the F flag has the same number but returns our own timestamp. */
  #resynchronizeClock(step: Step, exchange: Exchange, message: Acknowledgement, update: SentUpdate): void {
    const registration = this.#registration;
    const returned = findOption(message.options, 'replay-protection')?.timestamp;
    const differenceMs =
      returned === undefined || update.timestamp === undefined ? 0 : clockDifferenceMs(returned, update.timestamp);
    if (differenceMs !== 0) {
      this.#context.count('clock-resynchronized');
      registration.memory.resynchronizeClock(differenceMs);
    } else if (registration.forceUdp) {
      registration.dropForcedUdp();
    } else {
      return;
    }
    if (exchange.mayRetryAtOnce()) registration.resend(step);
  }

  // --- acceptance ---

  #accepted(
    step: Step,
    exchange: Exchange,
    target: HomeAgentTarget,
    message: Acknowledgement,
    update: SentUpdate,
  ): void {
    const registration = this.#registration;
    const { careOf } = registration;
    const lifetimeSeconds = Math.min(message.lifetimeUnits, update.lifetimeUnits) * LIFETIME_UNIT_SECONDS;
    if (careOf === undefined || lifetimeSeconds === 0) {
      registration.refused(step, REFUSED_RETRY_MS);
      return;
    }
    this.#context.count('registration-accepted');
    const detection = findOption(message.options, 'nat-detection');
    const { moved } = registration.accepted(acknowledgedEndpoints(careOf, target, detection));
    const expiresAt = expiryOf(update.at, lifetimeSeconds);
    registration.memory.accepted(update.timestamp, wall(this.#context.wall(step.now) + (expiresAt - step.now)));
    const askAgain = this.#takeIpv4HomeAddress(step, message);
    this.#armTimers(update.at, lifetimeSeconds, message, careOf);
    this.#list(target, update, lifetimeSeconds, careOf, message);
    registration.persist(step);
    this.#context.publish(step);
    registration.event(step, moved ? 'registered' : 'refreshed', moved ? 'info' : 'debug', {
      careOfAddress: careOf.address,
      interface: careOf.device,
      encapsulation: registration.tunnel?.encapsulation,
      roundTripMs: step.now - update.at,
      status: message.status,
      nat: careOf.family === 4 && natDetected(detection),
      lifetimeSeconds,
      ipv4HomeAddress: registration.ipv4Refused ? undefined : registration.memory.ipv4HomeAddress,
      addressAtMs: careOf.appearedAt,
      updateAtMs: exchange.startedAt ?? update.at,
      atMs: step.now,
    });
    if (askAgain) registration.refresh(step);
  }

  #armTimers(sentAt: Monotonic, lifetimeSeconds: number, message: Acknowledgement, careOf: CareOfCandidate): void {
    const { timers } = this.#registration;
    const advice = findOption(message.options, 'binding-refresh-advice')?.refreshIntervalUnits;
    const adviceSeconds = advice === undefined || advice === 0 ? undefined : advice * LIFETIME_UNIT_SECONDS;
    timers.set('expiry', expiryOf(sentAt, lifetimeSeconds));
    timers.set('refresh', refreshAt(sentAt, lifetimeSeconds, adviceSeconds));
    const detection = careOf.family === 4 ? findOption(message.options, 'nat-detection') : undefined;
    const seconds = keepaliveSeconds(detection, this.#context.configuration.natKeepaliveSeconds);
    if (seconds === undefined) timers.clear('keepalive');
    else timers.set('keepalive', after(sentAt, seconds * 1000));
  }

  /** One entry for each home address that is bound, RFC 5555 §4.4.2. */
  #list(
    target: HomeAgentTarget,
    update: SentUpdate,
    lifetimeSeconds: number,
    careOf: CareOfCandidate,
    message: Acknowledgement,
  ): void {
    const { list, home, memory, ipv4Refused, tunnel } = this.#registration;
    list.clear();
    const entry = {
      destination: target.address,
      careOfAddress: careOf.address,
      initialLifetimeSeconds: lifetimeSeconds,
      sentAt: update.at,
      expiresAt: expiryOf(update.at, lifetimeSeconds),
      sequence: update.sequence,
      acknowledged: true,
      homeRegistration: true,
      encapsulation: tunnel?.encapsulation ?? 'ipip',
      nat: careOf.family === 4 && natDetected(findOption(message.options, 'nat-detection')),
    } as const;
    list.put({ ...entry, homeAddress: home.homeAddress });
    const ipv4 = memory.ipv4HomeAddress;
    if (ipv4 !== undefined && !ipv4Refused) list.put({ ...entry, homeAddress: ipv4 });
  }

  /** Says whether it is worth asking again at once: for any address, because the remembered one was refused. */
  #takeIpv4HomeAddress(step: Step, message: Acknowledgement): boolean {
    const registration = this.#registration;
    const { memory, home } = registration;
    if (home.ipv4HomeAddress === 'none') return false;
    const option = findOption(message.options, 'ipv4-address-acknowledgement');
    if (option !== undefined && !rejects(option.status)) {
      registration.ipv4Refused = false;
      memory.takeIpv4HomeAddress(option.address);
      return false;
    }
    const status = option === undefined ? 'not-answered' : ipv4AddressStatusName(option.status);
    if (!registration.ipv4Refused) {
      registration.event(step, 'ipv4-home-address-refused', 'warn', { status, address: memory.ipv4HomeAddress });
    }
    registration.ipv4Refused = true;
    return option !== undefined && memory.forgetIpv4HomeAddress();
  }
}
