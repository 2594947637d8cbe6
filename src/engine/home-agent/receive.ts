/**
 * From octets to a message for the home agent.
 *
 * RFC 6275 §9.2    checks of the Mobility Header, in this order;  §9.3.1 Home Address option;  §9.3.3 Binding Errors
 * RFC 4443 §2.4    errors are rate-limited and never answer what has no unicast source
 * Left out: the correspondent node (§9.4-9.5), mobile prefix discovery (§10.6), dynamic home agent address discovery (§10.5).
 */
import { isMalformed } from '#base/bytes.ts';
import { isMulticast, isUnspecified, UNSPECIFIED_V6 } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  ipv6Codec,
  mobileIpv6Violations,
  type2RoutingHeader,
  upperLayerSource,
} from '#wire/ipv6.ts';
import {
  BindingErrorStatus,
  encodeMobility,
  HEADER_LENGTH_TOO_SMALL,
  MobilityHeaderOffset,
  type MobilityMessage,
  mobilityChecksumValid,
  mobilityCodec,
  mobilityHeaderLength,
  PROTOCOL_MOBILITY,
  PROTOCOL_NONE,
} from '#wire/mobility.ts';
import { mobilityPacket } from './acknowledgement.ts';
import { handleBindingUpdate } from './binding-update.ts';
import { parameterProblem } from './errors.ts';
import type { RegistrationPath } from './input.ts';
import type { HomeAgentReason } from './reasons.ts';
import { registrationRequest } from './registration-request.ts';
import type { HomeAgentState } from './state.ts';

/** A packet by `native` or `udp`. */
export function receive(
  state: HomeAgentState,
  now: Monotonic,
  path: RegistrationPath,
  bytes: Uint8Array,
  out: Output[],
): void {
  const packet = ipv6Codec.parse(bytes);
  if (isMalformed(packet)) {
    state.count('malformed-packet');
    return;
  }
  const unfit = unfitness(state, packet);
  if (unfit !== undefined) state.count(unfit);
  else if (packet.protocol === PROTOCOL_MOBILITY) receiveMobility(state, now, path, packet, bytes, out);
  else if (homeAddressOption(packet) === undefined) state.count('unexpected-protocol');
  else if (knownBinding(state, packet)) state.count('home-address-option-not-served');
  else reportUnknownBinding(state, now, path, packet, out);
}

function unfitness(state: HomeAgentState, packet: Ipv6Packet): HomeAgentReason | undefined {
  if (!state.configuration.addresses.includes(packet.destination)) return 'not-addressed-to-us';
  if (isMulticast(packet.source) || isUnspecified(packet.source)) return 'source-not-unicast';
  if (packet.extensions.length === 0) return undefined;
  if (packet.extensions.some((extension) => extension.type === 'fragment')) return 'fragmented';
  if (mobileIpv6Violations(packet).length > 0) return 'mobile-ipv6-header-invalid';
  return type2RoutingHeader(packet) === undefined ? undefined : 'unexpected-routing-header';
}

/** RFC 6275 §9.3.1: the Home Address option is believed only with a binding to the packet's source. */
function knownBinding(state: HomeAgentState, packet: Ipv6Packet): boolean {
  const homeAddress = homeAddressOption(packet);
  return homeAddress !== undefined && state.cache.get(homeAddress)?.careOfAddress === packet.source;
}

function receiveMobility(
  state: HomeAgentState,
  now: Monotonic,
  path: RegistrationPath,
  packet: Ipv6Packet,
  bytes: Uint8Array,
  out: Output[],
): void {
  const { payload } = packet;
  if (payload.length < mobilityHeaderLength(payload) || payload.length < 8) {
    state.count('malformed-mobility-header');
    return;
  }
  if (!mobilityChecksumValid(upperLayerSource(packet), packet.destination, payload)) {
    state.count('checksum-invalid');
    return;
  }
  const header = mobilityCodec.parse(payload);
  const payloadProtocol = payload[MobilityHeaderOffset.payloadProtocol];
  if (!isMalformed(header) && header.message.type === 'unknown') {
    state.count('unknown-message-type');
    sendBindingError(state, now, path, packet, BindingErrorStatus.unrecognizedMessageType, out);
  } else if (payloadProtocol !== PROTOCOL_NONE) {
    state.count('payload-protocol-invalid');
    parameterProblem(state, now, path, packet, bytes, MobilityHeaderOffset.payloadProtocol, out);
  } else if (!isMalformed(header)) {
    dispatch(state, now, path, packet, header.message, out);
  } else if (header.reason === HEADER_LENGTH_TOO_SMALL) {
    state.count('header-length-invalid');
    parameterProblem(state, now, path, packet, bytes, MobilityHeaderOffset.headerLength, out);
  } else state.count('malformed-mobility-header');
}

function dispatch(
  state: HomeAgentState,
  now: Monotonic,
  path: RegistrationPath,
  packet: Ipv6Packet,
  message: MobilityMessage,
  out: Output[],
): void {
  if (message.type === 'binding-update') {
    handleBindingUpdate(state, now, registrationRequest(path, packet, message), out);
  } else if (homeAddressOption(packet) !== undefined && !knownBinding(state, packet)) {
    reportUnknownBinding(state, now, path, packet, out);
  } else if (message.type === 'home-test-init' || message.type === 'care-of-test-init') {
    state.count('correspondent-role-not-served');
  } else state.count('unexpected-message');
}

function reportUnknownBinding(
  state: HomeAgentState,
  now: Monotonic,
  path: RegistrationPath,
  packet: Ipv6Packet,
  out: Output[],
): void {
  state.count('unknown-binding');
  sendBindingError(state, now, path, packet, BindingErrorStatus.unknownBinding, out);
}

/** To the source on the wire, without routing header (RFC 6275 §9.3.3). */
function sendBindingError(
  state: HomeAgentState,
  now: Monotonic,
  path: RegistrationPath,
  packet: Ipv6Packet,
  status: number,
  out: Output[],
): void {
  if (!state.errorLimit.take(now)) {
    state.count('error-rate-limited');
    return;
  }
  const homeAddress = homeAddressOption(packet) ?? UNSPECIFIED_V6;
  const { source, destination } = packet;
  const error = encodeMobility({ type: 'binding-error', status, homeAddress, options: [] }, destination, source);
  out.push({ kind: 'send', path, packet: mobilityPacket(destination, source, undefined, error) });
  state.count('binding-error-sent');
}
