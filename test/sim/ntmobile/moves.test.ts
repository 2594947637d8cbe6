/**
 * NTMobile under trouble, in the simulated internet: how long a move stalls a flow, many moves, a
 * coordinator that is gone. docs/reference/ntmobile.md §5, §6.
 */
import { describe, expect, it } from 'vitest';
import { randomOf } from '#test/unit/engine/ntmobile/common/sessions-scene.ts';
import { type NodeHost, ZONE } from './hosts.ts';
import { NAT_KINDS } from './nat.ts';
import { DELAY_MS, PLACES, World } from './world.ts';

/** Two nodes over the relay: there and back. */
const ROUND_TRIP_MS = 4 * DELAY_MS;
const KINDS = Object.values(PLACES);

function placeAt(world: World, choice: number) {
  const place = KINDS[choice % KINDS.length];
  if (place === undefined) throw new Error('no place');
  return place(world);
}

/** Both talk all the time; the longest that either of them heard nothing, from now on. */
function longestSilence(world: World, a: NodeHost, b: NodeHost, ms: number): number {
  const last = [0, 0];
  let longest = 0;
  for (let passed = 1; passed <= ms; passed++) {
    const before = [a.got.length, b.got.length];
    a.say(b.virtualIpv6, 'data');
    b.say(a.virtualIpv6, 'data');
    world.internet.pass(1);
    for (const [at, node] of [a, b].entries()) {
      if (node.got.length > (before[at] ?? 0)) last[at] = passed;
      longest = Math.max(longest, passed - (last[at] ?? 0));
    }
  }
  return longest;
}

function joinedPair(seed: number): {
  readonly world: World;
  readonly a: NodeHost;
  readonly b: NodeHost;
} {
  const world = new World();
  const random = randomOf(seed);
  const a = world.node('a', placeAt(world, random(1)[0] ?? 0));
  const b = world.node('b', placeAt(world, random(1)[0] ?? 0));
  a.query(`b.${ZONE}`);
  expect(world.joined(a, b, 1_000)).toBe(true);
  world.internet.pass(6_000);
  return { world, a, b };
}

describe('a flow between two nodes', () => {
  for (let seed = 1; seed <= 20; seed++) {
    it(`stalls for two round trips at most when one or both move, seed ${seed}`, () => {
      const { world, a, b } = joinedPair(seed);
      const random = randomOf(100 + seed);
      const [first = 0, second = 0, both = 0] = random(3);
      b.move(placeAt(world, first));
      expect(longestSilence(world, a, b, 500)).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
      world.internet.pass(both * 20);
      a.move(placeAt(world, second));
      b.move(placeAt(world, both));
      expect(longestSilence(world, a, b, 500)).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
    });
  }

  it('outlives a hundred moves', () => {
    const { world, a, b } = joinedPair(7);
    const random = randomOf(8);
    for (let move = 0; move < 100; move++) {
      const [who = 0, where = 0, wait = 0] = random(3);
      (who % 2 === 0 ? a : b).move(placeAt(world, where));
      world.internet.pass(wait * 8);
      expect(world.joined(a, b, 500)).toBe(true);
    }
  });

  it('goes on while keys are made anew', () => {
    const { world, a, b } = joinedPair(3);
    for (let minute = 0; minute < 40; minute++) {
      world.internet.pass(60_000);
      expect(world.joined(a, b, 200)).toBe(true);
    }
  });
});

describe('a coordinator that is gone', () => {
  it('stops no tunnel, and finds a node that moved meanwhile within five seconds of its return', () => {
    const { world, a, b } = joinedPair(5);
    world.coordinator.down = true;
    world.internet.pass(120_000);
    expect(world.joined(a, b, 200)).toBe(true);
    b.move(placeAt(world, 0));
    expect(world.joined(a, b, 500)).toBe(true);
    world.internet.pass(60_000);
    world.coordinator.restart(world.internet.now);
    world.internet.pass(5_000);
    const c = world.node('c', placeAt(world, 0));
    c.query(`b.${ZONE}`);
    expect(world.joined(c, b, 2_000)).toBe(true);
  });
});

describe('a coordinator that was started again', () => {
  it('has its relay back within five seconds, for nodes that nothing else can join', () => {
    const world = new World();
    const a = world.node('a', [world.behind(NAT_KINDS.symmetric)]);
    const b = world.node('b', [world.behind(NAT_KINDS.symmetric)]);
    world.coordinator.down = true;
    world.internet.pass(45_000);
    world.coordinator.restart(world.internet.now);
    world.internet.pass(5_000);
    a.query(`b.${ZONE}`);
    expect(world.joined(a, b, 1_000)).toBe(true);
  });
});

describe('without a relay', () => {
  it.each([
    ['who asked', true],
    ['who was asked for', false],
  ])('the nodes are joined again after %s moved', (_, first) => {
    const world = new World(false);
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.behind(NAT_KINDS['port-restricted cone'])]);
    const [asks, other] = [b, a];
    asks.query(`a.${ZONE}`);
    world.internet.pass(1_000);
    expect(world.joined(a, b, 500)).toBe(true);
    if (first) asks.move([world.behind(NAT_KINDS['port-restricted cone'])]);
    else other.move([world.ipv4()]);
    expect(world.joined(a, b, 15_000)).toBe(true);
    expect(world.direct(a, b)).toBe(true);
  });

  it('a path that is lost while the coordinator is gone is made when it is back', () => {
    const world = new World(false);
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.behind(NAT_KINDS['port-restricted cone'])]);
    b.query(`a.${ZONE}`);
    world.internet.pass(1_000);
    expect(world.joined(a, b, 500)).toBe(true);
    world.coordinator.down = true;
    a.move([world.ipv4()]);
    world.internet.pass(60_000);
    expect(world.joined(a, b, 100)).toBe(false);
    world.coordinator.restart(world.internet.now);
    expect(world.joined(a, b, 5_000)).toBe(true);
  });
});

describe('a node whose daemon died and is started again', () => {
  for (const [name, kind] of Object.entries({
    'over the relay': NAT_KINDS.symmetric,
    directly: NAT_KINDS.cone,
  })) {
    it.each([
      ['was asked for', false],
      ['asked', true],
    ])(`is reached again ${name} when it %s`, (_, asked) => {
      const world = new World();
      const place = () => [world.behind(kind)];
      const there = place();
      const a = world.node('a', place());
      const b = world.node('b', there);
      if (asked) b.query(`a.${ZONE}`);
      else a.query(`b.${ZONE}`);
      expect(world.joined(a, b, 1_000)).toBe(true);
      world.internet.pass(30_000);
      b.restart(there);
      // A check, its attempts, and the time until the next direction.
      expect(world.joined(a, b, 15_000)).toBe(true);
      world.internet.pass(30_000);
      expect(world.joined(a, b, 100)).toBe(true);
    });
  }

  it('is not asked for again for ever while it is away', () => {
    const world = new World();
    const a = world.node('a', [world.behind(NAT_KINDS.symmetric)]);
    const there = [world.behind(NAT_KINDS.symmetric)];
    const b = world.node('b', there);
    a.query(`b.${ZONE}`);
    expect(world.joined(a, b, 1_000)).toBe(true);
    b.move([]);
    world.internet.pass(1_800_000);
    const refused = a.engine.counters['direction-refused'];
    world.internet.pass(1_800_000);
    expect(a.engine.counters['direction-refused']).toBe(refused);
    b.move(there);
    world.internet.pass(2_000);
    a.query(`b.${ZONE}`);
    expect(world.joined(a, b, 5_000)).toBe(true);
  });
});
