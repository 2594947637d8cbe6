/**
 * A Binding Update and its acknowledgement: transmission, retransmission, matching of the answer.
 *
 * RFC 6275 §11.8    back-off, separate for each care-of address; MAX_UPDATE_RATE
 * RFC 6275 §11.7.1  lifetime no longer than the care-of address is valid
 * RFC 6275 §11.7.3  status 135: sequence number of the home agent
 * RFC 4285 §6       status 144: clock of the home agent;  RFC 5555 §4.4.2 F flag refused
 * RFC 5555 §4.4.1   attempts over each address family
 * RFC 8305 §5       several addresses of the home agent: the next is tried after a short delay
 */
import { unreachable } from '#base/assert.ts';
import type { IpAddress, Ipv4Address } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { Timers } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { BindingUpdateList } from '#engine/mobile-ipv6/common/binding-update-list.ts';
import type { UpdateRateLimit } from '#engine/mobile-ipv6/common/update-rate-limit.ts';
import type { ExchangeTimer } from '#engine/mobile-ipv6/mobile-node/timers.ts';
import { rejects } from '#wire/mobility/binding-status.ts';
import { LIFETIME_UNIT_SECONDS } from '#wire/mobility/message.ts';
import type { HomeConfiguration, MobileNodeConfiguration } from '../configuration.ts';
import type {
  HomeAgentAddresses,
  HomeAgentTarget,
  UnansweredExchange,
} from '../home/home-agent-addresses.ts';
import type { HomeRole } from '../home/home-role.ts';
import { asksForNameServers } from '../home/name-servers.ts';
import type { StoredRegistration } from '../home/stored-registration.ts';
import type { MobileNodeReason } from '../reasons.ts';
import { type SealedSessions, sendUpdate } from '../sealed/outgoing-update.ts';
import {
  type Acknowledgement,
  type ReceivedAcknowledgement,
  type SentUpdate,
  statusFields,
  validateAcknowledgement,
} from './acknowledgement.ts';
import { buildBindingUpdate, lifetimeUnits } from './binding-update.ts';
import { OutstandingUpdates, sameTarget } from './outstanding-updates.ts';
import type { RecentUpdates } from './recent-updates.ts';
import {
  decideAfterTimeout,
  type ExchangePurpose,
  type TimeoutDecision,
} from './retransmission-policy.ts';
import { correctSequence, correctTimestampOrFlag } from './update-corrections.ts';
import type { UpdateOrigin } from './update-origin.ts';
import { type Pace, UpdatePacing } from './update-pacing.ts';

/** The parts of the node that an exchange uses. */
export interface ExchangeNode {
  readonly configuration: MobileNodeConfiguration;
  readonly bindingUpdateList: BindingUpdateList;
  /** Shared by all homes, because MAX_UPDATE_RATE applies to a home agent. */
  readonly updateRateLimit: UpdateRateLimit;
  /** Undefined if no home agent has a public key. */
  readonly sealed: SealedSessions | undefined;
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
  readonly recentUpdates: RecentUpdates;
  readonly homeAgents: HomeAgentAddresses;
  /** Undefined if there is none, or the home agent refused it. */
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  /** Rounds of unanswered Binding Updates since the last answer or move. */
  readonly silentRounds: number;
  /** A round of Binding Updates was not answered. */
  reportSilence(step: Step, unanswered: UnansweredExchange): void;
  /** The home agent may hold a binding of this home. */
  mayBeBound(step: Step): boolean;
  /** The L bit (RFC 6275 §11.7.1) of a Binding Update that is sent now. */
  linkLocalCompatibility(registering: boolean): boolean;
  /** `question`: nothing changes but sequence number and timestamp. */
  persist(step: Step, question?: boolean): void;
  event(step: Step, name: EngineEvent['name'], level: Level, fields: JsonObject): void;
}

type Level = EngineEvent['level'];

/** A valid acknowledgement and the Binding Update that it answers. */
export interface MatchedAcknowledgement {
  readonly message: Acknowledgement;
  readonly update: SentUpdate;
  readonly target: HomeAgentTarget;
  /**
   * The home agent may have followed a later Binding Update by another path, or grants a short
   * lifetime only: the binding has to be confirmed.
   */
  readonly toConfirm: boolean;
  /** It answers a question about a known path. */
  readonly question: boolean;
}

