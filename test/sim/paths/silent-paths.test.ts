import { describe, expect, test } from 'vitest';
import { SilentPaths } from './silent-paths.ts';

/** `SOJOURN_SEED` selects another seed. */
const SEEDS = process.env['SOJOURN_SEED'] ?? '1 2 3 4 5 6';

describe('a node whose paths break in silence', () => {
  test.each(SEEDS.split(' ').map(Number))(
    'uses another one within seconds, without a storm, and the best again: seed %i',
    (seed) => {
      const result = new SilentPaths(seed).run(60);
      console.info(JSON.stringify(result));
      expect(result.longestStallMs).toBeLessThan(4_000);
    },
  );
});
