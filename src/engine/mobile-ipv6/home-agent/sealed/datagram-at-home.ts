/**
 * Datagrams to a mobile node that is back on the home link: the routes of this host may still lead
 * into its tunnel.
 *
 * RFC 6275 §10.3.2  the acknowledgement of a de-registration from home
 */
import { isIpv6 } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import { udpPacket } from '#engine/mobile-ipv6/common/udp-packet.ts';
import type { HomePacket } from '#engine/mobile-ipv6/home-agent/home-link/node-at-home.ts';
import type { Policy } from '#engine/mobile-ipv6/home-agent/registration-view.ts';

/** The packet for the home link; undefined for an output that is none. */
export function datagramAtHome({ directory }: Policy, output: Output): HomePacket | undefined {
  if (output.kind !== 'send' || output.path.kind !== 'datagram') return undefined;
  const { local, localPort, remote, remotePort } = output.path;
  if (!isIpv6(remote) || !isIpv6(local)) return undefined;
  if (directory.ownerOf(remote) === undefined || !directory.isHomeSubnet(remote)) return undefined;
  const ends = {
    ...{ source: local, sourcePort: localPort },
    ...{ destination: remote, destinationPort: remotePort },
  };
  const packet = udpPacket(ends, output.packet);
  const { requires } = output;
  return { homeAddress: remote, homeAgentAddress: local, path: { kind: 'ipv6' }, packet, requires };
}
