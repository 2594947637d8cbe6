/**
 * Carries out the verdict on a Binding Update and answers it.
 *
 * RFC 6275 §10.3.1 registration;  §10.3.2 de-registration
 */
import { unreachable } from '#base/assert.ts';
import { isIpv6, prefixContains } from '#base/ip.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { AcceptedTimestamps } from '#engine/mobile-ipv6/home-agent/bindings/accepted-timestamps.ts';
import type { ReplayNumbers } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import {
  forgetIpv4Assignment,
  storeIpv4Assignment,
} from '#engine/mobile-ipv6/home-agent/bindings/binding-store.ts';
import type { Bindings } from '#engine/mobile-ipv6/home-agent/bindings/bindings.ts';
import type { Callbacks } from '#engine/mobile-ipv6/home-agent/bindings/callbacks.ts';
import { emit } from '#engine/mobile-ipv6/home-agent/events.ts';
import type { AddressPool, PoolOffer } from '#engine/mobile-ipv6/home-agent/grants/address-pool.ts';
import type { HomeLink } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import type { HomeAgentCounters } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { RegistrationView } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import { bindingStatusName } from '#wire/mobility/binding-status.ts';
import type { PendingRegistration } from '../home-link/duplicate-address-detection.ts';
import {
  type Acknowledgement,
  acceptance,
  acknowledgementPacket,
  deregistrationAcceptance,
  rejection,
} from './binding-acknowledgement.ts';
import { judgeAfterDetection, judgeBindingUpdate, type Verdict } from './binding-update-checks.ts';
import { dnsAnswer } from './dns-answer.ts';
import { grantRegistration } from './grant.ts';
import { HomeLinkBudget } from './home-link-budget.ts';
import type { Refusal } from './refusal.ts';
import { outerSource, type RegistrationRequest, timestampOf } from './registration-request.ts';

const EVENTS_PER_SECOND = 5;
const BURST = 10;
/** A node retransmits every second, and many nodes may be behind one NAT. */
const REFUSAL_RATES = {
  site: { perSecond: 20, burst: 40 },
  network: { perSecond: 50, burst: 100 },
  total: { perSecond: 1000, burst: 1000 },
} as const;

/** The state that the registrar reads and changes. */
interface RegistrarContext extends RegistrationView {
  readonly bindings: Bindings;
  readonly callbacks: Callbacks;
  readonly timestamps: AcceptedTimestamps;
  readonly pool: AddressPool;
  readonly homeLink: HomeLink | undefined;
  readonly counters: HomeAgentCounters;
}

export class Registrar {
  readonly #context: RegistrarContext;
  readonly #acknowledgements = new CounterSet<string>({});
  /** Limits events that an unauthenticated sender can cause. */
  readonly #eventLimit = new TokenBucket(EVENTS_PER_SECOND, BURST);
  /**
   * Anybody can cause a refusal: with a wrong authenticator (status 146), or with a copy of a
   * Binding Update that was sent before.
   */
  readonly #refusalLimit = new SourceRateLimit(REFUSAL_RATES);
  readonly #homeLinkBudget = new HomeLinkBudget();

  constructor(context: RegistrarContext) {
    this.#context = context;
  }

  /** Binding Acknowledgements by the name of their status. */
  get acknowledgements(): Counters {
    return this.#acknowledgements.counters;
  }

