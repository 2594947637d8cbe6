import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MATRIX_NETWORKS, NETWORKS_OF_KIND } from '#lab/ntmobile/traversal.ts';
import { NtmobilePlay, type Places } from '#test/netns/helpers/ntmobile/ntmobile-traffic.ts';
import { numbersFrom } from '#test/netns/helpers/random-networks.ts';

/**
 * Traffic by name that lives through random moves of one node, of the other, and of both at the
 * same moment:
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

let play: NtmobilePlay;

beforeAll(async () => {
  play = await NtmobilePlay.create(MATRIX_NETWORKS);
  await play.start({ mn: 'nat-sym', mn2: 'nat-prc-b' });
  await play.begin(120_000_000);
});
afterAll(async () => await play?.[Symbol.asyncDispose]());

/** A place of that kind for either of them. */
function* journey(seed: number): Generator<Places, never> {
  const numbers = numbersFrom(seed);
  const choose = (count: number): number => Math.floor(numbers.next().value * count);
  for (;;) {
    const [first, second] = [
      CHOICES[choose(CHOICES.length)]?.[0],
      CHOICES[choose(CHOICES.length)]?.[1],
    ];
    if (first === undefined || second === undefined) throw new Error('no place');
    const who = choose(3);
    yield { ...(who === 1 ? {} : { mn: first }), ...(who === 0 ? {} : { mn2: second }) };
  }
}

test(`downloads survive ${MOVES} random moves (SOJOURN_SEED=${SEED})`, async () => {
  console.log(`SOJOURN_SEED=${SEED}`);
  const places = journey(SEED);
  const pids = ['mn', 'mn2'].map((name) => play.system.node(name).daemon.pid);
  const visited: string[] = [];
  for (let move = 0; move < MOVES; move += 1) {
    const next = places.next().value;
    visited.push(JSON.stringify(next));
    await play.move(next);
    await play.flow(visited.join(' '));
  }
  expect(['mn', 'mn2'].map((name) => play.system.node(name).daemon.pid)).toEqual(pids);
  await play.finish();
  for (const name of ['mn', 'mn2'] as const) expect(await play.node(name).stop()).toBe(0);
}, 300_000);
