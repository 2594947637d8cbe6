/**
 * NTMobile under moves and outages in the simulated internet. docs/reference/ntmobile.md §5, §6.
 */
import { describe, expect, it } from 'vitest';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import { NAT_KINDS } from './nat.ts';
import type { NodeHost } from './node-host.ts';
import { ZONE } from './system.ts';
import { ACCESS_NETWORKS, DELAY_MS, World } from './world.ts';

/** Between two nodes through the relay. */
const ROUND_TRIP_MS = 4 * DELAY_MS;
const KINDS = Object.values(ACCESS_NETWORKS);

function accessPointsOf(world: World, choice: number) {
  const network = KINDS[choice % KINDS.length];
  if (network === undefined) throw new Error('no access network');
  return network(world);
}

/** The longest time in which a node received nothing, while both send continuously. */
function longestSilence(world: World, a: NodeHost, b: NodeHost, ms: number): number {
  const last = [0, 0];
  let longest = 0;
  for (let passed = 1; passed <= ms; passed++) {
    const before = [a.received.length, b.received.length];
    a.sendData(b.virtualIpv6, 'data');
    b.sendData(a.virtualIpv6, 'data');
    world.internet.pass(1);
    for (const [at, node] of [a, b].entries()) {
      if (node.received.length > (before[at] ?? 0)) last[at] = passed;
      longest = Math.max(longest, passed - (last[at] ?? 0));
    }
  }
  return longest;
}

function connectedPair(seed: number): {
  readonly world: World;
  readonly a: NodeHost;
  readonly b: NodeHost;
} {
  const world = new World();
  const random = randomOf(seed);
  const a = world.node('a', accessPointsOf(world, random(1)[0] ?? 0));
  const b = world.node('b', accessPointsOf(world, random(1)[0] ?? 0));
  a.query(`b.${ZONE}`);
  expect(world.exchangeData(a, b, 1_000)).toBe(true);
  world.internet.pass(6_000);
  return { world, a, b };
}

describe('a flow between two nodes', () => {
  for (let seed = 1; seed <= 20; seed++) {
    it(`stalls for at most two round trips when one or both nodes move, seed ${seed}`, () => {
      const { world, a, b } = connectedPair(seed);
      const random = randomOf(100 + seed);
      const [first = 0, second = 0, both = 0] = random(3);
      b.move(accessPointsOf(world, first));
      expect(longestSilence(world, a, b, 500)).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
      world.internet.pass(both * 20);
      a.move(accessPointsOf(world, second));
      b.move(accessPointsOf(world, both));
      expect(longestSilence(world, a, b, 500)).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
    });
  }

  it('survives a hundred moves', () => {
    const { world, a, b } = connectedPair(7);
    const random = randomOf(8);
    for (let move = 0; move < 100; move++) {
      const [mover = 0, target = 0, wait = 0] = random(3);
      (mover % 2 === 0 ? a : b).move(accessPointsOf(world, target));
      world.internet.pass(wait * 8);
      expect(world.exchangeData(a, b, 500)).toBe(true);
    }
  });

  it('continues across rekeys', () => {
    const { world, a, b } = connectedPair(3);
    for (let minute = 0; minute < 40; minute++) {
      world.internet.pass(60_000);
      expect(world.exchangeData(a, b, 200)).toBe(true);
    }
  });
});

describe('an outage of the coordinator', () => {
  it('interrupts no tunnel, and ends with moved nodes registered within five seconds', () => {
    const { world, a, b } = connectedPair(5);
    world.coordinator.down = true;
    world.internet.pass(120_000);
    expect(world.exchangeData(a, b, 200)).toBe(true);
    b.move(accessPointsOf(world, 0));
    expect(world.exchangeData(a, b, 500)).toBe(true);
    world.internet.pass(60_000);
    world.coordinator.restart(world.internet.now);
    world.internet.pass(5_000);
    const c = world.node('c', accessPointsOf(world, 0));
    c.query(`b.${ZONE}`);
    expect(world.exchangeData(c, b, 2_000)).toBe(true);
  });
});

