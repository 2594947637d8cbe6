/**
 * Proof, to an account server over TLS, that who logs in holds the private key that its credential
 * will be of.
 *
 * RFC 7748 (X25519), RFC 2104 (HMAC); docs/reference/ntmobile.md §2.2
 *
 * HMAC-SHA-256 under X25519(node's key, account server's key) over
 *
 *    label, the account's name or the renewal token, one zero octet, the node's public key (32),
 *    timestamp (8, milliseconds since 1970-01-01)
 *
 * Only the two of them can make it, so it proves nothing to anybody else.
 */
import { concatBytes } from '#base/bytes.ts';
import { equalSecrets, hmacSha256, type KeyPair, sharedSecret } from './primitives.ts';

const label = (text: string): Uint8Array => new TextEncoder().encode(text);
const LABELS = {
  login: label('sojourn login proof v1\0'),
  renewal: label('sojourn renewal proof v1\0'),
} as const;
const ZERO = new Uint8Array(1);

export interface ProofOfKey {
  readonly kind: keyof typeof LABELS;
  /** Of a login the account's name, of a renewal its token. */
  readonly subject: string;
  /** X25519, the node's. */
  readonly publicKey: Uint8Array;
  readonly timestampMs: number;
}

/**
 * 32 octets. Either side makes it, with its own key pair and the other's public key; undefined when
 * that is no public key.
 */
export function proofOfKey(
  own: KeyPair,
  other: Uint8Array,
  proof: ProofOfKey,
): Uint8Array | undefined {
  const secret = sharedSecret(own.privateKey, other);
  if (secret === undefined) return undefined;
  const timestamp = new Uint8Array(8);
  new DataView(timestamp.buffer).setBigUint64(0, BigInt(proof.timestampMs));
  return hmacSha256(
    secret,
    concatBytes(LABELS[proof.kind], label(proof.subject), ZERO, proof.publicKey, timestamp),
  );
}

/**
 * Whether the node with that public key made `given` for the account server with the key pair
 * `own`.
 */
export function proofValid(own: KeyPair, proof: ProofOfKey, given: Uint8Array): boolean {
  const made = proofOfKey(own, proof.publicKey, proof);
  return made !== undefined && equalSecrets(made, given);
}
