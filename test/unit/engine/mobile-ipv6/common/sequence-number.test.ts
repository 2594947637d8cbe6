import { describe, expect, it } from 'vitest';
import { nextSequence, sequenceGreater } from '#engine/mobile-ipv6/common/sequence-number.ts';

describe('sequence numbers (RFC 6275 §9.5.1)', () => {
  it.each([
    // last, received, greater
    [15, 16, true],
    [15, 32782, true],
    [15, 15, false],
    [15, 14, false],
    [15, 0, false],
    [15, 32783, false],
    [15, 65535, false],
    [32783, 32784, true],
    [32783, 14, true],
    [32783, 32782, false],
    [32783, 32783, false],
    [32783, 15, false],
    [65535, 0, true],
  ])('compare %i with a received %i: greater is %s', (last, received, greater) => {
    expect(sequenceGreater(received, last)).toBe(greater);
  });

  it('wraps at 65536', () => {
    expect(nextSequence(65535)).toBe(0);
    expect(nextSequence(7)).toBe(8);
  });
});
