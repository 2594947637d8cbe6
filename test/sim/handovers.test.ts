import { describe, expect, test } from 'vitest';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { withLateReports } from './late-reports.ts';
import { RandomMoves } from './random-moves.ts';

/** `SOJOURN_SEED` and `SOJOURN_MOVES` select another seed and number of moves. */
const seed = process.env['SOJOURN_SEED'];
const moves = Number(process.env['SOJOURN_MOVES'] ?? 4000);

const WORLDS = [
  { seed: 1, mobiles: 1, homeLink: false },
  { seed: 2, mobiles: 4, homeLink: false },
  { seed: 3, mobiles: 1, homeLink: true },
  { seed: 4, mobiles: 4, homeLink: true },
];

describe('random handovers', () => {
  test.each(
    seed === undefined ? WORLDS : WORLDS.map((world) => ({ ...world, seed: Number(seed) })),
  )('converge with seed $seed, $mobiles nodes, home link $homeLink', (world) => {
    const result = new RandomMoves({
      ...world,
      moves,
      makeHomeAgent: createHomeAgent,
      makeMobileNode: createMobileNode,
    }).run();
    console.info(JSON.stringify(result));
    expect(result.moves).toBeGreaterThanOrEqual(moves);
    expect(result.delivered).toBeGreaterThan(moves);
    expect(result.duplicates).toBeGreaterThan(0);
    if (world.mobiles > 1) expect(result.spoofs).toBeGreaterThan(0);
  });

  test.each([
    { seed: 2, delayMs: 1_000 },
    { seed: 4, delayMs: 1_000 },
    { seed: 13, delayMs: 1_000 },
    { seed: 21, delayMs: 250 },
    { seed: 34, delayMs: 3_000 },
  ])(
    'take data from registered endpoints only, with reports $delayMs ms after a lease: seed $seed',
    ({ seed, delayMs }) => {
      const result = new RandomMoves({
        ...{ seed, moves: 600, mobiles: 4, homeLink: seed % 2 === 0 },
        makeHomeAgent: createHomeAgent,
        makeMobileNode: withLateReports(createMobileNode, delayMs),
      }).run();
      expect(result.spoofs).toBeGreaterThan(0);
    },
  );

  test('converge when a late copy of a Binding Update with an early timestamp is accepted', () => {
    const moves = 40;
    const result = new RandomMoves({
      ...{ seed: 154, moves, mobiles: 8, homeLink: false },
      makeHomeAgent: createHomeAgent,
      makeMobileNode: createMobileNode,
    }).run();
    expect(result.moves).toBeGreaterThanOrEqual(moves);
  });
});
