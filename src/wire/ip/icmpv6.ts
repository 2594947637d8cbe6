/**
 * ICMPv6: errors, echo, Neighbor Discovery, and Mobile IPv6's own messages.
 *
 * RFC 4443 §3, §4   destination unreachable, packet too big, time exceeded, parameter problem, echo
 * RFC 4861 §4       router solicitation/advertisement, neighbor solicitation/advertisement,
 *                   redirect
 * RFC 6275 §6.5-8   home agent address discovery, mobile prefix solicitation/advertisement;  §7.1 H
 *                   bit
 * Left out: MLD and everything else (kept as `unknown`). Hop limit 255 of Neighbor Discovery is the
 * caller's to check.
 * https://www.rfc-editor.org/rfc/rfc4443#section-2.1
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |     Type      |     Code      |          Checksum             |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                         Message Body                          |
 *
 * A message is the whole payload of its packet. The checksum is a plain value: `encodeIcmpv6` fills
 * it, `icmpv6ChecksumValid` verifies it.
 */
import { type Codec, decode, encode, type Reader, type Writer } from '#base/bytes.ts';
import { type Ipv6Address, readIpv6, writeIp } from '#base/ip.ts';
import { upperLayerChecksum } from './checksum.ts';
import { ICMPV6_MESSAGES, type Icmpv6Body, type Icmpv6Message } from './icmpv6-messages.ts';
import {
  parseNeighbourOptions,
  sizeOfNeighbourOptions,
  writeNeighbourOptions,
} from './neighbour-options.ts';

export const PROTOCOL_ICMPV6 = 58;

function parseBody(reader: Reader, messageType: number): Icmpv6Body {
  switch (messageType) {
    case 1:
      reader.skip(4);
      return { type: 'destination-unreachable', packet: reader.rest().slice() };
    case 2:
      return { type: 'packet-too-big', mtu: reader.u32(), packet: reader.rest().slice() };
    case 3:
      reader.skip(4);
      return { type: 'time-exceeded', packet: reader.rest().slice() };
    case 4:
      return { type: 'parameter-problem', pointer: reader.u32(), packet: reader.rest().slice() };
    case 128:
    case 129: {
      const type = messageType === 128 ? 'echo-request' : 'echo-reply';
      return {
        type,
        identifier: reader.u16(),
        sequence: reader.u16(),
        data: reader.rest().slice(),
      };
    }
    default:
      return messageType >= 133 && messageType <= 137
        ? parseDiscovery(reader, messageType)
        : parseMobile(reader, messageType);
  }
}

function parseDiscovery(reader: Reader, messageType: number): Icmpv6Body {
  if (messageType === 134) return parseRouterAdvertisement(reader);
  const bits = reader.u32();
  switch (messageType) {
    case 133:
      return { type: 'router-solicitation', options: parseNeighbourOptions(reader) };
    case 135:
      return {
        type: 'neighbour-solicitation',
        target: readIpv6(reader),
        options: parseNeighbourOptions(reader),
      };
    case 136:
      return {
        type: 'neighbour-advertisement',
        router: bits >>> 31 === 1,
        solicited: (bits & 0x40000000) !== 0,
        override: (bits & 0x20000000) !== 0,
        target: readIpv6(reader),
        options: parseNeighbourOptions(reader),
      };
    default: {
      const target = readIpv6(reader);
      return {
        type: 'redirect',
        target,
        destination: readIpv6(reader),
        options: parseNeighbourOptions(reader),
      };
    }
  }
}

function parseRouterAdvertisement(reader: Reader): Icmpv6Body {
  const currentHopLimit = reader.u8();
  const bits = reader.u8();
  const preferenceBits = (bits >> 3) & 3;
  return {
    type: 'router-advertisement',
    currentHopLimit,
    managed: (bits & 0x80) !== 0,
    otherConfiguration: (bits & 0x40) !== 0,
    homeAgent: (bits & 0x20) !== 0,
    // RFC 4191 §2.2: the reserved value 10 is read as medium.
    preference: preferenceBits === 1 ? 1 : preferenceBits === 3 ? -1 : 0,
    routerLifetimeSeconds: reader.u16(),
    reachableTimeMs: reader.u32(),
    retransmissionTimerMs: reader.u32(),
    options: parseNeighbourOptions(reader),
  };
}

function parseMobile(reader: Reader, messageType: number): Icmpv6Body {
  if (messageType < 144 || messageType > 147)
    return { type: 'unknown', messageType, data: reader.rest().slice() };
  const identifier = reader.u16();
  const bits = reader.u16();
  switch (messageType) {
    case 144:
      return { type: 'home-agent-address-discovery-request', identifier };
    case 145: {
      const homeAgents: Ipv6Address[] = [];
      while (reader.remaining > 0) homeAgents.push(readIpv6(reader));
      return { type: 'home-agent-address-discovery-reply', identifier, homeAgents };
    }
    case 146:
      return {
        type: 'mobile-prefix-solicitation',
        identifier,
        options: parseNeighbourOptions(reader),
      };
    default:
      return {
        type: 'mobile-prefix-advertisement',
        identifier,
        managed: (bits & 0x8000) !== 0,
        otherConfiguration: (bits & 0x4000) !== 0,
        options: parseNeighbourOptions(reader),
      };
  }
}

