/** Both implementations of ML-KEM-768 against each other, and the keys that follow from it. */
import { describe, expect, it } from 'vitest';
import { ML_KEM } from '#crypto/ml-kem.ts';
import { postQuantumKeys } from '#crypto/post-quantum-keys.ts';
import { sha256 } from '#crypto/primitives.ts';

const octets = (word: string, count: number): Uint8Array => {
  const blocks = Array.from({ length: Math.ceil(count / 32) }, (_, at) =>
    sha256(new TextEncoder().encode(`${word} ${at}`)),
  );
  return Uint8Array.from(blocks.flatMap((block) => [...block]).slice(0, count));
};
const { openssl, library } = ML_KEM;

describe.each(['openssl', 'library'] as const)('ML-KEM-768 of %s', (which) => {
  const own = ML_KEM[which];
  const other = which === 'openssl' ? library : openssl;
  const keyOf = (word: string) => own.decapsulationKey(octets(word, 64));

  it.each(['one', 'two', 'three'])('agrees with the other implementation for seed %s', (word) => {
    const seed = octets(word, 64);
    const { encapsulationKey, decapsulate } = own.decapsulationKey(seed);
    const theirs = other.decapsulationKey(seed);
    expect(theirs.encapsulationKey).toEqual(encapsulationKey);
    const made = other.encapsulate(encapsulationKey, octets(`m ${word}`, 32));
    const { ciphertext, secret } = made ?? expect.fail('a valid key');
    expect(ciphertext).toHaveLength(1088);
    expect(decapsulate(ciphertext)).toEqual(secret);
    expect(theirs.decapsulate(ciphertext)).toEqual(secret);
  });

  it('gives the same other secret for a changed ciphertext', () => {
    const { encapsulationKey, decapsulate } = keyOf('seed');
    const made = own.encapsulate(encapsulationKey, octets('m', 32));
    const { ciphertext, secret } = made ?? expect.fail('a valid key');
    for (let at = 0; at < ciphertext.length; at += 97) {
      const wrong = ciphertext.slice();
      wrong[at] = (wrong[at] ?? 0) ^ 1;
      const rejected = decapsulate(wrong);
      expect(rejected).not.toEqual(secret);
      expect(other.decapsulationKey(octets('seed', 64)).decapsulate(wrong)).toEqual(rejected);
    }
  });

  it('refuses a key of another length, or with a coefficient of the modulus or more', () => {
    const { encapsulationKey } = keyOf('seed');
    const m = octets('m', 32);
    expect(own.encapsulate(encapsulationKey.subarray(1), m)).toBeUndefined();
    expect(own.encapsulate(Uint8Array.of(...encapsulationKey, 0), m)).toBeUndefined();
    // Two coefficients of 12 bits in three octets: 3329 and 0, then 0 and 4095.
    for (const [at, bad] of [
      [0, [0x01, 0x0d, 0x00]],
      [1149, [0x00, 0xf0, 0xff]],
    ] as const) {
      const key = encapsulationKey.slice();
      key.set(bad, at);
      expect(own.encapsulate(key, m)).toBeUndefined();
    }
    const largest = encapsulationKey.slice();
    largest.set([0x00, 0x0d, 0x00], 0);
    expect(own.encapsulate(largest, m)).toBeDefined();
  });
});

describe('post-quantum keys', () => {
  const secrets = {
    initiatorToResponder: octets('forth', 32),
    responderToInitiator: octets('back', 32),
    handshakeHash: octets('hash', 32),
  };
  const transcript = {
    ...{ initiatorSpi: 1, encapsulationKey: octets('key', 1184) },
    ...{ responderSpi: 2, ciphertext: octets('ciphertext', 1088) },
  };
  const end = { suite: 1, initiator: true };
  const base = postQuantumKeys(secrets, octets('secret', 32), transcript, end);

  it('agree at both ends', () => {
    const other = postQuantumKeys(secrets, octets('secret', 32), transcript, {
      ...{ suite: 1, initiator: false },
    });
    expect(other.keys).toEqual({ send: base.keys.receive, receive: base.keys.send });
    expect(other.confirmation).toEqual(base.confirmation);
  });

  it.each([
    ['handshake key', { ...secrets, initiatorToResponder: octets('x', 32) }, {}, 'secret'],
    ['other handshake key', { ...secrets, responderToInitiator: octets('x', 32) }, {}, 'secret'],
    ['handshake hash', { ...secrets, handshakeHash: octets('x', 32) }, {}, 'secret'],
    ['SPI of the initiator', secrets, { initiatorSpi: 3 }, 'secret'],
    ['SPI of the responder', secrets, { responderSpi: 3 }, 'secret'],
    ['encapsulation key', secrets, { encapsulationKey: octets('x', 1184) }, 'secret'],
    ['ciphertext', secrets, { ciphertext: octets('x', 1088) }, 'secret'],
    ['secret', secrets, {}, 'x'],
  ])('depend on the %s', (_what, from, changes, word) => {
    const changed = { ...transcript, ...changes };
    const other = postQuantumKeys(from, octets(word, 32), changed, end);
    expect(other.keys.send.data).not.toEqual(base.keys.send.data);
    expect(other.keys.receive.control).not.toEqual(base.keys.receive.control);
    expect(other.confirmation).not.toEqual(base.confirmation);
  });
});
