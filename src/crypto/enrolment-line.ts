/**
 * The enrolment line: what a new mobile node needs to reach its home agent and to prove once that
 * the operator admitted it.
 *
 * No RFC: docs/reference/enrolment.md §1
 *
 *   "SOJOURN:" base32( version | flags | public key | secret | expiry | port | addresses | name
 *                      | checksum )
 *
 * Upper-case letters, digits and ":" keep a QR code small (alphanumeric mode). The checksum finds
 * typing errors; it protects nothing.
 */
import { base32, fromBase32 } from '#base/base32.ts';
import {
  type Codec,
  concatBytes,
  decode,
  encode,
  equalBytes,
  isMalformed,
  type Malformed,
  malformed,
  type Reader,
} from '#base/bytes.ts';
import {
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  readIpv4,
  readIpv6,
  writeIp,
} from '#base/ip.ts';
import { SECRET_OCTETS } from '#wire/ntmobile/enrolment-options.ts';
import { sha256 } from './primitives.ts';

export interface EnrolmentLine {
  /** The home agent's public key, X25519. */
  readonly publicKey: Uint8Array;
  readonly secret: Uint8Array;
  /** Seconds since 1970-01-01. */
  readonly expiresAt: number;
  readonly port: number;
  readonly addresses: readonly Ipv6Address[];
  readonly ipv4Addresses: readonly Ipv4Address[];
  readonly name: string;
  /** The node is a mobile router. */
  readonly router: boolean;
}

const SCHEME = 'SOJOURN:';
const VERSION = 1;
const ROUTER = 1;
const KEY_OCTETS = 32;
const CHECKSUM_OCTETS = 4;
/** More addresses of one family would make the QR code hard to scan. */
export const MOST_LINE_ADDRESSES = 4;
const LONGEST_NAME = 63;
const CHECKSUM_LABEL = new TextEncoder().encode('sojourn enrolment line\0');

/**
 * Whether a mobile node can be enrolled by this name: letters, digits and the marks of a network
 * access identifier (RFC 4283).
 */
export function isNodeName(name: string): boolean {
  return name.length <= LONGEST_NAME && /^[a-z0-9]([a-z0-9._@-]*[a-z0-9])?$/i.test(name);
}

const codec: Codec<EnrolmentLine> = {
  name: 'enrolment line',
  parse: (bytes) => decode(bytes, parseBody),
  size: ({ addresses, ipv4Addresses, name }) =>
    2 +
    (KEY_OCTETS + SECRET_OCTETS + 4 + 2 + 1) +
    (16 * addresses.length + 4 * ipv4Addresses.length + 1 + name.length),
  write(line, writer) {
    writer.u8(VERSION);
    writer.u8(line.router ? ROUTER : 0);
    writer.bytes(line.publicKey);
    writer.bytes(line.secret);
    writer.u32(line.expiresAt);
    writer.u16(line.port);
    writer.u8((line.addresses.length << 4) | line.ipv4Addresses.length);
    for (const address of [...line.addresses, ...line.ipv4Addresses]) writeIp(writer, address);
    writer.u8(line.name.length);
    writer.bytes(new TextEncoder().encode(line.name));
  },
};

function parseBody(reader: Reader): EnrolmentLine {
  const version = reader.u8();
  if (version !== VERSION)
    reader.fail(`has version ${version}; this program reads version ${VERSION}`);
  const flags = reader.u8();
  if ((flags & ~ROUTER) !== 0) reader.fail('has unknown flags');
  const publicKey = reader.bytes(KEY_OCTETS).slice();
  const secret = reader.bytes(SECRET_OCTETS).slice();
  const expiresAt = reader.u32();
  const port = reader.u16();
  if (port === 0) reader.fail('has port 0');
  const counts = reader.u8();
  const addresses = listOf(reader, counts >> 4, readIpv6);
  const ipv4Addresses = listOf(reader, counts & 15, readIpv4);
  if (addresses.length === 0) reader.fail('has no IPv6 address');
  if (![...addresses, ...ipv4Addresses].every(isGlobalUnicast))
    reader.fail('has an address that is not unicast');
  const name = String.fromCharCode(...reader.bytes(reader.u8()));
  if (!isNodeName(name)) reader.fail('has an invalid name');
  if (reader.remaining > 0) reader.fail('is too long');
  return {
    ...{ publicKey, secret, expiresAt, port, addresses, ipv4Addresses, name },
    router: (flags & ROUTER) !== 0,
  };
}

function listOf<T>(reader: Reader, count: number, read: (reader: Reader) => T): readonly T[] {
  if (count > MOST_LINE_ADDRESSES) reader.fail('has too many addresses');
  return Array.from({ length: count }, () => read(reader));
}

function checksum(body: Uint8Array): Uint8Array {
  return sha256(CHECKSUM_LABEL, body).slice(0, CHECKSUM_OCTETS);
}

/** `name` is one that `isNodeName` accepts; at most `MOST_LINE_ADDRESSES` of each family. */
export function formatEnrolmentLine(line: EnrolmentLine): string {
  const body = encode(codec, line);
  return SCHEME + base32(concatBytes(body, checksum(body)));
}

/**
 * Accepts lower case, and white space anywhere, as terminals and mail programs break lines. The
 * reason of a malformed line continues "the enrolment line …".
 */
export function parseEnrolmentLine(text: string): EnrolmentLine | Malformed {
  const compact = text.replaceAll(/\s+/g, '').toUpperCase();
  if (!compact.startsWith(SCHEME)) return malformed(`does not begin with ${SCHEME}`);
  const octets = fromBase32(compact.slice(SCHEME.length));
  if (octets === undefined || octets.length <= CHECKSUM_OCTETS)
    return malformed('is incomplete, or has a typing error');
  const body = octets.subarray(0, -CHECKSUM_OCTETS);
  // The version comes first: another one may have another checksum.
  if (octets[0] === VERSION && !equalBytes(checksum(body), octets.subarray(-CHECKSUM_OCTETS)))
    return malformed('is incomplete, or has a typing error');
  const parsed = codec.parse(body);
  return isMalformed(parsed) && parsed.reason === 'truncated' ? malformed('is incomplete') : parsed;
}
