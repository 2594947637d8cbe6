/**
 * Mobility options: the TLVs behind the fixed part of every mobility message.
 *
 * RFC 6275 §6.2     Pad1, PadN, Binding Refresh Advice, Alternate Care-of Address, Nonce Indices,
 *                   Binding Authorization Data
 * RFC 3963 §4.3     Mobile Network Prefix
 * RFC 4283 §3       Mobile Node Identifier
 * RFC 4285 §5, §6   Authentication (MN-HA, MN-AAA), Replay Protection
 * RFC 5555 §3       IPv4 Home Address, IPv4 Address Acknowledgement, NAT Detection, IPv4 Care-of
 *                   Address
 * RFC 5648 §4.3     Binding Identifier
 * https://www.rfc-editor.org/rfc/rfc6275#section-6.2.1
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Option Type  | Option Length |  Option Data ...
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Padding is no part of the value: it is dropped by `parse` and laid again by `write` as each
 * option's alignment asks. So value → bytes → value is exact always, bytes → value → bytes when the
 * sender pads as we do; who needs the peer's very octets (a MAC) works on the message as received.
 * Options that this table does not know, and a Binding Identifier of wrong length (RFC 5648 wants
 * status 164 for that, not silence), stay in place as `unknown`. Octet strings are copies.
 */
import { unreachable } from '#base/assert.ts';
import type { Reader, Writer } from '#base/bytes.ts';
import { hex } from '#base/bytes.ts';
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipFromBytes,
  isIpv6,
  readIpv4,
  readIpv6,
  writeIp,
} from '#base/ip.ts';

/**
 * One row per option: its number, allowed lengths (octets behind the length field), alignment xn+y,
 * where it may appear.
 */
export interface MobilityOptionFacts {
  readonly optionType: number;
  readonly lengths: { readonly atLeast: number; readonly atMost: number };
  readonly alignment: { readonly multiple: number; readonly plus: number };
  readonly allowedIn: readonly number[];
}

const exactly = (length: number) => ({ atLeast: length, atMost: length });
const atLeast = (length: number) => ({ atLeast: length, atMost: 255 });
const aligned = (multiple: number, plus: number) => ({ multiple, plus });
const ANY_MESSAGE = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/**
 * Message numbers in `allowedIn` are MH types; an option elsewhere is skipped by its reader (RFC
 * 6275 §6.2.1).
 */
export const MOBILITY_OPTIONS = {
  'binding-refresh-advice': {
    optionType: 2,
    lengths: exactly(2),
    alignment: aligned(2, 0),
    allowedIn: [6],
  },
  'alternate-care-of-address': {
    optionType: 3,
    lengths: exactly(16),
    alignment: aligned(8, 6),
    allowedIn: [5],
  },
  'nonce-indices': { optionType: 4, lengths: exactly(4), alignment: aligned(2, 0), allowedIn: [5] },
  'binding-authorization-data': {
    optionType: 5,
    lengths: atLeast(0),
    alignment: aligned(1, 0),
    allowedIn: [5, 6],
  },
  'mobile-network-prefix': {
    optionType: 6,
    lengths: exactly(18),
    alignment: aligned(8, 4),
    allowedIn: [5],
  },
  'mobile-node-identifier': {
    optionType: 8,
    lengths: atLeast(1),
    alignment: aligned(1, 0),
    allowedIn: ANY_MESSAGE,
  },
  authentication: {
    optionType: 9,
    lengths: atLeast(5),
    alignment: aligned(4, 1),
    allowedIn: [5, 6],
  },
  'replay-protection': {
    optionType: 10,
    lengths: exactly(8),
    alignment: aligned(8, 2),
    allowedIn: [5, 6],
  },
  'ipv4-home-address': {
    optionType: 29,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [5],
  },
  'ipv4-address-acknowledgement': {
    optionType: 30,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [6],
  },
  'nat-detection': {
    optionType: 31,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [6],
  },
  'ipv4-care-of-address': {
    optionType: 32,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [5],
  },
  'binding-identifier': {
    optionType: 35,
    lengths: { atLeast: 4, atMost: 20 },
    alignment: aligned(2, 0),
    allowedIn: [0, 2, 4, 5, 6],
  },
} as const satisfies Record<string, MobilityOptionFacts>;

export type KnownMobilityOption = keyof typeof MOBILITY_OPTIONS;

/** Subtypes of the Mobile Node Identifier option, RFC 4283 §3.1. */
export const IDENTIFIER_SUBTYPE_NAI = 1;