describe('a restarted coordinator', () => {
  it('assigns its relay within five seconds to nodes that need one', () => {
    const world = new World();
    const a = world.node('a', [world.behind(NAT_KINDS.symmetric)]);
    const b = world.node('b', [world.behind(NAT_KINDS.symmetric)]);
    world.coordinator.down = true;
    world.internet.pass(45_000);
    world.coordinator.restart(world.internet.now);
    world.internet.pass(5_000);
    a.query(`b.${ZONE}`);
    expect(world.exchangeData(a, b, 1_000)).toBe(true);
  });
});

describe('a system without a relay', () => {
  it.each([
    ['the initiator', true],
    ['the responder', false],
  ])('reconnects the nodes after %s moved', (_, moveInitiator) => {
    const world = new World(false);
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.behind(NAT_KINDS['port-restricted cone'])]);
    const [initiator, responder] = [b, a];
    initiator.query(`a.${ZONE}`);
    world.internet.pass(1_000);
    expect(world.exchangeData(a, b, 500)).toBe(true);
    if (moveInitiator) initiator.move([world.behind(NAT_KINDS['port-restricted cone'])]);
    else responder.move([world.ipv4()]);
    expect(world.exchangeData(a, b, 15_000)).toBe(true);
    expect(world.direct(a, b)).toBe(true);
  });

  it('restores a path that was lost during an outage of the coordinator', () => {
    const world = new World(false);
    const a = world.node('a', [world.ipv4()]);
    const b = world.node('b', [world.behind(NAT_KINDS['port-restricted cone'])]);
    b.query(`a.${ZONE}`);
    world.internet.pass(1_000);
    expect(world.exchangeData(a, b, 500)).toBe(true);
    world.coordinator.down = true;
    a.move([world.ipv4()]);
    world.internet.pass(60_000);
    expect(world.exchangeData(a, b, 100)).toBe(false);
    world.coordinator.restart(world.internet.now);
    expect(world.exchangeData(a, b, 5_000)).toBe(true);
  });
});

describe('a node whose daemon was killed and restarted', () => {
  for (const [name, kind] of Object.entries({
    'through the relay': NAT_KINDS.symmetric,
    directly: NAT_KINDS.cone,
  })) {
    it.each([
      ['the responder', false],
      ['the initiator', true],
    ])(`reconnects ${name} when it was %s`, (_, initiator) => {
      const world = new World();
      const accessPoints = () => [world.behind(kind)];
      const accessPointsOfB = accessPoints();
      const a = world.node('a', accessPoints());
      const b = world.node('b', accessPointsOfB);
      if (initiator) b.query(`a.${ZONE}`);
      else a.query(`b.${ZONE}`);
      expect(world.exchangeData(a, b, 1_000)).toBe(true);
      world.internet.pass(30_000);
      b.restart(accessPointsOfB);
      // A check with its retransmissions, and the time until the next direction.
      expect(world.exchangeData(a, b, 15_000)).toBe(true);
      world.internet.pass(30_000);
      expect(world.exchangeData(a, b, 100)).toBe(true);
    });
  }

  it('stops being requested after a while when it is away', () => {
    const world = new World();
    const a = world.node('a', [world.behind(NAT_KINDS.symmetric)]);
    const accessPoints = [world.behind(NAT_KINDS.symmetric)];
    const b = world.node('b', accessPoints);
    a.query(`b.${ZONE}`);
    expect(world.exchangeData(a, b, 1_000)).toBe(true);
    b.move([]);
    world.internet.pass(1_800_000);
    const refused = a.engine.counters['direction-refused'];
    world.internet.pass(1_800_000);
    expect(a.engine.counters['direction-refused']).toBe(refused);
    b.move(accessPoints);
    world.internet.pass(2_000);
    a.query(`b.${ZONE}`);
    expect(world.exchangeData(a, b, 5_000)).toBe(true);
  });
});
