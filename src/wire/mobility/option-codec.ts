/**
 * Mobility options on the wire: the TLVs behind the fixed part of every mobility message.
 *
 * RFC 6275 §6.2.1   format, padding, alignment
 * https://www.rfc-editor.org/rfc/rfc6275#section-6.2.1
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Option Type  | Option Length |  Option Data ...
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * Padding is not part of the value: `parse` drops it, and `write` adds what each option's alignment
 * requires. Therefore value → octets → value is always exact, but octets → value → octets only if
 * the sender pads in the same way; a MAC is computed over the message as received. Options that the
 * table does not have stay in place as `unknown`, and so do two of wrong length, because the answer
 * is a status: a Binding Identifier (164, RFC 5648) and a Mobile Network Prefix (141, RFC 3963
 * §6.2). Octet strings are copies.
 */
import { unreachable } from '#base/assert.ts';
import type { Reader, Writer } from '#base/bytes.ts';
import { ipFromBytes, isIpv6, readIpv4, readIpv6, writeIp } from '#base/ip.ts';
import { experimentLength, parseExperiment, writeExperiment } from './experiments.ts';
import {
  aligned,
  MOBILITY_OPTIONS,
  type MobilityOption,
  type MobilityOptionOf,
} from './options.ts';

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
  if (optionType === MOBILITY_OPTIONS['mobile-network-prefix'].optionType && wrongLength) {
    // The length may exceed the message: then the rest of the message is the option.
    const data = reader.bytes(Math.min(length, reader.remaining)).slice();
    return { type: 'unknown', optionType, data };
  }
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
    case 18:
      return parseExperiment(reader.bytes(length).slice());
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
    case 'callback':
    case 'dns-configuration':
      return experimentLength(option);
    case 'unknown':
      return option.data.length;
    default:
      return MOBILITY_OPTIONS[option.type].lengths.atLeast;
  }
}

/** Octets of padding before an option that would start at `offset`. */
function paddingBefore(option: MobilityOption, offset: number, last: boolean): number {
  // These two end the message: padding precedes them, so that none has to follow (RFC 6275
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
    case 'callback':
    case 'dns-configuration':
      writeExperiment(option, writer);
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
