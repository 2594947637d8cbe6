import { assert } from './assert.ts';

/** The result of parsing octets that encode no value. Thrown inside codecs, caught by `decode`. */
export interface Malformed {
  readonly malformed: true;
  readonly reason: string;
}

/** A plain frozen object: no stack trace is captured, so hostile input costs little. */
export function malformed(reason: string): Malformed {
  return Object.freeze({ malformed: true, reason });
}

export function isMalformed(value: unknown): value is Malformed {
  return (
    typeof value === 'object' && value !== null && 'malformed' in value && value.malformed === true
  );
}

// For 64-bit integers. A `DataView` for each message would cost more than all its reads.
const WORD = new Uint8Array(8);
const WORD_VIEW = new DataView(WORD.buffer);

/** Reads big-endian fields from `bytes[offset, end)`; a read past the end throws `Malformed`. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #offset: number;

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    assert(offset >= 0 && end <= bytes.length, 'reader range');
    this.#bytes = bytes;
    this.#offset = offset;
    this.#end = end;
  }

  /** Index of the next octet in `source`. */
  get offset(): number {
    return this.#offset;
  }

  /** The octets passed to the constructor; `take` returns indexes into them. */
  get source(): Uint8Array {
    return this.#bytes;
  }

  get remaining(): number {
    return this.#end - this.#offset;
  }

  u8(): number {
    return this.#at(this.#take(1));
  }

  u16(): number {
    const at = this.#take(2);
    return (this.#at(at) << 8) | this.#at(at + 1);
  }

  u32(): number {
    const at = this.#take(4);
    return (
      ((this.#at(at) << 24) |
        (this.#at(at + 1) << 16) |
        (this.#at(at + 2) << 8) |
        this.#at(at + 3)) >>>
      0
    );
  }

  u64(): bigint {
    const at = this.#take(8);
    for (let index = 0; index < 8; index++) WORD[index] = this.#at(at + index);
    return WORD_VIEW.getBigUint64(0);
  }

  /** A view of the next `count` octets, valid as long as the input buffer does not change. */
  bytes(count: number): Uint8Array {
    const at = this.#take(count);
    return this.#bytes.subarray(at, at + count);
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** A view of all remaining octets. */
  rest(): Uint8Array {
    return this.bytes(this.remaining);
  }

  fail(reason: string): never {
    throw malformed(reason);
  }

  /** Skips `count` octets and returns the index of the first. */
  take(count: number): number {
    return this.#take(count);
  }

  #at(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  #take(count: number): number {
    const at = this.#offset;
    if (count < 0 || at + count > this.#end) throw TRUNCATED;
    this.#offset = at + count;
    return at;
  }
}

const TRUNCATED = malformed('truncated');

/** Writes big-endian fields. Its buffer grows, unless the caller provided it (`over`). */
export class Writer {
  #bytes: Uint8Array;
  readonly #start: number;
  readonly #growable: boolean;
  #offset: number;

  constructor(sizeHint = 64, forBuffer?: { readonly buffer: Uint8Array; readonly offset: number }) {
    this.#bytes = forBuffer?.buffer ?? new Uint8Array(sizeHint);
    this.#start = forBuffer?.offset ?? 0;
    this.#offset = this.#start;
    this.#growable = forBuffer === undefined;
  }

  /** Writes into `buffer` from `offset` on; octets that are not written keep their values. */
  static over(buffer: Uint8Array, offset: number): Writer {
    return new Writer(0, { buffer, offset });
  }

  /** Index, in the underlying buffer, of the next octet. */
  get offset(): number {
    return this.#offset;
  }

  u8(value: number): void {
    const at = this.#take(1);
    this.#bytes[at] = value;
  }

  u16(value: number): void {
    const at = this.#take(2);
    this.#setU16(at, value);
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#setU16(at, value >>> 16);
    this.#setU16(at + 2, value);
  }

  u64(value: bigint): void {
    const at = this.#take(8);
    WORD_VIEW.setBigUint64(0, value);
    this.#bytes.set(WORD, at);
  }

  bytes(source: Uint8Array): void {
    const at = this.#take(source.length);
    this.#bytes.set(source, at);
  }

  zero(count: number): void {
    const at = this.#take(count);
    this.#bytes.fill(0, at, at + count);
  }

  /** Overwrites two octets that were written at index `at`. */
  patchU16(at: number, value: number): void {
    assert(at >= this.#start && at + 2 <= this.#offset, 'patch outside the written octets');
    this.#setU16(at, value);
  }

  /** A view of the octets written from index `from` on (default: all). */
  written(from: number = this.#start): Uint8Array {
    return this.#bytes.subarray(from, this.#offset);
  }

  /** A view of all octets written. */
  finish(): Uint8Array {
    return this.written();
  }

  #take(count: number): number {
    const at = this.#offset;
    if (at + count > this.#bytes.length) this.#grow(at + count);
    this.#offset = at + count;
    return at;
  }

  #setU16(at: number, value: number): void {
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
  }

  #grow(needed: number): void {
    assert(this.#growable, 'write past the end of the buffer');
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

/** Parses and writes values of a type. `parse` is total; `write` writes exactly `size` octets. */
export interface Codec<T> {
  readonly name: string;
  parse(bytes: Uint8Array): T | Malformed;
  size(value: T): number;
  write(value: T, writer: Writer): void;
}

/** Returns what `body` returns, or the `Malformed` that it throws; other errors are bugs. */
export function decode<T>(bytes: Uint8Array, body: (reader: Reader) => T): T | Malformed {
  try {
    return body(new Reader(bytes));
  } catch (thrown) {
    if (isMalformed(thrown)) return thrown;
    throw thrown;
  }
}

const BLOCK_OCTETS = 8192;
const LARGEST_CUT = 512;
let block = new Uint8Array(BLOCK_OCTETS);
let cut = 0;

/**
 * A fresh array. Small arrays are slices of a common block, because a separate `ArrayBuffer` would
 * cost more than their contents.
 */
function freshOctets(count: number): Uint8Array {
  if (count > LARGEST_CUT) return new Uint8Array(count);
  if (cut + count > BLOCK_OCTETS) {
    block = new Uint8Array(BLOCK_OCTETS);
    cut = 0;
  }
  cut += count;
  return block.subarray(cut - count, cut);
}

/** A fresh array, which may share its `ArrayBuffer` with others. */
export function encode<T>(codec: Codec<T>, value: T): Uint8Array {
  const size = codec.size(value);
  const bytes = freshOctets(size);
  const writer = Writer.over(bytes, 0);
  codec.write(value, writer);
  assert(writer.offset === size, `${codec.name}: size() and write() disagree`);
  return bytes;
}

const HEX_DIGITS = '0123456789abcdef';

/** Lower case, no separators. */
export function hex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += HEX_DIGITS.charAt(byte >> 4) + HEX_DIGITS.charAt(byte & 15);
  return text;
}

/** For constants and checked configuration: skips white space, asserts that the rest is hex. */
export function fromHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s+/g, '');
  assert(/^([0-9a-fA-F]{2})*$/.test(digits), 'hex text');
  const bytes = new Uint8Array(digits.length / 2);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16);
  }
  return bytes;
}

/** Not for secrets: the time depends on the first difference. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index++) if (a[index] !== b[index]) return false;
  return true;
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
