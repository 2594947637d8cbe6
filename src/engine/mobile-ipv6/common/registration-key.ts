/**
 * A mobility security association shared by a mobile node and its home agent. RFC 4285 §5.1.
 */
export interface RegistrationKey {
  /**
   * Security parameter index; values 0-255 are reserved by RFC 4285 except 3 (HMAC-SHA1), which an
   * operator may use.
   */
  readonly spi: number;
  readonly algorithm: 'hmac-sha1-96' | 'hmac-sha256-128';
  /** Never logged, never given to events or replies. */
  readonly key: Uint8Array;
}
