/**
 * Numbers and framing of rtnetlink.
 *
 * RFC 3549 §2.3     netlink message header, attributes;  Linux
 *                   include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,fib_rules,neighbour}.h
 * Left out: big-endian hosts. Netlink is in host order; Sojourn's hosts (x86-64, arm64) are
 * little-endian, and so is this.
 *
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |           Length              |             Type              |   (one attribute)
 *   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *   |                          Value ...                            |
 */
import { malformed } from '#base/bytes.ts';
import { type IpAddress, ipFromBytes } from '#base/ip.ts';

export const NetlinkType = { noop: 1, error: 2, done: 3, overrun: 4 } as const;
/** First of the four numbers (new, delete, get, set) of each kind of message. */
export const RtnetlinkType = {
  link: 16,
  address: 20,
  route: 24,
  neighbour: 28,
  rule: 32,
  nexthop: 104,
} as const;

export const NetlinkFlag = {
  request: 0x1,
  multipart: 0x2,
  acknowledge: 0x4,
  dumpInterrupted: 0x10,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  dump: 0x300,
  capped: 0x100,
  acknowledgementAttributes: 0x200,
} as const;

/** Multicast groups to subscribe to (RTNLGRP_*). */
export const RtnetlinkGroup = {
  link: 1,
  neighbour: 3,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv4Rule: 8,
  ipv6Address: 9,
  ipv6Route: 11,
  ipv6Rule: 19,
  ipv4Netconf: 24,
  ipv6Netconf: 25,
  nexthop: 32,
} as const;

export const LinkFlag = {
  up: 0x1,
  loopback: 0x8,
  pointToPoint: 0x10,
  running: 0x40,
  lowerUp: 0x10000,
} as const;
/** IFA_F_*. */
export const AddressFlag = {
  secondaryOrTemporary: 0x01,
  noDuplicateDetection: 0x02,
  optimistic: 0x04,
  duplicateDetectionFailed: 0x08,
  homeAddress: 0x10,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
  managedTemporary: 0x100,
  noPrefixRoute: 0x200,
} as const;
export const RouteTable = { default: 253, main: 254, local: 255 } as const;
export const RouteScope = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;
export const RouteType = {
  unspecified: 0,
  unicast: 1,
  local: 2,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const;
export const NeighbourState = {
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  failed: 0x20,
  permanent: 0x80,
} as const;
export const NeighbourFlag = { proxy: 0x08, router: 0x80 } as const;
export const LIFETIME_FOREVER_SECONDS = 0xffffffff;

const AF_INET = 2;
const AF_INET6 = 10;

/** Undefined for address families other than the two of IP. */
export function familyOfNumber(addressFamily: number): 4 | 6 | undefined {
  if (addressFamily === AF_INET) return 4;
  return addressFamily === AF_INET6 ? 6 : undefined;
}

export function numberOfFamily(family: 4 | 6): number {
  return family === 4 ? AF_INET : AF_INET6;
}

/**
 * Fixed-position fields of netlink structures in `bytes[start, end)`; reads past the end throw
 * `Malformed`.
 */
export class NetlinkReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #start: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    if (start > end || end > bytes.length) throw malformed('truncated');
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#start = start;
    this.#end = end;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  u8(at: number): number {
    return this.#view.getUint8(this.#check(at, 1));
  }

  u16(at: number): number {
    return this.#view.getUint16(this.#check(at, 2), true);
  }

  u32(at: number): number {
    return this.#view.getUint32(this.#check(at, 4), true);
  }

  i32(at: number): number {
    return this.#view.getInt32(this.#check(at, 4), true);
  }

  /** A copy of `[from, to)`. */
  copy(from: number, to: number): Uint8Array {
    const at = this.#check(from, to - from);
    return this.#bytes.slice(at, at + to - from);
  }

  sub(from: number, to: number): NetlinkReader {
    const at = this.#check(from, to - from);
    return new NetlinkReader(this.#bytes, at, at + to - from);
  }

  /** An address of 4 or 16 octets that fills this reader from `from`. */
  ip(from = 0): IpAddress {
    const length = this.length - from;
    if (length !== 4 && length !== 16) throw malformed('length of an address attribute');
    return ipFromBytes(this.copy(from, this.length));
  }

  /** Text up to the first NUL. */
  text(from = 0): string {
    let text = '';
    for (let at = from; at < this.length; at++) {
      const byte = this.u8(at);
      if (byte === 0) break;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Calls `each` for every attribute from `from` on, with a type without its two flag bits. */
  attributes(from: number, each: (type: number, value: NetlinkReader) => void): void {
    let at = from;
    while (at + 4 <= this.length) {
      const length = this.u16(at);
      if (length < 4 || at + length > this.length) throw malformed('attribute length');
      each(this.u16(at + 2) & 0x3fff, this.sub(at + 4, at + length));
      at += (length + 3) & ~3;
    }
  }

  #check(at: number, count: number): number {
    const from = this.#start + at;
    if (at < 0 || count < 0 || from + count > this.#end) throw malformed('truncated');
    return from;
  }
}

/** Appends little-endian fields to a buffer that grows. */
export class NetlinkWriter {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #offset = 0;

  get offset(): number {
    return this.#offset;
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }

  bytes(source: Uint8Array): void {
    const at = this.#take(source.length);
    this.#bytes.set(source, at);
  }

  /** Zero octets up to a multiple of four. */
  align(): void {
    this.#take(-this.#offset & 3);
  }

  /** An attribute whose value `body` writes. */
  attribute(type: number, body: () => void): void {
    const start = this.#offset;
    this.u16(0);
    this.u16(type);
    body();
    this.#view.setUint16(start, this.#offset - start, true);
    this.align();
  }

  /** These methods write nothing if the value is undefined. */
  u8Attribute(type: number, value: number | undefined): void {
    if (value !== undefined) this.attribute(type, () => this.u8(value));
  }

  u32Attribute(type: number, value: number | undefined): void {
    if (value !== undefined) this.attribute(type, () => this.u32(value));
  }

  bytesAttribute(type: number, value: Uint8Array | undefined): void {
    if (value !== undefined) this.attribute(type, () => this.bytes(value));
  }

  textAttribute(type: number, value: string | undefined): void {
    if (value === undefined) return;
    this.attribute(type, () => {
      for (let index = 0; index < value.length; index++) this.u8(value.charCodeAt(index) & 0xff);
      this.u8(0);
    });
  }

  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
  }

  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.#offset);
  }

  #take(count: number): number {
    const at = this.#offset;
    if (at + count > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(at + count, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#offset = at + count;
    return at;
  }
}
