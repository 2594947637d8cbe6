/**
 * Node credentials: an account server (the authority) signs them, every other node verifies them.
 *
 * RFC 8032          Ed25519
 * docs/reference/ntmobile.md §2 and §2.1
 */
import { assert } from '#base/assert.ts';
import { concatBytes, encode, equalBytes, isMalformed } from '#base/bytes.ts';
import {
  addressFromInterfaceIdentifier,
  addressToBytes,
  type Ipv6Address,
  ipv6FromBytes,
  isIpv6,
  type Prefix,
} from '#base/ip.ts';
import {
  type NodeCredential,
  nodeCredentialCodec,
  SIGNATURE_OCTETS,
} from '#wire/ntmobile/credential.ts';
import { type SigningKey, sha256, sign, signatureValid } from './primitives.ts';

const GENERAL_SUBNET = 1;
const CONTEXT = new TextEncoder().encode('sojourn node credential v1\0');

/** Why a credential is not valid. */
type CredentialFault =
  | 'malformed'
  | 'unknown-authority'
  | 'wrong-signature'
  | 'of-another-key'
  | 'not-yet-valid'
  | 'expired';

/** Node id of an X25519 public key, docs/reference/ntmobile.md §2. */
export function nodeIdOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, 16);
}

/** System prefix, subnet 0, first octets of the node id: docs/reference/ntmobile.md §2. */
export function virtualIpv6Of({ address, length }: Prefix, nodeId: Uint8Array): Ipv6Address {
  assert(isIpv6(address) && length <= 48, 'a system prefix of IPv6');
  return addressFromInterfaceIdentifier(address, nodeId.subarray(0, 8));
}

/** Subnet 1 of the system prefix, for general nodes: docs/reference/ntmobile.md §2. */
export function generalIpv6PrefixOf({ address, length }: Prefix): Prefix {
  assert(isIpv6(address) && length <= 48, 'a system prefix of IPv6');
  const octets = addressToBytes(address);
  octets.set([0, GENERAL_SUBNET], 6);
  return { address: ipv6FromBytes(octets), length: 64 };
}

/** Id of an Ed25519 public key, docs/reference/ntmobile.md §2. */
export function authorityKeyIdOf(publicKey: Uint8Array): Uint8Array {
  return sha256(publicKey).slice(0, 8);
}

/** The members of a credential that the authority decides; the others follow from them. */
export type CredentialContents = Omit<NodeCredential, 'authorityKeyId' | 'nodeId' | 'signature'>;

/** Encodes and signs a credential. */
export function makeCredential(authority: SigningKey, contents: CredentialContents): Uint8Array {
  const octets = encode(nodeCredentialCodec, {
    ...contents,
    authorityKeyId: authorityKeyIdOf(authority.publicKey),
    nodeId: nodeIdOf(contents.publicKey),
    signature: new Uint8Array(SIGNATURE_OCTETS),
  });
  const at = octets.length - SIGNATURE_OCTETS;
  const signed = octets.slice();
  signed.set(sign(authority, concatBytes(CONTEXT, octets.subarray(0, at))), at);
  return signed;
}

/**
 * Verifies a credential for the node with `publicKey`, signed by one of the `authorities` (Ed25519
 * public keys). Checks the signature last, because that costs most.
 */
export function verifyCredential(
  octets: Uint8Array,
  authorities: readonly Uint8Array[],
  publicKey: Uint8Array,
  nowSeconds: bigint,
): NodeCredential | CredentialFault {
  const credential = nodeCredentialCodec.parse(octets);
  if (isMalformed(credential)) return 'malformed';
  const { authorityKeyId, notBefore, notAfter, signature } = credential;
  if (
    !equalBytes(credential.publicKey, publicKey) ||
    !equalBytes(credential.nodeId, nodeIdOf(publicKey))
  ) {
    return 'of-another-key';
  }
  if (nowSeconds < notBefore) return 'not-yet-valid';
  if (nowSeconds > notAfter) return 'expired';
  const authority = authorities.find((key) => equalBytes(authorityKeyIdOf(key), authorityKeyId));
  if (authority === undefined) return 'unknown-authority';
  const signed = concatBytes(CONTEXT, octets.subarray(0, octets.length - SIGNATURE_OCTETS));
  return signatureValid(authority, signed, signature) ? credential : 'wrong-signature';
}
