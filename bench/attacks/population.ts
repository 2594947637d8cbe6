/** The mobile nodes that `bench attacks` configures at the home agent. */
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { sha256 } from '#crypto/primitives.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';

export const SPI = 1000;

/** `prefix`: the first four groups of a /64. */
export function homeAddressOf(prefix: string, node: number): Ipv6Address {
  return ipv6(`${prefix}::7:${(node + 1).toString(16)}`);
}

export function identifierOf(node: number): string {
  return `node${node}@example.net`;
}

export function registrationKeyOf(node: number): RegistrationKey {
  const key = sha256(new TextEncoder().encode(`node ${node}`));
  return { spi: SPI, algorithm: 'hmac-sha256-128', key };
}
