import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NumberPool } from '#engine/common/number-pool.ts';

/** The first free number from `start` on, or from 0 on, by a scan. */
function scan(size: number, taken: ReadonlySet<number>, start: number): number | undefined {
  for (let at = 0; at < size; at += 1)
    if (!taken.has((start + at) % size)) return (start + at) % size;
  return undefined;
}

describe('NumberPool', () => {
  it('finds the same number as a scan, for any size and order of operations', () => {
    const size = fc.integer({ min: 1, max: 2100 });
    const operations = fc.array(fc.tuple(fc.boolean(), fc.nat(2099)), { maxLength: 400 });
    fc.assert(
      fc.property(size, operations, (count, steps) => {
        const pool = new NumberPool(count);
        const taken = new Set<number>();
        for (const [allocate, number] of steps) {
          const start = number % count;
          if (!allocate) {
            pool.release(start);
            taken.delete(start);
            continue;
          }
          const found = pool.findFree(start);
          expect(found).toBe(scan(count, taken, start));
          if (found === undefined) continue;
          expect(pool.take(found)).toBe(true);
          expect(pool.take(found)).toBe(false);
          taken.add(found);
        }
      }),
    );
  });

  it('gives every number once, and the one that was released', () => {
    const pool = new NumberPool(33_000);
    const all = new Set<number>();
    for (let at = 0; at < 33_000; at += 1) {
      const found = pool.findFree((at * 7919) % 33_000) ?? -1;
      pool.take(found);
      all.add(found);
    }
    expect(all.size).toBe(33_000);
    expect(pool.findFree(5)).toBeUndefined();
    pool.release(31_999);
    expect(pool.findFree(5)).toBe(31_999);
  });

  it('holds a pool of four thousand million numbers without memory for free ones', () => {
    const pool = new NumberPool(2 ** 32);
    expect(pool.take(2 ** 32 - 1)).toBe(true);
    expect(pool.findFree(2 ** 32 - 1)).toBe(0);
    expect(pool.isFree(2 ** 32)).toBe(false);
  });
});
