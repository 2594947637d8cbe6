/**
 * A Binding Update with what follows from the packet that it came in.
 *
 * RFC 6275 §9.5.1 care-of address and home address;  RFC 3963 §6.2 what asks for deletion;  RFC
 * 5555 §4.2 NAT detection, §4.4.2 Binding Update over UDP
 * Left out: UDP over IPv6 (RFC 5555 §4.4.1), which the data plane does not carry.
 */
import type { IpAddress, Ipv6Address } from '#base/ip.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { RegistrationPath } from '#engine/mobile-ipv6/home-agent/input.ts';
import { homeAddressOption, type Ipv6Packet } from '#wire/ip/ipv6.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';

export interface RegistrationRequest {
  readonly path: RegistrationPath;
  /** IPv6 source on the wire, where an acknowledgement goes. */
  readonly source: Ipv6Address;
  readonly homeAgentAddress: Ipv6Address;
  readonly homeAddress: Ipv6Address;
  readonly careOfAddress: IpAddress;
  /** The home address came in a Home Address option, so a type 2 routing header goes back. */
  readonly homeAddressOption: boolean;
  /** RFC 5555 §4.2: the IPv4 source differs from the IPv4 care-of address. */
  readonly behindNat: boolean;
  /** The Mobility Header's octets as received. */
  readonly header: Uint8Array;
  readonly update: MobilityMessageOf<'binding-update'>;
}

/** Who sent it; without security association only where the operator allows that. */
export interface AuthenticatedSender {
  readonly mobileNode: AuthorizedMobileNode;
  readonly registrationKey: RegistrationKey | undefined;
}

export function registrationRequest(
  path: RegistrationPath,
  packet: Ipv6Packet,
  update: MobilityMessageOf<'binding-update'>,
): RegistrationRequest {
  const option = homeAddressOption(packet);
  const common = {
    path,
    source: packet.source,
    homeAgentAddress: packet.destination,
    homeAddress: option ?? packet.source,
    homeAddressOption: option !== undefined,
    header: packet.payload,
    update,
  };
  if (path.kind === 'udp') {
    // One without the option is dropped before anything is made of it.
    const careOfAddress =
      findOption(update.options, 'ipv4-care-of-address')?.address ?? path.remote;
    return { ...common, careOfAddress, behindNat: careOfAddress !== path.remote };
  }
  const careOfAddress =
    findOption(update.options, 'alternate-care-of-address')?.address ?? packet.source;
  return { ...common, careOfAddress, behindNat: false };
}

/**
 * Lifetime zero (RFC 6275 §9.5.1), or the care-of address is the home address (RFC 3963 §6.2; RFC
 * 6275 has no word on it).
 */
export function asksForDeletion(request: RegistrationRequest): boolean {
  return request.update.lifetimeUnits === 0 || request.careOfAddress === request.homeAddress;
}

/** The timestamp of its Replay Protection option, RFC 4285 §6. */
export function timestampOf(request: RegistrationRequest): bigint | undefined {
  return findOption(request.update.options, 'replay-protection')?.timestamp;
}
