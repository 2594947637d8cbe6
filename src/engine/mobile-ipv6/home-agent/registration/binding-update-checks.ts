/**
 * The checks that a Binding Update must pass, in order, and the verdict on it.
 *
 * RFC 6275 §6.1.7, §9.5.1  validity: silence;  §9.5.1, §10.3.1, §10.3.2 refusals with a status
 * RFC 4285 §5, §6          authenticity and freshness
 * RFC 5555 §4.5            forced UDP
 * RFC 3963 §6.2            mobile routers
 */
import { isGlobalUnicast, isMulticast, isUnspecified } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { causesTunnelLoop } from '#engine/mobile-ipv6/home-agent/bindings/tunnel-loop.ts';
import { checkMobileRouter } from '#engine/mobile-ipv6/home-agent/grants/mobile-network.ts';
import { linkLocalOf } from '#engine/mobile-ipv6/home-agent/home-link/intercepted-addresses.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type {
  AuthenticatedUpdate,
  RegistrationView,
} from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import { findOption } from '#wire/mobility/options.ts';
import { authenticate } from './authentication.ts';
import type { Refusal } from './refusal.ts';
import {
  type AuthenticatedSender,
  isDeregistration,
  outerSource,
  type RegistrationRequest,
} from './registration-request.ts';
import { checkSequence, checkTimestamp } from './replay-protection.ts';

/** The verdict on a Binding Update. */
export type Verdict =
  /** No answer. */
  | { readonly kind: 'discarded'; readonly reason: HomeAgentReason }
  | {
      readonly kind: 'refused';
      readonly sender: AuthenticatedSender;
      /** It is authentic, and its timestamp is good. */
      readonly fresh: boolean;
      readonly refusal: Refusal;
    }
  | { readonly kind: 'registration'; readonly sender: AuthenticatedSender }
  | {
      readonly kind: 'deregistration';
      readonly sender: AuthenticatedSender;
      /** The timestamp is good, so that a registration that still waits ends. */
      readonly fresh: boolean;
      /** Why nothing is de-registered. */
      readonly refusal: Refusal | undefined;
      /**
       * The home address has no binding. Its registration may only be late, and must not be
       * accepted after this.
       */
      readonly overtakes: boolean;
    };

/** A Binding Update that breaks one of these is dropped without an answer (RFC 6275 §9.5.1). */
const VALIDITY: readonly {
  readonly reason: HomeAgentReason;
  readonly broken: (request: RegistrationRequest) => boolean;
}[] = [
  {
    reason: 'source-not-unicast',
    broken: ({ source }) => isMulticast(source) || isUnspecified(source),
  },
  {
    reason: 'home-address-option-over-udp',
    broken: ({ path, homeAddressOption }) => path.kind === 'udp' && homeAddressOption,
  },
  {
    // RFC 5555 §2.3.2.1 "MUST include". The authenticator covers the kind of link by this option
    // alone: without this rule an attacker could wrap a Binding Update for IPv6, whose care-of
    // address the authenticator covers, into UDP and so redirect the tunnel to itself.
    reason: 'care-of-address-of-other-link',
    broken: ({ path, update }) =>
      path.kind !== 'sealed' &&
      (path.kind === 'udp') !== (findOption(update.options, 'ipv4-care-of-address') !== undefined),
  },
  { reason: 'home-address-invalid', broken: ({ homeAddress }) => !isGlobalUnicast(homeAddress) },
  {
    reason: 'care-of-address-invalid',
    broken: ({ careOfAddress }) => !isGlobalUnicast(careOfAddress),
  },
  {
    // RFC 6275 §10.3.1 "MUST be present"; §11.5.5 excepts the de-registration from home.
    reason: 'home-address-option-missing',
    broken: (request) =>
      request.path.kind === 'ipv6' &&
      request.update.flags.homeRegistration &&
      !request.homeAddressOption &&
      !isDeregistration(request),
  },
  {
    // RFC 3776 §4.3: ESP does not cover the source of the packet, which an attacker could replace.
    reason: 'alternate-care-of-address-missing',
    broken: ({ protection, homeAddressOption, update }) =>
      protection === 'esp' &&
      homeAddressOption &&
      findOption(update.options, 'alternate-care-of-address') === undefined,
  },
  {
    reason: 'nonce-indices-present',
    broken: ({ update }) =>
      update.flags.homeRegistration && findOption(update.options, 'nonce-indices') !== undefined,
  },
];

