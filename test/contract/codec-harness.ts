/** The contract of every codec, checked with golden pairs of octets and value. */
import { describe, expect, test } from 'vitest';
import { type Codec, encode, equalBytes, fromHex, hex, isMalformed, Writer } from '#base/bytes.ts';

export interface Golden<T> {
  readonly name: string;
  /** With white space anywhere. */
  readonly hex: string;
  readonly value: T;
}

const DIRT = 0xa5;

/** Writes at an offset into a dirty buffer: the same octets, and no others. */
function expectCleanWrite<T>(codec: Codec<T>, value: T, octets: Uint8Array): void {
  for (const offset of [0, 1, 7]) {
    const buffer = new Uint8Array(octets.length + offset + 9).fill(DIRT);
    const writer = Writer.over(buffer, offset);
    codec.write(value, writer);
    expect(writer.offset - offset).toBe(octets.length);
    expect(hex(writer.finish())).toBe(hex(octets));
    expect(buffer.subarray(0, offset).every((byte) => byte === DIRT)).toBe(true);
    expect(buffer.subarray(offset + octets.length).every((byte) => byte === DIRT)).toBe(true);
  }
}

/** Every value that `parse` returns can be written, and parses to an equal one. False: no value. */
export function expectTotal<T>(codec: Codec<T>, octets: Uint8Array): boolean {
  const value = codec.parse(octets);
  if (isMalformed(value)) {
    expect(value.reason).not.toBe('');
    return false;
  }
  expect(codec.parse(encode(codec, value))).toEqual(value);
  return true;
}

function flipped(octets: Uint8Array, bit: number): Uint8Array {
  const copy = octets.slice();
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
}

/** Registers the contract's tests for one codec. */
export function codecContract<T>(codec: Codec<T>, goldens: readonly Golden<T>[]): void {
  describe(`codec contract: ${codec.name}`, () => {
    test.each(goldens.map((golden) => [golden.name, golden] as const))('%s', (_name, golden) => {
      const octets = fromHex(golden.hex);
      expect(codec.parse(octets)).toEqual(golden.value);
      expect(hex(encode(codec, golden.value))).toBe(hex(octets));
      expect(codec.size(golden.value)).toBe(octets.length);
      expectCleanWrite(codec, golden.value, octets);
    });

    test.each(goldens.map((golden) => [golden.name, golden] as const))(
      '%s: cut at every length',
      (_name, golden) => {
        const octets = fromHex(golden.hex);
        for (let length = 0; length < octets.length; length++) {
          expectTotal(codec, octets.subarray(0, length));
          // The reader must not read past the end of its input.
          const followed = new Uint8Array(octets.length + 64).fill(DIRT);
          followed.set(octets);
          const inside = followed.subarray(0, length);
          const [alone, amid] = [codec.parse(octets.slice(0, length)), codec.parse(inside)];
          expect(amid).toEqual(alone);
        }
        expect(isMalformed(codec.parse(new Uint8Array(0))) || codec.name === 'rtnetlink').toBe(
          true,
        );
      },
    );

    test.each(goldens.map((golden) => [golden.name, golden] as const))(
      '%s: every bit flipped',
      (_name, golden) => {
        const octets = fromHex(golden.hex);
        let values = 0;
        for (let bit = 0; bit < octets.length * 8; bit++)
          values += Number(expectTotal(codec, flipped(octets, bit)));
        // Extreme values too: they change lengths by more than one bit.
        for (let at = 0; at < octets.length; at++) {
          for (const byte of [0, 255]) {
            const changed = octets.slice();
            changed[at] = byte;
            values += Number(expectTotal(codec, changed));
          }
        }
        expect(values).toBeGreaterThan(0);
        expect(equalBytes(octets, fromHex(golden.hex))).toBe(true);
      },
    );
  });
}