  handle(step: Step, request: RegistrationRequest): void {
    const verdict = judgeBindingUpdate(this.#context, step.now, request);
    this.#recordTimestamp(step, request, verdict);
    switch (verdict.kind) {
      case 'discarded':
        this.#context.counters.count(verdict.reason);
        break;
      case 'refused':
        this.#refuse(step, { request, sender: verdict.sender }, verdict.refusal, verdict.fresh);
        break;
      case 'deregistration':
        this.#deregister(step, request, verdict);
        break;
      case 'registration':
        this.#accept(step, { request, sender: verdict.sender });
        break;
      default:
        unreachable(verdict);
    }
  }

  /** RFC 4285 §6: also of a refused Binding Update, which must not be replayed later. */
  #recordTimestamp({ now }: Step, request: RegistrationRequest, verdict: Verdict): void {
    if (verdict.kind === 'discarded') return;
    const fresh = verdict.kind === 'registration' || verdict.fresh;
    const { mobileNode, registrationKey } = verdict.sender;
    const timestamp = timestampOf(request);
    if (fresh && registrationKey !== undefined && timestamp !== undefined)
      this.#context.timestamps.accept(mobileNode, registrationKey.spi, timestamp, {
        now,
        wallNow: this.#context.clock.at(now),
      });
  }

  /** No host objected to the home address; other registrations may have changed since. */
  completeAfterDetection(step: Step, pending: PendingRegistration): void {
    const update = { now: step.now, ...pending };
    const refusal = judgeAfterDetection(this.#context, update);
    if (refusal === undefined) this.#register(step, pending);
    else this.#refuse(step, pending, refusal);
  }

  /** Another host on the home link has the home address. */
  refuseDuplicate(step: Step, pending: PendingRegistration): void {
    const status = 'duplicate-address-detection-failed';
    this.#refuse(step, pending, { status, reason: 'duplicate-address-detected' });
  }

  /** Registers now, or after duplicate address detection on the home link. */
  #accept(step: Step, pending: PendingRegistration): void {
    const { bindings, homeLink, policy } = this.#context;
    const { homeAddress } = pending.request;
    const known = bindings.anyOf(homeAddress) !== undefined;
    if (known || homeLink === undefined || !policy.directory.isHomeSubnet(homeAddress))
      this.#register(step, pending);
    else if (homeLink.detection.isRunning(homeAddress) || this.#mayUseHomeLink(step, pending, true))
      homeLink.startDetection(step, pending);
  }

  /** False, and counted, if the mobile node's budget for multicasts on the home link is spent. */
  #mayUseHomeLink({ now }: Step, pending: PendingRegistration, fresh: boolean): boolean {
    const { sender, request } = pending;
    const { mobileNode, registrationKey } = sender;
    const authenticated =
      registrationKey !== undefined ||
      request.protection !== undefined ||
      request.path.kind === 'sealed';
    const proved = fresh && authenticated;
    const allowed = this.#homeLinkBudget.take(now, mobileNode, proved);
    if (!allowed) this.#context.counters.count('home-link-limited');
    return allowed;
  }

  #register(step: Step, pending: PendingRegistration): void {
    const { bindings, callbacks, policy } = this.#context;
    const update = { now: step.now, ...pending };
    const { registration, ipv4 } = grantRegistration(this.#context, update);
    if (ipv4.offer !== undefined) this.#takeFromPool(step, pending.request, ipv4.offer);
    const binding = bindings.register(step, registration);
    const callback = callbacks.accept(step, binding, pending.request.update.options);
    const dns = dnsAnswer(policy.configuration, pending.request.update.options);
    const answers = [...ipv4.acknowledgements, ...callback, ...dns];
    const answer = acceptance(policy.configuration, binding, answers);
    this.#acknowledge(step, pending, answer);
  }

  #takeFromPool(step: Step, { homeAddress }: RegistrationRequest, offer: PoolOffer): void {
    this.#context.pool.take(homeAddress, offer);
    if (offer.reassignedFrom !== undefined) forgetIpv4Assignment(step, offer.reassignedFrom);
    storeIpv4Assignment(step, homeAddress, offer.address);
  }

  #deregister(
    step: Step,
    request: RegistrationRequest,
    { sender, fresh, refusal, overtakes }: Extract<Verdict, { readonly kind: 'deregistration' }>,
  ): void {
    const { bindings, homeLink } = this.#context;
    const pending = { request, sender };
    const last = replayNumbers(pending);
    if (fresh) homeLink?.detection.cancel(pending);
    if (overtakes) bindings.rememberFormer(step, request.homeAddress, last);
    if (refusal === undefined) {
      bindings.deregister(step, request, last);
      this.#acknowledge(step, pending, deregistrationAcceptance(request));
    } else this.#refuse(step, pending, refusal, fresh);
  }

  /** Changes nothing but counters. `fresh`: the Binding Update is authentic and no replay. */
  #refuse(step: Step, pending: PendingRegistration, refusal: Refusal, fresh = true): void {
    const { request, sender } = pending;
    const { counters } = this.#context;
    counters.count('registration-refused');
    if (refusal.reason !== undefined) counters.count(refusal.reason);
    if (this.#eventLimit.take(step.now)) {
      emit(step, 'info', 'registration-refused', {
        homeAddress: request.homeAddress,
        careOfAddress: request.careOfAddress,
        identifier: sender.mobileNode.identifier,
        status: refusal.status,
      });
    }
    // Forgeries must not cause multicasts for each address of the home link.
    if (this.#isAnsweredOnHomeLink(request) && !this.#mayUseHomeLink(step, pending, fresh)) return;
    if (this.#refusalLimit.take(step.now, outerSource(request)))
      this.#acknowledge(step, pending, rejection(request, refusal));
    else counters.count('refusal-rate-limited');
  }

  /** The kernel or the home agent resolves the address that the answer goes to. */
  #isAnsweredOnHomeLink(request: RegistrationRequest): boolean {
    const { configuration, directory } = this.#context.policy;
    const source = outerSource(request);
    if (isIpv6(source)) return directory.isHomeSubnet(source);
    return configuration.ipv4HomePrefixes.some((prefix) => prefixContains(prefix, source));
  }

  #acknowledge(step: Step, { request, sender }: PendingRegistration, answer: Acknowledgement) {
    const { policy, homeLink } = this.#context;
    const { homeAddress, homeAgentAddress, path } = request;
    this.#acknowledgements.count(bindingStatusName(answer.status));
    const packet = acknowledgementPacket(policy.configuration, request, sender, answer);
    if (path.kind === 'sealed') {
      path.answer(step, packet);
      return;
    }
    const atHome = path.kind === 'ipv6' && request.source === homeAddress;
    if (atHome && homeLink !== undefined && policy.directory.isHomeSubnet(homeAddress))
      homeLink.sendToNodeAtHome(step, { homeAddress, homeAgentAddress, path, packet });
    else step.out.push({ kind: 'send', path, packet });
  }
}

/** The numbers of a Binding Update that the next one must exceed. */
function replayNumbers({ request, sender }: PendingRegistration): ReplayNumbers {
  return {
    sequence: request.update.sequence,
    timestamp: timestampOf(request) ?? 0n,
    spi: sender.registrationKey?.spi,
  };
}
