/**
 * IP addresses between text and octets.
 *
 * RFC 4291 §2.2 (forms that are parsed), RFC 5952 (the form that is written)
 */

const COLON = 58;
const DOT = 46;

const DECIMAL_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => String(byte));
const HEX_OF_BYTE: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16));
const PADDED_HEX_OF_BYTE: readonly string[] = HEX_OF_BYTE.map((text) => text.padStart(2, '0'));

function decimalAt(bytes: Uint8Array, index: number): string | undefined {
  return DECIMAL_OF_BYTE[bytes[index] ?? 0];
}

/** Dotted quad of four octets. */
export function ipv4Text(bytes: Uint8Array, offset: number): string {
  const left = `${decimalAt(bytes, offset)}.${decimalAt(bytes, offset + 1)}`;
  return `${left}.${decimalAt(bytes, offset + 2)}.${decimalAt(bytes, offset + 3)}`;
}

/** RFC 5952 text of sixteen octets. */
export function ipv6Text(bytes: Uint8Array, offset: number): string {
  const { start, count } = longestZeroRun(bytes, offset);
  // RFC 5952 §5: mixed notation for the well-known IPv4-mapped prefix.
  if (start === 0 && count === 5 && bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff) {
    return `::ffff:${ipv4Text(bytes, offset + 12)}`;
  }
  let text = '';
  for (let group = 0; group < 8; group++) {
    if (group === start) {
      text += '::';
      group += count - 1;
      continue;
    }
    if (group > 0 && group !== start + count) text += ':';
    const high = bytes[offset + group * 2] ?? 0;
    const low = bytes[offset + group * 2 + 1] ?? 0;
    text += high === 0 ? HEX_OF_BYTE[low] : `${HEX_OF_BYTE[high]}${PADDED_HEX_OF_BYTE[low]}`;
  }
  return text;
}

/** The first longest run of at least two zero groups; `start` is 8 without one. */
function longestZeroRun(
  bytes: Uint8Array,
  offset: number,
): { readonly start: number; readonly count: number } {
  let start = 8;
  let count = 1;
  let run = 0;
  for (let group = 0; group < 8; group++) {
    run = bytes[offset + group * 2] === 0 && bytes[offset + group * 2 + 1] === 0 ? run + 1 : 0;
    if (run > count) {
      count = run;
      start = group - run + 1;
    }
  }
  return { start, count: start === 8 ? 0 : count };
}

/** Writes four octets to `out`; false when `text` is not a dotted quad. */
export function parseIpv4Bytes(text: string, out: Uint8Array, offset: number): boolean {
  let at = 0;
  for (let part = 0; part < 4; part++) {
    let value = 0;
    let digits = 0;
    for (; at < text.length && digits < 4; at++, digits++) {
      const digit = text.charCodeAt(at) - 48;
      if (digit < 0 || digit > 9) break;
      // Refuses a leading zero, which means octal to some parsers.
      if (digits === 1 && value === 0) return false;
      value = value * 10 + digit;
    }
    if (digits === 0 || value > 255) return false;
    out[offset + part] = value;
    if (part < 3 && text.charCodeAt(at++) !== DOT) return false;
  }
  return at === text.length;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Writes sixteen octets to `out`; false when `text` is not an IPv6 address. */
export function parseIpv6Bytes(text: string, out: Uint8Array): boolean {
  if (text.length < 2 || text.length > 45) return false;
  let written = 0;
  let gap = text.startsWith('::') ? 0 : -1;
  let at = gap === 0 ? 2 : 0;
  while (at < text.length) {
    const start = at;
    let group = 0;
    for (let digit = 0; at < text.length && at - start < 5; at++) {
      digit = hexDigit(text.charCodeAt(at));
      if (digit < 0) break;
      group = (group << 4) | digit;
    }
    if (text.charCodeAt(at) === DOT) {
      if (written > 12 || !parseIpv4Bytes(text.slice(start), out, written)) return false;
      written += 4;
      break;
    }
    if (at === start || at - start > 4 || written > 14) return false;
    out[written++] = group >> 8;
    out[written++] = group & 255;
    if (at === text.length) break;
    if (text.charCodeAt(at++) !== COLON || at === text.length) return false;
    if (text.charCodeAt(at) === COLON) {
      if (gap >= 0) return false;
      gap = written;
      at++;
    }
  }
  return gap < 0 ? written === 16 : spreadGap(out, gap, written);
}

/** Moves the groups behind `::` to the end; `::` replaces at least one group. */
function spreadGap(out: Uint8Array, gap: number, written: number): boolean {
  if (written > 14) return false;
  out.copyWithin(16 - (written - gap), gap, written);
  out.fill(0, gap, gap + 16 - written);
  return true;
}
