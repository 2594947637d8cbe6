/**
 * The attempt to register a care-of address, from the first Binding Update to its acceptance.
 *
 * RFC 6275 §11.7.3    refusals;  §11.8 retransmission
 * RFC 3963 §5.3, §5.4 home agents that do not serve the role: role-rejection.ts decides
 * RFC 5555 §4.4.1     other paths when the home agent is silent: home/path-race.ts
 */
import { unreachable } from '#base/assert.ts';
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import { rejects } from '#wire/mobility/binding-status.ts';
import type { ReceivedAcknowledgement } from './acknowledgement.ts';
import {
  BindingExchange,
  type ExchangeHome,
  type ExchangeNode,
  type MatchedAcknowledgement,
} from './exchange.ts';
import type { NatLifetimes } from './nat-lifetimes.ts';
import type { DeregistrationOutcome } from './retransmission-policy.ts';
import { decideRoleRejection, type RoleRefusal } from './role-rejection.ts';
import { reactionTo } from './status-reactions.ts';
import type { UpdateOrigin } from './update-origin.ts';
import type { Pace } from './update-pacing.ts';

interface RegistrationNode extends ExchangeNode {
  readonly random: RandomBytes;
  /** What is known about the NATs of the uplinks; all homes use the same. */
  readonly natLifetimes: NatLifetimes;
}

/**
 * The methods of a home that its registrations and their attempts call. Registrations are named by
 * their care-of address.
 */
export interface RegistrationOwner extends ExchangeHome {
  /** The home agent acknowledged a binding of this home, and its lifetime has not ended. */
  readonly bound: boolean;
  readonly node: RegistrationNode;
  /** Takes the grants of an acceptance; says whether to register again at once. */
  applyAcceptance(
    step: Step,
    careOfAddress: IpAddress,
    answer: MatchedAcknowledgement,
    expiresAt: Monotonic,
  ): boolean;
  /** The node has arrived at the care-of address or home link: data can flow. */
  recordHandover(step: Step, roundTripMs: number | undefined): void;
  /** Withdraws the host's own traffic from a tunnel that may lead nowhere. */
  suspectTunnel(step: Step): void;
  readonly attachment: {
    /** Data follows to the home agent to which the next Binding Update is sent. */
    followHomeAgent(step: Step, careOfAddress: IpAddress): void;
    /** Some Binding Updates in a row were not answered: other paths are tried beside this one. */
    tryOtherPaths(step: Step, careOfAddress: IpAddress): void;
  };
  /** The home agent rejects the care-of address: it is avoided, and other paths are tried. */
  careOfAddressRejected(step: Step, careOfAddress: IpAddress): void;
  /** Another node has the home address, RFC 6275 §11.7.1 status 134. */
  abandonHomeAddress(step: Step): void;
  /** No home agent serves the role, RFC 3963 §5.4. */
  stopRegistering(step: Step): void;
  /** The lifetime of the binding has ended. */
  bindingExpired(step: Step, careOfAddress: IpAddress): void;
  /** The home agent has a binding that does not serve the role: its removal begins. */
  unservedBindingFound(step: Step): void;
  /** The removal has ended; `removed` is false if the binding may still exist. */
  unservedBindingRemoved(step: Step, careOfAddress: IpAddress, removed: boolean): void;
  /** The de-registration that the operator asked for has ended. */
  deregistered(step: Step, outcome: DeregistrationOutcome): void;
}

/** Why a Binding Update under way is repeated ahead of the back-off. */
export interface Haste {
  /** Since the last transmission. */
  readonly quietMs: number;
  /** That was long enough for an answer: the attempt counts as unanswered. */
  readonly timedOut: boolean;
}

export type AttemptOutcome =
  | { readonly kind: 'accepted'; readonly answer: MatchedAcknowledgement }
  /** Accepted by a home agent that does not serve the role. */
  | { readonly kind: 'unserved'; readonly answer: MatchedAcknowledgement }
  /** Refused for a cause that only an operator can correct. */
  | { readonly kind: 'refused' };

export class RegistrationAttempt {
  readonly exchange: BindingExchange;
  readonly #owner: RegistrationOwner;
  /** Handled once the home agent's name is resolved again; nothing is sent before. */
  #pendingRefusal: RoleRefusal | undefined;

  constructor(owner: RegistrationOwner, origin: UpdateOrigin, pace: Pace) {
    this.#owner = owner;
    this.exchange = new BindingExchange(owner, origin, 'register', pace);
  }

  transmit(step: Step): void {
    this.#pendingRefusal = undefined;
    this.exchange.transmit(step);
  }

  /** Sends again, ahead of the back-off, if the last Binding Update left before `quietMs`. */
  hasten(step: Step, { quietMs, timedOut }: Haste): void {
    const sentAt = this.exchange.lastSentAt;
    if (this.awaitsResolution || sentAt === undefined || step.now - sentAt < quietMs) return;
    if (timedOut) this.#retransmit(step);
    else this.exchange.transmit(step);
  }

