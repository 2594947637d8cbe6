/**
 * A Binding Update, with the facts from the packet around it.
 *
 * RFC 6275 §9.5.1  care-of address and home address
 * RFC 3963 §6.2    de-registration
 * RFC 5555 §4.2    NAT detection;  §4.4.2 Binding Update over UDP
 * Left out: UDP over IPv6 (RFC 5555 §4.4.1), which the data plane does not carry; the Binding
 * Identifier option (RFC 5648 §4.3), skipped like an unknown option.
 */
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import type { ControlProtection } from '#engine/contract/input.ts';
import { type BindingKey, NO_BID } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { RegistrationPath } from '#engine/mobile-ipv6/home-agent/input.ts';
import { homeAddressOption, type Ipv6Packet } from '#wire/ip/ipv6.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';

/** Its key is that of the binding which the Binding Update is for. */
export interface RegistrationRequest extends BindingKey {
  readonly path: RegistrationPath;
  /** IPv6 source on the wire: the destination of the acknowledgement. */
  readonly source: Ipv6Address;
  readonly homeAgentAddress: Ipv6Address;
  readonly careOfAddress: IpAddress;
  /** The home address was in a Home Address option; the answer has a type 2 routing header. */
  readonly homeAddressOption: boolean;
  /** RFC 5555 §4.2: the source on the wire differs from the care-of address. */
  readonly behindNat: boolean;
  /** The Mobility Header's octets as received. */
  readonly header: Uint8Array;
  readonly update: MobilityMessageOf<'binding-update'>;
  readonly protection: ControlProtection | undefined;
}

/** A packet, and what protected it. */
interface ReceivedPacket {
  readonly packet: Ipv6Packet;
  readonly protection: ControlProtection | undefined;
}

/**
 * The sender of a Binding Update. Without key only where the operator allows that, or where the
 * session of a sealed one names the mobile node.
 */
export interface AuthenticatedSender {
  readonly mobileNode: AuthorizedMobileNode;
  readonly registrationKey: RegistrationKey | undefined;
}

export function registrationRequest(
  path: RegistrationPath,
  { packet, protection }: ReceivedPacket,
  update: MobilityMessageOf<'binding-update'>,
): RegistrationRequest {
  const option = homeAddressOption(packet);
  const common = {
    path,
    source: packet.source,
    homeAgentAddress: packet.destination,
    homeAddress: option ?? packet.source,
    bid: NO_BID,
    homeAddressOption: option !== undefined,
    header: packet.payload,
    update,
    protection,
  };
  if (path.kind === 'sealed') {
    const { remote } = path.udpPath;
    const careOfAddress =
      findOption(update.options, 'ipv4-care-of-address')?.address ??
      findOption(update.options, 'alternate-care-of-address')?.address ??
      remote;
    return { ...common, careOfAddress, behindNat: careOfAddress !== remote };
  }
  if (path.kind === 'udp') {
    // The validity checks drop a Binding Update over UDP without the option.
    const careOfAddress =
      findOption(update.options, 'ipv4-care-of-address')?.address ?? path.remote;
    return { ...common, careOfAddress, behindNat: careOfAddress !== path.remote };
  }
  const careOfAddress =
    findOption(update.options, 'alternate-care-of-address')?.address ?? packet.source;
  return { ...common, careOfAddress, behindNat: false };
}

/** Where a Binding Update came from on the wire. */
export function outerSource({ path, source }: RegistrationRequest): IpAddress {
  if (path.kind === 'sealed') return path.udpPath.remote;
  return path.kind === 'udp' ? path.remote : source;
}

/**
 * Lifetime zero (RFC 6275 §9.5.1), or the care-of address is the home address (RFC 3963 §6.2; RFC
 * 6275 does not mention it).
 */
export function isDeregistration(request: RegistrationRequest): boolean {
  return request.update.lifetimeUnits === 0 || request.careOfAddress === request.homeAddress;
}

/** The timestamp of its Replay Protection option, RFC 4285 §6. */
export function timestampOf(request: RegistrationRequest): bigint | undefined {
  return findOption(request.update.options, 'replay-protection')?.timestamp;
}
