/**
 * Authentication of a Binding Update.
 *
 * RFC 4285 §5, §5.1.1  no option or no security association: silence;  wrong authenticator: status
 *                      146
 * RFC 4283 §3          MN-NAI identifier
 * RFC 3776 §4.2        ESP: the home address names the security association
 */
import { type AuthenticationVerdict, verifyMobility } from '#crypto/mobility-auth.ts';
import { postQuantumModeOf } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { SealedPath } from '#engine/mobile-ipv6/home-agent/input.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { Policy } from '#engine/mobile-ipv6/home-agent/registration-view.ts';
import {
  AuthenticationSubtype,
  filterOptions,
  findOption,
  IDENTIFIER_SUBTYPE_NAI,
  type MobilityOption,
} from '#wire/mobility/options.ts';
import type { AuthenticatedSender, RegistrationRequest } from './registration-request.ts';

/**
 * `forged`: the named key exists, but the authenticator was made with another one; the answer is
 * signed with the named key.
 */
type Authentication =
  | { readonly kind: 'authentic'; readonly sender: AuthenticatedSender }
  | { readonly kind: 'forged'; readonly sender: AuthenticatedSender }
  /** Authentic, but the mobile node has to register with a better protection. */
  | {
      readonly kind: 'unprotected';
      readonly sender: AuthenticatedSender;
      readonly reason: 'unsealed-update' | 'post-quantum-missing';
    }
  | { readonly kind: 'discarded'; readonly reason: HomeAgentReason };

const DISCARD_REASONS = {
  'no-authentication-option': 'authentication-missing',
  'repeated-authentication-option': 'authentication-misplaced',
  'authentication-option-not-last': 'authentication-misplaced',
  'unknown-spi': 'no-security-association',
} as const satisfies Record<
  Exclude<AuthenticationVerdict, 'ok' | 'bad-authenticator'>,
  HomeAgentReason
>;

/** RFC 4282 §2.1. */
const UTF8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** The network access identifier of a message. */
function identifierOf(options: readonly MobilityOption[]): string | undefined {
  const option = findOption(options, 'mobile-node-identifier');
  if (option === undefined || option.subtype !== IDENTIFIER_SUBTYPE_NAI) return undefined;
  return UTF8.decode(option.identifier);
}

export function authenticate(policy: Policy, request: RegistrationRequest): Authentication {
  const { options } = request.update;
  const { path } = request;
  if (path.kind === 'sealed') return bySession(policy, path);
  const sealed = policy.directory.ownerOf(request.homeAddress)?.publicKey !== undefined;
  const identifier = identifierOf(options);
  const option = filterOptions(options, 'authentication').find(
    ({ subtype }) => subtype === AuthenticationSubtype.mobileNodeHomeAgent,
  );
  if (option === undefined)
    return sealed ? UNSEALED : withoutAuthenticator(policy, request, identifier);
  const claim = policy.directory.match(identifier, request.homeAddress, option.spi);
  if (claim === undefined)
    return sealed ? UNSEALED : { kind: 'discarded', reason: 'no-security-association' };
  const addresses = { careOfAddress: request.source, homeAddress: request.homeAddress };
  const verdict = verifyMobility(
    request.header,
    request.update,
    addresses,
    () => claim.registrationKey,
  );
  if (verdict === 'ok' && sealed)
    return { kind: 'unprotected', sender: claim, reason: 'unsealed-update' };
  if (verdict === 'ok') return { kind: 'authentic', sender: claim };
  if (verdict === 'bad-authenticator') return { kind: 'forged', sender: claim };
  return { kind: 'discarded', reason: DISCARD_REASONS[verdict] };
}

const UNSEALED = { kind: 'discarded', reason: 'unsealed-update' } as const;

/** The handshake proved the public key; the configuration says whose it is. */
function bySession(
  { configuration, directory }: Policy,
  { publicKey, postQuantum }: SealedPath,
): Authentication {
  const mobileNode = directory.byPublicKey(publicKey);
  if (mobileNode === undefined) return { kind: 'discarded', reason: 'no-security-association' };
  const sender = { mobileNode, registrationKey: undefined };
  return !postQuantum && postQuantumModeOf(configuration, mobileNode) === 'required'
    ? { kind: 'unprotected', sender, reason: 'post-quantum-missing' }
    : { kind: 'authentic', sender };
}

/**
 * Accepted only in ESP, whose association the owner of the home address has, or with `security:
 * none`; and only from a mobile node without key: a configured key is required.
 */
function withoutAuthenticator(
  { configuration, directory }: Policy,
  request: RegistrationRequest,
  identifier: string | undefined,
): Authentication {
  const missing: Authentication = { kind: 'discarded', reason: 'authentication-missing' };
  const owner = directory.ownerOf(request.homeAddress);
  if (request.protection === 'esp') return protectedByEsp(owner, identifier) ?? missing;
  if (!configuration.insecure) return missing;
  const mobileNode = identifier === undefined ? owner : directory.byIdentifier(identifier);
  if (mobileNode === undefined) return { kind: 'authentic', sender: STRANGER };
  if (mobileNode.publicKey !== undefined) return UNSEALED;
  if (mobileNode.registrationKeys.length > 0) return missing;
  return { kind: 'authentic', sender: { mobileNode, registrationKey: undefined } };
}

/** Undefined: its key is required as well. */
function protectedByEsp(
  owner: AuthenticatedSender['mobileNode'] | undefined,
  identifier: string | undefined,
): Authentication | undefined {
  if (owner === undefined || owner.registrationKeys.length > 0) return undefined;
  const named =
    [identifier, owner.identifier].includes(undefined) || identifier === owner.identifier;
  return named
    ? { kind: 'authentic', sender: { mobileNode: owner, registrationKey: undefined } }
    : { kind: 'discarded', reason: 'no-security-association' };
}

/**
 * A mobile node that the configuration does not know. It owns no home address, so that it gets a
 * status and no binding.
 */
const STRANGER: AuthenticatedSender = {
  mobileNode: {
    identifier: undefined,
    registrationKeys: [],
    homeAddresses: [],
    ipv4HomeAddresses: [],
    mayUseIpv4Pool: false,
    mobileNetworkPrefixes: [],
  },
  registrationKey: undefined,
};
