/**
 * A Binding Update and its acknowledgement: transmission, retransmission, matching of the answer.
 *
 * RFC 6275 §11.8    back-off, separate for each care-of address; MAX_UPDATE_RATE
 * RFC 6275 §11.7.1  lifetime no longer than the care-of address is valid
 * RFC 6275 §11.7.3  status 135: sequence number of the home agent
 * RFC 4285 §6       status 144: clock of the home agent;  RFC 5555 §4.4.2 F flag refused
 * RFC 5555 §4.4.1   attempts for each address family
 */
import { unreachable } from '#base/assert.ts';
import type { IpAddress, Ipv4Address } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import { BackOff } from '#engine/mobile-ipv6/common/binding-update-back-off.ts';
import type { BindingUpdateList } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { UpdateRateLimit } from '#engine/mobile-ipv6/common/update-rate-limit.ts';
import type {
  HomeConfiguration,
  MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type {
  HomeAgentAddresses,
  HomeAgentTarget,
} from '#engine/mobile-ipv6/mobile-node/home/home-agent-addresses.ts';
import type { HomeRole } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import type { ExchangeTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import { bindingStatusMeaning, bindingStatusName, rejects } from '#wire/mobility/binding-status.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';
import type { StoredRegistration } from '../home/stored-registration.ts';
import {
  type Acknowledgement,
  type ReceivedAcknowledgement,
  type SentUpdate,
  validateAcknowledgement,
} from './acknowledgement.ts';
import { buildBindingUpdate, lifetimeUnits } from './binding-update.ts';
import {
  decideAfterTimeout,
  type ExchangePurpose,
  type TimeoutDecision,
} from './retransmission-policy.ts';
import type { UpdateOrigin } from './update-origin.ts';

/** The parts of the node that an exchange uses. */
export interface ExchangeNode {
  readonly configuration: MobileNodeConfiguration;
  readonly bindingUpdateList: BindingUpdateList;
  /** Shared by all homes, because MAX_UPDATE_RATE applies to a home agent. */
  readonly updateRateLimit: UpdateRateLimit;
  count(reason: MobileNodeReason): void;
  /** Counts the status of a valid Binding Acknowledgement. */
  countAcknowledgement(status: number): void;
  wall(now: Monotonic): Wall;
  /** Publishes the parts of the desired state that changed. */
  publishDesired(step: Step): void;
}

/** The parts of its home that an exchange uses. */
export interface ExchangeHome {
  readonly node: ExchangeNode;
  readonly configuration: HomeConfiguration;
  readonly role: HomeRole;
  /** Sequence number, timestamps and IPv4 home address; all registrations use the same. */
  readonly stored: StoredRegistration;
  readonly homeAgents: HomeAgentAddresses;
  /** Undefined if there is none, or the home agent refused it. */
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  /** Rounds of unanswered Binding Updates since the last answer or move. */
  readonly silentRounds: number;
  /** A round of Binding Updates was not answered. */
  reportSilence(step: Step, exchange: BindingExchange): void;
  /** The home agent may hold a binding of this home. */
  mayBeBound(step: Step): boolean;
  /** The L bit (RFC 6275 §11.7.1) of a Binding Update that is sent now. */
  linkLocalCompatibility(registering: boolean): boolean;
  persist(step: Step): void;
  event(
    step: Step,
    name: EngineEvent['name'],
    level: EngineEvent['level'],
    fields: JsonObject,
  ): void;
}

/** Back-off by family, so that alternating between families does not make either faster. */
export type BackOffs = Map<4 | 6, BackOff>;

/** A valid acknowledgement and the Binding Update that it answers. */
export interface MatchedAcknowledgement {
  readonly message: Acknowledgement;
  readonly update: SentUpdate;
  readonly target: HomeAgentTarget;
}

/** How a de-registration ended. */
export type DeregistrationOutcome =
  | { readonly kind: 'confirmed'; readonly roundTripMs: number }
  /** The home agent has no binding. */
  | { readonly kind: 'no-binding' }
  /** The home agent did not confirm it; a binding may last until its lifetime ends. */
  | { readonly kind: 'unconfirmed' };

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
  readonly #home: ExchangeHome;
  readonly #origin: UpdateOrigin;
  readonly #backOff: BackOff;
  #target: HomeAgentTarget | undefined;
  #sent: readonly SentUpdate[] = [];
  #attempts = 0;
  #immediateRetries = 0;
  #reportedStatus: number | undefined;
  #rounds = 0;

  /** `backOffs` of the exchange that this one continues over another family. */
  constructor(
    home: ExchangeHome,
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
    this.#send(step, target);
    node.updateRateLimit.recordSent(target.address, step.now);
    node.count('binding-update-sent');
    this.timers.set('retransmit', after(step.now, this.#backOff.next()));
  }

  /** RFC 6275 §11.8, RFC 4285 §6: a new sequence number and timestamp for each transmission. */
  #send(step: Step, target: HomeAgentTarget): void {
    const { stored, node, role, configuration } = this.#home;
    const { homeAddress, identifier, registrationKey } = configuration;
    const { from, forceUdp } = this.#origin;
    const registering = this.purpose === 'register';
    const wallNow = node.wall(step.now);
    const units = registering
      ? lifetimeUnits(step.now, node.configuration.lifetimeSeconds, from.validUntil)
      : 0;
    const sequence = stored.advanceSequence();
    const timestamp = registrationKey === undefined ? undefined : stored.advanceTimestamp(wallNow);
    stored.mayBeBoundUntil(wall(wallNow + units * LIFETIME_UNIT_SECONDS * 1000));
    const { path, packet } = buildBindingUpdate({
      homeAddress,
      careOfAddress: from.address,
      target,
      sequence,
      lifetimeUnits: units,
      linkLocalCompatibility: this.#home.linkLocalCompatibility(registering),
      forceUdp,
      ipv4HomeAddress: registering ? stored.requestedIpv4HomeAddress : undefined,
      identifier,
      timestamp,
      registrationKey,
      udpPort: node.configuration.udpPort,
      roleOptions: role.roleOptions(registering),
    });
    this.#home.persist(step);
    step.out.push({ kind: 'send', path, packet });
    this.#recordSent({ sequence, timestamp, at: step.now, lifetimeUnits: units }, target);
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
    const { node, silentRounds } = this.#home;
    node.count('binding-update-retransmitted');
    const silent = this.#sent.length > 0;
    const decision = decideAfterTimeout(this.purpose, {
      attempts: this.#attempts,
      completedRounds: this.#rounds,
      silentRounds,
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

  /** Sends nothing more for now. */
  pause(): void {
    this.timers.clearAll();
  }

  // --- the answer ---

  /** Validates an acknowledgement; counts and reports any outcome other than an acceptance. */
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
