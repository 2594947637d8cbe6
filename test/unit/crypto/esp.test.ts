/** The algorithms of ESP, against vectors of another implementation. RFC 4303, 4106, 3602, 4868. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, hex, isMalformed } from '#base/bytes.ts';
import {
  ESP_ALGORITHM_NAMES,
  ESP_ALGORITHMS,
  type EspAlgorithm,
  type EspKey,
  espKeyLengths,
  openEsp,
  sealEsp,
} from '#crypto/esp.ts';
import { type EspContent, espCodec, padded, unpadded } from '#wire/ip/esp.ts';

interface Vector {
  readonly algorithm: EspAlgorithm;
  readonly key: string;
  readonly esn: boolean;
  readonly sequence: number;
  readonly iv: string;
  readonly payload: string;
  readonly packet: string;
}

const VECTORS: readonly Vector[] = JSON.parse(
  readFileSync(new URL('../../vectors/esp.json', import.meta.url), 'utf8'),
);
const EACH = VECTORS.map((vector) => [vector] as const);
const SPI = 0x1234;

function keyOf({ algorithm, key, esn }: Pick<Vector, 'algorithm' | 'key' | 'esn'>): EspKey {
  return { spi: SPI, algorithm, key: fromHex(key), extendedSequenceNumbers: esn };
}

function open(key: EspKey, sequence: number, octets: Uint8Array): EspContent | undefined {
  const packet = espCodec.parse(octets);
  return isMalformed(packet) ? undefined : openEsp(key, sequence, packet);
}

describe('the vectors of scapy', () => {
  it.each(EACH)('equal what is sealed, and open: %j', (vector) => {
    const content = { nextHeader: 135, payload: fromHex(vector.payload) };
    const key = keyOf(vector);
    expect(hex(sealEsp(key, vector.sequence, fromHex(vector.iv), content))).toBe(vector.packet);
    expect(open(key, vector.sequence, fromHex(vector.packet))).toEqual(content);
  });

  it('cover every algorithm and length of key', () => {
    const covered = ESP_ALGORITHM_NAMES.map((algorithm) =>
      VECTORS.filter((vector) => vector.algorithm === algorithm).map(({ key }) => key.length / 2),
    );
    expect(covered.map((lengths) => [...new Set(lengths)])).toEqual(
      ESP_ALGORITHM_NAMES.map(espKeyLengths),
    );
  });
});

describe('a packet in ESP', () => {
  it.each(EACH)('opens only unchanged: %j', (vector) => {
    const octets = fromHex(vector.packet);
    const key = keyOf(vector);
    // The header's own fields choose the key and the sequence number.
    for (let bit = 64; bit < octets.length * 8; bit++) {
      const changed = octets.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open(key, vector.sequence, changed)).toBeUndefined();
    }
    for (let length = 0; length < octets.length; length++)
      expect(open(key, vector.sequence, octets.subarray(0, length))).toBeUndefined();
    expect(open({ ...key, spi: SPI + 1 }, vector.sequence, octets)).toEqual(
      vector.algorithm === 'aes-gcm-16' ? undefined : expect.anything(),
    );
  });

  it('opens only with all bits of its sequence number', () => {
    for (const vector of VECTORS.filter(({ esn }) => esn)) {
      const octets = fromHex(vector.packet);
      expect(open(keyOf(vector), vector.sequence + 2 ** 32, octets)).toBeUndefined();
      expect(open(keyOf({ ...vector, esn: false }), vector.sequence, octets)).toBeUndefined();
    }
  });

  it('opens to what was sealed, for any content', () => {
    const algorithms = fc.constantFrom(...ESP_ALGORITHM_NAMES);
    fc.assert(
      fc.property(
        algorithms,
        fc.boolean(),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 0, max: 255 }),
        fc.integer({ min: 1, max: 2 ** 40 - 1 }),
        (algorithm, esn, payload, nextHeader, sequence) => {
          const octets = espKeyLengths(algorithm).at(-1) ?? 0;
          const key = keyOf({ algorithm, esn, key: '5a'.repeat(octets) });
          const iv = new Uint8Array(ESP_ALGORITHMS[algorithm].ivOctets).fill(3);
          const sealed = sealEsp(key, sequence, iv, { nextHeader, payload });
          expect(open(key, sequence, sealed)).toEqual({ nextHeader, payload });
        },
      ),
    );
  });

  it('never throws for any octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(VECTORS.length - 1), (octets, at) => {
        const vector = VECTORS[at];
        if (vector !== undefined) expect(open(keyOf(vector), 1, octets)).toBeUndefined();
      }),
    );
  });
});

describe('the padding of ESP', () => {
  it('counts up from 1 to the alignment', () => {
    expect(hex(padded({ nextHeader: 135, payload: fromHex('aabbcc') }, 8))).toBe(
      'aabbcc0102030387',
    );
    expect(hex(padded({ nextHeader: 59, payload: new Uint8Array(0) }, 4))).toBe('0102023b');
  });

  it('stops a packet with other octets, or with more of it than the packet has', () => {
    expect(unpadded(fromHex('aabbcc0102040387'))).toBeUndefined();
    expect(unpadded(fromHex('0102033b'))).toBeUndefined();
    expect(unpadded(fromHex('3b'))).toBeUndefined();
    expect(unpadded(new Uint8Array(0))).toBeUndefined();
  });
});
