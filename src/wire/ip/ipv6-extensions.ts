/**
 * IPv6 extension headers in front of the upper layer, with the two of Mobile IPv6.
 *
 * RFC 8200 §4       Hop-by-Hop Options, Destination Options, Routing, Fragment
 * RFC 6275 §6.3     Home Address option (201)
 * RFC 6275 §6.4     type 2 routing header
 * Left out: AH and ESP, which end the chain (they are the packet's protocol); other routing types,
 * kept as they are.
 * https://www.rfc-editor.org/rfc/rfc8200#section-4
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Next Header  |  Hdr Ext Len  |  options, or: Routing Type |   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
 *   |                                Segments Left | data           |
 *
 * Padding options are part of the value, so every header comes back octet for octet (contents of
 * PadN and reserved fields are zero on the way out). A Home Address option of a length other than
 * 16 and a type 2 routing header that breaks the rules of RFC 6275 §6.4 are kept in the general
 * form; `mobileIpv6Violations` names them, for a silent discard or Binding Error.
 */
import { assert } from '#base/assert.ts';
import { Reader, type Writer } from '#base/bytes.ts';
import { type Ipv6Address, readIpv6, writeIp } from '#base/ip.ts';

/** Next Header values of the extension headers. */
export const ExtensionProtocol = {
  hopByHop: 0,
  routing: 43,
  fragment: 44,
  destinationOptions: 60,
} as const;

export const OPTION_HOME_ADDRESS = 201;

/** `padding` counts all its octets: 1 is Pad1, more is PadN. */
export type ExtensionOption =
  | { readonly type: 'padding'; readonly length: number }
  | { readonly type: 'home-address'; readonly address: Ipv6Address }
  | { readonly type: 'unknown'; readonly optionType: number; readonly data: Uint8Array };

/**
 * `offset` of a fragment counts octets; `data` of a routing header is everything behind Segments
 * Left.
 */
export type Extension =
  | { readonly type: 'hop-by-hop'; readonly options: readonly ExtensionOption[] }
  | { readonly type: 'destination-options'; readonly options: readonly ExtensionOption[] }
  | { readonly type: 'type-2-routing'; readonly homeAddress: Ipv6Address }
  | {
      readonly type: 'routing';
      readonly routingType: number;
      readonly segmentsLeft: number;
      readonly data: Uint8Array;
    }
  | {
      readonly type: 'fragment';
      readonly offset: number;
      readonly more: boolean;
      readonly identification: number;
    };

/** A Destination Options header with just the Home Address option, aligned 8n+6. */
export function homeAddressExtension(address: Ipv6Address): Extension {
  return {
    type: 'destination-options',
    options: [
      { type: 'padding', length: 4 },
      { type: 'home-address', address },
    ],
  };
}

function parseOptions(reader: Reader): ExtensionOption[] {
  const options: ExtensionOption[] = [];
  while (reader.remaining > 0) {
    const optionType = reader.u8();
    if (optionType === 0) {
      options.push({ type: 'padding', length: 1 });
      continue;
    }
    const length = reader.u8();
    if (optionType === 1) {
      reader.skip(length);
      options.push({ type: 'padding', length: length + 2 });
    } else if (optionType === OPTION_HOME_ADDRESS && length === 16) {
      options.push({ type: 'home-address', address: readIpv6(reader) });
    } else {
      options.push({ type: 'unknown', optionType, data: reader.bytes(length).slice() });
    }
  }
  return options;
}

function parseRouting(reader: Reader): Extension {
  const routingType = reader.u8();
  const segmentsLeft = reader.u8();
  if (routingType === 2 && segmentsLeft === 1 && reader.remaining === 20) {
    reader.skip(4);
    return { type: 'type-2-routing', homeAddress: readIpv6(reader) };
  }
  return { type: 'routing', routingType, segmentsLeft, data: reader.rest().slice() };
}

function parseFragment(reader: Reader): Extension {
  reader.skip(1);
  const bits = reader.u16();
  return {
    type: 'fragment',
    offset: bits & 0xfff8,
    more: (bits & 1) !== 0,
    identification: reader.u32(),
  };
}

/** The extension headers, and the upper layer behind them. */
interface ExtensionChain {
  readonly extensions: Extension[];
  readonly protocol: number;
}

