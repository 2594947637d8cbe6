/**
 * ICMPv6 Parameter Problem for a Mobility Header that breaks the rules.
 *
 * RFC 6275 §9.2  code 0, the pointer at the field, to the source on the wire;  RFC 4443 §3.4, §2.4 (c) and (f)
 */
import { encode } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract.ts';
import { encodeIcmpv6, ParameterProblemCode, PROTOCOL_ICMPV6 } from '#wire/icmpv6.ts';
import { IPV6_HEADER_SIZE, type Ipv6Packet, ipv6Codec } from '#wire/ipv6.ts';
import type { RegistrationPath } from './input.ts';
import type { HomeAgentState } from './state.ts';

// The error must fit the IPv6 minimum MTU: 1280 less IPv6 header and the error's own eight octets.
const MOST_OF_PACKET = 1280 - IPV6_HEADER_SIZE - 8;
const HOP_LIMIT = 64;

/** `offset` counts from the start of the Mobility Header, `bytes` is the whole offending packet. */
export function parameterProblem(
  state: HomeAgentState,
  now: Monotonic,
  path: RegistrationPath,
  packet: Ipv6Packet,
  bytes: Uint8Array,
  offset: number,
  out: Output[],
): void {
  if (!state.errorLimit.take(now)) {
    state.count('error-rate-limited');
    return;
  }
  const pointer = packet.payload.byteOffset - bytes.byteOffset + offset;
  const invoking = bytes.slice(0, MOST_OF_PACKET);
  const source = packet.destination;
  const destination = packet.source;
  const code = ParameterProblemCode.erroneousHeaderField;
  const payload = encodeIcmpv6({ type: 'parameter-problem', pointer, packet: invoking }, code, source, destination);
  const error = { trafficClass: 0, flowLabel: 0, hopLimit: HOP_LIMIT, source, destination, extensions: [] };
  out.push({ kind: 'send', path, packet: encode(ipv6Codec, { ...error, protocol: PROTOCOL_ICMPV6, payload }) });
  state.count('parameter-problem-sent');
}
