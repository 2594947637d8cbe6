/**
 * The security associations between a mobile node and its home agent, with manual keys.
 *
 * RFC 3776 §4.1, §5.2  manual keys; one pair of associations for each home address, and a second
 *                      one for its data
 * Left out: IKEv2 (RFC 4877), which would set associations of the same form.
 *
 * Plain data: the configuration checks and builds it.
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { EspAlgorithm } from '#crypto/esp.ts';

/** The SPI that the receiver chose, and the key of one direction. */
interface EspDirection {
  readonly spi: number;
  /** Of a length that the algorithm allows. Never logged, and never in events or replies. */
  readonly key: Uint8Array;
}

/** One association for each direction. */
export interface EspPair {
  readonly toHomeAgent: EspDirection;
  readonly toMobileNode: EspDirection;
}

/** The same at both ends. */
export interface EspConfiguration extends EspPair {
  readonly algorithm: EspAlgorithm;
  readonly extendedSequenceNumbers: boolean;
  /** For the packets in the tunnel; absent: they are in clear. */
  readonly data?: EspPair | undefined;
}

/** The associations of one home address. */
export interface EspAssociation extends EspConfiguration {
  readonly homeAddress: Ipv6Address;
}

/** Which end of the associations this host is. */
export type EspEnd = 'home-agent' | 'mobile-node';
