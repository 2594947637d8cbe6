/**
 * Internet checksum and the pseudo-headers that it covers.
 *
 * RFC 1071          the sum (here: 16-bit words, big endian, end-around carry)
 * RFC 768, RFC 793  IPv4 pseudo-header
 * RFC 8200 §8.1     IPv6 pseudo-header
 */
import { cachedAddressBytes, type Ipv4Address, type Ipv6Address, isIpv6 } from '#base/ip.ts';

/** Adds `bytes[from, to)` to a running sum; every segment but the last must have an even length. */
export function sumOf(bytes: Uint8Array, sum = 0, from = 0, to: number = bytes.length): number {
  let total = sum;
  let at = from;
  for (; at + 1 < to; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  if (at < to) total += (bytes[at] ?? 0) << 8;
  return total;
}

/** Folds the carries and complements: the value of the checksum field; 0 over a correct message. */
export function foldSum(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return ~folded & 0xffff;
}

/** Checksum over a sequence of segments; every segment but the last must have an even length. */
export function internetChecksum(...segments: readonly Uint8Array[]): number {
  let sum = 0;
  for (const segment of segments) sum = sumOf(segment, sum);
  return foldSum(sum);
}

/** Sum of the pseudo-header; both addresses are of one family. */
export function pseudoHeaderSum<A extends Ipv4Address | Ipv6Address>(
  source: A,
  destination: A,
  protocol: number,
  length: number,
): number {
  const sum = sumOf(cachedAddressBytes(destination), sumOf(cachedAddressBytes(source), protocol));
  return isIpv6(source) ? sum + (length >>> 16) + (length & 0xffff) : sum + length;
}

/** Checksum of an upper-layer message; 0 when the message already holds its correct checksum. */
export function upperLayerChecksum<A extends Ipv4Address | Ipv6Address>(
  source: A,
  destination: A,
  protocol: number,
  message: Uint8Array,
): number {
  return foldSum(sumOf(message, pseudoHeaderSum(source, destination, protocol, message.length)));
}
