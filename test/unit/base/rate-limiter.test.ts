/** The generic cell rate algorithm for each caller. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from '#base/rate-limiter.ts';
import { monotonic } from '#base/time.ts';

describe('RateLimiter', () => {
  it('grants a burst, then one call for each interval, and returns the wait', () => {
    const limiter = new RateLimiter({ perMinute: 60, burst: 3 });
    const take = (atMs: number) => limiter.take('a', monotonic(atMs));
    expect([take(0), take(0), take(0), take(0), take(400)]).toEqual([
      undefined,
      undefined,
      undefined,
      1000,
      600,
    ]);
    expect([take(1000), take(1000)]).toEqual([undefined, 1000]);
    expect([take(10_000), take(10_000), take(10_000), take(10_000)]).toEqual([
      undefined,
      undefined,
      undefined,
      1000,
    ]);
  });

  it('never exceeds burst and rate', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2000), { minLength: 1, maxLength: 200 }), (gaps) => {
        const limiter = new RateLimiter({ perMinute: 60, burst: 5 });
        let nowMs = 0;
        let count = 0;
        for (const gap of gaps) {
          nowMs += gap;
          if (limiter.take('a', monotonic(nowMs)) === undefined) count += 1;
        }
        expect(count).toBeLessThanOrEqual(5 + nowMs / 1000);
      }),
    );
  });

  it('limits each caller separately, and evicts the least recently seen', () => {
    const limiter = new RateLimiter({ perMinute: 60, burst: 1 }, 3);
    for (const caller of ['a', 'b', 'c', 'd', 'e'])
      expect(limiter.take(caller, monotonic(0))).toBeUndefined();
    expect(limiter.size).toBe(3);
    expect(limiter.take('e', monotonic(0))).toBe(1000);
    expect(limiter.take('f', monotonic(1000))).toBeUndefined();
    expect(limiter.size).toBe(1);
  });
});