type Check = (view: RegistrationView, update: AuthenticatedUpdate) => Refusal | undefined;

/**
 * Checks of a de-registration (RFC 6275 §10.3.2). The timestamp belongs to the authentication (RFC
 * 4285 §6). Ownership comes before the sequence number, so that a mobile node cannot probe the
 * sequence number of another one.
 */
const DEREGISTRATION_CHECKS: readonly Check[] = [checkTimestamp, checkRegistered, checkSequence];

/** Checks of a registration (RFC 6275 §10.3.1); the first refusal is the answer. */
const REGISTRATION_CHECKS: readonly Check[] = [
  checkTimestamp,
  checkOwner,
  checkSequence,
  checkCareOfAddress,
  checkMobileRouter,
  checkForcedUdp,
  checkResources,
  checkLinkLocalAddress,
];

/** Checks whose results other registrations may have changed during duplicate address detection. */
const DEFERRED_CHECKS: readonly Check[] = [checkCareOfAddress, checkLinkLocalAddress];

const FRESHNESS_CHECKS: readonly Check[] = [checkTimestamp, checkSequence];

/** The key that verified must belong to the mobile node that owns the home address. */
function checkOwner(
  { policy, bindings }: RegistrationView,
  { request, sender: { mobileNode } }: AuthenticatedUpdate,
): Refusal | undefined {
  // A mobile node that has a binding passed this check before.
  if (bindings.find(request)?.mobileNode === mobileNode) return undefined;
  const { configuration, directory } = policy;
  if (configuration.homePrefixes.length === 0) return { status: 'home-registration-not-supported' };
  if (!directory.serves(request.homeAddress)) return { status: 'not-home-subnet' };
  const owner = directory.ownerOf(request.homeAddress);
  if (owner === mobileNode) return undefined;
  return {
    status:
      owner === undefined ? 'not-home-agent-for-this-mobile-node' : 'administratively-prohibited',
  };
}

/**
 * A care-of address that is the home agent's own, or that leads back to the home address, makes
 * packets loop.
 */
function checkCareOfAddress(
  view: RegistrationView,
  { request, sender }: AuthenticatedUpdate,
): Refusal | undefined {
  // Over UDP packets go to the outer source.
  const remote = request.path.kind === 'ipv6' ? request.careOfAddress : outerSource(request);
  return causesTunnelLoop(view, request, sender.mobileNode, remote)
    ? { status: 'invalid-care-of-address' }
    : undefined;
}

/**
 * RFC 5555 §4.5 gives this refusal the number that RFC 4285 has for a wrong timestamp. A mobile
 * node that sent a timestamp can tell them apart: here it is returned unchanged.
 */
function checkForcedUdp(
  { policy: { configuration } }: RegistrationView,
  { request: { path, update, behindNat } }: AuthenticatedUpdate,
): Refusal | undefined {
  const requested = path.kind === 'udp' && update.flags.forceUdp && !behindNat;
  const granted = configuration.acceptForcedUdp || configuration.forceUdp === true;
  return requested && !granted ? { status: 'id-mismatch' } : undefined;
}

function checkResources(
  { policy, bindings, homeLink }: RegistrationView,
  { request }: AuthenticatedUpdate,
): Refusal | undefined {
  const known = bindings.find(request) !== undefined;
  const held = bindings.size + (homeLink?.pendingCount ?? 0);
  return known || held < policy.configuration.maximumBindings
    ? undefined
    : { status: 'insufficient-resources' };
}

/**
 * The link-local address of the L flag may be another mobile node's, whose home address has the
 * same interface identifier.
 */
function checkLinkLocalAddress(
  { policy, homeLink }: RegistrationView,
  { request: { homeAddress, update } }: AuthenticatedUpdate,
): Refusal | undefined {
  if (homeLink === undefined || !update.flags.linkLocalCompatibility) return undefined;
  if (!policy.directory.isHomeSubnet(homeAddress)) return undefined;
  const holder = homeLink.holderOf(linkLocalOf(homeAddress));
  if (holder === undefined || holder === homeAddress) return undefined;
  return { status: 'duplicate-address-detection-failed', reason: 'duplicate-address-detected' };
}

