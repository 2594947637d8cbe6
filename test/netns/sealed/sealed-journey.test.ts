/**
 * A sample of the benchmark `moves`: a sealed mobile node and a sealed mobile router move at random
 * at the same time. SOJOURN_SEED=number repeats a run.
 */
import { randomInt } from 'node:crypto';
import { expect, test } from 'vitest';
import { MOVING_NODES } from '../../../bench/moves/mover.ts';
import { moves } from '../../../bench/moves.ts';

const MOVES = 36;
const DELAY_MS = 20;
const SEED = Number(process.env['SOJOURN_SEED'] ?? randomInt(2 ** 31));
const NETWORKS = ['home', 'ar6', 'ar6b', 'ar4', 'ds', 'nat-prc', 'nat-sym', 'nat2'] as const;

test(`one handshake is enough for ${MOVES} random moves (SOJOURN_SEED=${SEED})`, async () => {
  const { rows, results } = await moves({
    ...{ moves: MOVES, nodes: MOVING_NODES, delay: DELAY_MS, seed: SEED, networks: NETWORKS },
  });
  console.log(`SOJOURN_SEED=${SEED}`, JSON.stringify(results));
  for (const node of MOVING_NODES) {
    expect(results, JSON.stringify(rows)).toMatchObject({
      [`${node}_moves`]: MOVES,
      [`${node}_further_handshakes`]: 0,
      [`${node}_refused`]: 0,
      [`${node}_lost`]: 0,
      [`${node}_downloads_broken`]: 0,
    });
    // One round trip; with a second one it would be twice as long. The bench measures it.
    expect(results[`${node}_stall_median_ms`]).toBeLessThan(3 * DELAY_MS);
  }
  expect(results).toMatchObject({ resets: 0, rekeys: 0 });
});
