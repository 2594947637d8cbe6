/**
 * The algorithms of ESP: one packet of one security association.
 *
 * RFC 4303 §3.3, §3.4  what is encrypted and what the integrity check value covers;  §2.2.1
 *                      extended sequence numbers
 * RFC 4106             AES-GCM with a 16 octet integrity check value: salt, nonce, associated data
 * RFC 3602, RFC 4868   AES-CBC with HMAC-SHA-256-128
 * RFC 2410, RFC 4868   no encryption, HMAC-SHA-256-128
 *
 * Sequence numbers are JavaScript numbers below 2^40; the caller counts them, and keeps the
 * anti-replay window.
 */
import { assert } from '#base/assert.ts';
import { concatBytes, encode } from '#base/bytes.ts';
import { type EspContent, type EspPacket, espCodec, padded, unpadded } from '#wire/ip/esp.ts';
import {
  aesCbcDecrypt,
  aesCbcEncrypt,
  aesGcmOpen,
  aesGcmSeal,
  equalSecrets,
  hmacSha256,
} from './primitives.ts';

const WORD = 2 ** 32;
const ICV_OCTETS = 16;
const HMAC_KEY_OCTETS = 32;
const CBC_BLOCK_OCTETS = 16;

/** The facts of each algorithm. A key has its octets in the order of IKE's keying material. */
export const ESP_ALGORITHMS = {
  'aes-gcm-16': { ivOctets: 8, alignment: 4, cipherKeys: [16, 24, 32], otherOctets: 4 },
  'aes-cbc-hmac-sha256-128': {
    ivOctets: CBC_BLOCK_OCTETS,
    alignment: CBC_BLOCK_OCTETS,
    cipherKeys: [16, 24, 32],
    otherOctets: HMAC_KEY_OCTETS,
  },
  'null-hmac-sha256-128': {
    ivOctets: 0,
    alignment: 4,
    cipherKeys: [0],
    otherOctets: HMAC_KEY_OCTETS,
  },
} as const satisfies Record<string, AlgorithmFacts>;

interface AlgorithmFacts {
  readonly ivOctets: number;
  /** Of the ciphertext. */
  readonly alignment: number;
  /** Lengths of the encryption key. */
  readonly cipherKeys: readonly number[];
  /** Octets behind the encryption key: the salt, or the key of the HMAC. */
  readonly otherOctets: number;
}

export type EspAlgorithm = keyof typeof ESP_ALGORITHMS;

export const ESP_ALGORITHM_NAMES = [
  'aes-gcm-16',
  'aes-cbc-hmac-sha256-128',
  'null-hmac-sha256-128',
] as const satisfies readonly EspAlgorithm[];

/** Lengths that the whole key may have. */
export function espKeyLengths(algorithm: EspAlgorithm): readonly number[] {
  const { cipherKeys, otherOctets } = ESP_ALGORITHMS[algorithm];
  return cipherKeys.map((length) => length + otherOctets);
}

/** One direction of an association. */
export interface EspKey {
  readonly spi: number;
  readonly algorithm: EspAlgorithm;
  /** Of one of `espKeyLengths`. */
  readonly key: Uint8Array;
  /** The integrity check value covers 64 bits of the sequence number, of which 32 are sent. */
  readonly extendedSequenceNumbers: boolean;
}

/** The whole ESP packet. `iv` has the algorithm's octets; AES-GCM must never see one twice. */
export function sealEsp(
  key: EspKey,
  sequence: number,
  iv: Uint8Array,
  content: EspContent,
): Uint8Array {
  const { ivOctets, alignment } = ESP_ALGORITHMS[key.algorithm];
  assert(iv.length === ivOctets, 'length of the initialization vector');
  const plaintext = padded(content, alignment);
  const { cipherKey, other } = partsOf(key);
  const packet = (body: Uint8Array): Uint8Array =>
    encode(espCodec, { spi: key.spi, sequence: sequence % WORD, body });
  if (key.algorithm === 'aes-gcm-16') {
    const nonce = concatBytes(other, iv);
    return packet(
      concatBytes(iv, aesGcmSeal(cipherKey, nonce, associatedData(key, sequence), plaintext)),
    );
  }
  const ciphertext = cipherKey.length === 0 ? plaintext : aesCbcEncrypt(cipherKey, iv, plaintext);
  const covered = packet(concatBytes(iv, ciphertext));
  return concatBytes(covered, integrityCheckValue(key, other, sequence, covered));
}

/** What an ESP packet carries; undefined if it is not authentic. `sequence` has all its bits. */
export function openEsp(
  key: EspKey,
  sequence: number,
  { spi, body }: EspPacket,
): EspContent | undefined {
  const { ivOctets, alignment } = ESP_ALGORITHMS[key.algorithm];
  const octets = body.length - ivOctets - ICV_OCTETS;
  if (octets <= 0 || octets % alignment !== 0) return undefined;
  const iv = body.subarray(0, ivOctets);
  const ciphertext = body.subarray(ivOctets, ivOctets + octets);
  const icv = body.subarray(ivOctets + octets);
  const { cipherKey, other } = partsOf(key);
  if (key.algorithm === 'aes-gcm-16') {
    const nonce = concatBytes(other, iv);
    const sealed = body.subarray(ivOctets);
    const plaintext = aesGcmOpen(cipherKey, nonce, associatedData(key, sequence), sealed);
    return plaintext === undefined ? undefined : unpadded(plaintext);
  }
  const covered = encode(espCodec, {
    spi,
    sequence: sequence % WORD,
    body: body.subarray(0, ivOctets + octets),
  });
  if (!equalSecrets(icv, integrityCheckValue(key, other, sequence, covered))) return undefined;
  return unpadded(cipherKey.length === 0 ? ciphertext : aesCbcDecrypt(cipherKey, iv, ciphertext));
}

function partsOf({ algorithm, key }: EspKey): {
  readonly cipherKey: Uint8Array;
  readonly other: Uint8Array;
} {
  assert(espKeyLengths(algorithm).includes(key.length), 'length of an ESP key');
  const at = key.length - ESP_ALGORITHMS[algorithm].otherOctets;
  return { cipherKey: key.subarray(0, at), other: key.subarray(at) };
}

/** RFC 4106 §5: SPI and the sequence number, with its high half if that is not sent. */
function associatedData(key: EspKey, sequence: number): Uint8Array {
  const data = new Uint8Array(key.extendedSequenceNumbers ? 12 : 8);
  const view = new DataView(data.buffer);
  view.setUint32(0, key.spi);
  if (key.extendedSequenceNumbers) view.setUint32(4, Math.floor(sequence / WORD));
  view.setUint32(data.length - 4, sequence % WORD);
  return data;
}

/** RFC 4303 §2.2.1: the high half of the sequence number follows what is sent. */
function integrityCheckValue(
  { extendedSequenceNumbers }: EspKey,
  key: Uint8Array,
  sequence: number,
  covered: Uint8Array,
): Uint8Array {
  const high = new Uint8Array(extendedSequenceNumbers ? 4 : 0);
  if (extendedSequenceNumbers) new DataView(high.buffer).setUint32(0, Math.floor(sequence / WORD));
  return hmacSha256(key, covered, high).subarray(0, ICV_OCTETS);
}
