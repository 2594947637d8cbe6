/**
 * The path of a control packet between an engine and the network.
 *
 * RFC 5555 §4.1 (IPv4-UDP encapsulation); docs/reference/ntmobile.md §3 (sealed datagrams)
 */
import type { IpAddress, Ipv4Address } from '#base/ip.ts';

/**
 * How a control packet arrived, or how it is to leave.
 *
 * - `ipv6`: `packet` is a whole IPv6 packet; its own header has the addresses.
 * - `udp`: `packet` is the inner IPv6 packet of RFC 5555 §4.1 (IPv4 | UDP 4191 | packet).
 * - `datagram`: `packet` is the UDP payload of a datagram at the sealed port (types 9 to 12 of
 *   docs/reference/ntmobile.md), without a relay's envelope.
 * - `tunnel`: `packet` is an inner packet of the tunnel with that id (HoTI, HoT and Binding Refresh
 *   Request travel through the home agent).
 * - `link`: `packet` is the payload of an Ethernet frame on one link (Neighbour Discovery and ARP
 *   on the home link).
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

/** Both endpoints of a datagram at the sealed port; the addresses are of one family. */
export interface UdpPath {
  /** This host's address; the unspecified address lets the kernel choose. */
  readonly local: IpAddress;
  /** Always the plane's own port. */
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** Index in the relay's envelope, 28 bits; 0 without a relay. */
  readonly relayIndex: number;
}
