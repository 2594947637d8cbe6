import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MATRIX_NETWORKS, NETWORKS_OF_KIND } from '#lab/ntmobile/traversal.ts';
import { numbersFrom } from '#lab/random-networks.ts';
import {
  type NodeNetworks,
  NtmobileTraffic,
} from '#test/netns/helpers/ntmobile/ntmobile-traffic.ts';

/**
 * Traffic by name survives random moves of one node, of the other, and of both at the same moment:
 *
 *   HTTP   mn → gn6    an IPv6-only server, by an IPv6 and by an IPv4 socket
 *   HTTP   mn → mn2    by both families
 *   ping   both ways
 *
 * SOJOURN_SEED=number repeats a journey; `npm run bench -- ntmobile-handover` has a hundred moves
 * of each kind.
 */

const MOVES = 20;
const SEED = Number(process.env['SOJOURN_SEED'] ?? randomInt(2 ** 31));
const CHOICES = Object.values(NETWORKS_OF_KIND);

let traffic: NtmobileTraffic;

beforeAll(async () => {
  traffic = await NtmobileTraffic.create(MATRIX_NETWORKS);
  await traffic.start({ mn: 'nat-sym', mn2: 'nat-prc-b' });
  await traffic.begin(120_000_000);
});
afterAll(async () => await traffic?.[Symbol.asyncDispose]());

/** A network of that kind for each of the two nodes. */
function* journey(seed: number): Generator<NodeNetworks, never> {
  const numbers = numbersFrom(seed);
  const choose = (count: number): number => Math.floor(numbers.next().value * count);
  for (;;) {
    const [first, second] = [
      CHOICES[choose(CHOICES.length)]?.[0],
      CHOICES[choose(CHOICES.length)]?.[1],
    ];
    if (first === undefined || second === undefined) throw new Error('no network');
    const who = choose(3);
    yield { ...(who === 1 ? {} : { mn: first }), ...(who === 0 ? {} : { mn2: second }) };
  }
}

test(`downloads survive ${MOVES} random moves (SOJOURN_SEED=${SEED})`, async () => {
  console.log(`SOJOURN_SEED=${SEED}`);
  const moves = journey(SEED);
  const pids = ['mn', 'mn2'].map((name) => traffic.system.node(name).daemon.pid);
  const visited: string[] = [];
  for (let move = 0; move < MOVES; move += 1) {
    const next = moves.next().value;
    visited.push(JSON.stringify(next));
    await traffic.move(next);
    await traffic.flow(visited.join(' '));
  }
  expect(['mn', 'mn2'].map((name) => traffic.system.node(name).daemon.pid)).toEqual(pids);
  await traffic.finish();
  for (const name of ['mn', 'mn2'] as const) expect(await traffic.node(name).stop()).toBe(0);
}, 300_000);
