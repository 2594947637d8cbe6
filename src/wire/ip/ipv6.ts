/**
 * IPv6 packet: fixed header, extension chain, payload.
 *
 * RFC 8200 §3       fixed header
 * RFC 6275 §6.3-4   Home Address option and type 2 routing header replace the packet's addresses
 * Left out: jumbograms (RFC 2675).
 * https://www.rfc-editor.org/rfc/rfc8200#section-3
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |Version| Traffic Class |           Flow Label                  |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |         Payload Length        |  Next Header  |   Hop Limit   |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   +                  Source Address (16 octets)                   +
 *   +               Destination Address (16 octets)                 +
 *
 * Octets behind Payload Length (link padding) are not part of the packet. `payload` is a view of
 * the input.
 */
import { assert } from '#base/assert.ts';
import { type Codec, decode, type Reader } from '#base/bytes.ts';
import { type Ipv6Address, isGlobalUnicast, readIpv6, writeIp } from '#base/ip.ts';
import {
  type Extension,
  OPTION_HOME_ADDRESS,
  parseExtensions,
  protocolOfExtension,
  sizeOfExtension,
  writeExtension,
} from './ipv6-extensions.ts';

export const IPV6_HEADER_SIZE = 40;

/** `protocol` is the Next Header value of `payload`, behind all extensions. */
export interface Ipv6Packet {
  readonly trafficClass: number;
  readonly flowLabel: number;
  readonly hopLimit: number;
  readonly source: Ipv6Address;
  readonly destination: Ipv6Address;
  readonly extensions: readonly Extension[];
  readonly protocol: number;
  readonly payload: Uint8Array;
}

function parsePacket(reader: Reader, bytes: Uint8Array): Ipv6Packet {
  const word = reader.u32();
  if (word >>> 28 !== 6) reader.fail('IP version');
  const payloadLength = reader.u16();
  const nextHeader = reader.u8();
  const hopLimit = reader.u8();
  const source = readIpv6(reader);
  const destination = readIpv6(reader);
  if (reader.remaining < payloadLength) reader.fail('truncated');
  const end = IPV6_HEADER_SIZE + payloadLength;
  const chain = parseExtensions(bytes, IPV6_HEADER_SIZE, end, nextHeader);
  return {
    trafficClass: (word >>> 20) & 0xff,
    flowLabel: word & 0xfffff,
    hopLimit,
    source,
    destination,
    extensions: chain.extensions,
    protocol: chain.protocol,
    payload: bytes.subarray(chain.offset, end),
  };
}

function payloadLengthOf(packet: Ipv6Packet): number {
  return packet.extensions.reduce(
    (size, extension) => size + sizeOfExtension(extension),
    packet.payload.length,
  );
}

export const ipv6Codec: Codec<Ipv6Packet> = {
  name: 'IPv6',
  parse: (bytes) => decode(bytes, (reader) => parsePacket(reader, bytes)),
  size: (packet) => IPV6_HEADER_SIZE + payloadLengthOf(packet),
  write: (packet, writer) => {
    const payloadLength = payloadLengthOf(packet);
    assert(payloadLength <= 0xffff, 'IPv6 payload length');
    const [first] = packet.extensions;
    writer.u32(((6 << 28) | (packet.trafficClass << 20) | packet.flowLabel) >>> 0);
    writer.u16(payloadLength);
    writer.u8(first === undefined ? packet.protocol : protocolOfExtension(first));
    writer.u8(packet.hopLimit);
    writeIp(writer, packet.source);
    writeIp(writer, packet.destination);
    packet.extensions.forEach((extension, index) => {
      const next = packet.extensions[index + 1];
      writeExtension(
        extension,
        next === undefined ? packet.protocol : protocolOfExtension(next),
        writer,
      );
    });
    writer.bytes(packet.payload);
  },
};

/** The address of the (first) Home Address option, RFC 6275 §6.3. */
export function homeAddressOption(packet: Ipv6Packet): Ipv6Address | undefined {
  for (const extension of packet.extensions) {
    if (extension.type !== 'destination-options') continue;
    for (const option of extension.options)
      if (option.type === 'home-address') return option.address;
  }
  return undefined;
}

/** The type 2 routing header's home address (RFC 6275 §6.4). */
export function type2RoutingHeader(packet: Ipv6Packet): Ipv6Address | undefined {
  for (const extension of packet.extensions)
    if (extension.type === 'type-2-routing') return extension.homeAddress;
  return undefined;
}

/** The source for upper layers and their checksums: the home address, if the packet has one. */
export function upperLayerSource(packet: Ipv6Packet): Ipv6Address {
  return homeAddressOption(packet) ?? packet.source;
}

/** The destination for upper layers and their checksums. */
export function upperLayerDestination(packet: Ipv6Packet): Ipv6Address {
  return type2RoutingHeader(packet) ?? packet.destination;
}

/** Broken rules of RFC 6275 §6.3, §6.4; a packet with any is discarded (§9.3.1, §11.3.3). */
type MobileIpv6Violation =
  | 'home-address-option-length'
  | 'home-address-option-repeated'
  | 'home-address-option-after-fragment'
  | 'home-address-option-before-routing-header'
  | 'home-address-not-unicast-routable'
  | 'type-2-routing-header-invalid'
  | 'type-2-routing-header-repeated'
  | 'type-2-home-address-not-unicast-routable';

/** Every broken rule, in the order of the headers. */
export function mobileIpv6Violations(packet: Ipv6Packet): readonly MobileIpv6Violation[] {
  const violations: MobileIpv6Violation[] = [];
  let homeAddresses = 0;
  let type2Headers = 0;
  let afterFragment = false;
  for (const extension of packet.extensions) {
    if (extension.type === 'fragment') afterFragment = true;
    else if (extension.type === 'destination-options') {
      for (const option of extension.options) {
        if (option.type === 'padding') continue;
        if (option.type === 'unknown') {
          if (option.optionType === OPTION_HOME_ADDRESS)
            violations.push('home-address-option-length');
          continue;
        }
        homeAddresses++;
        if (homeAddresses > 1) violations.push('home-address-option-repeated');
        if (afterFragment) violations.push('home-address-option-after-fragment');
        if (!isGlobalUnicast(option.address)) violations.push('home-address-not-unicast-routable');
      }
    } else if (extension.type !== 'hop-by-hop') {
      if (homeAddresses > 0) violations.push('home-address-option-before-routing-header');
      if (extension.type === 'type-2-routing') {
        type2Headers++;
        if (type2Headers > 1) violations.push('type-2-routing-header-repeated');
        if (!isGlobalUnicast(extension.homeAddress))
          violations.push('type-2-home-address-not-unicast-routable');
      } else if (extension.routingType === 2) violations.push('type-2-routing-header-invalid');
    }
  }
  return violations;
}

/** One line for the log. */
export function ipv6Summary(packet: Ipv6Packet): string {
  const chain = packet.extensions.map((extension) => ` ${extension.type}`).join('');
  const { source, destination, protocol, payload } = packet;
  return `IPv6 ${source} > ${destination}${chain} protocol ${protocol}, ${payload.length} octets`;
}
