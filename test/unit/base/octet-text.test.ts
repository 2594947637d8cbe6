import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { octetsOf, octetText } from '#base/octet-text.ts';

describe('octets as text', () => {
  it('come back as they were, and only equal octets give equal texts', () => {
    const octets = () => fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(octets(), octets(), (one, other) => {
        expect(octetsOf(octetText(one))).toEqual(one);
        expect(octetText(one).length).toBe(one.length);
        const equal = one.length === other.length && one.every((octet, at) => octet === other[at]);
        expect(octetText(one) === octetText(other)).toBe(equal);
      }),
    );
  });
});
