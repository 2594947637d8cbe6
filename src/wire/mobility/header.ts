/**
 * Mobility Header and every message of Mobile IPv6.
 *
 * RFC 6275 §6.1     format, checksum, the eight messages
 * RFC 3963 §4.1-2   R flags of Binding Update and Acknowledgement
 * RFC 5555 §3.1.3   F flag (force UDP encapsulation)
 * RFC 5213 §8.1-2   P flags, carried but not acted on;  RFC 5648 §4.1 O flag
 * Left out: the M flag's protocol (RFC 5380; carried), fast handover and proxy messages (kept as
 * `unknown`).
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
 * what follows it; Payload Proto and Checksum are values for the caller to judge, because a wrong
 * one has its own answer (RFC 6275 §9.2).
 */
import { assert, unreachable } from '#base/assert.ts';
import { type Codec, decode, encode, type Malformed, Reader, type Writer } from '#base/bytes.ts';
import { type Ipv6Address, readIpv6, writeIp } from '#base/ip.ts';
import { foldSum, pseudoHeaderSum, sumOf } from '#wire/ip/checksum.ts';
import { bindingStatusName } from './binding-status.ts';
import {
  type MobilityOption,
  mobilityOptionSummary,
  parseMobilityOptions,
  sizeOfMobilityOptions,
  writeMobilityOptions,
} from './options.ts';

/** Next Header value of the Mobility Header. */
export const PROTOCOL_MOBILITY = 135;
/** Next Header value "nothing follows"; the only Payload Proto allowed. */
export const PROTOCOL_NONE = 59;
/** One unit of every lifetime in these messages. */
export const LIFETIME_UNIT_SECONDS = 4;
/** Offsets that ICMPv6 Parameter Problem points at, RFC 6275 §9.2. */
export const MobilityHeaderOffset = {
  payloadProtocol: 0,
  headerLength: 1,
  messageType: 2,
  checksum: 4,
} as const;
/**
 * Reason of a header whose Header Len is less than its message needs; answered by Parameter
 * Problem, RFC 6275 §9.2.
 */
export const HEADER_LENGTH_TOO_SMALL = 'mobility header length too small for its message';

/** MH type and octets of the fixed part, Mobility Header included, that options follow. */
export const MOBILITY_MESSAGES = {
  'binding-refresh-request': { messageType: 0, fixedSize: 8 },
  'home-test-init': { messageType: 1, fixedSize: 16 },
  'care-of-test-init': { messageType: 2, fixedSize: 16 },
  'home-test': { messageType: 3, fixedSize: 24 },
  'care-of-test': { messageType: 4, fixedSize: 24 },
  'binding-update': { messageType: 5, fixedSize: 12 },
  'binding-acknowledgement': { messageType: 6, fixedSize: 12 },
  'binding-error': { messageType: 7, fixedSize: 24 },
} as const;

const FIXED_SIZES: readonly number[] = Object.values(MOBILITY_MESSAGES).map(
  (facts) => facts.fixedSize,
);

/** Status of a Binding Error, RFC 6275 §6.1.9. */
export const BindingErrorStatus = { unknownBinding: 1, unrecognizedMessageType: 2 } as const;

export interface BindingUpdateFlags {
  readonly acknowledge: boolean;
  readonly homeRegistration: boolean;
  readonly linkLocalCompatibility: boolean;
  readonly keyManagementMobility: boolean;
  readonly mapRegistration: boolean;
  readonly mobileRouter: boolean;
  readonly proxyRegistration: boolean;
  readonly forceUdp: boolean;
  readonly overwrite: boolean;
}

export const NO_BINDING_UPDATE_FLAGS: BindingUpdateFlags = {
  acknowledge: false,
  homeRegistration: false,
  linkLocalCompatibility: false,
  keyManagementMobility: false,
  mapRegistration: false,
  mobileRouter: false,
  proxyRegistration: false,
  forceUdp: false,
  overwrite: false,
};

export interface BindingAcknowledgementFlags {
  readonly keyManagementMobility: boolean;
  readonly mobileRouter: boolean;
  readonly proxyRegistration: boolean;
}

export const NO_BINDING_ACKNOWLEDGEMENT_FLAGS: BindingAcknowledgementFlags = {
  keyManagementMobility: false,
  mobileRouter: false,
  proxyRegistration: false,
};

interface WithOptions {
  readonly options: readonly MobilityOption[];
}

