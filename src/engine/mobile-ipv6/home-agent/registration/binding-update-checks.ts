/**
 * What a Binding Update must pass, in order.
 *
 * RFC 6275 §6.1.7, §9.5.1  validity: silence;  §9.5.1, §10.3.1, §10.3.2 refusals with a status
 * RFC 4285 §5, §6          authenticity and freshness;  RFC 5555 §4.5 forced UDP;  RFC 3963 §6.2
 * mobile routers
 * Left out: Binding Identifier (RFC 5648 §4.3), skipped like an unknown option.
 */
import { isGlobalUnicast, isMulticast, isUnspecified } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  acceptRegistration,
  deleteRegistration,
  keepFormerBinding,
  register,
} from '#engine/mobile-ipv6/home-agent/bindings/bindings.ts';
import { causesTunnelLoop } from '#engine/mobile-ipv6/home-agent/bindings/tunnel-loop.ts';
import { checkMobileRouter } from '#engine/mobile-ipv6/home-agent/grants/mobile-network.ts';
import { cancelDad } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import { linkLocalOf } from '#engine/mobile-ipv6/home-agent/home-link/intercepted-addresses.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import { findOption } from '#wire/mobility/options.ts';
import { authenticate } from './authentication.ts';
import { refuse } from './binding-acknowledgement.ts';
import type { Refusal } from './refusal.ts';
import {
  type AuthenticatedSender,
  asksForDeletion,
  type RegistrationRequest,
  timestampOf,
} from './registration-request.ts';
import { checkSequence, checkTimestamp } from './replay-protection.ts';

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
    // RFC 5555 §2.3.2.1 "MUST include". It is what the authenticator knows of the kind of link:
    // without this rule a Binding Update for IPv6, whose care-of address it covers, could be
    // wrapped into UDP and would lead to whoever did so.
    reason: 'care-of-address-of-other-link',
    broken: ({ path, update }) =>
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
      !asksForDeletion(request),
  },
  {
    reason: 'nonce-indices-present',
    broken: ({ update }) =>
      update.flags.homeRegistration && findOption(update.options, 'nonce-indices') !== undefined,
  },
];

type Check = (
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
) => Refusal | undefined;

/**
 * Checks of a request to stop serving (RFC 6275 §10.3.2). The timestamp belongs to the
 * authentication (RFC 4285 §6); the sequence number comes after whose home address it is: nobody
 * learns that of another's.
 */
const DELETION_CHECKS: readonly Check[] = [checkTimestamp, checkRegistered, checkSequence];

/** Checks of a request to serve (RFC 6275 §10.3.1); the first refusal is the answer. */
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

/** What other registrations may have changed while duplicate address detection ran. */
const DEFERRED_CHECKS: readonly Check[] = [checkCareOfAddress, checkLinkLocalAddress];

/** The key that verified must belong to the mobile node that owns the home address. */
function checkOwner(
  state: HomeAgentState,
  _now: Monotonic,
  { homeAddress }: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
): Refusal | undefined {
  // Who has a binding has passed this before.
  if (state.cache.get(homeAddress)?.mobileNode === mobileNode) return undefined;
  if (state.configuration.homePrefixes.length === 0)
    return { status: 'home-registration-not-supported' };
  if (!state.directory.serves(homeAddress)) return { status: 'not-home-subnet' };
  const owner = state.directory.ownerOf(homeAddress);
  if (owner === mobileNode) return undefined;
  return {
    status:
      owner === undefined ? 'not-home-agent-for-this-mobile-node' : 'administratively-prohibited',
  };
}

/**
 * A care-of address that is one of ours, or that leads back to the home address, would make packets
 * go round.
 */
function checkCareOfAddress(
  state: HomeAgentState,
  _now: Monotonic,
  { homeAddress, careOfAddress, path }: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
): Refusal | undefined {
  // Over UDP packets go to the outer source.
  const remote = path.kind === 'udp' ? path.remote : careOfAddress;
  return causesTunnelLoop(state, homeAddress, mobileNode, remote)
    ? { status: 'invalid-care-of-address' }
    : undefined;
}

/**
 * RFC 5555 §4.5 gives this refusal the number that RFC 4285 has for a wrong timestamp. Who sent a
 * timestamp can tell them apart: here it comes back unchanged.
 */
function checkForcedUdp(
  state: HomeAgentState,
  _now: Monotonic,
  { path, update, behindNat }: RegistrationRequest,
): Refusal | undefined {
  const wished = path.kind === 'udp' && update.flags.forceUdp && !behindNat;
  const granted = state.configuration.acceptForcedUdp || state.configuration.forceUdp === true;
  return wished && !granted ? { status: 'id-mismatch' } : undefined;
}

function checkResources(
  state: HomeAgentState,
  _now: Monotonic,
  { homeAddress }: RegistrationRequest,
): Refusal | undefined {
  const known = state.cache.get(homeAddress) !== undefined;
  const held = state.cache.size + (state.homeLink?.pendingCount ?? 0);
  return known || held < state.configuration.maximumBindings
    ? undefined
    : { status: 'insufficient-resources' };
}

