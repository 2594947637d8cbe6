/**
 * What a data plane does to control datagrams of the sealed port: it drops those under an SPI that
 * the engine has not named (`own-spis`).
 */
import type { Output } from '#engine/contract/output.ts';
import { DATAGRAM_TYPES, LARGEST_SPI } from '#wire/ntmobile/datagram.ts';

const { mobility, control, response, 'cookie-reply': cookie } = DATAGRAM_TYPES;
const NAMING: readonly number[] = [mobility, control, response, cookie];

export class SpiFilter {
  readonly #own = new Set<number>();

  learn(outputs: readonly Output[]): void {
    for (const output of outputs) {
      if (output.kind !== 'own-spis') continue;
      for (const spi of output.removed) this.#own.delete(spi);
      for (const spi of output.added) this.#own.add(spi);
    }
  }

  /** How many SPIs the engine has named. */
  get size(): number {
    return this.#own.size;
  }

  passes(octets: Uint8Array): boolean {
    if (octets.length < 4) return true;
    const word = new DataView(octets.buffer, octets.byteOffset).getUint32(0);
    return !NAMING.includes(word >>> 28) || this.#own.has(word & LARGEST_SPI);
  }
}
