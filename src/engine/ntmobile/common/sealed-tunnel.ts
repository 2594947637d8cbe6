/**
 * Desired state of one sealed tunnel: the keys of its sessions and the virtual addresses at its far
 * end.
 *
 * No RFC: docs/reference/ntmobile.md §3 (sealed data)
 */
import { type IpAddress, isIpv6 } from '#base/ip.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { AmplificationLimit } from '#engine/contract/outer-path.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { sealingKeysOf } from '#engine/sealed/sealing-keys.ts';
import type { Session } from '#engine/sealed/session.ts';

/**
 * Outer IPv6 and UDP header, word, sequence number, tag, envelope. The MTU stays the same on every
 * path that the tunnel may take.
 */
const OVERHEAD = 40 + 8 + 8 + 16 + 4;
const SMALLEST_MTU = 1280;

interface TunnelState {
  readonly id: number;
  readonly udpPath: UdpPath;
  /** Set while the peer address is not validated (anti-amplification limit). */
  readonly amplificationLimit?: AmplificationLimit | undefined;
  /** MTU of the local link, octets. */
  readonly linkMtu: number;
  /** The keys of the first session seal; the keys of all sessions open. */
  readonly sessions: readonly Session[];
  /** Virtual addresses at the far end. */
  readonly addresses: readonly IpAddress[];
  /** True on a node: the addresses are those of the peer. */
  readonly peer: boolean;
}

/** One tunnel with its keys and routes. */
export function sealedTunnelPart({
  id,
  udpPath,
  amplificationLimit,
  linkMtu,
  sessions,
  addresses,
  peer,
}: TunnelState): DesiredPart {
  const { local, localPort, remote, remotePort, relayIndex } = udpPath;
  return {
    tunnels: [
      {
        id,
        path: {
          ...{ carrier: 'udp', local, localPort, remote, remotePort, relayIndex },
          ...(amplificationLimit === undefined ? {} : { validated: false, amplificationLimit }),
        },
        protection: 'sealed',
        mtu: Math.max(SMALLEST_MTU, linkMtu - OVERHEAD),
      },
    ],
    sealingKeys: [sealingKeysOf(id, sessions)],
    planeRoutes: addresses.map((address) => ({
      ...{ prefix: { address, length: isIpv6(address) ? 128 : 32 }, tunnel: id, peer },
    })),
  };
}
