/**
 * Base 32 without padding: letters and digits that survive a QR code's alphanumeric mode.
 *
 * RFC 4648 §6
 */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const BITS = 5;

/** Upper case. */
export function base32(octets: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const octet of octets) {
    held = ((held << 8) | octet) & 0xfff;
    bits += 8;
    for (; bits >= BITS; bits -= BITS) text += ALPHABET.charAt((held >> (bits - BITS)) & 31);
  }
  return bits === 0 ? text : text + ALPHABET.charAt((held << (BITS - bits)) & 31);
}

/**
 * Undefined for a text with other characters, of an impossible length, or with bits behind the last
 * octet, so that each octet string has exactly one text. Lower case counts as upper case.
 */
export function fromBase32(text: string): Uint8Array | undefined {
  const octets = new Uint8Array(Math.floor((text.length * BITS) / 8));
  let at = 0;
  let bits = 0;
  let held = 0;
  for (const character of text.toUpperCase()) {
    const value = ALPHABET.indexOf(character);
    if (value < 0) return undefined;
    held = ((held << BITS) | value) & 0xfff;
    bits += BITS;
    if (bits < 8) continue;
    bits -= 8;
    octets[at++] = (held >> bits) & 0xff;
  }
  return bits < BITS && (held & ((1 << bits) - 1)) === 0 ? octets : undefined;
}
