/**
 * A datagram as a whole IPv6 packet, for a node on its home link: there the kernel's routes may not
 * lead to the other end yet, or no longer.
 *
 * RFC 768;  RFC 6275 §10.3.2, §11.5.5  de-registration from the home link
 */
import { encode } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';

const HOP_LIMIT = 64;

interface DatagramEnds {
  readonly source: Ipv6Address;
  readonly sourcePort: number;
  readonly destination: Ipv6Address;
  readonly destinationPort: number;
}

export function udpPacket(ends: DatagramEnds, payload: Uint8Array): Uint8Array {
  const { source, sourcePort, destination, destinationPort } = ends;
  const datagram = { sourcePort, destinationPort, payload };
  return encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: HOP_LIMIT,
    source,
    destination,
    extensions: [],
    protocol: PROTOCOL_UDP,
    payload: encodeUdp(source, destination, datagram),
  });
}
