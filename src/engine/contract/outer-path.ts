/**
 * The outside of a tunnel: the path of the outer packets, and what protects the inner ones.
 *
 * A tunnel and a relay leg both send along an `OuterPath`. `Protection` is a value beside it, so
 * that another protection changes neither the path nor the engine that picks the path.
 *
 * RFC 2473 (IPv6 in IPv6), RFC 5555 §4.1 (UDP encapsulation), RFC 6275 §6.3-4 (route
 * optimization), docs/reference/ntmobile.md §3
 */
import type { IpAddress } from '#base/ip.ts';

/**
 * The carrier of the inner packet. `ip`: an IPv4 or IPv6 header alone (protocols 41 and 4). `udp`:
 * an IP header and a UDP header. `optimized`: the IPv6 header of the packet itself, with the
 * care-of address in place of the home address, and the home address in a type 2 routing header or
 * a Home Address option.
 */
export type Carrier = 'ip' | 'udp' | 'optimized';

/** The path of outer packets; both addresses are of one family. */
export interface OuterPath {
  readonly carrier: Carrier;
  readonly local: IpAddress;
  /** The peer, or the relay when `relayIndex` is set. */
  readonly remote: IpAddress;
  /** 0 unless the carrier is UDP. */
  readonly localPort: number;
  readonly remotePort: number;
  /** Index of this host's leg at the relay `remote`, 28 bits; absent or 0: no relay. */
  readonly relayIndex?: number;
  /**
   * False until the peer has shown that it receives at `remote`; until then the plane sends no more
   * than `amplificationLimit` allows. Absent: true.
   */
  readonly validated?: boolean;
  readonly amplificationLimit?: AmplificationLimit;
}

/**
 * The anti-amplification limit of an unvalidated peer address (RFC 9000 §8.1): the plane sends at
 * most three times the octets that it received from there, plus `creditOctets`, the allowance for
 * datagrams that only the engine saw. Legs and tunnels with the same `number` and the same address
 * share one limit.
 */
export type AmplificationLimit = {
  readonly number: number;
  readonly creditOctets: number;
};

/**
 * The protection of the inner packets. `none`: no protection. `sealed`: AEAD with the keys of the
 * tunnel's `DesiredSealingKeys` (datagram type 1 of docs/reference/ntmobile.md); the carrier is
 * UDP. `esp`: RFC 4303 with the tunnel's `DesiredEspKeys`; the carrier is IP over IPv6, and UDP
 * over IPv4 (RFC 3948).
 */
export type Protection = 'none' | 'sealed' | 'esp';

/** Carrier and protection of a tunnel as one word, for operators and stored records. */
export type Encapsulation = 'ipip' | 'udp' | 'sealed' | 'esp';

export function encapsulationOf(
  carrier: Carrier,
  protection: Protection,
): Encapsulation | 'optimized' {
  if (protection !== 'none') return protection;
  return carrier === 'ip' ? 'ipip' : carrier;
}
