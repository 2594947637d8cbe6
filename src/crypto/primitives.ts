/**
 * Cryptographic primitives of handshakes, sealing and ESP, from Node's OpenSSL: X25519, Ed25519,
 * AEAD, AES-CBC, HMAC, HKDF.
 *
 * RFC 7748          X25519;  RFC 8032: Ed25519
 * RFC 8439          ChaCha20-Poly1305; RFC 5116: AES-128-GCM
 * RFC 5869          HKDF
 *
 * Pure functions: no state, no randomness, no clock.
 */
import {
  type CipherChaCha20Poly1305,
  type CipherGCM,
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  type DecipherChaCha20Poly1305,
  type DecipherGCM,
  diffieHellman,
  type KeyObject,
  sign as signBy,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import { assert } from '#base/assert.ts';
import { concatBytes } from '#base/bytes.ts';

const TAG = 16;

/** PKCS #8 and SubjectPublicKeyInfo (RFC 8410) in front of the 32 octets. */
const PRIVATE_KEY_HEAD = Uint8Array.of(
  ...[
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x04, 0x22, 0x04, 0x20,
  ],
);
const PUBLIC_KEY_HEAD = Uint8Array.of(
  0x30,
  0x2a,
  0x30,
  0x05,
  0x06,
  0x03,
  0x2b,
  0x65,
  0x6e,
  0x03,
  0x21,
  0x00,
);

/** An X25519 key pair; the private key cannot be exported. */
export interface KeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

function octets(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** The key pair of a private key of 32 octets. */
export function keyPairOf(privateOctets: Uint8Array): KeyPair {
  assert(privateOctets.length === 32, 'X25519 private key of 32 octets');
  const privateKey = createPrivateKey({
    key: concatBytes(PRIVATE_KEY_HEAD, privateOctets),
    format: 'der',
    type: 'pkcs8',
  });
  const exported = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: octets(exported).slice(PUBLIC_KEY_HEAD.length) };
}

/** The shared secret; undefined for a public key of small order (RFC 7748 §6.1). */
export function sharedSecret(
  privateKey: KeyObject,
  publicOctets: Uint8Array,
): Uint8Array | undefined {
  assert(publicOctets.length === 32, 'X25519 public key of 32 octets');
  const key = concatBytes(PUBLIC_KEY_HEAD, publicOctets);
  const publicKey = createPublicKey({ key, format: 'der', type: 'spki' });
  try {
    return octets(diffieHellman({ privateKey, publicKey }));
  } catch {
    // OpenSSL refuses to compute an all-zero secret.
    return undefined;
  }
}

/**
 * Object identifiers in the heads differ in one octet: 1.3.101.110 is X25519, 1.3.101.112 Ed25519.
 */
const IDENTIFIER_AT = { private: 11, public: 8 } as const;
const ED25519 = 0x70;
const SIGNING_KEY_HEAD = PRIVATE_KEY_HEAD.with(IDENTIFIER_AT.private, ED25519);
const VERIFYING_KEY_HEAD = PUBLIC_KEY_HEAD.with(IDENTIFIER_AT.public, ED25519);

/** An Ed25519 key pair. */
export type SigningKey = KeyPair;

/** The Ed25519 key pair of a private key of 32 octets. */
export function signingKeyOf(privateOctets: Uint8Array): SigningKey {
  assert(privateOctets.length === 32, 'Ed25519 private key of 32 octets');
  const key = concatBytes(SIGNING_KEY_HEAD, privateOctets);
  const privateKey = createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  const exported = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  return { privateKey, publicKey: octets(exported).slice(VERIFYING_KEY_HEAD.length) };
}

/** 64 octets. */
export function sign({ privateKey }: SigningKey, message: Uint8Array): Uint8Array {
  return octets(signBy(null, message, privateKey));
}

/** False if the key, the signature or the message is wrong. */
export function signatureValid(
  publicKey: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  const key = concatBytes(VERIFYING_KEY_HEAD, publicKey);
  return verify(null, message, createPublicKey({ key, format: 'der', type: 'spki' }), signature);
}

export type AeadName = 'aes-128-gcm' | 'chacha20-poly1305';

/** Ciphertext and tag. `nonce` of 12 octets. */
export function aeadSeal(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher =
    name === 'aes-128-gcm'
      ? createCipheriv(name, key, nonce)
      : createCipheriv(name, key, nonce, { authTagLength: TAG });
  return sealWith(cipher, associated, plaintext);
}

/** The plaintext; undefined when the tag is wrong. */
export function aeadOpen(
  name: AeadName,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length < TAG) return undefined;
  const decipher =
    name === 'aes-128-gcm'
      ? createDecipheriv(name, key, nonce, { authTagLength: TAG })
      : createDecipheriv(name, key, nonce, { authTagLength: TAG });
  return openWith(decipher, associated, ciphertext);
}

/** AES-GCM with a key of 16, 24 or 32 octets and a nonce of 12: ciphertext and tag. */
export function aesGcmSeal(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plaintext: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(gcmOf(key), key, nonce);
  return sealWith(cipher, associated, plaintext);
}

/** The plaintext; undefined when the tag is wrong. */
export function aesGcmOpen(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length < TAG) return undefined;
  const decipher = createDecipheriv(gcmOf(key), key, nonce, { authTagLength: TAG });
  return openWith(decipher, associated, ciphertext);
}

type AeadCipher = CipherGCM | CipherChaCha20Poly1305;
type AeadDecipher = DecipherGCM | DecipherChaCha20Poly1305;

function sealWith(cipher: AeadCipher, associated: Uint8Array, plaintext: Uint8Array): Uint8Array {
  cipher.setAAD(associated, { plaintextLength: plaintext.length });
  const body = cipher.update(plaintext);
  cipher.final();
  return concatBytes(octets(body), octets(cipher.getAuthTag()));
}

/** `ciphertext` has at least the octets of the tag. */
function openWith(
  decipher: AeadDecipher,
  associated: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array | undefined {
  const at = ciphertext.length - TAG;
  decipher.setAAD(associated, { plaintextLength: at });
  decipher.setAuthTag(ciphertext.subarray(at));
  const body = decipher.update(ciphertext.subarray(0, at));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return octets(body);
}

function gcmOf({ length }: Uint8Array): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  return length === 16 ? 'aes-128-gcm' : length === 24 ? 'aes-192-gcm' : 'aes-256-gcm';
}

/** AES-CBC with a key of 16, 24 or 32 octets. `plaintext`: a multiple of 16 octets. */
export function aesCbcEncrypt(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false);
  return concatBytes(cipher.update(plaintext), cipher.final());
}

/** The inverse of `aesCbcEncrypt`; nothing is authenticated. */
export function aesCbcDecrypt(key: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false);
  return concatBytes(decipher.update(ciphertext), decipher.final());
}

export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return octets(hash.digest());
}

/** HMAC-SHA-256 (RFC 2104). */
export function hmacSha256(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const hmac = createHmac('sha256', key);
  for (const part of parts) hmac.update(part);
  return octets(hmac.digest());
}

/** HKDF-Expand of RFC 5869 §2.3 for at most 32 octets: its first block. */
export function hkdfExpand(key: Uint8Array, info: Uint8Array, length: number): Uint8Array {
  assert(length <= 32, 'one block of HKDF-Expand');
  return hmacSha256(key, info, Uint8Array.of(1)).slice(0, length);
}

/** Compares in constant time. */
export function equalSecrets(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
