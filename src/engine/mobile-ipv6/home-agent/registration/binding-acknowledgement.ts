/**
 * Binding Acknowledgements and the way they take.
 *
 * RFC 6275 §10.3.1  fields;  §9.5.4 destination and type 2 routing header: to the source of the
 *                   Binding Update
 * RFC 4285 §5.1.1   signed when the Binding Update was;  §6 timestamp comes back
 * RFC 5555 §4.2     over UDP to where the Binding Update came from, inner destination the home
 *                   address; NAT Detection option always
 * The K flag stays clear: security associations are static (RFC 6275 §10.3.1).
 */
import { encode } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { type BindingMessage, signMobility } from '#crypto/mobility-auth.ts';
import type { Output } from '#engine/contract/output.ts';
import { sendToNodeAtHome } from '#engine/mobile-ipv6/home-agent/home-link/home-link.ts';
import { emit, type HomeAgentState } from '#engine/mobile-ipv6/home-agent/state.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { BINDING_STATUSES, bindingStatusName } from '#wire/mobility/binding-status.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import { findOption, type MobilityOption, NO_KEEPALIVE_NEEDED } from '#wire/mobility/options.ts';
import type { Refusal } from './refusal.ts';
import {
  type AuthenticatedSender,
  type RegistrationRequest,
  timestampOf,
} from './registration-request.ts';

export interface Acknowledgement {
  readonly status: number;
  readonly sequence: number;
  readonly lifetimeUnits: number;
  readonly mobileRouter: boolean;
  /**
   * Options of the acknowledged parts; NAT detection, identifier, timestamp and authentication are
   * added.
   */
  readonly options: readonly MobilityOption[];
  /** Instead of the Binding Update's own. */
  readonly timestamp?: bigint;
}

const HOP_LIMIT = 64;

/** An IPv6 packet with a Mobility Header; `homeAddress` puts a type 2 routing header in front. */
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

/**
 * RFC 5555 §4.5: whether UDP is used although no NAT needs it, because we force it or grant it to
 * who does.
 */
export function forcesUdp(
  { configuration }: HomeAgentState,
  { update, behindNat }: RegistrationRequest,
): boolean {
  return (
    !behindNat &&
    (configuration.forceUdp === true || (update.flags.forceUdp && configuration.acceptForcedUdp))
  );
}

/** RFC 5555 §3.2.2: F clear and no keepalive needed say "no NAT, plain tunnel". */
function natDetection(state: HomeAgentState, request: RegistrationRequest): MobilityOption {
  return {
    type: 'nat-detection',
    forceUdp: forcesUdp(state, request),
    refreshTimeSeconds: request.behindNat
      ? state.configuration.natKeepaliveSeconds
      : NO_KEEPALIVE_NEEDED,
  };
}

function optionsOf(
  state: HomeAgentState,
  request: RegistrationRequest,
  acknowledgement: Acknowledgement,
): readonly MobilityOption[] {
  const options = [...acknowledgement.options];
  if (request.path.kind === 'udp') options.push(natDetection(state, request));
  const identifier = findOption(request.update.options, 'mobile-node-identifier');
  if (identifier !== undefined) options.push(identifier);
  const timestamp = acknowledgement.timestamp ?? timestampOf(request);
  if (timestamp !== undefined) options.push({ type: 'replay-protection', timestamp });
  return options;
}

/** Answers a Binding Update the way it came. */
export function acknowledge(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  acknowledgement: Acknowledgement,
  out: Output[],
): void {
  const { homeAddress, homeAgentAddress, path } = request;
  state.acknowledgements.count(bindingStatusName(acknowledgement.status));
  const message: BindingMessage = {
    type: 'binding-acknowledgement',
    status: acknowledgement.status,
    flags: { ...NO_BINDING_ACKNOWLEDGEMENT_FLAGS, mobileRouter: acknowledgement.mobileRouter },
    sequence: acknowledgement.sequence,
    lifetimeUnits: acknowledgement.lifetimeUnits,
    options: optionsOf(state, request, acknowledgement),
  };
  const header =
    sender.registrationKey === undefined
      ? encodeMobility(message, homeAgentAddress, homeAddress)
      : signMobility(message, sender.registrationKey, {
          careOfAddress: request.source,
          homeAddress,
          source: homeAgentAddress,
          destination: homeAddress,
        });
  const routed = request.homeAddressOption ? homeAddress : undefined;
  const packet = mobilityPacket(homeAgentAddress, request.source, routed, header);
  if (path.kind === 'ipv6' && request.source === homeAddress)
    sendToNodeAtHome(state, now, request, packet, out);
  else out.push({ kind: 'send', path, packet });
}

/** Rejects: nothing but counters changes. */
export function refuse(
  state: HomeAgentState,
  now: Monotonic,
  request: RegistrationRequest,
  sender: AuthenticatedSender,
  refusal: Refusal,
  out: Output[],
): void {
  state.count('registration-refused');
  if (refusal.reason !== undefined) state.count(refusal.reason);
  if (state.eventLimit.take(now)) {
    emit(out, 'info', 'registration-refused', {
      homeAddress: request.homeAddress,
      careOfAddress: request.careOfAddress,
      identifier: sender.mobileNode.identifier,
      status: refusal.status,
    });
  }
  const { code } = BINDING_STATUSES[refusal.status];
  const acknowledgement: Acknowledgement = {
    status: code,
    sequence: refusal.sequence ?? request.update.sequence,
    lifetimeUnits: 0,
    mobileRouter: false,
    options: [],
  };
  const { timestamp } = refusal;
  acknowledge(
    state,
    now,
    request,
    sender,
    timestamp === undefined ? acknowledgement : { ...acknowledgement, timestamp },
    out,
  );
}
