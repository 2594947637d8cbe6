/**
 * Authentication of Binding Updates and Acknowledgements between mobile node and home agent by a
 * shared key.
 *
 * RFC 4285 §5.1     MN-HA authentication option: Mobility Data, position, HMAC-SHA1-96
 * Own extension     HMAC-SHA256-128 (RFC 4868 truncation) over the same data, if the key says so
 * Left out: MN-AAA (§5.2), which may follow the MN-HA option and is ignored.
 *
 * Mobility Data = care-of address | home address | Mobility Header up to and including the SPI,
 * checksum zero. The care-of address is that of the Alternate Care-of Address option, if the
 * message has one; else the packet's source (Binding Update) or destination (Acknowledgement). On
 * an IPv4 link (RFC 5555) the packet is the inner IPv6 packet, so this is the home address; the MAC
 * covers the IPv4 care-of address as an option.
 */
import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import type { Hash } from '@noble/hashes/utils.js';
import { assert } from '#base/assert.ts';
import { encode, Reader } from '#base/bytes.ts';
import { cachedAddressBytes, type Ipv6Address } from '#base/ip.ts';
import {
  fillMobilityChecksum,
  mobilityCodec,
  mobilityHeaderLength,
  PROTOCOL_NONE,
} from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import { AuthenticationSubtype, findOption } from '#wire/mobility/options.ts';

type MobilityAlgorithm = 'hmac-sha1-96' | 'hmac-sha256-128';

/** Key and algorithm of an SPI. The key's octets must not change after first use. */
export interface MobilityKey {
  readonly algorithm: MobilityAlgorithm;
  readonly key: Uint8Array;
}

/** Messages that can be authenticated. */
export type BindingMessage = Extract<
  MobilityMessage,
  { type: 'binding-update' | 'binding-acknowledgement' }
>;

const AUTHENTICATOR_LENGTH = { 'hmac-sha1-96': 12, 'hmac-sha256-128': 16 } as const;

/** Reserves the octets of the authenticator. */
const BLANK_AUTHENTICATOR = {
  'hmac-sha1-96': new Uint8Array(12),
  'hmac-sha256-128': new Uint8Array(16),
} as const;

const BLOCK_LENGTH = 64;
const LONGEST_HEADER = 8 * 256;
const LONGEST_DATA = 32 + LONGEST_HEADER;

/**
 * An HMAC whose memory is reused. A home agent computes tens of thousands of HMACs a second, and a
 * state for each key would cost a kilobyte for each mobile node.
 */
class ReusedHmac<H extends Hash<H>> {
  readonly #create: { create(): H; (data: Uint8Array): Uint8Array };
  readonly #fresh: H;
  readonly #running: H;
  readonly #input = new Uint8Array(BLOCK_LENGTH + LONGEST_DATA);
  readonly #digest: Uint8Array;

  constructor(hash: { create(): H; (data: Uint8Array): Uint8Array }) {
    this.#create = hash;
    this.#fresh = hash.create();
    this.#running = hash.create();
    this.#digest = new Uint8Array(this.#fresh.outputLen);
  }

  /** RFC 2104 §2 over the concatenation of `parts`; the result is valid until the next call. */
  digest(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    const input = this.#input;
    const shortKey = key.length > BLOCK_LENGTH ? this.#create(key) : key;
    this.#pad(shortKey, 0x36);
    let length = BLOCK_LENGTH;
    for (const part of parts) {
      input.set(part, length);
      length += part.length;
    }
    this.#hash(length);
    this.#pad(shortKey, 0x5c);
    input.set(this.#digest, BLOCK_LENGTH);
    this.#hash(BLOCK_LENGTH + this.#digest.length);
    input.fill(0, 0, BLOCK_LENGTH);
    return this.#digest;
  }

  #pad(key: Uint8Array, mask: number): void {
    for (let index = 0; index < BLOCK_LENGTH; index++)
      this.#input[index] = (key[index] ?? 0) ^ mask;
  }

