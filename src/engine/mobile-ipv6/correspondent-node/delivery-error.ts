/**
 * ICMPv6 errors that say that packets on a direct path do not arrive.
 *
 * RFC 6275 §9.3.4  persistent ones end the binding;  RFC 4443 §3.1, §3.4
 *
 * The plane hands over those alone that quote a packet which it sent a moment before, so that only
 * hosts on the path can make them.
 */
import { type Ipv6Address, ipv6FromBytes } from '#base/ip.ts';
import { PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { IPV6_HEADER_SIZE, type Ipv6Packet } from '#wire/ip/ipv6.ts';

const DESTINATION_UNREACHABLE = 1;
const PARAMETER_PROBLEM = 4;
const ICMP_HEADER_SIZE = 8;
const DESTINATION_AT = 24;
const NEXT_HEADER_AT = 6;
const PROTOCOL_ROUTING = 43;
const TYPE_TWO = 2;
const ROUTING_TYPE_AT = IPV6_HEADER_SIZE + 2;
const HOME_ADDRESS_AT = IPV6_HEADER_SIZE + 8;
const ROUTING_END = HOME_ADDRESS_AT + 16;

interface DeliveryError {
  readonly homeAddress: Ipv6Address;
  readonly careOfAddress: Ipv6Address;
}

/** Undefined if the packet is none about a packet with a type 2 routing header. */
export function deliveryError({ protocol, payload }: Ipv6Packet): DeliveryError | undefined {
  const [type] = payload;
  const quoted = payload.subarray(ICMP_HEADER_SIZE);
  const isError = type === DESTINATION_UNREACHABLE || type === PARAMETER_PROBLEM;
  if (protocol !== PROTOCOL_ICMPV6 || !isError || quoted.length < ROUTING_END) return undefined;
  const isRouted =
    quoted[NEXT_HEADER_AT] === PROTOCOL_ROUTING && quoted[ROUTING_TYPE_AT] === TYPE_TWO;
  if (!isRouted) return undefined;
  return {
    homeAddress: ipv6FromBytes(quoted, HOME_ADDRESS_AT),
    careOfAddress: ipv6FromBytes(quoted, DESTINATION_AT),
  };
}
