/**
 * UDP datagram.
 *
 * RFC 768; RFC 8200 §8.1 (over IPv6 a zero checksum is not allowed, save for tunnels by RFC 6935)
 * https://www.rfc-editor.org/rfc/rfc768
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |          Source Port          |       Destination Port        |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |            Length             |           Checksum            |
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
import { assert } from '#base/assert.ts';
import { type Codec, decode, encode } from '#base/bytes.ts';
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { upperLayerChecksum } from './checksum.ts';

export const PROTOCOL_UDP = 17;
const UDP_HEADER_SIZE = 8;
/** Port of DSMIPv6 tunnelling and signalling, RFC 5555 §4.1. */
export const PORT_DSMIPV6 = 4191;

/** `payload` is a view of the input; `checksum` 0 means that the sender computed none. */
export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly checksum: number;
  readonly payload: Uint8Array;
}

export const udpCodec: Codec<UdpDatagram> = {
  name: 'UDP',
  parse: (bytes) =>
    decode(bytes, (reader) => {
      const sourcePort = reader.u16();
      const destinationPort = reader.u16();
      const length = reader.u16();
      const checksum = reader.u16();
      if (length < UDP_HEADER_SIZE) reader.fail('UDP length');
      return {
        sourcePort,
        destinationPort,
        checksum,
        payload: reader.bytes(length - UDP_HEADER_SIZE),
      };
    }),
  size: (datagram) => UDP_HEADER_SIZE + datagram.payload.length,
  write: (datagram, writer) => {
    const length = UDP_HEADER_SIZE + datagram.payload.length;
    assert(length <= 0xffff, 'UDP length');
    writer.u16(datagram.sourcePort);
    writer.u16(datagram.destinationPort);
    writer.u16(length);
    writer.u16(datagram.checksum);
    writer.bytes(datagram.payload);
  },
};

/** Encodes a datagram with its checksum; a computed 0 is sent as all ones. */
export function encodeUdp<A extends Ipv4Address | Ipv6Address>(
  source: A,
  destination: A,
  datagram: Omit<UdpDatagram, 'checksum'>,
): Uint8Array {
  const bytes = encode(udpCodec, { ...datagram, checksum: 0 });
  const checksum = upperLayerChecksum(source, destination, PROTOCOL_UDP, bytes) || 0xffff;
  bytes[6] = checksum >> 8;
  bytes[7] = checksum & 0xff;
  return bytes;
}

/** Verifies the checksum of exactly these octets; it may be absent over IPv4 only. */
export function udpChecksumValid<A extends Ipv4Address | Ipv6Address>(
  source: A,
  destination: A,
  bytes: Uint8Array,
): boolean {
  if (bytes[6] === 0 && bytes[7] === 0) return !source.includes(':');
  return upperLayerChecksum(source, destination, PROTOCOL_UDP, bytes) === 0;
}