  #hash(length: number): void {
    const state = this.#fresh._cloneInto(this.#running);
    state.update(this.#input.subarray(0, length));
    state.digestInto(this.#digest);
  }
}

const HMAC = {
  'hmac-sha1-96': new ReusedHmac(sha1),
  'hmac-sha256-128': new ReusedHmac(sha256),
} as const;

/** First 96 or 128 bits of the HMAC over `careOfAddress | homeAddress | mobilityData`. */
export function mobilityAuthenticator(
  input: MobilityKey & {
    readonly careOfAddress: Ipv6Address;
    readonly homeAddress: Ipv6Address;
    readonly mobilityData: Uint8Array;
  },
): Uint8Array {
  const { algorithm, key, careOfAddress, homeAddress, mobilityData } = input;
  const digest = HMAC[algorithm].digest(
    key,
    cachedAddressBytes(careOfAddress),
    cachedAddressBytes(homeAddress),
    mobilityData,
  );
  return digest.slice(0, AUTHENTICATOR_LENGTH[algorithm]);
}

const longestHeader = new Uint8Array(LONGEST_HEADER);

/** The Mobility Header's first `length` octets, checksum zero; valid until the next call. */
function mobilityData(header: Uint8Array, length: number): Uint8Array {
  longestHeader.set(header.subarray(0, length));
  longestHeader.fill(0, 4, 6);
  return longestHeader.subarray(0, length);
}

/** Addresses that the MAC and the checksum cover beside the message. */
interface MobilityAddresses {
  /**
   * Binding Update: IPv6 source of its packet; Acknowledgement: IPv6 destination. Ignored if the
   * message has an alternate.
   */
  readonly careOfAddress: Ipv6Address;
  readonly homeAddress: Ipv6Address;
}

function coveredCareOfAddress(message: BindingMessage, addresses: MobilityAddresses): Ipv6Address {
  return (
    findOption(message.options, 'alternate-care-of-address')?.address ?? addresses.careOfAddress
  );
}

/**
 * Encodes `message` as a Mobility Header, appends the MN-HA authentication option, and fills MAC
 * and checksum. `source` and `destination` are those of the checksum: home address and home agent,
 * or the reverse.
 */
export function signMobility(
  message: BindingMessage,
  association: MobilityKey & { readonly spi: number },
  addresses: MobilityAddresses & {
    readonly source: Ipv6Address;
    readonly destination: Ipv6Address;
  },
): Uint8Array {
  assert(findOption(message.options, 'authentication') === undefined, 'message not signed yet');
  const authenticator = BLANK_AUTHENTICATOR[association.algorithm];
  const option = {
    type: 'authentication',
    subtype: AuthenticationSubtype.mobileNodeHomeAgent,
    spi: association.spi,
    authenticator,
  } as const;
  const signed = { ...message, options: [...message.options, option] };
  const bytes = encode(mobilityCodec, {
    payloadProtocol: PROTOCOL_NONE,
    checksum: 0,
    message: signed,
  });
  // The codec aligns the last authentication option with the end of the header.
  const covered = bytes.length - authenticator.length;
  const mac = mobilityAuthenticator({
    algorithm: association.algorithm,
    key: association.key,
    careOfAddress: coveredCareOfAddress(message, addresses),
    homeAddress: addresses.homeAddress,
    mobilityData: bytes.subarray(0, covered),
  });
  bytes.set(mac, covered);
  fillMobilityChecksum(bytes, addresses.source, addresses.destination);
  return bytes;
}

/** `ok`, or the reason why the message is not authentic. */
export type AuthenticationVerdict =
  | 'ok'
  | 'no-authentication-option'
  | 'repeated-authentication-option'
  | 'authentication-option-not-last'
  | 'unknown-spi'
  | 'bad-authenticator';

interface FoundOption {
  readonly at: number;
  readonly length: number;
  readonly spi: number;
}

/** Finds the MN-HA option in the octets of a message; the codec checked its length. */
function locateOption(header: Uint8Array): FoundOption | AuthenticationVerdict {
  const end = Math.min(mobilityHeaderLength(header), header.length);
  let found: FoundOption | undefined;
  let aaaSeen = false;
  for (let at = 12; at < end; ) {
    const optionType = header[at] ?? 0;
    if (optionType === 0) {
      at++;
      continue;
    }
    if (at + 2 > end) break;
    const length = header[at + 1] ?? 0;
    if (at + 2 + length > end) break;
    const subtype = optionType === 9 && length >= 5 ? header[at + 2] : undefined;
    if (subtype === AuthenticationSubtype.mobileNodeHomeAgent) {
      if (found !== undefined) return 'repeated-authentication-option';
      if (aaaSeen) return 'authentication-option-not-last';
      found = { at, length, spi: new Reader(header, at + 3).u32() };
    } else if (optionType !== 1 && subtype === undefined && found !== undefined)
      return 'authentication-option-not-last';
    aaaSeen ||= subtype === AuthenticationSubtype.mobileNodeAaa;
    at += 2 + length;
  }
  return found ?? 'no-authentication-option';
}

function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let index = 0; index < a.length; index++) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
  return difference === 0;
}

/**
 * Verifies a received message. `header` has its octets, `message` is the parsed value. Only an
 * MN-AAA option and padding may follow the MN-HA option.
 */
export function verifyMobility(
  header: Uint8Array,
  message: BindingMessage,
  addresses: MobilityAddresses,
  associationOf: (spi: number) => MobilityKey | undefined,
): AuthenticationVerdict {
  const found = locateOption(header);
  if (typeof found === 'string') return found;
  const association = associationOf(found.spi);
  if (association === undefined) return 'unknown-spi';
  const covered = found.at + 7;
  const expected = mobilityAuthenticator({
    algorithm: association.algorithm,
    key: association.key,
    careOfAddress: coveredCareOfAddress(message, addresses),
    homeAddress: addresses.homeAddress,
    mobilityData: mobilityData(header, covered),
  });
  const received = header.subarray(covered, found.at + 2 + found.length);
  return equalInConstantTime(expected, received) ? 'ok' : 'bad-authenticator';
}
