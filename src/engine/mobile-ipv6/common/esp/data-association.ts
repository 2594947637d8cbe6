/**
 * The associations that protect the data of a home address, and the room that ESP takes.
 *
 * RFC 4303 §3.1.2  tunnel mode;  RFC 3948 §2.1 the port of ESP in UDP
 * RFC 3776 §5.2    a pair of associations beside that of Binding Updates and Acknowledgements
 */
import type { Ipv6Address } from '#base/ip.ts';
import { ESP_ALGORITHMS, type EspAlgorithm } from '#crypto/esp.ts';
import type { EspTunnelOwner } from '#engine/contract/esp.ts';
import type { EspConfiguration } from './association.ts';

/** At both ends; a NAT may change that of the mobile node. */
export const ESP_UDP_PORT = 4500;

const ESP_HEADER_OCTETS = 8;
const TRAILER_OCTETS = 2;
const ICV_OCTETS = 16;

/** Undefined where data are not in ESP. */
export function dataAlgorithm(esp: EspConfiguration | undefined): EspAlgorithm | undefined {
  return esp?.data === undefined ? undefined : esp.algorithm;
}

/** Whether data are encrypted: with `null-…` they are authenticated only. */
export function isEncrypting(esp: EspConfiguration | undefined): boolean {
  const algorithm = dataAlgorithm(esp);
  return algorithm !== undefined && encrypts(algorithm);
}

export function encrypts(algorithm: EspAlgorithm): boolean {
  return ESP_ALGORITHMS[algorithm].cipherKeys[0] > 0;
}

/** The owner of the tunnel for `homeAddress`; undefined where data are not in ESP. */
export function espTunnelOwner(
  homeAddress: Ipv6Address,
  esp: EspConfiguration | undefined,
): EspTunnelOwner | undefined {
  const algorithm = dataAlgorithm(esp);
  return algorithm === undefined ? undefined : { homeAddress, algorithm };
}

/**
 * The largest inner packet whose ESP packet needs no more room than a plain tunnel with the MTU
 * `plain`, which over IPv4 has a UDP header already.
 */
export function espMtu(algorithm: EspAlgorithm, plain: number): number {
  const { ivOctets, alignment } = ESP_ALGORITHMS[algorithm];
  const text = plain - ESP_HEADER_OCTETS - ivOctets - ICV_OCTETS;
  return Math.floor(text / alignment) * alignment - TRAILER_OCTETS;
}

/** The port of the outer path; 0 over IPv6, where ESP is behind the IP header. */
export function espPort(outerFamily: 4 | 6): number {
  return outerFamily === 6 ? 0 : ESP_UDP_PORT;
}
