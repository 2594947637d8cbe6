/**
 * Searches the capture of an access network for what a sealed tunnel hides: inner addresses,
 * packets without a seal, and payload.
 *
 * docs/reference/sealed-mobile-ipv6.md §2 has the types of sealed datagrams.
 */
import { readFileSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import { addressToBytes, isIpv6, type Prefix } from '#base/ip.ts';
import { framesOf, shownBy } from './leaks.ts';

/** Octets of each frame that a capture needs: the longest headers in clear, and some payload. */
export const CLEAR_TEXT_SNAP_LENGTH = 192;

/** What must not appear in clear. */
interface Hidden {
  /** Addresses and networks inside the tunnel. */
  readonly inner: readonly Prefix[];
  /** Octets of the payload. */
  readonly marker: Uint8Array;
  /** UDP port of the tunnel. */
  readonly port: number;
}

export interface ClearTextReport {
  readonly frames: number;
  /** Frames that are sealed datagrams. */
  readonly sealed: number;
  readonly clear: number;
  /** Reason and octets of the first frame in clear, in hexadecimal digits. */
  readonly first: string | undefined;
}

const ETHERNET = 14;
const UDP = 17;
const UDP_HEADER = 8;
const IPV6_HEADER = 40;
/** Whole IPv6 addresses, and the 64 bits of a network, do not appear in ciphertext by chance. */
const SURE_BITS = 64;
/** Sealed data, mobility and control, and the three messages of a handshake. */
const SEALED_TYPES: readonly number[] = [1, 8, 9, 10, 11, 12];

/** Offset of the UDP header of a frame; undefined if it is no UDP datagram or no first fragment. */
function udpAt(frame: Uint8Array): number | undefined {
  const etherType = ((frame[12] ?? 0) << 8) + (frame[13] ?? 0);
  if (etherType === 0x86dd && frame[ETHERNET + 6] === UDP) return ETHERNET + IPV6_HEADER;
  if (etherType !== 0x0800 || frame[ETHERNET + 9] !== UDP) return undefined;
  const fragment = (((frame[ETHERNET + 6] ?? 0) & 31) << 8) + (frame[ETHERNET + 7] ?? 0);
  return fragment === 0 ? ETHERNET + 4 * ((frame[ETHERNET] ?? 0) & 15) : undefined;
}

/** The type of a datagram of the tunnel; undefined for other frames. */
function tunnelType(frame: Uint8Array, port: number): number | undefined {
  const at = udpAt(frame);
  if (at === undefined || at + UDP_HEADER >= frame.length) return undefined;
  const ports = [0, 2].map(
    (offset) => ((frame[at + offset] ?? 0) << 8) + (frame[at + offset + 1] ?? 0),
  );
  return ports.includes(port) ? (frame[at + UDP_HEADER] ?? 0) >> 4 : undefined;
}

/** The marker, and the IPv6 addresses and networks that are long enough to be searched anywhere. */
function patternsOf({ inner, marker }: Hidden): readonly Buffer[] {
  const addresses = inner
    .filter(({ address, length }) => isIpv6(address) && length >= SURE_BITS)
    .map(({ address, length }) => addressToBytes(address).subarray(0, length >> 3));
  return [marker, ...addresses].map((octets) => Buffer.from(octets));
}

/** Searches a capture of an Ethernet interface. */
export function findClearText(file: string, hidden: Hidden): ClearTextReport {
  const whole = readFileSync(file);
  const present = patternsOf(hidden).filter((pattern) => whole.includes(pattern));
  let [frames, sealed, clear] = [0, 0, 0];
  let first: string | undefined;
  for (const frame of framesOf(file)) {
    frames += 1;
    const reason = reasonOf(frame, hidden, present);
    if (reason === 'sealed') sealed += 1;
    if (reason === 'sealed' || reason === 'other') continue;
    clear += 1;
    first ??= `${reason} in ${hex(frame)}`;
  }
  return { frames, sealed, clear, first };
}

/** What a frame shows in clear; `sealed` and `other` show nothing of the tunnel. */
function reasonOf(frame: Uint8Array, { inner, port }: Hidden, patterns: readonly Buffer[]): string {
  const type = tunnelType(frame, port);
  if (patterns.length > 0) {
    const octets = Buffer.from(frame.buffer, frame.byteOffset, frame.length);
    const found = patterns.find((pattern) => octets.includes(pattern));
    if (found !== undefined) return hex(found);
  }
  if (type !== undefined)
    return SEALED_TYPES.includes(type) ? 'sealed' : `a datagram of type ${type}`;
  const shown = shownBy(frame, inner);
  return shown.length === 0 ? 'other' : shown.join(', ');
}
