/**
 * A key of the data plane as a session keeps it, for as long as the data plane has it.
 *
 * No RFC: docs/reference/ntmobile.md §3 (SPI, suites)
 */
import { type OctetText, octetsOf, octetText } from '#base/octet-text.ts';
import type { SealingCipher, SealingKey } from '#engine/contract/ntmobile.ts';
import { Suite } from '#wire/ntmobile/datagram.ts';

export class DataKey implements SealingKey {
  readonly spi: number;
  readonly cipher: SealingCipher;
  readonly #key: OctetText;

  constructor(spi: number, suite: number, key: Uint8Array) {
    this.spi = spi;
    this.cipher = suite === Suite.aes128Gcm ? 'aes-128-gcm' : 'chacha20-poly1305';
    this.#key = octetText(key);
  }

  get key(): Uint8Array {
    return octetsOf(this.#key);
  }
}