  /** A refusal awaits the resolution of the home agent's name. */
  get awaitsResolution(): boolean {
    return this.#pendingRefusal !== undefined;
  }

  // --- no answer ---

  /** Handles the timer that is due first. */
  handleTimer(step: Step): void {
    const name = this.exchange.timers.due(step.now);
    if (name === 'transmit') this.transmit(step);
    else if (name === 'retransmit') this.#retransmit(step);
  }

  #retransmit(step: Step): void {
    const { exchange } = this;
    if (exchange.handleTimeout(step).kind === 'next-round') this.#owner.homeAgents.resolve(step);
    if (exchange.doubtful) this.#owner.attachment.tryOtherPaths(step, exchange.careOfAddress);
    this.transmit(step);
  }

  #tryNextHomeAgent(step: Step): void {
    if (this.exchange.tryNextHomeAgent(step)) this.#followHomeAgent(step);
  }

  #followHomeAgent(step: Step): void {
    this.#owner.attachment.followHomeAgent(step, this.exchange.careOfAddress);
  }

  /** The home agent has another address: sends the Binding Update there. */
  followMovedHomeAgent(step: Step): void {
    if (!this.exchange.homeAgentMoved) return;
    this.#followHomeAgent(step);
    this.transmit(step);
  }

  // --- the answer ---

  /** The outcome, once it is known. */
  receive(step: Step, received: ReceivedAcknowledgement): AttemptOutcome | undefined {
    const answer = this.exchange.receive(step, received);
    if (answer === undefined) return undefined;
    const { message, target } = answer;
    if (!rejects(message.status)) {
      const served = this.#owner.role.isServed(message);
      return { kind: served ? 'accepted' : 'unserved', answer };
    }
    const refusal = { homeAgent: target, status: message.status };
    return this.applyRoleRejection(step, refusal) ? undefined : this.#applyReaction(step, answer);
  }

  #applyReaction(step: Step, answer: MatchedAcknowledgement): AttemptOutcome | undefined {
    const reaction = reactionTo(answer.message.status);
    switch (reaction) {
      case 'resynchronize-sequence':
        this.exchange.resynchronizeSequence(step, answer);
        break;
      case 'resynchronize-clock':
        this.exchange.resynchronizeClock(step, answer);
        break;
      case 'retry-slowly':
        return { kind: 'refused' };
      case 'abandon-home-address':
        this.#owner.abandonHomeAddress(step);
        break;
      case 'next-home-agent':
        this.#tryNextHomeAgent(step);
        break;
      case 'next-care-of-address':
        this.#owner.careOfAddressRejected(step, this.exchange.careOfAddress);
        break;
      case 'accept':
      case 'back-off':
        // The retransmission timer is the back-off.
        break;
      default:
        unreachable(reaction);
    }
    return undefined;
  }

  // --- a home agent that does not serve the role ---

  /** Says whether the role has a reaction to the refusal. */
  applyRoleRejection(step: Step, refusal: RoleRefusal, resolvedNow = false): boolean {
    const { role, homeAgents } = this.#owner;
    const { family } = this.exchange;
    const reaction = decideRoleRejection(role, homeAgents, family, refusal, resolvedNow);
    if (reaction === undefined) return false;
    // A late answer to an earlier Binding Update says nothing about the next home agent or mode.
    this.exchange.discardSent();
    switch (reaction) {
      case 'next-home-agent':
        this.#tryNextHomeAgent(step);
        this.exchange.retryPromptly(step);
        break;
      case 'resolve-again':
        this.#pendingRefusal = refusal;
        this.exchange.pause();
        this.#owner.suspectTunnel(step);
        homeAgents.resolve(step);
        break;
      case 'next-mode':
        this.#tryNextMode(step, refusal);
        break;
      case 'stop':
        this.#owner.stopRegistering(step);
        break;
      default:
        unreachable(reaction);
    }
    return true;
  }

  #tryNextMode(step: Step, { homeAgent }: RoleRefusal): void {
    const { role, node } = this.#owner;
    node.count('registration-mode-changed');
    const fields = { ...role.status(), atMs: step.now };
    this.#owner.event(step, 'registration-mode-changed', 'warn', fields);
    if (role.skips(homeAgent.outerAddress)) this.#tryNextHomeAgent(step);
    this.exchange.retryPromptly(step);
  }

  /** Continues with a refusal that awaited the resolution; says whether there was one. */
  resumeAfterResolution(step: Step): boolean {
    const refusal = this.#pendingRefusal;
    if (refusal === undefined) return false;
    this.#pendingRefusal = undefined;
    this.applyRoleRejection(step, refusal, true);
    return true;
  }
}
