/**
 * Frames with Neighbour Discovery messages.
 *
 * RFC 4861 §6.1, §7.1  hop limit, checksum and code of valid messages
 * RFC 2464 §7          link-layer addresses of IPv6 groups
 */
import { encode, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, multicastLinkAddress } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  encodeIcmpv6,
  icmpv6ChecksumValid,
  icmpv6Codec,
  PROTOCOL_ICMPV6,
} from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';

/** A Neighbour Discovery packet that passed a router has a lower one. */
const HOP_LIMIT = 255;

interface DiscoveryMessage {
  readonly source: Ipv6Address;
  readonly destination: Ipv6Address;
  readonly body: Icmpv6Body;
}

/** `linkAddress`: without one, that of the group `destination`. */
export function discoveryFrame(
  device: string,
  { source, destination, body }: DiscoveryMessage,
  linkAddress = multicastLinkAddress(destination),
): Output {
  const payload = encodeIcmpv6(body, 0, source, destination);
  const header = { trafficClass: 0, flowLabel: 0, hopLimit: HOP_LIMIT, extensions: [] };
  const addresses = { source, destination, protocol: PROTOCOL_ICMPV6, payload };
  const packet = encode(ipv6Codec, { ...header, ...addresses });
  return { kind: 'send', path: { kind: 'link', device, protocol: 'ipv6', linkAddress }, packet };
}

/** An ICMPv6 message that no router forwarded, with a valid checksum and code 0. */
export function discoveryMessage(bytes: Uint8Array): DiscoveryMessage | undefined {
  const packet = ipv6Codec.parse(bytes);
  if (isMalformed(packet) || packet.protocol !== PROTOCOL_ICMPV6) return undefined;
  const { source, destination, payload } = packet;
  if (packet.hopLimit !== HOP_LIMIT || !icmpv6ChecksumValid(source, destination, payload))
    return undefined;
  const message = icmpv6Codec.parse(payload);
  if (isMalformed(message) || message.code !== 0) return undefined;
  return { source, destination, body: message.body };
}
