import { expect, test } from 'vitest';
import { ACKNOWLEDGEMENT_MUTATIONS } from './acknowledgement-mutations.ts';
import { fuzz } from './fuzz.ts';
import { MUTATIONS } from './mutations.ts';

/** A bounded part of `npm run fuzz`. */
const COUNT = 100_000;
const SEED = Number(process.env['SOJOURN_SEED'] ?? 20_260_101);

test(`${COUNT} fuzzed datagrams change nothing, are counted, and cost no memory`, () => {
  const result = fuzz({ count: COUNT, seed: SEED });
  expect(result.datagrams).toBeGreaterThanOrEqual(COUNT);
  expect(result.accepted).toBeGreaterThan(COUNT / 100);
  for (const name of [...Object.keys(MUTATIONS), ...Object.keys(ACKNOWLEDGEMENT_MUTATIONS)]) {
    expect(result.mutations[name], name).toBeGreaterThan(0);
  }
});