/**
 * Parses extension headers from `offset` on; also returns the protocol after the last one, and its
 * offset.
 */
export function parseExtensions(
  bytes: Uint8Array,
  offset: number,
  end: number,
  firstProtocol: number,
): ExtensionChain & { readonly offset: number } {
  const extensions: Extension[] = [];
  let protocol = firstProtocol;
  let at = offset;
  for (;;) {
    const kind = protocol;
    if (kind !== 60 && kind !== 43 && kind !== 44 && kind !== 0)
      return { extensions, protocol, offset: at };
    const head = new Reader(bytes, at, end);
    if (kind === 0 && at !== offset) head.fail('hop-by-hop options not first');
    protocol = head.u8();
    // The Fragment header has no length field: its second octet is reserved.
    const units = head.u8();
    const length = kind === 44 ? 8 : (units + 1) * 8;
    head.skip(length - 2);
    const body = new Reader(bytes, at + (kind === 44 ? 1 : 2), at + length);
    at += length;
    if (kind === 44) {
      const fragment = parseFragment(body);
      extensions.push(fragment);
      if (fragment.type === 'fragment' && fragment.offset > 0)
        return { extensions, protocol, offset: at };
    } else if (kind === 43) extensions.push(parseRouting(body));
    else
      extensions.push({
        type: kind === 0 ? 'hop-by-hop' : 'destination-options',
        options: parseOptions(body),
      });
  }
}

/** Octets of one option, its type and length included. */
export function sizeOfOption(option: ExtensionOption): number {
  if (option.type === 'padding') return option.length;
  return 2 + (option.type === 'home-address' ? 16 : option.data.length);
}

/** Octets of one header; options that do not fill 8-octet units are followed by padding. */
export function sizeOfExtension(extension: Extension): number {
  switch (extension.type) {
    case 'fragment':
      return 8;
    case 'type-2-routing':
      return 24;
    case 'routing':
      return 4 + extension.data.length;
    default:
      return (extension.options.reduce((size, option) => size + sizeOfOption(option), 2) + 7) & ~7;
  }
}

/** The Next Header value that announces this header. */
export function protocolOfExtension(extension: Extension): number {
  switch (extension.type) {
    case 'hop-by-hop':
      return ExtensionProtocol.hopByHop;
    case 'destination-options':
      return ExtensionProtocol.destinationOptions;
    case 'fragment':
      return ExtensionProtocol.fragment;
    default:
      return ExtensionProtocol.routing;
  }
}

function writePadding(writer: Writer, length: number): void {
  if (length === 1) writer.u8(0);
  if (length < 2) return;
  writer.u8(1);
  writer.u8(length - 2);
  writer.zero(length - 2);
}

function writeOption(option: ExtensionOption, writer: Writer): void {
  switch (option.type) {
    case 'padding':
      writePadding(writer, option.length);
      return;
    case 'home-address':
      writer.u8(OPTION_HOME_ADDRESS);
      writer.u8(16);
      writeIp(writer, option.address);
      return;
    default:
      writer.u8(option.optionType);
      writer.u8(option.data.length);
      writer.bytes(option.data);
  }
}

export function writeExtension(extension: Extension, nextProtocol: number, writer: Writer): void {
  const start = writer.offset;
  const size = sizeOfExtension(extension);
  assert(size % 8 === 0 && size <= 2048, 'extension header of 8 to 2048 octets, a multiple of 8');
  writer.u8(nextProtocol);
  writer.u8(extension.type === 'fragment' ? 0 : size / 8 - 1);
  switch (extension.type) {
    case 'fragment':
      writer.u16((extension.offset & 0xfff8) | (extension.more ? 1 : 0));
      writer.u32(extension.identification);
      return;
    case 'type-2-routing':
      writer.u8(2);
      writer.u8(1);
      writer.u32(0);
      writeIp(writer, extension.homeAddress);
      return;
    case 'routing':
      writer.u8(extension.routingType);
      writer.u8(extension.segmentsLeft);
      writer.bytes(extension.data);
      return;
    default:
      for (const option of extension.options) writeOption(option, writer);
      writePadding(writer, start + size - writer.offset);
  }
}
