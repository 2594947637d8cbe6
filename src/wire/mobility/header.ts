/**
 * Mobility Header, which carries every Mobile IPv6 message: format and checksum.
 *
 * RFC 6275 §6.1.1   format, checksum;  §9.2 checks of a receiver
 * https://www.rfc-editor.org/rfc/rfc6275#section-6.1.1
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   | Payload Proto |  Header Len   |   MH Type     |   Reserved    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           Checksum            |                               |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               |
 *   .                       Message Data                            .
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Header Len counts 8-octet units behind the first 8 octets. `parse` reads one header and leaves
 * the octets after it. Payload Proto and Checksum are plain values: the caller checks them, because
 * each fault has its own answer (RFC 6275 §9.2).
 */
import { assert } from '#base/assert.ts';
import { type Codec, decode, encode, type Malformed, Reader } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import { foldSum, pseudoHeaderSum, sumOf } from '#wire/ip/checksum.ts';
import { MOBILITY_MESSAGES, type MobilityMessage } from './message.ts';
import { parseMobilityMessage, sizeOfMobilityMessage, writeFixedPart } from './message-codec.ts';
import { writeMobilityOptions } from './option-codec.ts';

/** Next Header value of the Mobility Header. */
export const PROTOCOL_MOBILITY = 135;
/** Next Header value "nothing follows"; the only Payload Proto allowed. */
export const PROTOCOL_NONE = 59;
/** Offsets that ICMPv6 Parameter Problem points at, RFC 6275 §9.2. */
export const MobilityHeaderOffset = {
  payloadProtocol: 0,
  headerLength: 1,
  messageType: 2,
  checksum: 4,
} as const;
/** Reason of a header that is shorter than its message: Parameter Problem answers it (§9.2). */
export const HEADER_LENGTH_TOO_SMALL = 'mobility header length too small for its message';

const FIXED_SIZES: readonly number[] = Object.values(MOBILITY_MESSAGES).map(
  (facts) => facts.fixedSize,
);

export interface MobilityHeader {
  readonly payloadProtocol: number;
  readonly checksum: number;
  readonly message: MobilityMessage;
}

/** Octets of the Mobility Header at the start of `bytes`, from its Header Len; 0 if truncated. */
export function mobilityHeaderLength(bytes: Uint8Array): number {
  const units = bytes[MobilityHeaderOffset.headerLength];
  return units === undefined ? 0 : (units + 1) * 8;
}

function parseHeader(whole: Reader, bytes: Uint8Array): MobilityHeader {
  const payloadProtocol = whole.u8();
  const length = (whole.u8() + 1) * 8;
  const messageType = whole.u8();
  whole.skip(1);
  const checksum = whole.u16();
  whole.skip(length - 6);
  const fixedSize = FIXED_SIZES[messageType];
  if (fixedSize !== undefined && length < fixedSize) whole.fail(HEADER_LENGTH_TOO_SMALL);
  return {
    payloadProtocol,
    checksum,
    message: parseMobilityMessage(new Reader(bytes, 6, length), messageType),
  };
}

export const mobilityCodec: Codec<MobilityHeader> = {
  name: 'mobility header',
  parse: (bytes: Uint8Array): MobilityHeader | Malformed =>
    decode(bytes, (reader) => parseHeader(reader, bytes)),
  size: (header) => sizeOfMobilityMessage(header.message),
  write: (header, writer) => {
    const { message } = header;
    const start = writer.offset;
    const size = sizeOfMobilityMessage(message);
    assert(size % 8 === 0 && size <= 2048, 'mobility header of 8 to 2048 octets, a multiple of 8');
    writer.u8(header.payloadProtocol);
    writer.u8(size / 8 - 1);
    writer.u8(
      message.type === 'unknown'
        ? message.messageType
        : MOBILITY_MESSAGES[message.type].messageType,
    );
    writer.u8(0);
    writer.u16(header.checksum);
    if (message.type === 'unknown') {
      writer.bytes(message.data);
      return;
    }
    writeFixedPart(message, writer);
    writeMobilityOptions(message.options, writer, start);
  },
};

/** Encodes a Mobility Header with Payload Proto 59 and its checksum; see `mobilityChecksum`. */
export function encodeMobility(
  message: MobilityMessage,
  source: Ipv6Address,
  destination: Ipv6Address,
): Uint8Array {
  const bytes = encode(mobilityCodec, { payloadProtocol: PROTOCOL_NONE, checksum: 0, message });
  fillMobilityChecksum(bytes, source, destination);
  return bytes;
}

/**
 * The checksum of a Mobility Header; its checksum field counts as zero. `source` is the address of
 * the Home Address option if the packet has one, `destination` that of the type 2 routing header
 * (RFC 6275 §6.1.1). Octets behind the header do not count.
 */
export function mobilityChecksum(
  source: Ipv6Address,
  destination: Ipv6Address,
  headerBytes: Uint8Array,
): number {
  const length = Math.min(mobilityHeaderLength(headerBytes), headerBytes.length);
  const pseudo = pseudoHeaderSum(source, destination, PROTOCOL_MOBILITY, length);
  return foldSum(sumOf(headerBytes, sumOf(headerBytes, pseudo, 0, 4), 6, length));
}

/** Whether the checksum field holds `mobilityChecksum`. */
export function mobilityChecksumValid(
  source: Ipv6Address,
  destination: Ipv6Address,
  headerBytes: Uint8Array,
): boolean {
  const found = ((headerBytes[4] ?? 0) << 8) | (headerBytes[5] ?? 0);
  // One's complement has two zeros; a sender may use either.
  return found % 0xffff === mobilityChecksum(source, destination, headerBytes) % 0xffff;
}

/** Overwrites the checksum field of a Mobility Header. */
export function fillMobilityChecksum(
  bytes: Uint8Array,
  source: Ipv6Address,
  destination: Ipv6Address,
): void {
  const checksum = mobilityChecksum(source, destination, bytes);
  bytes[MobilityHeaderOffset.checksum] = checksum >> 8;
  bytes[MobilityHeaderOffset.checksum + 1] = checksum & 0xff;
}