/** `lifetimeUnits` are of 4 seconds; cookies are 64-bit; tokens are eight octets (copies). */
export type MobilityMessage =
  | (WithOptions & { readonly type: 'binding-refresh-request' })
  | (WithOptions & { readonly type: 'home-test-init'; readonly homeInitCookie: bigint })
  | (WithOptions & { readonly type: 'care-of-test-init'; readonly careOfInitCookie: bigint })
  | (WithOptions & {
      readonly type: 'home-test';
      readonly homeNonceIndex: number;
      readonly homeInitCookie: bigint;
      readonly homeKeygenToken: Uint8Array;
    })
  | (WithOptions & {
      readonly type: 'care-of-test';
      readonly careOfNonceIndex: number;
      readonly careOfInitCookie: bigint;
      readonly careOfKeygenToken: Uint8Array;
    })
  | (WithOptions & {
      readonly type: 'binding-update';
      readonly sequence: number;
      readonly flags: BindingUpdateFlags;
      readonly lifetimeUnits: number;
    })
  | (WithOptions & {
      readonly type: 'binding-acknowledgement';
      readonly status: number;
      readonly flags: BindingAcknowledgementFlags;
      readonly sequence: number;
      readonly lifetimeUnits: number;
    })
  | (WithOptions & {
      readonly type: 'binding-error';
      readonly status: number;
      readonly homeAddress: Ipv6Address;
    })
  | { readonly type: 'unknown'; readonly messageType: number; readonly data: Uint8Array };

export type MobilityMessageOf<T extends MobilityMessage['type']> = Extract<
  MobilityMessage,
  { readonly type: T }
>;

export interface MobilityHeader {
  readonly payloadProtocol: number;
  readonly checksum: number;
  readonly message: MobilityMessage;
}

/**
 * Octets of the Mobility Header at the start of `bytes` as it says itself (0 when not even that can
 * be read).
 */
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
    message: parseMessage(new Reader(bytes, 6, length), messageType),
  };
}

function parseMessage(reader: Reader, messageType: number): MobilityMessage {
  switch (messageType) {
    case 5:
      return parseBindingUpdate(reader);
    case 6:
      return parseBindingAcknowledgement(reader);
    case 0:
      reader.skip(2);
      return { type: 'binding-refresh-request', options: parseMobilityOptions(reader) };
    case 7: {
      const status = reader.u8();
      reader.skip(1);
      const homeAddress = readIpv6(reader);
      return { type: 'binding-error', status, homeAddress, options: parseMobilityOptions(reader) };
    }
    default:
      return parseTestMessage(reader, messageType);
  }
}

function parseTestMessage(reader: Reader, messageType: number): MobilityMessage {
  switch (messageType) {
    case 1:
      reader.skip(2);
      return {
        type: 'home-test-init',
        homeInitCookie: reader.u64(),
        options: parseMobilityOptions(reader),
      };
    case 2:
      reader.skip(2);
      return {
        type: 'care-of-test-init',
        careOfInitCookie: reader.u64(),
        options: parseMobilityOptions(reader),
      };
    case 3:
      return {
        type: 'home-test',
        homeNonceIndex: reader.u16(),
        homeInitCookie: reader.u64(),
        homeKeygenToken: reader.bytes(8).slice(),
        options: parseMobilityOptions(reader),
      };
    case 4:
      return {
        type: 'care-of-test',
        careOfNonceIndex: reader.u16(),
        careOfInitCookie: reader.u64(),
        careOfKeygenToken: reader.bytes(8).slice(),
        options: parseMobilityOptions(reader),
      };
    default:
      return { type: 'unknown', messageType, data: reader.rest().slice() };
  }
}

// Bits of the word behind the sequence number: |A|H|L|K|M|R|P|F|T|O|Reserved|.
function parseBindingUpdate(reader: Reader): MobilityMessage {
  const sequence = reader.u16();
  const bits = reader.u16();
  const flags: BindingUpdateFlags = {
    acknowledge: (bits & 0x8000) !== 0,
    homeRegistration: (bits & 0x4000) !== 0,
    linkLocalCompatibility: (bits & 0x2000) !== 0,
    keyManagementMobility: (bits & 0x1000) !== 0,
    mapRegistration: (bits & 0x0800) !== 0,
    mobileRouter: (bits & 0x0400) !== 0,
    proxyRegistration: (bits & 0x0200) !== 0,
    forceUdp: (bits & 0x0100) !== 0,
    overwrite: (bits & 0x0040) !== 0,
  };
  const lifetimeUnits = reader.u16();
  return {
    type: 'binding-update',
    sequence,
    flags,
    lifetimeUnits,
    options: parseMobilityOptions(reader),
  };
}

function bindingUpdateBits(flags: BindingUpdateFlags): number {
  return (
    (flags.acknowledge ? 0x8000 : 0) |
    (flags.homeRegistration ? 0x4000 : 0) |
    (flags.linkLocalCompatibility ? 0x2000 : 0) |
    (flags.keyManagementMobility ? 0x1000 : 0) |
    (flags.mapRegistration ? 0x0800 : 0) |
    (flags.mobileRouter ? 0x0400 : 0) |
    (flags.proxyRegistration ? 0x0200 : 0) |
    (flags.forceUdp ? 0x0100 : 0) |
    (flags.overwrite ? 0x0040 : 0)
  );
}

