/**
 * Answers requests of nodes to be enrolled, which arrive in the initiation of a handshake.
 *
 * No RFC: docs/reference/enrolment.md §2, §4
 *
 * Any host that knows the home agent's public key can send such requests, so that answers to wrong
 * secrets are limited by the prefix of their source, and none is larger than the initiation.
 */
import { hex } from '#base/bytes.ts';
import type { IpAddress, Prefix } from '#base/ip.ts';
import { prefixContains } from '#base/ip.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { SourceRateLimit } from '#engine/common/source-rate-limit.ts';
import { TokenBucket } from '#engine/common/token-bucket.ts';
import type { Step } from '#engine/contract/engine.ts';
import { setDesiredStatic } from '#engine/mobile-ipv6/home-agent/desired-state.ts';
import { emit } from '#engine/mobile-ipv6/home-agent/events.ts';
import type { OperatorPolicy } from '#engine/mobile-ipv6/home-agent/policy.ts';
import type { HomeAgentCounters, HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { EnrolmentGrant, EnrolmentRequest } from '#wire/ntmobile/enrolment-options.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import type { Enrolment } from './enrolment.ts';
import type { EnrolmentRefusal, Enrolments } from './enrolments.ts';

const EVENTS_PER_SECOND = 5;
const EVENTS_AT_ONCE = 10;
/** A person mistypes now and then, and many may be behind one NAT. */
const RATES = {
  site: { perSecond: 2, burst: 10 },
  network: { perSecond: 10, burst: 50 },
  total: { perSecond: 50, burst: 100 },
} as const;

const REFUSED: Readonly<Record<EnrolmentRefusal, HomeAgentReason>> = {
  unknown: 'enrolment-unknown',
  expired: 'enrolment-expired',
  used: 'enrolment-used',
  'key-in-use': 'enrolment-key-in-use',
  conflict: 'enrolment-conflict',
};

interface IncomingRequest {
  readonly publicKey: Uint8Array;
  readonly request: EnrolmentRequest;
  readonly source: IpAddress;
}

interface RequestsContext {
  readonly enrolments: Enrolments;
  readonly policy: OperatorPolicy;
  readonly counters: HomeAgentCounters;
  /** Applies the policy to what exists. */
  recheck(step: Step): void;
}

export class EnrolmentRequests {
  readonly #context: RequestsContext;
  /** Of answers to wrong secrets. */
  readonly #rate = new SourceRateLimit(RATES);
  /** Limits events that an unauthenticated sender can cause. */
  readonly #eventLimit = new TokenBucket(EVENTS_PER_SECOND, EVENTS_AT_ONCE);

  constructor(context: RequestsContext) {
    this.#context = context;
  }

  /** Options of the response; undefined without an answer. */
  answer(
    step: Step,
    { publicKey, request, source }: IncomingRequest,
  ): readonly NtmobileOption[] | undefined {
    const { enrolments, policy, counters } = this.#context;
    // Others cannot use up the answers of a node that knows its secret.
    const isGenuine = enrolments.isGenuine(request);
    if (!isGenuine && !this.#rate.take(step.now, source)) {
      counters.count('enrolment-rate-limited');
      return undefined;
    }
    const known = policy.directory.byPublicKey(publicKey);
    const isKeyInUse = known !== undefined && known.identifier !== request.name;
    const { name } = request;
    const decision = enrolments.admit(step, publicKey, { name, isGenuine, isKeyInUse });
    if (decision.kind === 'refused') {
      counters.count(REFUSED[decision.reason]);
      // The name is shown only after the secret was right: others may have made it up.
      const { reason } = decision;
      if (this.#eventLimit.take(step.now))
        emit(step, 'warn', 'enrolment-refused', { identifier: decision.name, reason, source });
      return [{ type: 'reason', reason }];
    }
    const { enrolment } = decision;
    if (decision.kind === 'enrolled') {
      counters.count('enrolment-granted');
      const isFirstOfGroup = policy.enrol(decision.node);
      // The IPv4 pool may have given the fixed address to another node.
      if (isFirstOfGroup || decision.node.ipv4HomeAddresses.length > 0) this.#context.recheck(step);
      else if (decision.node.mobileNetworkPrefixes.length > 0)
        setDesiredStatic(step, policy.configuration);
      const { homeAddress } = enrolment.grants;
      const fields = {
        identifier: enrolment.name,
        homeAddress,
        nodeId: hex(nodeIdOf(publicKey)),
        source,
      };
      emit(step, 'info', 'node-enrolled', fields);
    } else counters.count('enrolment-repeated');
    return [{ type: 'enrolment-grant', grant: this.#grantOf(enrolment) }];
  }

  #grantOf({ grants }: Enrolment): EnrolmentGrant {
    const { homePrefixes, homeLink } = this.#context.policy.configuration;
    const around = (prefix: Prefix): boolean => prefixContains(prefix, grants.homeAddress);
    return {
      homeAddress: grants.homeAddress,
      homePrefixLength: homePrefixes.find(around)?.length ?? 64,
      virtualHomeNetwork: homeLink === undefined,
      ipv4HomeAddress: grants.ipv4HomeAddress,
      mobileNetworkPrefixes: grants.mobileNetworkPrefixes,
    };
  }
}