/** Subtypes of the Authentication option, RFC 4285 §5. */
export const AuthenticationSubtype = { mobileNodeHomeAgent: 1, mobileNodeAaa: 2 } as const;

/** NAT Detection's refresh time that says "no keepalive is needed", RFC 5555 §3.2.2. */
export const NO_KEEPALIVE_NEEDED = 0xffffffff;

/** Times in units are of 4 seconds. `timestamp` is NTP's 64-bit form. */
export type MobilityOption =
  | { readonly type: 'binding-refresh-advice'; readonly refreshIntervalUnits: number }
  | { readonly type: 'alternate-care-of-address'; readonly address: Ipv6Address }
  | {
      readonly type: 'nonce-indices';
      readonly homeNonceIndex: number;
      readonly careOfNonceIndex: number;
    }
  | { readonly type: 'binding-authorization-data'; readonly authenticator: Uint8Array }
  | {
      readonly type: 'mobile-network-prefix';
      readonly prefixLength: number;
      readonly prefix: Ipv6Address;
    }
  | {
      readonly type: 'mobile-node-identifier';
      readonly subtype: number;
      readonly identifier: Uint8Array;
    }
  | {
      readonly type: 'authentication';
      readonly subtype: number;
      readonly spi: number;
      readonly authenticator: Uint8Array;
    }
  | { readonly type: 'replay-protection'; readonly timestamp: bigint }
  | {
      readonly type: 'ipv4-home-address';
      readonly prefixLength: number;
      readonly requestPrefix: boolean;
      readonly address: Ipv4Address;
    }
  | {
      readonly type: 'ipv4-address-acknowledgement';
      readonly status: number;
      readonly prefixLength: number;
      readonly address: Ipv4Address;
    }
  | {
      readonly type: 'nat-detection';
      readonly forceUdp: boolean;
      readonly refreshTimeSeconds: number;
    }
  | { readonly type: 'ipv4-care-of-address'; readonly address: Ipv4Address }
  | {
      readonly type: 'binding-identifier';
      readonly bindingId: number;
      readonly status: number;
      readonly simultaneousHomeAndForeign: boolean;
      readonly careOfAddress: IpAddress | undefined;
    }
  | { readonly type: 'unknown'; readonly optionType: number; readonly data: Uint8Array };

export type MobilityOptionOf<T extends MobilityOption['type']> = Extract<
  MobilityOption,
  { readonly type: T }
>;

/** The first option of a type. */
export function findOption<T extends MobilityOption['type']>(
  options: readonly MobilityOption[],
  type: T,
): MobilityOptionOf<T> | undefined {
  return options.find((option): option is MobilityOptionOf<T> => option.type === type);
}

/** Every option of a type, in order. */
export function filterOptions<T extends MobilityOption['type']>(
  options: readonly MobilityOption[],
  type: T,
): readonly MobilityOptionOf<T>[] {
  return options.filter((option): option is MobilityOptionOf<T> => option.type === type);
}

/** The row of each option type, by number. */
const NAME_OF_TYPE: ReadonlyMap<number, string> = new Map(
  Object.entries(MOBILITY_OPTIONS).map(([name, facts]) => [facts.optionType, name]),
);
const LENGTHS_OF_TYPE: readonly (
  | { readonly atLeast: number; readonly atMost: number }
  | undefined
)[] = Array.from(
  { length: 256 },
  (_, optionType) =>
    Object.values(MOBILITY_OPTIONS).find((facts) => facts.optionType === optionType)?.lengths,
);

/** Reads options to the end of `reader`; fails with a reason that names the option. */
export function parseMobilityOptions(reader: Reader): MobilityOption[] {
  const options: MobilityOption[] = [];
  while (reader.remaining > 0) {
    const optionType = reader.u8();
    if (optionType === 0) continue;
    const length = reader.u8();
    if (optionType === 1) reader.skip(length);
    else options.push(parseOption(reader, optionType, length));
  }
  return options;
}

