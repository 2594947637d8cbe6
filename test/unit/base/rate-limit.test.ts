import { describe, expect, it } from 'vitest';
import { RateLimit } from '#base/rate-limit.ts';
import { type Monotonic, monotonic } from '#base/time.ts';
import { fairShare } from '#engine/common/fair-share.ts';

describe('RateLimit', () => {
  it('admits the burst, and then the rate', () => {
    const limit = new RateLimit(2, 4);
    let state: Monotonic | undefined;
    const admitted = Array.from({ length: 50 }, (_, at) => {
      const next = limit.admit(monotonic(at * 100), state);
      state = next ?? state;
      return next !== undefined;
    });
    expect(admitted.slice(0, 4)).toEqual([true, true, true, true]);
    // 2 a second for 4.9 s, and the burst.
    expect(admitted.filter(Boolean)).toHaveLength(4 + 9);
  });

  it('admits the whole burst again after a pause', () => {
    const limit = new RateLimit(10, 3);
    let state: Monotonic | undefined = monotonic(0);
    const take = (now: number): boolean => {
      const next = limit.admit(monotonic(now), state);
      state = next ?? state;
      return next !== undefined;
    };
    expect([take(0), take(0), take(0), take(0)]).toEqual([true, true, true, false]);
    expect([take(9000), take(9000), take(9000), take(9000)]).toEqual([true, true, true, false]);
  });
});

describe('fairShare', () => {
  it('leaves room for another identity whenever the table is not full', () => {
    const maximum = 1000;
    const counts = new Map<number, number>();
    let used = 0;
    // 40 identities take all that they get.
    for (let round = 0; round < 1000; round += 1)
      for (let identity = 0; identity < 40; identity += 1) {
        const share = fairShare({ maximum, used }, { divisor: 16, least: 2, most: 100 });
        if ((counts.get(identity) ?? 0) >= share) continue;
        counts.set(identity, (counts.get(identity) ?? 0) + 1);
        used += 1;
      }
    expect(maximum - used).toBeGreaterThan(200);
    expect(fairShare({ maximum, used: 0 }, { divisor: 16, least: 2, most: 50 })).toBe(50);
    expect(fairShare({ maximum, used: maximum }, { divisor: 16, least: 2, most: 50 })).toBe(2);
  });
});
