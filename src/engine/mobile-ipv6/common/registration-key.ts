/**
 * The mobility security association that a mobile node and its home agent share. RFC 4285 §5.1.
 */
export interface RegistrationKey {
  /**
   * Security parameter index. RFC 4285 reserves 0-255; of these an operator may use 3 (HMAC-SHA1).
   */
  readonly spi: number;
  readonly algorithm: 'hmac-sha1-96' | 'hmac-sha256-128';
  /** Never logged, and never in events or replies. */
  readonly key: Uint8Array;
}