function parseOption(reader: Reader, optionType: number, length: number): MobilityOption {
  const lengths = LENGTHS_OF_TYPE[optionType];
  const wrongLength =
    lengths !== undefined && (length < lengths.atLeast || length > lengths.atMost);
  if (optionType === 35) return parseBindingIdentifier(reader, length);
  if (wrongLength) reader.fail(`length of the ${NAME_OF_TYPE.get(optionType)} option`);
  switch (optionType) {
    case 2:
      return { type: 'binding-refresh-advice', refreshIntervalUnits: reader.u16() };
    case 3:
      return { type: 'alternate-care-of-address', address: readIpv6(reader) };
    case 4:
      return {
        type: 'nonce-indices',
        homeNonceIndex: reader.u16(),
        careOfNonceIndex: reader.u16(),
      };
    case 5:
      return { type: 'binding-authorization-data', authenticator: reader.bytes(length).slice() };
    case 6:
      reader.skip(1);
      return { type: 'mobile-network-prefix', prefixLength: reader.u8(), prefix: readIpv6(reader) };
    case 8:
      return {
        type: 'mobile-node-identifier',
        subtype: reader.u8(),
        identifier: reader.bytes(length - 1).slice(),
      };
    case 9:
      return {
        type: 'authentication',
        subtype: reader.u8(),
        spi: reader.u32(),
        authenticator: reader.bytes(length - 5).slice(),
      };
    case 10:
      return { type: 'replay-protection', timestamp: reader.u64() };
    default:
      return parseIpv4Option(reader, optionType, length);
  }
}

function parseIpv4Option(reader: Reader, optionType: number, length: number): MobilityOption {
  switch (optionType) {
    case 29: {
      const bits = reader.u16();
      const requestPrefix = (bits & 0x0200) !== 0;
      return {
        type: 'ipv4-home-address',
        prefixLength: bits >> 10,
        requestPrefix,
        address: readIpv4(reader),
      };
    }
    case 30: {
      const status = reader.u8();
      const prefixLength = reader.u8() >> 2;
      return {
        type: 'ipv4-address-acknowledgement',
        status,
        prefixLength,
        address: readIpv4(reader),
      };
    }
    case 31:
      return {
        type: 'nat-detection',
        forceUdp: (reader.u16() & 0x8000) !== 0,
        refreshTimeSeconds: reader.u32(),
      };
    case 32:
      reader.skip(2);
      return { type: 'ipv4-care-of-address', address: readIpv4(reader) };
    default:
      return { type: 'unknown', optionType, data: reader.bytes(length).slice() };
  }
}

function parseBindingIdentifier(reader: Reader, length: number): MobilityOption {
  if (length !== 4 && length !== 8 && length !== 20) {
    return { type: 'unknown', optionType: 35, data: reader.bytes(length).slice() };
  }
  const bindingId = reader.u16();
  const status = reader.u8();
  const simultaneousHomeAndForeign = (reader.u8() & 0x80) !== 0;
  const careOfAddress = length === 4 ? undefined : ipFromBytes(reader.bytes(length - 4));
  return {
    type: 'binding-identifier',
    bindingId,
    status,
    simultaneousHomeAndForeign,
    careOfAddress,
  };
}

/** Octets behind the length field. */
function dataLength(option: MobilityOption): number {
  switch (option.type) {
    case 'binding-authorization-data':
      return option.authenticator.length;
    case 'mobile-node-identifier':
      return 1 + option.identifier.length;
    case 'authentication':
      return 5 + option.authenticator.length;
    case 'binding-identifier':
      return option.careOfAddress === undefined ? 4 : isIpv6(option.careOfAddress) ? 20 : 8;
    case 'unknown':
      return option.data.length;
    default:
      return MOBILITY_OPTIONS[option.type].lengths.atLeast;
  }
}

/** Octets of padding in front of an option that would start at `offset`. */
function paddingBefore(option: MobilityOption, offset: number, last: boolean): number {
  // These two end the message: padding goes before them, so that none has to follow (RFC 6275
  // §6.2.7, RFC 4285 §5.1).
  if (last && (option.type === 'binding-authorization-data' || option.type === 'authentication')) {
    const before = -(offset + 2 + dataLength(option)) & 7;
    if (option.type === 'binding-authorization-data' || (offset + before) % 4 === 1) return before;
  }
  if (option.type === 'unknown') return 0;
  const { multiple, plus } =
    option.type === 'binding-identifier' && option.careOfAddress !== undefined
      ? aligned(8, 2)
      : MOBILITY_OPTIONS[option.type].alignment;
  return (((plus - offset) % multiple) + multiple) % multiple;
}

/**
 * Octets of the options area that starts `offset` octets into the Mobility Header, padding to 8
 * octets included.
 */
export function sizeOfMobilityOptions(options: readonly MobilityOption[], offset: number): number {
  let at = offset;
  const lastIndex = options.length - 1;
  options.forEach((option, index) => {
    at += paddingBefore(option, at, index === lastIndex) + 2 + dataLength(option);
  });
  return ((at + 7) & ~7) - offset;
}

