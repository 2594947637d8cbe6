/**
 * Binding Acknowledgements.
 *
 * RFC 6275 §10.3.1  fields;  §9.5.4 destination and type 2 routing header: to the source of the
 *                   Binding Update
 * RFC 6275 §6.2.4   Binding Refresh Advice
 * RFC 4285 §5.1.1   signed when the Binding Update was;  §6 the timestamp is returned
 * RFC 5555 §4.2     over UDP to the source of the Binding Update, inner destination the home
 *                   address; always with the NAT Detection option
 * The K flag stays clear: security associations are static (RFC 6275 §10.3.1).
 */
import { type BindingMessage, signMobility } from '#crypto/mobility-auth.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import type { Binding } from '#engine/mobile-ipv6/home-agent/bindings/binding.ts';
import type { HomeAgentConfiguration } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import { BINDING_STATUSES } from '#wire/mobility/binding-status.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import { findOption, type MobilityOption } from '#wire/mobility/options.ts';
import { natDetection } from './encapsulation.ts';
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
   * Options about the grants; NAT detection, identifier, timestamp and authentication are added.
   */
  readonly options: readonly MobilityOption[];
  /** Replaces the Binding Update's own. */
  readonly timestamp?: bigint | undefined;
}

/** Accepts a registration; `answers` are those to options of the Binding Update. */
export function acceptance(
  { refreshAdvice }: HomeAgentConfiguration,
  binding: Binding,
  answers: readonly MobilityOption[],
): Acknowledgement {
  return {
    status: BINDING_STATUSES.accepted.code,
    sequence: binding.sequence,
    lifetimeUnits: binding.lifetimeUnits,
    mobileRouter: binding.mobileNetworkPrefixes.length > 0,
    options: [...adviceOptions(refreshAdvice, binding.lifetimeUnits), ...answers],
  };
}

/**
 * Less than the lifetime, or nothing. RFC 6275 §10.3.1 advises against the option where bindings
 * are kept in nonvolatile storage, so that the default fraction is zero.
 */
function adviceOptions(fraction: number, lifetimeUnits: number): readonly MobilityOption[] {
  const refreshIntervalUnits = Math.min(Math.floor(lifetimeUnits * fraction), lifetimeUnits - 1);
  return fraction > 0 && refreshIntervalUnits > 0
    ? [{ type: 'binding-refresh-advice', refreshIntervalUnits }]
    : [];
}

/** Accepts a de-registration. */
export function deregistrationAcceptance({ update }: RegistrationRequest): Acknowledgement {
  return {
    status: BINDING_STATUSES.accepted.code,
    sequence: update.sequence,
    lifetimeUnits: 0,
    mobileRouter: false,
    options: [],
  };
}

export function rejection(
  { update }: RegistrationRequest,
  { status, sequence, timestamp }: Refusal,
): Acknowledgement {
  return {
    status: BINDING_STATUSES[status].code,
    sequence: sequence ?? update.sequence,
    lifetimeUnits: 0,
    mobileRouter: false,
    options: [],
    timestamp,
  };
}

function optionsOf(
  configuration: HomeAgentConfiguration,
  request: RegistrationRequest,
  acknowledgement: Acknowledgement,
): readonly MobilityOption[] {
  const options = [...acknowledgement.options];
  if (request.path.kind !== 'ipv6') options.push(natDetection(configuration, request));
  const identifier = findOption(request.update.options, 'mobile-node-identifier');
  if (identifier !== undefined) options.push(identifier);
  const timestamp = acknowledgement.timestamp ?? timestampOf(request);
  if (timestamp !== undefined) options.push({ type: 'replay-protection', timestamp });
  return options;
}

/** The packet that answers a Binding Update. */
export function acknowledgementPacket(
  configuration: HomeAgentConfiguration,
  request: RegistrationRequest,
  { registrationKey }: AuthenticatedSender,
  acknowledgement: Acknowledgement,
): Uint8Array {
  const { homeAddress, homeAgentAddress, source } = request;
  const { status, sequence, lifetimeUnits, mobileRouter } = acknowledgement;
  const message: BindingMessage = {
    type: 'binding-acknowledgement',
    status,
    flags: { ...NO_BINDING_ACKNOWLEDGEMENT_FLAGS, mobileRouter },
    sequence,
    lifetimeUnits,
    options: optionsOf(configuration, request, acknowledgement),
  };
  const header =
    registrationKey === undefined
      ? encodeMobility(message, homeAgentAddress, homeAddress)
      : signMobility(message, registrationKey, {
          careOfAddress: source,
          homeAddress,
          source: homeAgentAddress,
          destination: homeAddress,
        });
  const routed = request.homeAddressOption ? homeAddress : undefined;
  return mobilityPacket(homeAgentAddress, source, routed, header);
}
