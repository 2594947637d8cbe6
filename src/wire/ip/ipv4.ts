/**
 * IPv4 packet.
 *
 * RFC 791 §3.1; RFC 2474 (DSCP), RFC 3168 (ECN) as one octet `trafficClass`
 * Left out: the meaning of options, kept as octets.
 * https://www.rfc-editor.org/rfc/rfc791#section-3.1
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |Version|  IHL  | Traffic Class |          Total Length         |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |         Identification        |Flags|      Fragment Offset    |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |  Time to Live |    Protocol   |         Header Checksum       |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                 Source, Destination Address                   |
 *   |                    Options                    |    Padding    |
 *
 * A wrong header checksum is Malformed; `write` computes it. Octets behind Total Length are not
 * part of the packet.
 */
import { assert } from '#base/assert.ts';
import { type Codec, decode, type Reader } from '#base/bytes.ts';
import { type Ipv4Address, readIpv4, writeIp } from '#base/ip.ts';
import { foldSum, internetChecksum, sumOf } from './checksum.ts';

const IPV4_HEADER_SIZE = 20;

/**
 * `fragmentOffset` counts octets; `options` is a multiple of 4 octets; `payload` is a view of the
 * input.
 */
export interface Ipv4Packet {
  readonly trafficClass: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  readonly fragmentOffset: number;
  readonly timeToLive: number;
  readonly protocol: number;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly options: Uint8Array;
  readonly payload: Uint8Array;
}

function parsePacket(reader: Reader, bytes: Uint8Array): Ipv4Packet {
  const versionAndLength = reader.u8();
  if (versionAndLength >> 4 !== 4) reader.fail('IP version');
  const headerLength = (versionAndLength & 15) * 4;
  const trafficClass = reader.u8();
  const totalLength = reader.u16();
  if (headerLength < IPV4_HEADER_SIZE || totalLength < headerLength) reader.fail('IPv4 length');
  if (totalLength > bytes.length) reader.fail('truncated');
  if (foldSum(sumOf(bytes, 0, 0, headerLength)) !== 0) reader.fail('IPv4 header checksum');
  const identification = reader.u16();
  const bits = reader.u16();
  const timeToLive = reader.u8();
  const protocol = reader.u8();
  reader.skip(2);
  return {
    trafficClass,
    identification,
    dontFragment: (bits & 0x4000) !== 0,
    moreFragments: (bits & 0x2000) !== 0,
    fragmentOffset: (bits & 0x1fff) * 8,
    timeToLive,
    protocol,
    source: readIpv4(reader),
    destination: readIpv4(reader),
    options: reader.bytes(headerLength - IPV4_HEADER_SIZE).slice(),
    payload: reader.bytes(totalLength - headerLength),
  };
}

export const ipv4Codec: Codec<Ipv4Packet> = {
  name: 'IPv4',
  parse: (bytes) => decode(bytes, (reader) => parsePacket(reader, bytes)),
  size: (packet) => IPV4_HEADER_SIZE + packet.options.length + packet.payload.length,
  write: (packet, writer) => {
    const headerLength = IPV4_HEADER_SIZE + packet.options.length;
    const totalLength = headerLength + packet.payload.length;
    assert(
      packet.options.length % 4 === 0 && headerLength <= 60 && totalLength <= 0xffff,
      'IPv4 lengths',
    );
    const start = writer.offset;
    writer.u8(0x40 | (headerLength / 4));
    writer.u8(packet.trafficClass);
    writer.u16(totalLength);
    writer.u16(packet.identification);
    writer.u16(
      (packet.dontFragment ? 0x4000 : 0) |
        (packet.moreFragments ? 0x2000 : 0) |
        (packet.fragmentOffset / 8),
    );
    writer.u8(packet.timeToLive);
    writer.u8(packet.protocol);
    writer.u16(0);
    writeIp(writer, packet.source);
    writeIp(writer, packet.destination);
    writer.bytes(packet.options);
    writer.patchU16(start + 10, internetChecksum(writer.written(start)));
    writer.bytes(packet.payload);
  },
};
