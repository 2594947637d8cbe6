/**
 * The path of a control packet between the engine and the network.
 *
 * RFC 5555 §4.1 (IPv4-UDP encapsulation); docs/reference/ntmobile.md §3 (sealed datagrams)
 */
import type { IpAddress, Ipv4Address } from '#base/ip.ts';

/**
 * The way a control packet came or goes.
 *
 * - `native`: `packet` is the whole IPv6 packet as it is on the link, outer header first.
 * - `udp`: `packet` is the inner IPv6 packet of RFC 5555 §4.1 (IPv4 | UDP 4191 | packet).
 * - `datagram`: `packet` is a UDP payload of the sealed port (types 9 to 12 of
 *   docs/reference/ntmobile.md), without the envelope of a relay.
 * - `tunnel`: `packet` is an inner packet that travels inside tunnel `tunnel` (HoTI, HoT, BRR sent
 *   through the home agent).
 * - `link`: a frame on one link, for Neighbour Discovery or ARP on the home link; `packet` starts
 *   after the Ethernet header.
 */
export type PacketPath =
  | { readonly kind: 'ipv6' }
  | {
      readonly kind: 'udp';
      readonly local: Ipv4Address;
      readonly localPort: number;
      readonly remote: Ipv4Address;
      readonly remotePort: number;
    }
  | ({ readonly kind: 'datagram' } & UdpPath)
  | { readonly kind: 'tunnel'; readonly tunnel: number }
  | {
      readonly kind: 'link';
      readonly device: string;
      readonly protocol: 'ipv6' | 'arp';
      /** Link-layer destination when sending, source when received; six octets. */
      readonly linkAddress: Uint8Array;
    };

/**
 * Both ends of a datagram of the sealed port, one family; `local` is ours, the unspecified address
 * where the kernel is to choose.
 */
export interface UdpPath {
  readonly local: IpAddress;
  /** Always the plane's own port. */
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** 28 bits: the index in the relay's envelope; 0 = no relay. */
  readonly relayIndex: number;
}
