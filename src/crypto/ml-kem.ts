/**
 * ML-KEM-768, the key encapsulation mechanism of sealed sessions.
 *
 * FIPS 203 §7.1 key generation, §7.2 encapsulation with its check of the key, §7.3 decapsulation,
 *          which gives another secret for a wrong ciphertext (implicit rejection)
 * RFC 9935 keys as PKCS #8 (the seed alone) and SubjectPublicKeyInfo
 *
 * OpenSSL does it ten times as fast as a library in JavaScript, but needs Node 24.7 and OpenSSL
 * 3.5. The library is loaded where these are missing: it takes ten megabytes.
 */
import * as openssl from 'node:crypto';
import { createRequire } from 'node:module';
import { assert } from '#base/assert.ts';
import { concatBytes, fromHex } from '#base/bytes.ts';

/** Random octets of a key pair: d and z of FIPS 203. */
export const KEY_SEED_OCTETS = 64;
/** Random octets of an encapsulation: m of FIPS 203. */
export const ENCAPSULATION_SEED_OCTETS = 32;

const ENCAPSULATION_KEY_OCTETS = 1184;

const PRIVATE_KEY_HEAD = fromHex('3054020100300b060960864801650304040204428040');
const PUBLIC_KEY_HEAD = fromHex('308204b2300b0609608648016503040402038204a100');

export interface DecapsulationKey {
  readonly encapsulationKey: Uint8Array;
  /** The secret of a ciphertext; another one than the sender's if the ciphertext is wrong. */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

interface Encapsulated {
  readonly ciphertext: Uint8Array;
  readonly secret: Uint8Array;
}

interface MlKem {
  /** The key pair of a seed of 64 octets; it is used for one ciphertext. */
  decapsulationKey(seed: Uint8Array): DecapsulationKey;
  /** Undefined if the key fails the check of FIPS 203 §7.2. OpenSSL draws the seed itself. */
  encapsulate(encapsulationKey: Uint8Array, seed: Uint8Array): Encapsulated | undefined;
}

function octets(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

function privateKeyOf(seed: Uint8Array): openssl.KeyObject {
  const key = concatBytes(PRIVATE_KEY_HEAD, seed);
  return openssl.createPrivateKey({ key, format: 'der', type: 'pkcs8' });
}

const ofOpenssl: MlKem = {
  decapsulationKey(seed) {
    const key = privateKeyOf(seed);
    const exported = openssl.createPublicKey(key).export({ format: 'der', type: 'spki' });
    return {
      encapsulationKey: octets(exported).slice(PUBLIC_KEY_HEAD.length),
      decapsulate: (ciphertext) => octets(openssl.decapsulate(key, ciphertext)),
    };
  },
  encapsulate(encapsulationKey) {
    // OpenSSL ignores octets behind the key.
    if (encapsulationKey.length !== ENCAPSULATION_KEY_OCTETS) return undefined;
    const key = concatBytes(PUBLIC_KEY_HEAD, encapsulationKey);
    try {
      const publicKey = openssl.createPublicKey({ key, format: 'der', type: 'spki' });
      const { ciphertext, sharedKey } = openssl.encapsulate(publicKey);
      return { ciphertext: octets(ciphertext), secret: octets(sharedKey) };
    } catch {
      // OpenSSL does not decode a key with a coefficient of the modulus or more.
      return undefined;
    }
  },
};

const ofLibrary: MlKem = {
  decapsulationKey(seed) {
    const { ml_kem768 } = library();
    const { publicKey, secretKey } = ml_kem768.keygen(seed);
    return {
      encapsulationKey: publicKey,
      decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey),
    };
  },
  encapsulate(encapsulationKey, seed) {
    try {
      const { cipherText, sharedSecret } = library().ml_kem768.encapsulate(encapsulationKey, seed);
      return { ciphertext: cipherText, secret: sharedSecret };
    } catch {
      // It throws for the same keys.
      return undefined;
    }
  },
};

function library(): typeof import('@noble/post-quantum/ml-kem.js') {
  return createRequire(import.meta.url)('@noble/post-quantum/ml-kem.js');
}

/** Both implementations, for comparison. */
export const ML_KEM = { openssl: ofOpenssl, library: ofLibrary } as const;

function opensslHasIt(): boolean {
  // Named imports of functions that this Node does not have would fail.
  if (typeof openssl.encapsulate !== 'function') return false;
  try {
    privateKeyOf(new Uint8Array(KEY_SEED_OCTETS));
    return true;
  } catch {
    return false;
  }
}

let chosen: MlKem | undefined;

function mlKem(): MlKem {
  chosen ??= opensslHasIt() ? ofOpenssl : ofLibrary;
  return chosen;
}

export function decapsulationKey(seed: Uint8Array): DecapsulationKey {
  assert(seed.length === KEY_SEED_OCTETS, 'ML-KEM seed of 64 octets');
  return mlKem().decapsulationKey(seed);
}

export function encapsulate(
  encapsulationKey: Uint8Array,
  seed: Uint8Array,
): Encapsulated | undefined {
  assert(seed.length === ENCAPSULATION_SEED_OCTETS, 'ML-KEM seed of 32 octets');
  return mlKem().encapsulate(encapsulationKey, seed);
}
