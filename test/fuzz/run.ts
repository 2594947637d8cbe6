/**
 * Fuzzed datagrams through codecs and engines: `node test/fuzz/run.ts [--count 10000000] [--seed
 * 1]`.
 *
 * Fails when an engine throws, when an invalid packet changes state or is not counted, or when
 * memory grows.
 */
import { parseArgs } from 'node:util';
import { fuzz } from './fuzz.ts';

const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});

const count = Number(values.count);
const seed = Number(values.seed);
if (!Number.isInteger(count) || count < 1 || !Number.isInteger(seed)) {
  console.error('--count and --seed take whole numbers');
  process.exit(2);
}
console.info(`${count} datagrams, seed ${seed}`);
const began = performance.now();
const result = fuzz({
  count,
  seed,
  progress: (done) =>
    console.info(`${done} datagrams, ${((performance.now() - began) / 1000).toFixed(0)} s`),
});
console.info(
  JSON.stringify(
    { ...result, seconds: Math.round((performance.now() - began) / 100) / 10 },
    undefined,
    2,
  ),
);
