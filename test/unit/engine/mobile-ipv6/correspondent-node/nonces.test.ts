import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { monotonic } from '#base/time.ts';
import { Nonces } from '#engine/mobile-ipv6/correspondent-node/nonces.ts';
import { SeededRandom } from '#test/sim/random.ts';

const MAX_NONCE_LIFETIME_MS = 240_000;
const MAX_TOKEN_LIFETIME_MS = 210_000;

function make(seed = 1): Nonces {
  const random = new SeededRandom(seed);
  return new Nonces((count) => Uint8Array.from({ length: count }, () => random.below(256)));
}

describe('nonces of a correspondent node', () => {
  it('§5.2.7 uses a nonce for tokens during 30 s, and makes the next one on demand', () => {
    const nonces = make();
    const first = nonces.current(monotonic(0));
    expect(nonces.current(monotonic(29_999))).toBe(first);
    const second = nonces.current(monotonic(30_000));
    expect([second.index, second.serial]).toEqual([(first.index + 1) % 65_536, first.serial + 1]);
    // RFC 6275 §5.2.7: key and nonce change together.
    expect([second.nodeKey, second.octets]).not.toEqual([first.nodeKey, first.octets]);
    expect([second.nodeKey.length, second.octets.length]).toEqual([20, 8]);
  });

  it('§5.2.2 discards an expired nonce', () => {
    const nonces = make();
    const { index } = nonces.current(monotonic(5));
    expect(nonces.deadline()).toBe(5 + MAX_NONCE_LIFETIME_MS);
    expect(nonces.find(monotonic(4 + MAX_NONCE_LIFETIME_MS), index)).toBeDefined();
    expect(nonces.find(monotonic(5 + MAX_NONCE_LIFETIME_MS), index)).toBeUndefined();
    nonces.runTimers(monotonic(5 + MAX_NONCE_LIFETIME_MS));
    expect([nonces.size, nonces.deadline()]).toEqual([0, Number.POSITIVE_INFINITY]);
  });

  it('starts with another index in another run', () => {
    const starts = [1, 2, 3].map((seed) => make(seed).current(monotonic(0)).index);
    expect(new Set(starts).size).toBe(3);
  });

  it('accepts every token for 210 to 240 s and keeps eight nonces at most', () => {
    const waits = fc.array(fc.nat(70_000), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(waits, (list) => {
        const nonces = make();
        const made: { readonly index: number; readonly at: number }[] = [];
        let now = 0;
        for (const wait of list) {
          now += wait;
          nonces.runTimers(monotonic(now));
          made.push({ index: nonces.current(monotonic(now)).index, at: now });
          expect(nonces.size).toBeLessThanOrEqual(8);
          for (const { index, at } of made) {
            const known = nonces.find(monotonic(now), index) !== undefined;
            if (now - at <= MAX_TOKEN_LIFETIME_MS) expect(known).toBe(true);
            if (now - at >= MAX_NONCE_LIFETIME_MS) expect(known).toBe(false);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
