import { describe, expect, it } from 'vitest';
import { monotonic } from '#base/time.ts';
import { HintLimit } from '#engine/mobile-ipv6/mobile-node/home/hint-limit.ts';

/** When a hint is followed, of one every 100 ms from `from` on, for a minute. */
function followed(limit: HintLimit, from: number, durationMs: number): number[] {
  const times: number[] = [];
  for (let at = from; at < from + durationMs; at += 100)
    if (limit.take(monotonic(at))) times.push(at - from);
  return times;
}

describe('the limit of unauthenticated hints', () => {
  it('lets the first one pass at once, and each further one after twice the time', () => {
    expect(followed(new HintLimit(), 5_000, 128_000)).toEqual([
      0, 1_000, 3_000, 7_000, 15_000, 31_000, 63_000, 95_000, 127_000,
    ]);
  });

  it('lets one pass at once again after a quiet time', () => {
    const limit = new HintLimit();
    followed(limit, 5_000, 20_000);
    expect(followed(limit, 90_000, 4_000)).toEqual([0, 1_000, 3_000]);
  });
});
