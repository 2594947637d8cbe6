/**
 * The Binding Refresh Request, by which a home agent asks for a new registration.
 *
 * RFC 6275 §6.1.2, §9.5.5  the message, always to the home address
 */
import type { Output } from '#engine/contract/output.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import type { Binding } from './binding.ts';

/** Through the tunnel like any packet for the home address, without type 2 routing header. */
export function bindingRefreshRequest(
  { homeAddress, homeAgentAddress, tunnel }: Binding,
  options: readonly MobilityOption[] = [],
): Output {
  const request = encodeMobility(
    { type: 'binding-refresh-request', options },
    homeAgentAddress,
    homeAddress,
  );
  return {
    kind: 'send',
    path: { kind: 'tunnel', tunnel: tunnel.id },
    packet: mobilityPacket(homeAgentAddress, homeAddress, undefined, request),
  };
}