/**
 * The link-local address of the L flag may be another mobile node's, whose home address has the
 * same interface identifier.
 */
function checkLinkLocalAddress(
  { homeLink, directory }: HomeAgentState,
  _now: Monotonic,
  { homeAddress, update }: RegistrationRequest,
): Refusal | undefined {
  if (homeLink === undefined || !update.flags.linkLocalCompatibility) return undefined;
  if (!directory.isHomeSubnet(homeAddress)) return undefined;
  const holder = homeLink.intercepted.get(linkLocalOf(homeAddress));
  if (holder === undefined || holder.homeAddress === homeAddress) return undefined;
  return { status: 'duplicate-address-detection-failed', reason: 'duplicate-address-detected' };
}

/** There is a home registration, and it is this mobile node's. */
function checkRegistered(
  state: HomeAgentState,
  _now: Monotonic,
  { homeAddress }: RegistrationRequest,
  { mobileNode }: AuthenticatedSender,
): Refusal | undefined {
  return state.cache.get(homeAddress)?.mobileNode === mobileNode
    ? undefined
    : { status: 'not-home-agent-for-this-mobile-node' };
}

function firstRefusal(
  checks: readonly Check[],
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
): Refusal | undefined {
  for (const check of checks) {
    const refusal = check(state, now, request, sender);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
}

/** Judges and carries out one Binding Update. */
export function handleBindingUpdate(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  out: Output[],
): void {
  const invalid = VALIDITY.find((rule) => rule.broken(request));
  if (invalid !== undefined) {
    state.count(invalid.reason);
    return;
  }
  const authentication = authenticate(state, request);
  if (authentication.kind === 'discarded') {
    // Without a key there is nothing that a correspondent registration could be authenticated by.
    state.count(
      request.update.flags.homeRegistration
        ? authentication.reason
        : 'correspondent-role-not-served',
    );
    return;
  }
  const { sender } = authentication;
  if (authentication.kind === 'forged') {
    refuse(
      state,
      now,
      request,
      sender,
      { status: 'authentication-failed', reason: 'authentication-failed' },
      out,
    );
    return;
  }
  if (!request.update.flags.homeRegistration) {
    handleCorrespondentRegistration(state, now, request, sender, out);
    return;
  }
  carryOut(state, now, request, sender, out);
}

/**
 * H flag clear. RFC 3963 §6.2: status 140 with the R flag. RFC 6275 §9.5.1: status 139 for a home
 * address with home registration; correspondents are not served.
 */
function handleCorrespondentRegistration(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  if (request.update.flags.mobileRouter) {
    const stale = checkTimestamp(state, now, request, sender);
    refuse(
      state,
      now,
      request,
      sender,
      stale ?? { status: 'mobile-router-operation-not-permitted' },
      out,
    );
    return;
  }
  const binding = state.cache.get(request.homeAddress);
  if (
    binding === undefined ||
    binding.mobileNode !== sender.mobileNode ||
    sender.registrationKey === undefined
  ) {
    state.count('correspondent-role-not-served');
    return;
  }
  const refusal =
    firstRefusal([checkTimestamp, checkSequence], state, now, request, sender) ??
    ({ status: 'registration-type-change-disallowed' } as const);
  refuse(state, now, request, sender, refusal, out);
}

function carryOut(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const deletion = asksForDeletion(request);
  if (
    deletion &&
    state.homeLink !== undefined &&
    checkTimestamp(state, now, request, sender) === undefined
  ) {
    cancelDad(state.homeLink, request, sender);
  }
  const refusal = firstRefusal(
    deletion ? DELETION_CHECKS : REGISTRATION_CHECKS,
    state,
    now,
    request,
    sender,
  );
  if (deletion && refusal !== undefined) rememberDeletion(state, now, request, sender, out);
  if (refusal !== undefined) refuse(state, now, request, sender, refusal, out);
  else if (deletion) deleteRegistration(state, now, request, sender, out);
  else acceptRegistration(state, now, request, sender, out);
}

/**
 * Nothing to delete: yet the registration that the mobile node thinks of may only be late, and must
 * not follow.
 */
function rememberDeletion(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const { homeAddress, update } = request;
  if (
    state.cache.get(homeAddress) !== undefined ||
    state.directory.ownerOf(homeAddress) !== sender.mobileNode
  )
    return;
  if (firstRefusal([checkTimestamp, checkSequence], state, now, request, sender) !== undefined)
    return;
  keepFormerBinding(state, now, homeAddress, update.sequence, timestampOf(request) ?? 0n, out);
}

/** Duplicate address detection is over: what was registered meanwhile may have closed a circle. */
export function completeAfterDad(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  out: Output[],
): void {
  const refusal = firstRefusal(DEFERRED_CHECKS, state, now, request, sender);
  if (refusal === undefined) register(state, now, request, sender, out);
  else refuse(state, now, request, sender, refusal, out);
}
