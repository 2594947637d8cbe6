/**
 * The checks that a Binding Update to a correspondent node must pass, in order, and the verdict.
 *
 * RFC 6275 §9.5.1  validity: silence; nonces, authenticator, sequence number, type of registration
 * RFC 6275 §5.2.5  the binding management key;  §5.2.8 replays after a deletion
 * RFC 6275 §9.5.2  refusals of an authentic request by policy and for want of room
 * RFC 6275 §10.3.1 status 131 where no home agent is;  §6.1.8 status 174
 */
import { type Ipv6Address, isGlobalUnicast, type Prefix, prefixContains } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import {
  bindingManagementKey,
  careOfKeygenToken,
  homeKeygenToken,
  verifyBindingAuthorization,
} from '#crypto/return-routability.ts';
import { sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';
import type { BindingStatusName } from '#wire/mobility/binding-status.ts';
import { findOption } from '#wire/mobility/options.ts';
import type { Bindings } from './bindings.ts';
import type { CorrespondentNodeConfiguration } from './configuration.ts';
import type { Nonce, Nonces } from './nonces.ts';
import type { CorrespondentNodeReason } from './reasons.ts';
import { authorizationAddresses, type RegistrationRequest } from './registration-request.ts';

/** A status of 128 or more; `sequence` replaces that of the Binding Update. */
interface Refusal {
  readonly status: BindingStatusName;
  readonly reason: CorrespondentNodeReason;
  readonly sequence?: number;
}

/** A Binding Update whose sender has the tokens of both addresses. */
export interface Authorized {
  /** Kbm. */
  readonly key: Uint8Array;
  readonly homeNonce: Nonce;
}

export type Verdict =
  /** No answer. */
  | { readonly kind: 'discarded'; readonly reason: CorrespondentNodeReason }
  /** Without `key` the answer has no Binding Authorization Data, and anybody can cause it. */
  | ({ readonly kind: 'refused'; readonly key: Uint8Array | undefined } & Refusal)
  | ({ readonly kind: 'accepted' } & Authorized);

export interface RegistrationView {
  readonly configuration: CorrespondentNodeConfiguration;
  /** This node's. */
  readonly addresses: readonly Ipv6Address[];
  readonly nonces: Pick<Nonces, 'find'>;
  readonly bindings: Pick<Bindings, 'find' | 'formerNumbers' | 'refusalOf'>;
}

/** A chain of care-of addresses that are home addresses longer than this counts as a loop. */
const LONGEST_CHAIN = 8;

/** Judges one Binding Update; changes nothing. */
export function judgeBindingUpdate(
  view: RegistrationView,
  now: Monotonic,
  request: RegistrationRequest,
): Verdict {
  const invalid = invalidity(view, request);
  if (invalid !== undefined) return { kind: 'discarded', reason: invalid };
  if (request.update.flags.homeRegistration) return judgeHomeRegistration(view, request);
  const authorization = authorize(view, now, request);
  if (authorization.kind !== 'authorized') return authorization;
  const refusal =
    checkSequence(view, now, request, authorization) ??
    (request.isDeletion ? undefined : checkPlace(view, now, request));
  if (refusal !== undefined) return { kind: 'refused', key: authorization.key, ...refusal };
  return { ...authorization, kind: 'accepted' };
}

function invalidity(
  { addresses }: RegistrationView,
  { homeAddress, careOfAddress, update }: RegistrationRequest,
): CorrespondentNodeReason | undefined {
  const { homeRegistration } = update.flags;
  const hasIndices = findOption(update.options, 'nonce-indices') !== undefined;
  if (!isGlobalUnicast(homeAddress) || addresses.includes(homeAddress))
    return 'home-address-invalid';
  if (!isGlobalUnicast(careOfAddress)) return 'care-of-address-invalid';
  if (homeRegistration) return hasIndices ? 'nonce-indices-present' : undefined;
  return hasIndices ? undefined : 'nonce-indices-missing';
}

/** The H flag is set; there is no home agent here, and no key that could authenticate an answer. */
function judgeHomeRegistration(
  { bindings }: RegistrationView,
  { homeAddress }: RegistrationRequest,
): Verdict {
  const isBound = bindings.find(homeAddress) !== undefined;
  return {
    kind: 'refused',
    key: undefined,
    status: isBound ? 'registration-type-change-disallowed' : 'home-registration-not-supported',
    reason: 'home-registration-refused',
  };
}

function authorize(
  { nonces }: RegistrationView,
  now: Monotonic,
  request: RegistrationRequest,
): Verdict | ({ readonly kind: 'authorized' } & Authorized) {
  const { homeAddress, careOfAddress, isDeletion, update, header } = request;
  const indices = findOption(update.options, 'nonce-indices');
  if (indices === undefined) return { kind: 'discarded', reason: 'nonce-indices-missing' };
  const homeNonce = nonces.find(now, indices.homeNonceIndex);
  const careOfNonce = isDeletion ? undefined : nonces.find(now, indices.careOfNonceIndex);
  const isCareOfExpired = !isDeletion && careOfNonce === undefined;
  if (homeNonce === undefined) return expired(isCareOfExpired ? 'both' : 'home');
  if (isCareOfExpired) return expired('care-of');
  const key = bindingManagementKey(
    homeKeygenToken(homeNonce.nodeKey, homeAddress, homeNonce.octets),
    careOfNonce === undefined
      ? undefined
      : careOfKeygenToken(careOfNonce.nodeKey, careOfAddress, careOfNonce.octets),
  );
  switch (verifyBindingAuthorization(header, update, key, authorizationAddresses(request))) {
    case 'ok':
      return { kind: 'authorized', key, homeNonce };
    case 'no-authorization-data':
      return { kind: 'discarded', reason: 'authorization-missing' };
    case 'authorization-data-not-last':
      return { kind: 'discarded', reason: 'authorization-misplaced' };
    case 'bad-authenticator':
      return { kind: 'discarded', reason: 'authorization-failed' };
  }
}

const EXPIRED = {
  home: 'expired-home-nonce-index',
  'care-of': 'expired-care-of-nonce-index',
  both: 'expired-nonces',
} as const satisfies Record<string, BindingStatusName>;

function expired(which: keyof typeof EXPIRED): Verdict {
  return { kind: 'refused', key: undefined, status: EXPIRED[which], reason: 'nonce-expired' };
}

/** After the authenticator, so that a peer cannot probe the sequence number of another node. */
function checkSequence(
  { bindings }: RegistrationView,
  now: Monotonic,
  { homeAddress, update }: RegistrationRequest,
  { homeNonce }: Authorized,
): Refusal | undefined {
  const binding = bindings.find(homeAddress);
  const former = bindings.formerNumbers(now, homeAddress);
  // With a later home nonce it is none of the Binding Updates that were accepted before.
  const isLater = former !== undefined && homeNonce.serial > former.homeNonceSerial;
  const last = [binding?.sequence, isLater ? undefined : former?.sequence];
  const notExceeded = last.find(
    (sequence) => sequence !== undefined && !sequenceGreater(update.sequence, sequence),
  );
  if (notExceeded === undefined) return undefined;
  return {
    status: 'sequence-number-out-of-window',
    reason: 'sequence-out-of-window',
    sequence: notExceeded,
  };
}

/** Whether the binding may exist, and has room. */
function checkPlace(
  view: RegistrationView,
  now: Monotonic,
  request: RegistrationRequest,
): Refusal | undefined {
  const { configuration, bindings } = view;
  const { homeAddress, correspondentAddress } = request;
  if (!isAllowed(configuration, homeAddress))
    return { status: 'administratively-prohibited', reason: 'home-address-denied' };
  if (leadsBack(view, request))
    return { status: 'invalid-care-of-address', reason: 'care-of-address-loops' };
  const other = bindings.find(homeAddress)?.correspondentAddress ?? correspondentAddress;
  if (other !== correspondentAddress)
    return { status: 'insufficient-resources', reason: 'bound-at-other-address' };
  const reason = bindings.refusalOf(now, homeAddress, configuration);
  return reason === undefined ? undefined : { status: 'insufficient-resources', reason };
}

/** Whether the configuration allows bindings for a home address. */
export function isAllowed(
  { allowedHomePrefixes, deniedHomePrefixes }: CorrespondentNodeConfiguration,
  homeAddress: Ipv6Address,
): boolean {
  if (contains(deniedHomePrefixes, homeAddress)) return false;
  return allowedHomePrefixes === undefined || contains(allowedHomePrefixes, homeAddress);
}

function contains(prefixes: readonly Prefix[], address: Ipv6Address): boolean {
  return prefixes.some((prefix) => prefixContains(prefix, address));
}

/** The care-of address is this node's, or leads back to the home address through other bindings. */
function leadsBack(
  { addresses, bindings }: RegistrationView,
  { homeAddress, careOfAddress }: RegistrationRequest,
): boolean {
  if (addresses.includes(careOfAddress)) return true;
  let at: Ipv6Address | undefined = careOfAddress;
  for (let hop = 0; hop < LONGEST_CHAIN; hop++) {
    if (at === homeAddress) return true;
    at = bindings.find(at)?.careOfAddress;
    if (at === undefined) return false;
  }
  return true;
}
