/**
 * The IPv6 packet around a Mobility Header.
 *
 * RFC 6275 §6.4  type 2 routing header
 */
import { encode } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';

const HOP_LIMIT = 64;

/** With a type 2 routing header when `homeAddress` is given. */
export function mobilityPacket(
  source: Ipv6Address,
  destination: Ipv6Address,
  homeAddress: Ipv6Address | undefined,
  payload: Uint8Array,
): Uint8Array {
  return encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: HOP_LIMIT,
    source,
    destination,
    extensions: homeAddress === undefined ? [] : [{ type: 'type-2-routing', homeAddress }],
    protocol: PROTOCOL_MOBILITY,
    payload,
  });
}
