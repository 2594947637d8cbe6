/**
 * The keys of registrations, as the data plane needs them.
 *
 * RFC 4285 §4, §5.1  the identifier names the mobile node, the SPI its security association
 * RFC 6275 §10.3.1   so does the home address
 */
import type { Ipv6Address } from '#base/ip.ts';

/** A key, and what a message names its owner by. */
export interface RegistrationKeyOwner {
  readonly spi: number;
  readonly algorithm: 'hmac-sha1-96' | 'hmac-sha256-128';
  readonly key: Uint8Array;
  readonly identifier: string | undefined;
  readonly homeAddresses: readonly Ipv6Address[];
}
