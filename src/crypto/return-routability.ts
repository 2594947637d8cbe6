/**
 * Keys and authenticators of the return routability procedure.
 *
 * RFC 6275 §5.2.1   node keys (20 octets), §5.2.2 nonces (8 octets here)
 * RFC 6275 §5.2.4   cookies and tokens
 * RFC 6275 §5.2.5   binding management key
 * RFC 6275 §6.2.7   Binding Authorization Data
 * Left out: lifetimes of node keys and nonces, which the engine manages.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { assert } from '#base/assert.ts';
import { concatBytes, encode } from '#base/bytes.ts';
import { bytesOfIpv6, type Ipv6Address } from '#base/ip.ts';
import {
  fillMobilityChecksum,
  mobilityCodec,
  mobilityHeaderLength,
  PROTOCOL_NONE,
} from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';

const NODE_KEY_LENGTH = 20;
const TOKEN_LENGTH = 8;
const AUTHENTICATOR_LENGTH = 12;

type BindingMessage = Extract<
  MobilityMessage,
  { type: 'binding-update' | 'binding-acknowledgement' }
>;

function keygenToken(
  nodeKey: Uint8Array,
  address: Ipv6Address,
  nonce: Uint8Array,
  kind: 0 | 1,
): Uint8Array {
  assert(nodeKey.length === NODE_KEY_LENGTH, 'node key of 20 octets');
  return hmac(sha1, nodeKey, concatBytes(bytesOfIpv6(address), nonce, Uint8Array.of(kind))).slice(
    0,
    TOKEN_LENGTH,
  );
}

/** First(64, HMAC_SHA1(Kcn, home address | nonce | 0)). */
export function homeKeygenToken(
  nodeKey: Uint8Array,
  homeAddress: Ipv6Address,
  nonce: Uint8Array,
): Uint8Array {
  return keygenToken(nodeKey, homeAddress, nonce, 0);
}

/** First(64, HMAC_SHA1(Kcn, care-of address | nonce | 1)). */
export function careOfKeygenToken(
  nodeKey: Uint8Array,
  careOfAddress: Ipv6Address,
  nonce: Uint8Array,
): Uint8Array {
  return keygenToken(nodeKey, careOfAddress, nonce, 1);
}

/** Kbm: SHA1(home token | care-of token), or SHA1(home token) to delete a binding. */
export function bindingManagementKey(
  homeToken: Uint8Array,
  careOfToken: Uint8Array | undefined,
): Uint8Array {
  return sha1(careOfToken === undefined ? homeToken : concatBytes(homeToken, careOfToken));
}

/**
 * Addresses that the authenticator covers beside the message. `correspondent` is a mobile
 * correspondent's home address.
 */
interface AuthorizationAddresses {
  /** The address to be registered; the home address in a de-registration. */
  readonly careOfAddress: Ipv6Address;
  readonly correspondent: Ipv6Address;
}

/**
 * First(96, HMAC_SHA1(Kbm, care-of address | correspondent | MH Data)); `mobilityData` ends before
 * the authenticator.
 */
function authenticator(
  key: Uint8Array,
  addresses: AuthorizationAddresses,
  mobilityData: Uint8Array,
): Uint8Array {
  const data = concatBytes(
    bytesOfIpv6(addresses.careOfAddress),
    bytesOfIpv6(addresses.correspondent),
    mobilityData,
  );
  data.fill(0, 36, 38);
  return hmac(sha1, key, data).slice(0, AUTHENTICATOR_LENGTH);
}

/**
 * Encodes `message` as a Mobility Header with Binding Authorization Data as its last option, and
 * fills authenticator and checksum.
 */
export function signBindingAuthorization(
  message: BindingMessage,
  key: Uint8Array,
  addresses: AuthorizationAddresses & {
    readonly source: Ipv6Address;
    readonly destination: Ipv6Address;
  },
): Uint8Array {
  assert(
    findOption(message.options, 'binding-authorization-data') === undefined,
    'message not authorized yet',
  );
  const option = {
    type: 'binding-authorization-data',
    authenticator: new Uint8Array(AUTHENTICATOR_LENGTH),
  } as const;
  const authorized = { ...message, options: [...message.options, option] };
  const bytes = encode(mobilityCodec, {
    payloadProtocol: PROTOCOL_NONE,
    checksum: 0,
    message: authorized,
  });
  const covered = bytes.length - AUTHENTICATOR_LENGTH;
  bytes.set(authenticator(key, addresses, bytes.subarray(0, covered)), covered);
  fillMobilityChecksum(bytes, addresses.source, addresses.destination);
  return bytes;
}

type AuthorizationVerdict =
  | 'ok'
  | 'no-authorization-data'
  | 'authorization-data-not-last'
  | 'bad-authenticator';

/** Verifies a received message: `header` has its octets, `message` is the parsed value. */
export function verifyBindingAuthorization(
  header: Uint8Array,
  message: BindingMessage,
  key: Uint8Array,
  addresses: AuthorizationAddresses,
): AuthorizationVerdict {
  const last = message.options.at(-1);
  if (findOption(message.options, 'binding-authorization-data') === undefined)
    return 'no-authorization-data';
  const covered = mobilityHeaderLength(header) - AUTHENTICATOR_LENGTH;
  // As the last option without padding behind it, its type and length are right before the final
  // twelve octets.
  if (
    last?.type !== 'binding-authorization-data' ||
    header[covered - 2] !== 5 ||
    header[covered - 1] !== 12
  ) {
    return 'authorization-data-not-last';
  }
  const expected = authenticator(key, addresses, header.subarray(0, covered));
  let difference = 0;
  for (let index = 0; index < AUTHENTICATOR_LENGTH; index++) {
    difference |= (expected[index] ?? 0) ^ (header[covered + index] ?? 0);
  }
  return difference === 0 ? 'ok' : 'bad-authenticator';
}
