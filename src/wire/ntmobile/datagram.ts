/**
 * NTMobile datagrams as they are on the wire, before decryption.
 *
 * docs/reference/ntmobile.md §3 and §4; sealed types as RFC 6618 §6.2, §6.3 and §6.4 frame them
 * docs/reference/sealed-mobile-ipv6.md §2 and §3: type 8 and use 4
 * Left out: the contents of ciphertexts (payload.ts, message.ts).
 *
 *    0                   1                   2                   3
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | type  |                          SPI                          |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Octet strings of parsed values are copies.
 */
import { unreachable } from '#base/assert.ts';
import { type Codec, decode, type Malformed, type Reader, type Writer } from '#base/bytes.ts';

/** Type numbers of the first four bits. */
export const DATAGRAM_TYPES = {
  data: 1,
  mobility: 8,
  control: 9,
  initiation: 10,
  response: 11,
  'cookie-reply': 12,
  relayed: 13,
} as const;

export const NTMOBILE_VERSION = 1;
export const LARGEST_SPI = 0x0fffffff;
/** Octets of an AEAD's tag, of a MAC, of a path id, of an X25519 key. */
export const TAG_OCTETS = 16;
export const MAC_OCTETS = 16;
export const PATH_ID_OCTETS = 8;
export const KEY_OCTETS = 32;
/** The octets before the ciphertext of a sealed datagram; they are its associated data. */
export const SEALED_HEADER_OCTETS = 8;
/** Limit of a Tunnel Request inside a control message: both fit into one packet on every path. */
export const LONGEST_FIRST_DATAGRAM = 1_024;
/** The octets before the ephemeral key of an initiation, part of the handshake's prologue. */
export const INITIATION_HEADER_OCTETS = 16;

/** The purposes of a handshake. */
export const HandshakeUse = { coordinator: 1, node: 2, relay: 3, homeAgent: 4 } as const;

/** An initiation's suites bitmask and the numbers of suites. */
export const Suite = { aes128Gcm: 1, chacha20Poly1305: 2 } as const;
export type Suite = (typeof Suite)[keyof typeof Suite];
export const suiteBit = (suite: Suite): number => 1 << (suite - 1);

/** The suite that a responder chooses among those of both ends. */
export function preferredSuite(suites: number): Suite | undefined {
  return [Suite.aes128Gcm, Suite.chacha20Poly1305].find(
    (suite) => (suites & suiteBit(suite)) !== 0,
  );
}

/** Types with a sequence number and a ciphertext. */
export type SealedType = 'data' | 'control' | 'mobility';
const SEALED_TYPES: ReadonlyMap<number, SealedType> = new Map(
  (['data', 'control', 'mobility'] as const).map((type) => [DATAGRAM_TYPES[type], type]),
);

/** `spi` is the receiver's; in an initiation it is the sender's. */
export type NtmobileDatagram =
  | {
      readonly type: SealedType;
      readonly spi: number;
      /** The low half of the counter. */
      readonly sequence: number;
      /** With its tag. */
      readonly ciphertext: Uint8Array;
    }
  | {
      readonly type: 'initiation';
      readonly spi: number;
      readonly use: number;
      readonly suites: number;
      readonly pathId: Uint8Array;
      readonly ephemeral: Uint8Array;
      /** The sender's key, 32 octets and a tag. */
      readonly encryptedStatic: Uint8Array;
      readonly encryptedPayload: Uint8Array;
      readonly mac1: Uint8Array;
      readonly mac2: Uint8Array;
    }
  | {
      readonly type: 'response';
      readonly spi: number;
      readonly ephemeral: Uint8Array;
      readonly encryptedPayload: Uint8Array;
    }
  | {
      readonly type: 'cookie-reply';
      readonly spi: number;
      readonly nonce: Uint8Array;
      readonly encryptedCookie: Uint8Array;
    }
  | { readonly type: 'relayed'; readonly index: number; readonly datagram: Uint8Array };

export type NtmobileDatagramOf<T extends NtmobileDatagram['type']> = Extract<
  NtmobileDatagram,
  { readonly type: T }
>;

/** The first word. */
export function frameWord(type: number, spi: number): number {
  return ((type << 28) | spi) >>> 0;
}

function parseInitiation(reader: Reader, spi: number): NtmobileDatagram {
  if (reader.u8() !== NTMOBILE_VERSION) reader.fail('unknown version');
  const use = reader.u8();
  const suites = reader.u8();
  if (reader.u8() !== 0) reader.fail('reserved octet is not zero');
  const pathId = reader.bytes(PATH_ID_OCTETS).slice();
  const ephemeral = reader.bytes(KEY_OCTETS).slice();
  const encryptedStatic = reader.bytes(KEY_OCTETS + TAG_OCTETS).slice();
  const payload = reader.remaining - 2 * MAC_OCTETS;
  if (payload < TAG_OCTETS) reader.fail('truncated');
  const encryptedPayload = reader.bytes(payload).slice();
  const mac1 = reader.bytes(MAC_OCTETS).slice();
  const mac2 = reader.bytes(MAC_OCTETS).slice();
  return {
    type: 'initiation',
    spi,
    use,
    suites,
    pathId,
    ephemeral,
    encryptedStatic,
    encryptedPayload,
    mac1,
    mac2,
  };
}

