/**
 * From octets to a message for the home agent.
 *
 * RFC 6275 §9.2    checks of the Mobility Header;  §9.3.1 Home Address option;  §9.3.3 Binding
 *                  Errors
 * RFC 8200 §4.2-4  options and routing types that are not recognized;  RFC 4443 §2.4 errors are
 *                  rate-limited
 * Left out: the correspondent node (§9.4-9.5), mobile prefix discovery (§10.6), dynamic home agent
 * address discovery (§10.5).
 */
import { isMalformed } from '#base/bytes.ts';
import { isMulticast, isUnspecified } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  type ErrorReply,
  extensionFault,
  readMobility,
} from '#engine/mobile-ipv6/common/packet-faults.ts';
import type { RegistrationPath } from '#engine/mobile-ipv6/home-agent/input.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  ipv6Codec,
  type2RoutingHeader,
} from '#wire/ip/ipv6.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { BindingErrorStatus, type MobilityMessage } from '#wire/mobility/message.ts';
import { handleBindingUpdate } from './binding-update-checks.ts';
import { registrationRequest } from './registration-request.ts';

const UNKNOWN_BINDING = {
  kind: 'binding-error',
  status: BindingErrorStatus.unknownBinding,
} as const;

/** A received packet and the way it came. */
interface Arrival {
  readonly now: Monotonic;
  readonly path: RegistrationPath;
  readonly packet: Ipv6Packet;
  readonly bytes: Uint8Array;
}

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
  if (unfit !== undefined) {
    state.count(unfit);
    return;
  }
  const arrival = { now, path, packet, bytes };
  const fault = extensionFault(packet);
  if (fault !== undefined) reject(state, arrival, fault.reason, fault.answer, out);
  else if (type2RoutingHeader(packet) !== undefined) state.count('unexpected-routing-header');
  else if (packet.protocol === PROTOCOL_MOBILITY) receiveMobility(state, arrival, out);
  else if (homeAddressOption(packet) === undefined) state.count('unexpected-protocol');
  else if (knownBinding(state, packet)) state.count('home-address-option-not-served');
  else reject(state, arrival, 'unknown-binding', UNKNOWN_BINDING, out);
}

function unfitness(state: HomeAgentState, packet: Ipv6Packet): HomeAgentReason | undefined {
  if (!state.configuration.addresses.includes(packet.destination)) return 'not-addressed-to-us';
  if (isMulticast(packet.source) || isUnspecified(packet.source)) return 'source-not-unicast';
  return packet.extensions.some((extension) => extension.type === 'fragment')
    ? 'fragmented'
    : undefined;
}

/** Counted, and answered where there is an answer. */
function reject(
  state: HomeAgentState,
  { now, path, packet, bytes }: Arrival,
  reason: HomeAgentReason,
  answer: ErrorReply | undefined,
  out: Output[],
): void {
  state.count(reason);
  if (answer !== undefined) state.count(state.errors.report(now, path, packet, bytes, answer, out));
}

/**
 * RFC 6275 §9.3.1: the Home Address option is believed only with a binding to the packet's source.
 */
function knownBinding(state: HomeAgentState, packet: Ipv6Packet): boolean {
  const homeAddress = homeAddressOption(packet);
  return homeAddress !== undefined && state.cache.get(homeAddress)?.careOfAddress === packet.source;
}

function receiveMobility(state: HomeAgentState, arrival: Arrival, out: Output[]): void {
  const read = readMobility(arrival.packet, arrival.bytes);
  if (read.fault === undefined) dispatch(state, arrival, read.message, out);
  else reject(state, arrival, read.fault.reason, read.fault.answer, out);
}

function dispatch(
  state: HomeAgentState,
  arrival: Arrival,
  message: MobilityMessage,
  out: Output[],
): void {
  const { now, path, packet } = arrival;
  if (message.type === 'binding-update') {
    handleBindingUpdate(state, now, registrationRequest(path, packet, message), out);
  } else if (homeAddressOption(packet) !== undefined && !knownBinding(state, packet)) {
    reject(state, arrival, 'unknown-binding', UNKNOWN_BINDING, out);
  } else if (message.type === 'home-test-init' || message.type === 'care-of-test-init') {
    state.count('correspondent-role-not-served');
  } else state.count('unexpected-message');
}
