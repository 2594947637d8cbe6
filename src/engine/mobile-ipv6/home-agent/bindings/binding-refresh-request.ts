/**
 * The Binding Refresh Request, by which a home agent asks for a new registration.
 *
 * RFC 6275 §6.1.2, §9.5.5 the message;  §9.3.2 type 2 routing header
 */
import { isIpv6 } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/home-agent/mobility-packet.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import type { Binding } from './binding.ts';

/**
 * By a type 2 routing header to an IPv6 care-of address; to an IPv4 care-of address through the
 * tunnel, like any packet for the home address.
 */
export function bindingRefreshRequest({
  homeAddress,
  homeAgentAddress,
  careOfAddress,
  tunnel,
}: Binding): Output {
  const request = encodeMobility(
    { type: 'binding-refresh-request', options: [] },
    homeAgentAddress,
    homeAddress,
  );
  return isIpv6(careOfAddress)
    ? {
        kind: 'send',
        path: { kind: 'ipv6' },
        packet: mobilityPacket(homeAgentAddress, careOfAddress, homeAddress, request),
      }
    : {
        kind: 'send',
        path: { kind: 'tunnel', tunnel: tunnel.id },
        packet: mobilityPacket(homeAgentAddress, homeAddress, undefined, request),
      };
}
