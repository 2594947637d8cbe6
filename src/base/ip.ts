/** IP addresses as branded canonical text (RFC 5952), so that `===` and `Map` work; prefixes. */
import { assert } from './assert.ts';
import type { Reader, Writer } from './bytes.ts';
import { ipv4Text, ipv6Text, parseIpv4Bytes, parseIpv6Bytes } from './ip-text.ts';

declare const ipv4Brand: unique symbol;
declare const ipv6Brand: unique symbol;

/** Dotted quad without leading zeros. */
export type Ipv4Address = string & { readonly [ipv4Brand]: true };

/**
 * RFC 5952 text: lower case, longest run of zero groups shortened, `::ffff:192.0.2.1` for mapped
 * addresses.
 */
export type Ipv6Address = string & { readonly [ipv6Brand]: true };

export type IpAddress = Ipv4Address | Ipv6Address;

/** `length` is in bits. `parsePrefix` and `networkOf` clear the bits of `address` behind it. */
export interface Prefix {
  readonly address: IpAddress;
  readonly length: number;
}

export function ipv4FromBytes(bytes: Uint8Array, offset = 0): Ipv4Address {
  assert(offset + 4 <= bytes.length, 'four octets of an IPv4 address');
  return ipv4Text(bytes, offset) as Ipv4Address;
}

// A daemon sees few addresses many times: a direct-mapped cache saves formatting, and returns the
// same string object.
const CACHE_SLOTS = 4096;
const cachedWords = new Int32Array(CACHE_SLOTS * 4);
const cachedTexts: (Ipv6Address | undefined)[] = new Array(CACHE_SLOTS).fill(undefined);

function wordAt(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)
  );
}

export function ipv6FromBytes(bytes: Uint8Array, offset = 0): Ipv6Address {
  assert(offset + 16 <= bytes.length, 'sixteen octets of an IPv6 address');
  const a = wordAt(bytes, offset);
  const b = wordAt(bytes, offset + 4);
  const c = wordAt(bytes, offset + 8);
  const d = wordAt(bytes, offset + 12);
  const mixed =
    Math.imul(Math.imul(Math.imul(a ^ 0x9e3779b1, 31) ^ b, 31) ^ c, 31) ^ Math.imul(d, 0x85ebca6b);
  const slot = (mixed ^ (mixed >>> 15)) & (CACHE_SLOTS - 1);
  const at = slot * 4;
  const cached = cachedTexts[slot];
  if (
    cached !== undefined &&
    cachedWords[at] === a &&
    cachedWords[at + 1] === b &&
    cachedWords[at + 2] === c &&
    cachedWords[at + 3] === d
  ) {
    return cached;
  }
  const text = ipv6Text(bytes, offset) as Ipv6Address;
  cachedWords.set([a, b, c, d], at);
  cachedTexts[slot] = text;
  return text;
}

export function parseIpv4(text: string): Ipv4Address | undefined {
  return parseIpv4Bytes(text, new Uint8Array(4), 0) ? (text as Ipv4Address) : undefined;
}

/** Parses any form of RFC 4291 §2.2, without zone, into the canonical one. */
export function parseIpv6(text: string): Ipv6Address | undefined {
  const bytes = new Uint8Array(16);
  return parseIpv6Bytes(text, bytes) ? ipv6FromBytes(bytes) : undefined;
}

export function parseIpAddress(text: string): IpAddress | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

/** For constants and tests: asserts that `text` is an address. */
export function ipv4(text: string): Ipv4Address {
  const address = parseIpv4(text);
  assert(address !== undefined, `IPv4 address ${text}`);
  return address;
}

/** For constants and tests: asserts that `text` is an address. */
export function ipv6(text: string): Ipv6Address {
  const address = parseIpv6(text);
  assert(address !== undefined, `IPv6 address ${text}`);
  return address;
}

export function isIpv6(address: IpAddress): address is Ipv6Address {
  return address.includes(':');
}

export function isIpv4(address: IpAddress): address is Ipv4Address {
  return !address.includes(':');
}

export function familyOf(address: IpAddress): 4 | 6 {
  return isIpv6(address) ? 6 : 4;
}

/** Four fresh octets. */
export function bytesOfIpv4(address: Ipv4Address): Uint8Array {
  const bytes = new Uint8Array(4);
  assert(parseIpv4Bytes(address, bytes, 0), 'canonical IPv4 address');
  return bytes;
}

/** Sixteen fresh octets. */
export function bytesOfIpv6(address: Ipv6Address): Uint8Array {
  const bytes = new Uint8Array(16);
  assert(parseIpv6Bytes(address, bytes), 'canonical IPv6 address');
  return bytes;
}

// Codecs convert the same few addresses many times.
const SHARED_OCTETS_MOST = 256;
const sharedOctets = new Map<IpAddress, Uint8Array>();

/** Four or sixteen octets, shared: the caller must not change them. */
export function cachedAddressBytes(address: IpAddress): Uint8Array {
  const known = sharedOctets.get(address);
  if (known !== undefined) return known;
  if (sharedOctets.size >= SHARED_OCTETS_MOST) sharedOctets.clear();
  const octets = addressToBytes(address);
  sharedOctets.set(address, octets);
  return octets;
}

/** Four or sixteen fresh octets. */
export function addressToBytes(address: IpAddress): Uint8Array {
  return isIpv6(address) ? bytesOfIpv6(address) : bytesOfIpv4(address);
}