/**
 * Lifetime that is requested at an address other than the one in use, in units of 4 seconds. Where
 * the addresses belong to different home agents, the binding at one that answered too late ends
 * soon. A de-registration there would remove the binding if both are the same home agent.
 */
const PROVISIONAL_LIFETIME_UNITS = 15;
/** Immediate retries after a refusal; afterwards the back-off applies. */
const IMMEDIATE_RETRIES = 3;

export class BindingExchange {
  readonly purpose: ExchangePurpose;
  readonly careOfAddress: IpAddress;
  readonly family: 4 | 6;
  readonly timers = new Timers<ExchangeTimer>();
  readonly #home: ExchangeHome;
  readonly #origin: UpdateOrigin;
  readonly #pacing: UpdatePacing;
  readonly #sent = new OutstandingUpdates<HomeAgentTarget, TargetedUpdate>();
  #immediateRetries = 0;
  #reportedStatus: number | undefined;
  #rounds = 0;

  constructor(home: ExchangeHome, origin: UpdateOrigin, purpose: ExchangePurpose, pace: Pace) {
    this.#home = home;
    this.#origin = origin;
    this.purpose = purpose;
    this.careOfAddress = origin.from.address;
    this.family = origin.from.family;
    this.#pacing = new UpdatePacing(pace);
  }

  /** The home agent of the last transmission. */
  get target(): HomeAgentTarget | undefined {
    return this.#sent.target;
  }

  // --- transmission ---

  /**
   * Sends a Binding Update now, or as soon as the rate limit allows, or when the home agent's
   * address is known.
   */
  transmit(step: Step): void {
    const { homeAgents, node } = this.#home;
    const target = this.#pacing.next(this.#targets);
    if (target === undefined) {
      homeAgents.resolve(step);
      return;
    }
    const allowedAt = node.updateRateLimit.allowedAt(target.outerAddress, step.now);
    this.timers.clearAll();
    if (allowedAt > step.now) {
      node.count('binding-update-delayed');
      this.timers.set('transmit', allowedAt);
      return;
    }
    this.#send(step, target);
    node.updateRateLimit.recordSent(target.outerAddress, step.now);
    node.count('binding-update-sent');
    this.timers.set('retransmit', this.#pacing.sent(step.now, target, this.#targets));
  }

  /** The addresses to try: the one in use; for a registration the others too. */
  get #targets(): readonly HomeAgentTarget[] {
    const { homeAgents, role } = this.#home;
    const all = homeAgents.targets(this.family, (address) => role.skips(address));
    return this.purpose === 'register' && !this.#pacing.asks ? all : all.slice(0, 1);
  }