/** There is a home registration, and it is this mobile node's. */
function checkRegistered(
  { bindings }: RegistrationView,
  { request, sender }: AuthenticatedUpdate,
): Refusal | undefined {
  return bindings.find(request)?.mobileNode === sender.mobileNode
    ? undefined
    : { status: 'not-home-agent-for-this-mobile-node' };
}

function firstRefusal(
  checks: readonly Check[],
  view: RegistrationView,
  update: AuthenticatedUpdate,
): Refusal | undefined {
  for (const check of checks) {
    const refusal = check(view, update);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Judges one Binding Update; changes nothing. */
export function judgeBindingUpdate(
  view: RegistrationView,
  now: Monotonic,
  request: RegistrationRequest,
): Verdict {
  const invalid = VALIDITY.find((rule) => rule.broken(request));
  if (invalid !== undefined) return { kind: 'discarded', reason: invalid.reason };
  const { homeRegistration } = request.update.flags;
  const authentication = authenticate(view.policy, request);
  if (authentication.kind === 'discarded') {
    // Without a key a correspondent registration cannot be authenticated at all.
    const reason = homeRegistration ? authentication.reason : 'correspondent-role-not-served';
    return { kind: 'discarded', reason };
  }
  const { sender } = authentication;
  if (authentication.kind === 'unprotected') {
    const { reason } = authentication;
    const refusal = { status: 'administratively-prohibited', reason } as const;
    return { kind: 'refused', sender, fresh: false, refusal };
  }
  if (authentication.kind === 'forged') {
    const refusal = { status: 'authentication-failed', reason: 'authentication-failed' } as const;
    return { kind: 'refused', sender, fresh: false, refusal };
  }
  const update = { now, request, sender };
  if (!homeRegistration) return judgeCorrespondentRegistration(view, update);
  if (isDeregistration(request)) return judgeDeregistration(view, update);
  const refusal = firstRefusal(REGISTRATION_CHECKS, view, update);
  return refusal === undefined ? { kind: 'registration', sender } : refused(view, update, refusal);
}

function refused(view: RegistrationView, update: AuthenticatedUpdate, refusal: Refusal): Verdict {
  const fresh = checkTimestamp(view, update) === undefined;
  return { kind: 'refused', sender: update.sender, fresh, refusal };
}

/**
 * H flag clear. RFC 3963 §6.2: status 140 with the R flag. RFC 6275 §9.5.1: status 139 for a home
 * address with home registration; correspondents are not served.
 */
function judgeCorrespondentRegistration(
  view: RegistrationView,
  update: AuthenticatedUpdate,
): Verdict {
  const { request, sender } = update;
  if (request.update.flags.mobileRouter) {
    const refusal: Refusal = checkTimestamp(view, update) ?? {
      status: 'mobile-router-operation-not-permitted',
    };
    return refused(view, update, refusal);
  }
  const registered = checkRegistered(view, update) === undefined;
  if (!registered || sender.registrationKey === undefined)
    return { kind: 'discarded', reason: 'correspondent-role-not-served' };
  const refusal: Refusal = firstRefusal(FRESHNESS_CHECKS, view, update) ?? {
    status: 'registration-type-change-disallowed',
  };
  return refused(view, update, refusal);
}

function judgeDeregistration(view: RegistrationView, update: AuthenticatedUpdate): Verdict {
  const { request, sender } = update;
  const refusal = firstRefusal(DEREGISTRATION_CHECKS, view, update);
  const overtakes =
    refusal !== undefined &&
    view.bindings.find(request) === undefined &&
    view.policy.directory.ownerOf(request.homeAddress) === sender.mobileNode &&
    firstRefusal(FRESHNESS_CHECKS, view, update) === undefined;
  const fresh = refusal === undefined || checkTimestamp(view, update) === undefined;
  return { kind: 'deregistration', sender, fresh, refusal, overtakes };
}

/** Judges a registration again after duplicate address detection. */
export function judgeAfterDetection(
  view: RegistrationView,
  update: AuthenticatedUpdate,
): Refusal | undefined {
  return firstRefusal(DEFERRED_CHECKS, view, update);
}