/** Four or sixteen octets. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  return bytes.length === 4 ? ipv4FromBytes(bytes) : ipv6FromBytes(bytes);
}

export function readIpv4(reader: Reader): Ipv4Address {
  return ipv4FromBytes(reader.source, reader.take(4));
}

export function readIpv6(reader: Reader): Ipv6Address {
  return ipv6FromBytes(reader.source, reader.take(16));
}

export function writeIp(writer: Writer, address: IpAddress): void {
  writer.bytes(cachedAddressBytes(address));
}

export const UNSPECIFIED_V4 = '0.0.0.0' as Ipv4Address;
export const UNSPECIFIED_V6 = '::' as Ipv6Address;
/** All nodes on the link. */
export const ALL_NODES = 'ff02::1' as Ipv6Address;

export function isUnspecified(address: IpAddress): boolean {
  return address === UNSPECIFIED_V6 || address === UNSPECIFIED_V4;
}

export function isLoopback(address: IpAddress): boolean {
  return address === '::1' || (isIpv4(address) && address.startsWith('127.'));
}

/** The first 16 bits of an IPv6 address. */
function firstGroup(address: Ipv6Address): number {
  const octets = cachedAddressBytes(address);
  return ((octets[0] ?? 0) << 8) | (octets[1] ?? 0);
}

function firstOctet(address: Ipv4Address): number {
  return Number.parseInt(address, 10);
}

export function isMulticast(address: IpAddress): boolean {
  return isIpv6(address) ? firstGroup(address) >= 0xff00 : firstOctet(address) >>> 4 === 14;
}

/** fe80::/10 or 169.254.0.0/16. */
export function isLinkLocal(address: IpAddress): boolean {
  return isIpv6(address)
    ? (firstGroup(address) & 0xffc0) === 0xfe80
    : address.startsWith('169.254.');
}

/** fc00::/7, RFC 4193. */
export function isUniqueLocal(address: IpAddress): boolean {
  return isIpv6(address) && (firstGroup(address) & 0xfe00) === 0xfc00;
}

/** The blocks of RFC 1918. */
export function isPrivateIpv4(address: IpAddress): boolean {
  return (
    isIpv4(address) &&
    (address.startsWith('10.') ||
      address.startsWith('192.168.') ||
      /^172\.(1[6-9]|2\d|3[01])\./.test(address))
  );
}

/** RFC 6275's "unicast routable": unicast of more than link scope, also unique local or private. */
export function isGlobalUnicast(address: IpAddress): boolean {
  if (isUnspecified(address) || isLoopback(address) || isMulticast(address) || isLinkLocal(address))
    return false;
  if (isIpv6(address)) return !address.startsWith('::ffff:') || !address.includes('.');
  return firstOctet(address) !== 0 && firstOctet(address) < 240;
}

/** ::ffff:0:0/96, RFC 4291 §2.5.5.2. */
export function ipv4Mapped(address: Ipv4Address): Ipv6Address {
  return `::ffff:${address}` as Ipv6Address;
}

/** RFC 4291 §2.7.1. */
export function solicitedNodeMulticast(address: Ipv6Address): Ipv6Address {
  const bytes = bytesOfIpv6('ff02::1:ff00:0' as Ipv6Address);
  bytes.set(cachedAddressBytes(address).subarray(13), 13);
  return ipv6FromBytes(bytes);
}

/** The Ethernet address of an IPv6 multicast group, RFC 2464 §7. */
export function multicastLinkAddress(group: Ipv6Address): Uint8Array {
  return Uint8Array.of(0x33, 0x33, ...bytesOfIpv6(group).subarray(12));
}

/** The low 64 bits, eight fresh octets. */
export function interfaceIdentifier(address: Ipv6Address): Uint8Array {
  return cachedAddressBytes(address).slice(8);
}

/** The address with the high 64 bits of `prefix` and this interface identifier of eight octets. */
export function addressFromInterfaceIdentifier(
  prefix: Ipv6Address,
  identifier: Uint8Array,
): Ipv6Address {
  const bytes = bytesOfIpv6(prefix);
  bytes.set(identifier, 8);
  return ipv6FromBytes(bytes);
}

/** The address with all bits behind `length` cleared. */
export function networkOf<A extends IpAddress>(address: A, length: number): A {
  const bytes = addressToBytes(address);
  for (let index = 0; index < bytes.length; index++) {
    const bits = Math.min(8, Math.max(0, length - index * 8));
    bytes[index] = (bytes[index] ?? 0) & (0xff00 >> bits);
  }
  return ipFromBytes(bytes) as A;
}

/** Parses `address/length`, clears the bits behind the length; without one, all bits count. */
export function parsePrefix(text: string): Prefix | undefined {
  const [addressText = '', lengthText, ...more] = text.split('/');
  const address = parseIpAddress(addressText);
  if (address === undefined || more.length > 0) return undefined;
  const width = isIpv6(address) ? 128 : 32;
  if (lengthText === undefined) return { address, length: width };
  const length = /^\d{1,3}$/.test(lengthText) ? Number(lengthText) : Number.POSITIVE_INFINITY;
  return length <= width ? { address: networkOf(address, length), length } : undefined;
}

export function formatPrefix(prefix: Prefix): string {
  return `${prefix.address}/${prefix.length}`;
}

/** Whether an address is in both. */
export function prefixesOverlap(a: Prefix, b: Prefix): boolean {
  return prefixContains(a, b.address) || prefixContains(b, a.address);
}

/** False for addresses of the other family. */
export function prefixContains(prefix: Prefix, address: IpAddress): boolean {
  if (familyOf(prefix.address) !== familyOf(address)) return false;
  const [own, other] = [cachedAddressBytes(prefix.address), addressToBytes(address)];
  const whole = prefix.length >> 3;
  for (let at = 0; at < whole; at++) if (own[at] !== other[at]) return false;
  const mask = (0xff00 >> (prefix.length & 7)) & 0xff;
  return (((own[whole] ?? 0) ^ (other[whole] ?? 0)) & mask) === 0;
}