  /** RFC 6275 §11.8, RFC 4285 §6: a new sequence number and timestamp for each transmission. */
  #send(step: Step, target: HomeAgentTarget): void {
    const { stored, node, role, configuration } = this.#home;
    const { homeAddress, identifier, registrationKey } = configuration;
    const { from, forceUdp, callback } = this.#origin;
    const registering = this.purpose === 'register';
    const wallNow = node.wall(step.now);
    const units = registering ? this.#lifetimeUnits(step.now, target) : 0;
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
      ...{ forceUdp, callback },
      ipv4HomeAddress: registering ? stored.requestedIpv4HomeAddress : undefined,
      identifier,
      timestamp,
      registrationKey,
      sealed: configuration.publicKey !== undefined,
      udpPort: node.configuration.udpPort,
      requestDns: asksForNameServers(node.configuration, configuration),
      roleOptions: role.roleOptions(registering),
    });
    const question = this.#pacing.asks;
    this.#home.persist(step, question);
    sendUpdate(step, { node, homeAddress }, { path, packet, link: this.#origin.link });
    if (!registering && !sameTarget(this.#sent.target, target)) this.#sent.clear();
    this.#sent.add({ sequence, timestamp, at: step.now, lifetimeUnits: units, target, question });
    this.#home.recentUpdates.record(sequence, this.#pathTo(target));
  }

  #pathTo({ outerAddress }: HomeAgentTarget) {
    const { bid } = this.#origin;
    return { bid, careOfAddress: this.careOfAddress, homeAgent: outerAddress };
  }

  #lifetimeUnits(now: Monotonic, target: HomeAgentTarget): number {
    const { node, stored } = this.#home;
    const { lifetimeSeconds } = node.configuration;
    const units = lifetimeUnits(now, lifetimeSeconds, this.#origin.from.validUntil);
    // A question leaves the end of the binding as it is, so that nothing has to be stored.
    if (this.#pacing.asks) return Math.min(units, stored.remainingUnits(node.wall(now)) ?? units);
    return sameTarget(this.#targets[0], target)
      ? units
      : Math.min(units, PROVISIONAL_LIFETIME_UNITS);
  }

  /** Too little was answered to leave the data to this path alone. */
  get doubtful(): boolean {
    return this.#rounds > 0 || this.#pacing.doubtful;
  }

  /** When the oldest Binding Update was sent that an acknowledgement may still answer. */
  get startedAt(): Monotonic | undefined {
    return this.#sent.startedAt;
  }

  get lastSentAt(): Monotonic | undefined {
    return this.#sent.lastSentAt;
  }

  /** No acknowledgement arrived in time: decides, and reports a silent home agent. */
  handleTimeout(step: Step): TimeoutDecision {
    const { node, silentRounds } = this.#home;
    if (this.#pacing.withinPass(this.#targets)) {
      node.count('home-agent-address-raced');
      return { kind: 'retransmit' };
    }
    node.count('binding-update-retransmitted');
    const silent = this.#sent.any;
    const decision = decideAfterTimeout(this.purpose, {
      attempts: this.#pacing.attempts,
      completedRounds: this.#rounds,
      silentRounds,
      silent,
    });
    if (decision.kind === 'retransmit') return decision;
    this.#pacing.endRound();
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

  /** Whether the home agent has an address to which nothing was sent. */
  get homeAgentMoved(): boolean {
    return this.#targets.some((target) => !this.#sent.includes(target));
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
    const sent = this.#sent.to(received.packet.source);
    const homeAgent = sent[0]?.target.address ?? this.#sent.target?.address;
    if (homeAgent === undefined) {
      node.count('nothing-outstanding');
      return undefined;
    }
    const { message } = received;
    const { homeAddress, registrationKey, publicKey } = configuration;
    const verdict = validateAcknowledgement(received, {
      ...{ homeAgent, homeAddress, registrationKey, sent },
      careOfAddress: this.careOfAddress,
      sealed: publicKey !== undefined,
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
        return this.#matched(step, message, verdict.update);
      default:
        return unreachable(verdict);
    }
  }

  #matched(step: Step, message: Acknowledgement, update: TargetedUpdate): MatchedAcknowledgement {
    const { node, recentUpdates } = this.#home;
    const { target, sequence, lifetimeUnits, question } = update;
    node.countAcknowledgement(message.status);
    if (rejects(message.status)) {
      node.count('registration-refused');
      this.#reportRefusal(step, message, true);
      this.#sent.remove(update);
    }
    const provisional =
      lifetimeUnits <= PROVISIONAL_LIFETIME_UNITS && !sameTarget(this.#targets[0], target);
    const toConfirm = provisional || recentUpdates.overtaken(sequence, this.#pathTo(target));
    return { message, update, target, toConfirm, question };
  }

  /** Reports each status once. */
  #reportRefusal(step: Step, { status }: Acknowledgement, authentic: boolean): void {
    if (this.#reportedStatus === status) return;
    this.#reportedStatus = status;
    const fields = { ...statusFields(status), careOfAddress: this.careOfAddress, authentic };
    this.#home.event(step, 'registration-refused', 'warn', { ...fields, atMs: step.now });
  }

  /** Acknowledgements of earlier transmissions no longer count. */
  discardSent(): void {
    this.#sent.clear();
  }

  /** Status 135: continues after the home agent's sequence number. */
  resynchronizeSequence(step: Step, answer: MatchedAcknowledgement): void {
    if (!correctSequence(this.#home.stored, answer)) return;
    this.#home.node.count('sequence-resynchronized');
    this.#repeatTo(step, answer);
  }

  /** Status 144: uses the home agent's clock, or drops the F flag. */
  resynchronizeClock(step: Step, answer: MatchedAcknowledgement): void {
    if (correctTimestampOrFlag(step, this.#home, this.#origin, answer))
      this.#repeatTo(step, answer);
  }

  /** Sends a corrected Binding Update to the address that refused the former one. */
  #repeatTo(step: Step, { target }: MatchedAcknowledgement): void {
    if (!this.#mayRetryAtOnce()) return;
    this.#pacing.retry(target);
    this.transmit(step);
  }
}

type TargetedUpdate = SentUpdate & {
  readonly target: HomeAgentTarget;
  readonly question: boolean;
};
