/**
 * Operations on the UDP path of a sealed datagram.
 *
 * No RFC: docs/reference/ntmobile.md §3
 */

import { cachedAddressBytes, isIpv6 } from '#base/ip.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';

/** Whether both lead to the same remote endpoint, through the same leg of a relay. */
export function sameRemoteEndpoint(a: UdpPath, b: UdpPath): boolean {
  return a.remote === b.remote && a.remotePort === b.remotePort && a.relayIndex === b.relayIndex;
}

export function samePath(a: UdpPath, b: UdpPath): boolean {
  return sameRemoteEndpoint(a, b) && a.local === b.local && a.localPort === b.localPort;
}

/** A copy to keep: the path of an input may have further members, which cost memory. */
export function keptPath(path: UdpPath): UdpPath {
  const { local, localPort, remote, remotePort, relayIndex } = path;
  return { local, localPort, remote, remotePort, relayIndex };
}

/** Sends a datagram of the sealed port. */
export function sendDatagram(
  { out }: Step,
  { local, localPort, remote, remotePort, relayIndex }: UdpPath,
  packet: Uint8Array,
): void {
  const path = { kind: 'datagram', local, localPort, remote, remotePort, relayIndex } as const;
  out.push({ kind: 'send', path, packet });
}

/** The source that a cookie is bound to. */
export function remoteEndpointBytes({ remote, remotePort }: UdpPath): Uint8Array {
  const address = cachedAddressBytes(remote);
  const octets = new Uint8Array((isIpv6(remote) ? 16 : 4) + 2);
  octets.set(address);
  octets.set([remotePort >> 8, remotePort & 255], address.length);
  return octets;
}
