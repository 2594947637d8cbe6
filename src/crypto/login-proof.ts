/**
 * Proof of possession in a login over TLS: the node shows the account server that it holds the
 * private key for which it requests a credential.
 *
 * RFC 7748 (X25519), RFC 2104 (HMAC); docs/reference/ntmobile.md §2.2
 *
 * HMAC-SHA-256 under X25519(node's key, account server's key) over
 *
 *    label, the account's name or the renewal token, one zero octet, the node's public key (32),
 *    timestamp (8, milliseconds since 1970-01-01)
 *
 * Only these two can compute it, so it proves nothing to a third party.
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
  /** The account's name in a login, the token in a renewal. */
  readonly subject: string;
  /** The node's X25519 key. */
  readonly publicKey: Uint8Array;
  readonly timestampMs: number;
}

/**
 * 32 octets, computed from one side's key pair and the other side's public key; undefined if that
 * key is not valid.
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

/** Verifies `given`, a node's proof for the account server with the key pair `own`. */
export function proofValid(own: KeyPair, proof: ProofOfKey, given: Uint8Array): boolean {
  const made = proofOfKey(own, proof.publicKey, proof);
  return made !== undefined && equalSecrets(made, given);
}