function writePadding(writer: Writer, count: number): void {
  if (count === 0) return;
  if (count === 1) {
    writer.u8(0);
    return;
  }
  writer.u8(1);
  writer.u8(count - 2);
  writer.zero(count - 2);
}

/** Writes the options area; `start` is the writer's offset of the Mobility Header. */
export function writeMobilityOptions(
  options: readonly MobilityOption[],
  writer: Writer,
  start: number,
): void {
  const lastIndex = options.length - 1;
  options.forEach((option, index) => {
    writePadding(writer, paddingBefore(option, writer.offset - start, index === lastIndex));
    writer.u8(
      option.type === 'unknown' ? option.optionType : MOBILITY_OPTIONS[option.type].optionType,
    );
    writer.u8(dataLength(option));
    writeOptionData(option, writer);
  });
  writePadding(writer, -(writer.offset - start) & 7);
}

function writeOptionData(option: MobilityOption, writer: Writer): void {
  switch (option.type) {
    case 'binding-refresh-advice':
      writer.u16(option.refreshIntervalUnits);
      return;
    case 'alternate-care-of-address':
      writeIp(writer, option.address);
      return;
    case 'nonce-indices':
      writer.u16(option.homeNonceIndex);
      writer.u16(option.careOfNonceIndex);
      return;
    case 'binding-authorization-data':
      writer.bytes(option.authenticator);
      return;
    case 'mobile-network-prefix':
      writer.u8(0);
      writer.u8(option.prefixLength);
      writeIp(writer, option.prefix);
      return;
    case 'mobile-node-identifier':
      writer.u8(option.subtype);
      writer.bytes(option.identifier);
      return;
    case 'authentication':
      writer.u8(option.subtype);
      writer.u32(option.spi);
      writer.bytes(option.authenticator);
      return;
    case 'replay-protection':
      writer.u64(option.timestamp);
      return;
    case 'unknown':
      writer.bytes(option.data);
      return;
    default:
      writeAddressOptionData(option, writer);
  }
}

type AddressOption = MobilityOptionOf<
  | 'ipv4-home-address'
  | 'ipv4-address-acknowledgement'
  | 'nat-detection'
  | 'ipv4-care-of-address'
  | 'binding-identifier'
>;

function writeAddressOptionData(option: AddressOption, writer: Writer): void {
  switch (option.type) {
    case 'ipv4-home-address':
      writer.u16((option.prefixLength << 10) | (option.requestPrefix ? 0x0200 : 0));
      writeIp(writer, option.address);
      return;
    case 'ipv4-address-acknowledgement':
      writer.u8(option.status);
      writer.u8(option.prefixLength << 2);
      writeIp(writer, option.address);
      return;
    case 'nat-detection':
      writer.u16(option.forceUdp ? 0x8000 : 0);
      writer.u32(option.refreshTimeSeconds);
      return;
    case 'ipv4-care-of-address':
      writer.u16(0);
      writeIp(writer, option.address);
      return;
    case 'binding-identifier':
      writer.u16(option.bindingId);
      writer.u8(option.status);
      writer.u8(option.simultaneousHomeAndForeign ? 0x80 : 0);
      if (option.careOfAddress !== undefined) writeIp(writer, option.careOfAddress);
      return;
    default:
      unreachable(option);
  }
}

/** Text as far as it is ASCII that can be read: a peer chose it. */
function printable(octets: Uint8Array): string {
  return Array.from(octets, (octet) =>
    octet > 32 && octet < 127 ? String.fromCharCode(octet) : '?',
  ).join('');
}

/** One word or two for a log line; authenticators are left out. */
export function mobilityOptionSummary(option: MobilityOption): string {
  switch (option.type) {
    case 'unknown':
      return `option-${option.optionType}(${hex(option.data)})`;
    case 'alternate-care-of-address':
    case 'ipv4-home-address':
    case 'ipv4-care-of-address':
      return `${option.type}(${option.address})`;
    case 'ipv4-address-acknowledgement':
      return `${option.type}(${option.status} ${option.address}/${option.prefixLength})`;
    case 'mobile-network-prefix':
      return `${option.type}(${option.prefix}/${option.prefixLength})`;
    case 'authentication':
      return `${option.type}(spi ${option.spi})`;
    case 'mobile-node-identifier':
      return `${option.type}(${printable(option.identifier)})`;
    case 'nat-detection':
      return `${option.type}(${option.forceUdp ? 'udp' : 'no udp'} ${option.refreshTimeSeconds} s)`;
    case 'binding-refresh-advice':
      return `${option.type}(${option.refreshIntervalUnits * 4} s)`;
    default:
      return option.type;
  }
}