function parseResponse(reader: Reader, spi: number): NtmobileDatagram {
  const ephemeral = reader.bytes(KEY_OCTETS).slice();
  if (reader.remaining < TAG_OCTETS) reader.fail('truncated');
  return { type: 'response', spi, ephemeral, encryptedPayload: reader.rest().slice() };
}

function parseCookieReply(reader: Reader, spi: number): NtmobileDatagram {
  const nonce = reader.bytes(12).slice();
  const encryptedCookie = reader.bytes(MAC_OCTETS + TAG_OCTETS).slice();
  if (reader.remaining > 0) reader.fail('octets behind the cookie');
  return { type: 'cookie-reply', spi, nonce, encryptedCookie };
}

function parseRelayed(reader: Reader, index: number): NtmobileDatagram {
  const datagram = reader.rest().slice();
  if (datagram.length < 4) reader.fail('truncated');
  if ((datagram[0] ?? 0) >> 4 === DATAGRAM_TYPES.relayed) reader.fail('an envelope in an envelope');
  return { type: 'relayed', index, datagram };
}

function parse(reader: Reader): NtmobileDatagram {
  const word = reader.u32();
  const spi = word & LARGEST_SPI;
  if (spi === 0) reader.fail('SPI 0');
  const type = SEALED_TYPES.get(word >>> 28);
  if (type !== undefined) {
    const sequence = reader.u32();
    if (reader.remaining < TAG_OCTETS) reader.fail('truncated');
    return { type, spi, sequence, ciphertext: reader.rest().slice() };
  }
  switch (word >>> 28) {
    case DATAGRAM_TYPES.initiation:
      return parseInitiation(reader, spi);
    case DATAGRAM_TYPES.response:
      return parseResponse(reader, spi);
    case DATAGRAM_TYPES['cookie-reply']:
      return parseCookieReply(reader, spi);
    case DATAGRAM_TYPES.relayed:
      return parseRelayed(reader, spi);
    default:
      return reader.fail('unknown type');
  }
}

function size(datagram: NtmobileDatagram): number {
  switch (datagram.type) {
    case 'data':
    case 'control':
    case 'mobility':
      return SEALED_HEADER_OCTETS + datagram.ciphertext.length;
    case 'initiation':
      return (
        INITIATION_HEADER_OCTETS +
        2 * KEY_OCTETS +
        TAG_OCTETS +
        datagram.encryptedPayload.length +
        2 * MAC_OCTETS
      );
    case 'response':
      return 4 + KEY_OCTETS + datagram.encryptedPayload.length;
    case 'cookie-reply':
      return 4 + 12 + MAC_OCTETS + TAG_OCTETS;
    case 'relayed':
      return 4 + datagram.datagram.length;
    default:
      return unreachable(datagram);
  }
}

function write(datagram: NtmobileDatagram, writer: Writer): void {
  const spi = datagram.type === 'relayed' ? datagram.index : datagram.spi;
  writer.u32(frameWord(DATAGRAM_TYPES[datagram.type], spi));
  switch (datagram.type) {
    case 'data':
    case 'control':
    case 'mobility':
      writer.u32(datagram.sequence);
      writer.bytes(datagram.ciphertext);
      return;
    case 'initiation':
      writer.u8(NTMOBILE_VERSION);
      writer.u8(datagram.use);
      writer.u8(datagram.suites);
      writer.zero(1);
      for (const part of [datagram.pathId, datagram.ephemeral, datagram.encryptedStatic])
        writer.bytes(part);
      for (const part of [datagram.encryptedPayload, datagram.mac1, datagram.mac2])
        writer.bytes(part);
      return;
    case 'response':
      writer.bytes(datagram.ephemeral);
      writer.bytes(datagram.encryptedPayload);
      return;
    case 'cookie-reply':
      writer.bytes(datagram.nonce);
      writer.bytes(datagram.encryptedCookie);
      return;
    case 'relayed':
      writer.bytes(datagram.datagram);
      return;
    default:
      unreachable(datagram);
  }
}

export const ntmobileDatagramCodec: Codec<NtmobileDatagram> = {
  name: 'NTMobile datagram',
  parse: (bytes): NtmobileDatagram | Malformed => decode(bytes, parse),
  size,
  write,
};

/** One line for the log, without ciphertext. */
export function ntmobileDatagramSummary(datagram: NtmobileDatagram): string {
  if (datagram.type === 'relayed')
    return `relayed, index ${datagram.index}, ${datagram.datagram.length} octets`;
  return `${datagram.type}, SPI ${datagram.spi}`;
}
