import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MATRIX_LAB, MatrixNodes, type Pair, type Reached } from '#lab/ntmobile/ntmobile-matrix.ts';
import { NETWORK_KINDS, NetworkKind } from '#lab/ntmobile/traversal.ts';
import { numbersFrom } from '#lab/random-networks.ts';
import { Lab } from '#lab/topology.ts';

/**
 * Two nodes, each behind its own real NAT: after a start there, after one node moved there, and
 * after both moved there at the same moment. Tests the hardest pairs of NAT kinds and a random
 * choice of others; `npm run bench -- matrix` tests all. SOJOURN_SEED=number repeats a choice.
 */

const SEED = Number(process.env['SOJOURN_SEED'] ?? randomInt(2 ** 31));
const OTHERS = 3;
const numbers = numbersFrom(SEED);

function oneOf<T>(values: readonly T[]): T {
  const chosen = values[Math.floor(numbers.next().value * values.length)];
  if (chosen === undefined) throw new Error('nothing to choose from');
  return chosen;
}

const anotherThan = (kind: NetworkKind): NetworkKind =>
  oneOf(NETWORK_KINDS.filter((other) => other !== kind));

const ALWAYS: readonly Pair[] = [
  [NetworkKind.symmetric, NetworkKind.symmetric],
  [NetworkKind.ipv6Only, NetworkKind.publicIpv4],
  [NetworkKind.portRestricted, NetworkKind.portRestricted],
];
const SAMPLED = Array.from(
  { length: OTHERS },
  (): Pair => [oneOf(NETWORK_KINDS), oneOf(NETWORK_KINDS)],
);

/**
 * Moves away and back, so that each pair is reached by a move of one node and by a move of both.
 */
const AWAY = [...ALWAYS, ...SAMPLED].map((pair) => ({
  pair,
  oneAway: [pair[0], anotherThan(pair[1])] satisfies Pair,
  bothAway: [anotherThan(pair[0]), anotherThan(pair[1])] satisfies Pair,
}));

let lab: Lab;
let travellers: MatrixNodes;

beforeAll(async () => {
  console.log(`SOJOURN_SEED=${SEED}`);
  lab = await Lab.create(MATRIX_LAB);
  travellers = await MatrixNodes.start(lab);
});
afterAll(async () => {
  await travellers?.stop();
  await lab?.close();
});

function expectReached(reached: Reached): void {
  const { connected, pathState, mayBeDirect } = reached;
  expect({ ...reached, connected, pathState }).toEqual({
    ...reached,
    connected: true,
    pathState: mayBeDirect ? 'direct' : 'relayed',
  });
}

describe.each(AWAY)('$pair.0 and $pair.1', ({ pair, oneAway, bothAway }) => {
  test('connect at their first start', async () => {
    expectReached(await travellers.fresh(pair));
  });

  test('connect after one of them moved there', async () => {
    expectReached(await travellers.move(oneAway));
    expectReached(await travellers.move(pair));
  });

  test('connect after both moved there', async () => {
    expectReached(await travellers.move(bothAway));
    expectReached(await travellers.move(pair));
  });
});
