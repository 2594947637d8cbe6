/**
 * A Binding Update to a correspondent node, with the facts from the packet around it.
 *
 * RFC 6275 §9.5.1  care-of address and home address;  §6.2.7 the addresses of the authenticator
 */
import type { Ipv6Address } from '#base/ip.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  upperLayerDestination,
  upperLayerSource,
} from '#wire/ip/ipv6.ts';
import type { MobilityMessageOf } from '#wire/mobility/message.ts';
import { findOption } from '#wire/mobility/options.ts';

export interface RegistrationRequest {
  /** IPv6 source on the wire: the destination of the acknowledgement. */
  readonly source: Ipv6Address;
  readonly homeAddress: Ipv6Address;
  readonly careOfAddress: Ipv6Address;
  readonly correspondentAddress: Ipv6Address;
  /** The answer has a type 2 routing header. */
  readonly hasHomeAddressOption: boolean;
  /** Lifetime zero, or the care-of address is the home address (as a home agent reads it). */
  readonly isDeletion: boolean;
  readonly update: MobilityMessageOf<'binding-update'>;
  /** The Mobility Header's octets as received. */
  readonly header: Uint8Array;
}

export function registrationRequest(
  packet: Ipv6Packet,
  update: MobilityMessageOf<'binding-update'>,
): RegistrationRequest {
  const homeAddress = upperLayerSource(packet);
  const careOfAddress =
    findOption(update.options, 'alternate-care-of-address')?.address ?? packet.source;
  return {
    source: packet.source,
    homeAddress,
    careOfAddress,
    correspondentAddress: upperLayerDestination(packet),
    hasHomeAddressOption: homeAddressOption(packet) !== undefined,
    isDeletion: update.lifetimeUnits === 0 || careOfAddress === homeAddress,
    update,
    header: packet.payload,
  };
}

/** §6.2.7: the care-of address to be registered, or the home address in a deletion. */
export function authorizationAddresses(request: RegistrationRequest) {
  const { homeAddress, careOfAddress, correspondentAddress, isDeletion } = request;
  return {
    careOfAddress: isDeletion ? homeAddress : careOfAddress,
    correspondent: correspondentAddress,
  };
}