function parseBindingAcknowledgement(reader: Reader): MobilityMessage {
  const status = reader.u8();
  const bits = reader.u8();
  const flags: BindingAcknowledgementFlags = {
    keyManagementMobility: (bits & 0x80) !== 0,
    mobileRouter: (bits & 0x40) !== 0,
    proxyRegistration: (bits & 0x20) !== 0,
  };
  const sequence = reader.u16();
  const lifetimeUnits = reader.u16();
  const options = parseMobilityOptions(reader);
  return { type: 'binding-acknowledgement', status, flags, sequence, lifetimeUnits, options };
}

function sizeOfMessage(message: MobilityMessage): number {
  if (message.type === 'unknown') return 6 + message.data.length;
  const { fixedSize } = MOBILITY_MESSAGES[message.type];
  return fixedSize + sizeOfMobilityOptions(message.options, fixedSize);
}

function writeFixedPart(
  message: Exclude<MobilityMessage, { type: 'unknown' }>,
  writer: Writer,
): void {
  switch (message.type) {
    case 'binding-refresh-request':
      writer.u16(0);
      return;
    case 'home-test-init':
      writer.u16(0);
      writer.u64(message.homeInitCookie);
      return;
    case 'care-of-test-init':
      writer.u16(0);
      writer.u64(message.careOfInitCookie);
      return;
    case 'home-test':
      writer.u16(message.homeNonceIndex);
      writer.u64(message.homeInitCookie);
      writer.bytes(message.homeKeygenToken);
      return;
    case 'care-of-test':
      writer.u16(message.careOfNonceIndex);
      writer.u64(message.careOfInitCookie);
      writer.bytes(message.careOfKeygenToken);
      return;
    case 'binding-error':
      writer.u8(message.status);
      writer.u8(0);
      writeIp(writer, message.homeAddress);
      return;
    default:
      writeBinding(message, writer);
  }
}

function writeBinding(
  message: MobilityMessageOf<'binding-update'> | MobilityMessageOf<'binding-acknowledgement'>,
  writer: Writer,
): void {
  switch (message.type) {
    case 'binding-update':
      writer.u16(message.sequence);
      writer.u16(bindingUpdateBits(message.flags));
      break;
    case 'binding-acknowledgement': {
      const { keyManagementMobility, mobileRouter, proxyRegistration } = message.flags;
      writer.u8(message.status);
      writer.u8(
        (keyManagementMobility ? 0x80 : 0) |
          (mobileRouter ? 0x40 : 0) |
          (proxyRegistration ? 0x20 : 0),
      );
      writer.u16(message.sequence);
      break;
    }
    default:
      unreachable(message);
  }
  writer.u16(message.lifetimeUnits);
}

export const mobilityCodec: Codec<MobilityHeader> = {
  name: 'mobility header',
  parse: (bytes: Uint8Array): MobilityHeader | Malformed =>
    decode(bytes, (reader) => parseHeader(reader, bytes)),
  size: (header) => sizeOfMessage(header.message),
  write: (header, writer) => {
    const { message } = header;
    const start = writer.offset;
    const size = sizeOfMessage(message);
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

/**
 * The checksum of a Mobility Header, its own checksum field taken as zero. `source` is the Home
 * Address option's address when the packet has one, `destination` the type 2 routing header's (RFC
 * 6275 §6.1.1). Octets behind the header are left out.
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

/**
 * A whole Mobility Header with Payload Proto 59 and its checksum filled; addresses as for
 * `mobilityChecksum`.
 */
export function encodeMobility(
  message: MobilityMessage,
  source: Ipv6Address,
  destination: Ipv6Address,
): Uint8Array {
  const bytes = encode(mobilityCodec, { payloadProtocol: PROTOCOL_NONE, checksum: 0, message });
  fillMobilityChecksum(bytes, source, destination);
  return bytes;
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

function flagsSummary(flags: object): string {
  return Object.entries(flags)
    .filter(([, set]) => set === true)
    .map(([name]) => ` ${name}`)
    .join('');
}

/** One line for the log; no key material. */
export function mobilitySummary(header: MobilityHeader): string {
  const { message } = header;
  if (message.type === 'unknown')
    return `mobility message ${message.messageType}, ${message.data.length} octets`;
  const options = message.options.map((option) => ` ${mobilityOptionSummary(option)}`).join('');
  switch (message.type) {
    case 'binding-update':
      return `${message.type} sequence ${message.sequence} lifetime ${message.lifetimeUnits * LIFETIME_UNIT_SECONDS} s${flagsSummary(message.flags)}${options}`;
    case 'binding-acknowledgement':
      return `${message.type} status ${message.status} ${bindingStatusName(message.status)} sequence ${message.sequence} lifetime ${message.lifetimeUnits * LIFETIME_UNIT_SECONDS} s${flagsSummary(message.flags)}${options}`;
    case 'binding-error':
      return `${message.type} status ${message.status} ${message.homeAddress}${options}`;
    default:
      return `${message.type}${options}`;
  }
}
