/**
 * Values of the options that carry ML-KEM-768.
 *
 * FIPS 203 §8, table 3  lengths
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3.1
 *
 *   encapsulation key   SPI (4) | encapsulation key (1184)
 *   encapsulation       SPI (4) | ciphertext (1088) | confirmation (16)
 *
 * Left out: the check of the key's coefficients, which belongs to the encapsulation.
 */
import type { Reader, Writer } from '#base/bytes.ts';
import { LARGEST_SPI } from './datagram.ts';
import type { NtmobileOptionOf } from './options.ts';

const ENCAPSULATION_KEY_OCTETS = 1184;
const CIPHERTEXT_OCTETS = 1088;
const CONFIRMATION_OCTETS = 16;
const SPI_OCTETS = 4;

export const ENCAPSULATION_KEY_OPTION_OCTETS = SPI_OCTETS + ENCAPSULATION_KEY_OCTETS;
export const ENCAPSULATION_OPTION_OCTETS = SPI_OCTETS + CIPHERTEXT_OCTETS + CONFIRMATION_OCTETS;

function readSpi(reader: Reader): number {
  const spi = reader.u32();
  if (spi === 0 || spi > LARGEST_SPI) reader.fail('SPI out of range');
  return spi;
}

export function readEncapsulationKey(reader: Reader): NtmobileOptionOf<'encapsulation-key'> {
  const spi = readSpi(reader);
  return { type: 'encapsulation-key', spi, key: reader.bytes(ENCAPSULATION_KEY_OCTETS).slice() };
}

export function readEncapsulation(reader: Reader): NtmobileOptionOf<'encapsulation'> {
  const spi = readSpi(reader);
  const ciphertext = reader.bytes(CIPHERTEXT_OCTETS).slice();
  const confirmation = reader.bytes(CONFIRMATION_OCTETS).slice();
  return { type: 'encapsulation', spi, ciphertext, confirmation };
}

export function writeEncapsulationKey(
  writer: Writer,
  { spi, key }: NtmobileOptionOf<'encapsulation-key'>,
): void {
  writer.u32(spi);
  writer.bytes(key);
}

export function writeEncapsulation(
  writer: Writer,
  { spi, ciphertext, confirmation }: NtmobileOptionOf<'encapsulation'>,
): void {
  writer.u32(spi);
  writer.bytes(ciphertext);
  writer.bytes(confirmation);
}
