/**
 * Sequence numbers of Binding Updates.
 *
 * RFC 6275 §9.5.1  comparison modulo 2^16
 */

const MODULUS = 0x10000;
const HALF = 0x8000;

/**
 * Whether `received` is greater than `last`, both 0 … 65535. The last number and the 32768 values
 * before it are not greater: after 15 these are 0 … 15 and 32783 … 65535.
 */
export function sequenceGreater(received: number, last: number): boolean {
  const ahead = (received - last + MODULUS) % MODULUS;
  return ahead !== 0 && ahead < HALF;
}

/** The number after `sequence`. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) % MODULUS;
}