function sizeOfBody(body: Icmpv6Body): number {
  if (body.type === 'unknown') return 4 + body.data.length;
  const { fixedSize } = ICMPV6_MESSAGES[body.type];
  if ('options' in body) return fixedSize + sizeOfNeighbourOptions(body.options);
  if ('packet' in body) return fixedSize + body.packet.length;
  if ('data' in body) return fixedSize + body.data.length;
  return fixedSize + ('homeAgents' in body ? body.homeAgents.length * 16 : 0);
}

function writeBody(body: Icmpv6Body, writer: Writer): void {
  switch (body.type) {
    case 'destination-unreachable':
    case 'time-exceeded':
      writer.u32(0);
      writer.bytes(body.packet);
      return;
    case 'packet-too-big':
      writer.u32(body.mtu);
      writer.bytes(body.packet);
      return;
    case 'parameter-problem':
      writer.u32(body.pointer);
      writer.bytes(body.packet);
      return;
    case 'echo-request':
    case 'echo-reply':
      writer.u16(body.identifier);
      writer.u16(body.sequence);
      writer.bytes(body.data);
      return;
    case 'unknown':
      writer.bytes(body.data);
      return;
    case 'home-agent-address-discovery-request':
    case 'home-agent-address-discovery-reply':
      writer.u16(body.identifier);
      writer.u16(0);
      if (body.type === 'home-agent-address-discovery-reply')
        for (const agent of body.homeAgents) writeIp(writer, agent);
      return;
    default:
      writeFixedOfDiscovery(body, writer);
      writeNeighbourOptions(body.options, writer);
  }
}

function writeFixedOfDiscovery(
  body: Extract<Icmpv6Body, { readonly options: unknown }>,
  writer: Writer,
): void {
  switch (body.type) {
    case 'router-solicitation':
      writer.u32(0);
      return;
    case 'router-advertisement':
      writer.u8(body.currentHopLimit);
      writer.u8(
        (body.managed ? 0x80 : 0) |
          (body.otherConfiguration ? 0x40 : 0) |
          (body.homeAgent ? 0x20 : 0) |
          ((body.preference & 3) << 3),
      );
      writer.u16(body.routerLifetimeSeconds);
      writer.u32(body.reachableTimeMs);
      writer.u32(body.retransmissionTimerMs);
      return;
    case 'neighbour-solicitation':
      writer.u32(0);
      writeIp(writer, body.target);
      return;
    case 'neighbour-advertisement':
      writer.u8(
        (body.router ? 0x80 : 0) | (body.solicited ? 0x40 : 0) | (body.override ? 0x20 : 0),
      );
      writer.zero(3);
      writeIp(writer, body.target);
      return;
    case 'redirect':
      writer.u32(0);
      writeIp(writer, body.target);
      writeIp(writer, body.destination);
      return;
    case 'mobile-prefix-solicitation':
      writer.u16(body.identifier);
      writer.u16(0);
      return;
    default:
      writer.u16(body.identifier);
      writer.u16((body.managed ? 0x8000 : 0) | (body.otherConfiguration ? 0x4000 : 0));
  }
}

export const icmpv6Codec: Codec<Icmpv6Message> = {
  name: 'ICMPv6',
  parse: (bytes) =>
    decode(bytes, (reader) => {
      const messageType = reader.u8();
      const code = reader.u8();
      const checksum = reader.u16();
      return { code, checksum, body: parseBody(reader, messageType) };
    }),
  size: (message) => sizeOfBody(message.body),
  write: (message, writer) => {
    const { body } = message;
    writer.u8(body.type === 'unknown' ? body.messageType : ICMPV6_MESSAGES[body.type].messageType);
    writer.u8(message.code);
    writer.u16(message.checksum);
    writeBody(body, writer);
  },
};

/** A whole message with its checksum; addresses are those that upper layers see. */
export function encodeIcmpv6(
  body: Icmpv6Body,
  code: number,
  source: Ipv6Address,
  destination: Ipv6Address,
): Uint8Array {
  const bytes = encode(icmpv6Codec, { code, checksum: 0, body });
  const checksum = upperLayerChecksum(source, destination, PROTOCOL_ICMPV6, bytes);
  bytes[2] = checksum >> 8;
  bytes[3] = checksum & 0xff;
  return bytes;
}

export function icmpv6ChecksumValid(
  source: Ipv6Address,
  destination: Ipv6Address,
  bytes: Uint8Array,
): boolean {
  return upperLayerChecksum(source, destination, PROTOCOL_ICMPV6, bytes) === 0;
}

/** One line for the log. */
export function icmpv6Summary(message: Icmpv6Message): string {
  const { body } = message;
  if (body.type === 'unknown') return `ICMPv6 type ${body.messageType} code ${message.code}`;
  const target = 'target' in body ? ` target ${body.target}` : '';
  return `ICMPv6 ${body.type} code ${message.code}${target}`;
}
