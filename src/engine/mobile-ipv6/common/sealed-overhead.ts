/**
 * The room that sealing takes in a tunnel, beside the headers that a plain tunnel has.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §6 (word, sequence number and tag, and over IPv6 a
 * UDP header)
 */

const SEALING_OCTETS = 24;
const UDP_HEADER_OCTETS = 8;

/** A plain tunnel over IPv4 has a UDP header already, or room for it. */
export function sealedOverhead(outerFamily: 4 | 6): number {
  return outerFamily === 6 ? SEALING_OCTETS + UDP_HEADER_OCTETS : SEALING_OCTETS;
}
