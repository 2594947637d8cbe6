/**
 * Neighbor Discovery options.
 *
 * RFC 4861 §4.6     source/target link-layer address, prefix information, redirected header, MTU
 * RFC 6275 §7.2-4   R bit of prefix information, advertisement interval, home agent information
 * Left out: other options (kept as `unknown`; RFC 4861 §4.6 says to ignore them).
 * https://www.rfc-editor.org/rfc/rfc4861#section-4.6
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Type      |    Length     |              ...              |   Length in units of 8
 *         octets, never 0
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { assert } from '#base/assert.ts';
import type { Reader, Writer } from '#base/bytes.ts';
import { type Ipv6Address, readIpv6, writeIp } from '#base/ip.ts';

/** Octet strings are copies. `data` of an unknown option is everything behind its length field. */
export type NeighbourOption =
  | { readonly type: 'source-link-layer-address'; readonly address: Uint8Array }
  | { readonly type: 'target-link-layer-address'; readonly address: Uint8Array }
  | {
      readonly type: 'prefix-information';
      readonly prefixLength: number;
      readonly onLink: boolean;
      readonly autonomous: boolean;
      /** `prefix` is the router's whole address, RFC 6275 §7.2. */
      readonly routerAddress: boolean;
      readonly validLifetimeSeconds: number;
      readonly preferredLifetimeSeconds: number;
      readonly prefix: Ipv6Address;
    }
  | { readonly type: 'redirected-header'; readonly packet: Uint8Array }
  | { readonly type: 'mtu'; readonly mtu: number }
  | { readonly type: 'advertisement-interval'; readonly intervalMs: number }
  | {
      readonly type: 'home-agent-information';
      readonly preference: number;
      readonly lifetimeSeconds: number;
    }
  | { readonly type: 'unknown'; readonly optionType: number; readonly data: Uint8Array };

/** Number of each option, and its length in units of 8 octets if that is fixed. */
const FACTS = {
  'source-link-layer-address': { optionType: 1 },
  'target-link-layer-address': { optionType: 2 },
  'prefix-information': { optionType: 3, units: 4 },
  'redirected-header': { optionType: 4 },
  mtu: { optionType: 5, units: 1 },
  'advertisement-interval': { optionType: 7, units: 1 },
  'home-agent-information': { optionType: 8, units: 1 },
} as const;
const UNITS_OF_TYPE: ReadonlyMap<number, number> = new Map(
  Object.values(FACTS).flatMap((facts) =>
    'units' in facts ? [[facts.optionType, facts.units] as const] : [],
  ),
);

export function parseNeighbourOptions(reader: Reader): NeighbourOption[] {
  const options: NeighbourOption[] = [];
  while (reader.remaining > 0) {
    const optionType = reader.u8();
    const units = reader.u8();
    if (units === 0) reader.fail('neighbour discovery option of length 0');
    const expected = UNITS_OF_TYPE.get(optionType);
    if (expected !== undefined && expected !== units)
      reader.fail('neighbour discovery option length');
    options.push(parseOption(reader, optionType, units * 8 - 2));
  }
  return options;
}

function parseOption(reader: Reader, optionType: number, length: number): NeighbourOption {
  switch (optionType) {
    case 1:
      return { type: 'source-link-layer-address', address: reader.bytes(length).slice() };
    case 2:
      return { type: 'target-link-layer-address', address: reader.bytes(length).slice() };
    case 3:
      return parsePrefixInformation(reader);
    case 4:
      reader.skip(6);
      return { type: 'redirected-header', packet: reader.bytes(length - 6).slice() };
    case 5:
      reader.skip(2);
      return { type: 'mtu', mtu: reader.u32() };
    case 7:
      reader.skip(2);
      return { type: 'advertisement-interval', intervalMs: reader.u32() };
    case 8:
      reader.skip(2);
      return {
        type: 'home-agent-information',
        preference: reader.u16(),
        lifetimeSeconds: reader.u16(),
      };
    default:
      return { type: 'unknown', optionType, data: reader.bytes(length).slice() };
  }
}

function parsePrefixInformation(reader: Reader): NeighbourOption {
  const prefixLength = reader.u8();
  const bits = reader.u8();
  const validLifetimeSeconds = reader.u32();
  const preferredLifetimeSeconds = reader.u32();
  reader.skip(4);
  return {
    type: 'prefix-information',
    prefixLength,
    onLink: (bits & 0x80) !== 0,
    autonomous: (bits & 0x40) !== 0,
    routerAddress: (bits & 0x20) !== 0,
    validLifetimeSeconds,
    preferredLifetimeSeconds,
    prefix: readIpv6(reader),
  };
}

function sizeOfOption(option: NeighbourOption): number {
  switch (option.type) {
    case 'source-link-layer-address':
    case 'target-link-layer-address':
      return (2 + option.address.length + 7) & ~7;
    case 'redirected-header':
      return (8 + option.packet.length + 7) & ~7;
    case 'unknown':
      return 2 + option.data.length;
    default:
      return FACTS[option.type].units * 8;
  }
}

export function sizeOfNeighbourOptions(options: readonly NeighbourOption[]): number {
  return options.reduce((size, option) => size + sizeOfOption(option), 0);
}

export function writeNeighbourOptions(options: readonly NeighbourOption[], writer: Writer): void {
  for (const option of options) {
    const start = writer.offset;
    const size = sizeOfOption(option);
    assert(
      size % 8 === 0 && size > 0 && size < 2048,
      'neighbour discovery option of whole 8-octet units',
    );
    writer.u8(option.type === 'unknown' ? option.optionType : FACTS[option.type].optionType);
    writer.u8(size / 8);
    writeOptionBody(option, writer);
    writer.zero(start + size - writer.offset);
  }
}

function writeOptionBody(option: NeighbourOption, writer: Writer): void {
  switch (option.type) {
    case 'source-link-layer-address':
    case 'target-link-layer-address':
      writer.bytes(option.address);
      return;
    case 'prefix-information':
      writer.u8(option.prefixLength);
      writer.u8(
        (option.onLink ? 0x80 : 0) |
          (option.autonomous ? 0x40 : 0) |
          (option.routerAddress ? 0x20 : 0),
      );
      writer.u32(option.validLifetimeSeconds);
      writer.u32(option.preferredLifetimeSeconds);
      writer.u32(0);
      writeIp(writer, option.prefix);
      return;
    case 'redirected-header':
      writer.zero(6);
      writer.bytes(option.packet);
      return;
    case 'mtu':
      writer.u16(0);
      writer.u32(option.mtu);
      return;
    case 'advertisement-interval':
      writer.u16(0);
      writer.u32(option.intervalMs);
      return;
    case 'home-agent-information':
      writer.u16(0);
      writer.u16(option.preference);
      writer.u16(option.lifetimeSeconds);
      return;
    default:
      writer.bytes(option.data);
  }
}
