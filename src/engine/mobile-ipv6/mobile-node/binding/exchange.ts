/**
 * A Binding Update and its acknowledgement: transmission, retransmission, matching of the answer.
 *
 * RFC 6275 §11.8    back-off, separate for each care-of address; MAX_UPDATE_RATE
 * RFC 6275 §11.7.3  status 135: sequence number of the home agent
 * RFC 4285 §6       status 144: clock of the home agent;  RFC 5555 §4.4.2 F flag refused
 * RFC 5555 §4.4.1   attempts for each address family
 */
import { unreachable } from '#base/assert.ts';
import type { IpAddress } from '#base/ip.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import { BackOff } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { HomeContext } from '#engine/mobile-ipv6/mobile-node/home/home-context.ts';
import type { ExchangeTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import { bindingStatusMeaning, bindingStatusName, rejects } from '#wire/mobility/binding-status.ts';
import { findOption } from '#wire/mobility/options.ts';
import {
  type Acknowledgement,
  type ReceivedAcknowledgement,
  type SentUpdate,
  validateAcknowledgement,
} from './acknowledgement.ts';
import type { ExchangePurpose, HomeAgentTarget } from './binding-update.ts';
import { decideAfterTimeout, type TimeoutDecision } from './retransmission-policy.ts';
import type { UpdateOrigin } from './update-origin.ts';
import { sendBindingUpdate } from './update-sender.ts';

/** Back-off by family, so that alternating between families does not make either faster. */
export type BackOffs = Map<4 | 6, BackOff>;

/** A valid acknowledgement and the Binding Update that it answers. */
export interface MatchedAcknowledgement {
  readonly message: Acknowledgement;
  readonly update: SentUpdate;
  readonly target: HomeAgentTarget;
}

/** A refusal that is handled once the home agent's name is resolved again. */
export interface PendingRefusal {
  readonly homeAgent: HomeAgentTarget;
  /** Undefined: an acceptance that does not serve the role. */
  readonly status: number | undefined;
}

/** Transmissions that an acknowledgement may still answer. */
const MAX_OUTSTANDING = 8;
/** Immediate retries after a refusal; afterwards the back-off applies. */
const IMMEDIATE_RETRIES = 3;

export class BindingExchange {
  readonly purpose: ExchangePurpose;
  readonly careOfAddress: IpAddress;
  readonly family: 4 | 6;
  readonly backOffs: BackOffs;
  readonly timers = new Timers<ExchangeTimer>();
  readonly #home: HomeContext;
  readonly #origin: UpdateOrigin;
  readonly #backOff: BackOff;
  #target: HomeAgentTarget | undefined;
  #sent: readonly SentUpdate[] = [];
  #attempts = 0;
  #immediateRetries = 0;
  #reportedStatus: number | undefined;
  #rounds = 0;
  #pendingRefusal: PendingRefusal | undefined;

  /** `backOffs` of the exchange that this one continues over another family. */
  constructor(
    home: HomeContext,
    origin: UpdateOrigin,
    purpose: ExchangePurpose,
    initialMs: number,
    backOffs: BackOffs = new Map(),
  ) {
    this.#home = home;
    this.#origin = origin;
    this.purpose = purpose;
    this.careOfAddress = origin.from.address;
    this.family = origin.from.family;
    this.backOffs = backOffs;
    this.#backOff = backOffs.get(this.family) ?? new BackOff(initialMs);
    backOffs.set(this.family, this.#backOff);
  }

  /** The home agent of the last transmission. */
  get target(): HomeAgentTarget | undefined {
    return this.#target;
  }

  // --- transmission ---

  /**
   * Sends a Binding Update now, or as soon as the rate limit allows, or when the home agent's
   * address is known.
   */
  transmit(step: Step): void {
    const { homeAgents, node } = this.#home;
    this.#pendingRefusal = undefined;
    const target = homeAgents.target(this.family);
    if (target === undefined) {
      homeAgents.resolve(step);
      return;
    }
    const allowedAt = node.updateRateLimit.allowedAt(target.address, step.now);
    this.timers.clearAll();
    if (allowedAt > step.now) {
      node.count('binding-update-delayed');
      this.timers.set('transmit', allowedAt);
      return;
    }
    this.#recordSent(
      sendBindingUpdate(step, this.#home, this.purpose, this.#origin, target),
      target,
    );
    node.updateRateLimit.recordSent(target.address, step.now);
    node.count('binding-update-sent');
    this.timers.set('retransmit', after(step.now, this.#backOff.next()));
  }

  #recordSent(update: SentUpdate, target: HomeAgentTarget): void {
    if (!sameTarget(this.#target, target)) this.#sent = [];
    this.#target = target;
    this.#sent = [...this.#sent, update].slice(-MAX_OUTSTANDING);
    this.#attempts++;
  }

  /** When the oldest Binding Update was sent that an acknowledgement may still answer. */
  get startedAt(): Monotonic | undefined {
    return this.#sent[0]?.at;
  }

  /** No acknowledgement arrived in time: decides, and reports a silent home agent. */
  handleTimeout(step: Step): TimeoutDecision {
    const { node, silence } = this.#home;
    node.count('binding-update-retransmitted');
    const silent = this.#sent.length > 0;
    const decision = decideAfterTimeout(this.purpose, {
      attempts: this.#attempts,
      completedRounds: this.#rounds,
      silentRounds: silence.rounds,
      silent,
    });
    if (decision.kind === 'retransmit') return decision;
    this.#attempts = 0;
    this.#rounds++;
    if (silent) this.#home.reportSilence(step, this);
    return decision;
  }

  /**
   * The next Binding Update goes to the next address of the home agent, whose name is resolved
   * again (RFC 6275 §11.7.1). Says whether there is another address.
   */
  tryNextHomeAgent(step: Step): boolean {
    const { homeAgents, role } = this.#home;
    homeAgents.resolve(step);
    return homeAgents.rotate(this.family, (address) => role.skips(address));
  }

  /** Whether the home agent's address differs from that of the last transmission. */
  get homeAgentMoved(): boolean {
    const target = this.#home.homeAgents.target(this.family);
    return target !== undefined && !sameTarget(this.#target, target);
  }

  /** Sends at once after a refusal, but leaves a series of refusals to the back-off. */
  retryPromptly(step: Step): void {
    if (this.#mayRetryAtOnce() || this.timers.at('retransmit') === NEVER) this.transmit(step);
  }

  #mayRetryAtOnce(): boolean {
    return this.#immediateRetries++ < IMMEDIATE_RETRIES;
  }

  /** Sends nothing until the home agent's name is resolved. */
  awaitResolution(refusal: PendingRefusal): void {
    this.#pendingRefusal = refusal;
    this.timers.clearAll();
  }

  get pendingRefusal(): PendingRefusal | undefined {
    return this.#pendingRefusal;
  }

  takePendingRefusal(): PendingRefusal | undefined {
    const refusal = this.#pendingRefusal;
    this.#pendingRefusal = undefined;
    return refusal;
  }

  // --- the answer ---

  /** Validates an acknowledgement; counts and reports what it was if it is not an acceptance. */
  receive(step: Step, received: ReceivedAcknowledgement): MatchedAcknowledgement | undefined {
    const { node, configuration } = this.#home;
    const target = this.#target;
    if (target === undefined) {
      node.count('nothing-outstanding');
      return undefined;
    }
    const { message } = received;
    const verdict = validateAcknowledgement(received, {
      homeAgent: target.address,
      homeAddress: configuration.homeAddress,
      careOfAddress: this.careOfAddress,
      registrationKey: configuration.registrationKey,
      sent: this.#sent,
    });
    switch (verdict.kind) {
      case 'ignored':
        node.count(verdict.reason);
        return undefined;
      case 'unverified-refusal':
        node.count('unauthenticated-refusal');
        this.#reportRefusal(step, message, false);
        return undefined;
      case 'valid':
        this.#recordAnswer(step, message, verdict.update);
        return { message, update: verdict.update, target };
      default:
        return unreachable(verdict);
    }
  }

  #recordAnswer(step: Step, message: Acknowledgement, update: SentUpdate): void {
    this.#home.node.countAcknowledgement(message.status);
    if (!rejects(message.status)) return;
    this.#home.node.count('registration-refused');
    this.#reportRefusal(step, message, true);
    this.#sent = this.#sent.filter((one) => one !== update);
  }

  /** Reports each status once. */
  #reportRefusal(step: Step, { status }: Acknowledgement, authentic: boolean): void {
    if (this.#reportedStatus === status) return;
    this.#reportedStatus = status;
    this.#home.event(step, 'registration-refused', 'warn', {
      status,
      statusName: bindingStatusName(status),
      meaning: bindingStatusMeaning(status),
      careOfAddress: this.careOfAddress,
      authentic,
      atMs: step.now,
    });
  }

  /** Acknowledgements of earlier transmissions no longer count. */
  discardSent(): void {
    this.#sent = [];
  }

  /** Status 135: continues after the home agent's sequence number. */
  resynchronizeSequence(step: Step, { message, update }: MatchedAcknowledgement): void {
    const { stored, node } = this.#home;
    // A later Binding Update is ahead of the home agent's number: its own answer decides.
    const late = update.sequence !== stored.sequence;
    if (late && sequenceGreater(stored.sequence, message.sequence)) return;
    node.count('sequence-resynchronized');
    stored.resynchronizeSequence(message.sequence);
    if (this.#mayRetryAtOnce()) this.transmit(step);
  }

  /** Status 144: uses the home agent's clock, or drops the F flag. */
  resynchronizeClock(step: Step, answer: MatchedAcknowledgement): void {
    // The time that a late answer took would count as a difference of the clocks.
    if (answer.update.sequence !== this.#home.stored.sequence) return;
    if (this.#correctTimestampOrFlag(answer) && this.#mayRetryAtOnce()) this.transmit(step);
  }

  /**
   * RFC 4285 §6: this node's clock is wrong. Or RFC 5555 §4.4.2: the home agent refuses the F flag
   * with the same number and returns all 64 bits of the timestamp. Says whether anything changed.
   */
  #correctTimestampOrFlag({ message, update }: MatchedAcknowledgement): boolean {
    const { node, stored } = this.#home;
    const returned = findOption(message.options, 'replay-protection')?.timestamp;
    if (returned !== undefined && returned !== update.timestamp) {
      node.count('clock-resynchronized');
      stored.resynchronizeClock(returned, node.wall(update.at));
      return true;
    }
    const forced = this.#origin.forceUdp && this.family === 4;
    if (forced) this.#origin.setForceUdp(false);
    return forced;
  }
}

function sameTarget(a: HomeAgentTarget | undefined, b: HomeAgentTarget): boolean {
  return a?.address === b.address && a.outerAddress === b.outerAddress;
}
