/**
 * What an NTMobile node wishes of its host: virtual addresses, routes to the virtual prefixes, a sealed tunnel for each other node and relay.
 *
 * No RFC: docs/ntmobile.md §2 (virtual addresses), §3 (sealed data)
 */
import { type IpAddress, isIpv6, type Prefix } from '#base/ip.ts';
import type { DesiredPart, DesiredSecurityAssociations, SealingCipher, SealingKey } from '#engine/contract.ts';
import { TUN_DEVICE } from '#engine/contract.ts';
import type { KeyGeneration, Session } from '#engine/shared/ntmobile/session.ts';
import type { Way } from '#engine/shared/ntmobile/way.ts';
import { Suite } from '#wire/ntmobile-datagram.ts';

const MAIN_TABLE = 254;
/** Outer IPv6 and UDP header, word, sequence number, tag, envelope: room for each of them stays the same whichever way a tunnel takes. */
const OVERHEAD = 40 + 8 + 8 + 16 + 4;
const SMALLEST_MTU = 1280;

/** The node's own addresses, and every virtual one by the TUN device. */
export function ownPart(addresses: readonly IpAddress[], prefixes: readonly Prefix[]): DesiredPart {
  return {
    addresses: addresses.map((address) => ({
      ...{ device: TUN_DEVICE, address, prefixLength: isIpv6(address) ? 128 : 32, noDad: true },
    })),
    routes: prefixes.map((destination) => ({
      ...{ destination, table: MAIN_TABLE, device: TUN_DEVICE },
      ...sourceOf(destination, addresses),
    })),
  };
}

function sourceOf({ address }: Prefix, addresses: readonly IpAddress[]): { readonly source?: IpAddress } {
  const source = addresses.find((each) => isIpv6(each) === isIpv6(address));
  return source === undefined ? {} : { source };
}

export interface TunnelState {
  readonly id: number;
  readonly way: Way;
  /** Octets, of the link that the way leaves by. */
  readonly linkMtu: number;
  /** Seals with the first one's keys, opens with those of all. */
  readonly sessions: readonly Session[];
  /** Virtual addresses at its other end. */
  readonly addresses: readonly IpAddress[];
}

/** One tunnel with its keys and routes. */
export function tunnelPart({ id, way, linkMtu, sessions, addresses }: TunnelState): DesiredPart {
  const { local, localPort, remote, remotePort, relayIndex } = way;
  return {
    tunnels: [
      {
        ...{ id, encapsulation: 'sealed', local, localPort, remote, remotePort, relayIndex },
        mtu: Math.max(SMALLEST_MTU, linkMtu - OVERHEAD),
      },
    ],
    securityAssociations: [associationsOf(id, sessions)],
    planeRoutes: addresses.map((address) => ({
      ...{ prefix: { address, length: isIpv6(address) ? 128 : 32 }, tunnel: id, peer: true },
    })),
  };
}

function associationsOf(tunnel: number, sessions: readonly Session[]): DesiredSecurityAssociations {
  const current = sessions[0]?.current;
  const send = current === undefined ? undefined : keyOf(current, 'send');
  const receive = sessions.flatMap((session) => session.generations().flatMap((one) => keyOf(one, 'receive') ?? []));
  return { tunnel, ...(send === undefined ? {} : { send }), receive };
}

function keyOf(generation: KeyGeneration, direction: 'send' | 'receive'): SealingKey | undefined {
  const { dataKeys, suite, sendSpi, receiveSpi } = generation;
  if (dataKeys === undefined) return undefined;
  const cipher: SealingCipher = suite === Suite.aes128Gcm ? 'aes-128-gcm' : 'chacha20-poly1305';
  return { spi: direction === 'send' ? sendSpi : receiveSpi, cipher, key: dataKeys[direction] };
}
