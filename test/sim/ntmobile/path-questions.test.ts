/**
 * Paths that break in silence while data flows: docs/reference/ntmobile.md §8, liveness.
 */
import { describe, expect, it } from 'vitest';
import { type IpAddress, ipv6, isIpv6 } from '#base/ip.ts';
import type { WireDatagram } from './internet.ts';
import type { NodeHost } from './node-host.ts';
import { RELAY_ENDPOINTS, ZONE } from './system.ts';
import { DELAY_MS, World } from './world.ts';

/** The decision, and a round trip through the relay. */
const BACK_WITHIN_MS = 3_000 + 4 * DELAY_MS;
const INTERVAL_MS = 50;

interface Pair {
  readonly addressesOfA: readonly IpAddress[];
  readonly world: World;
  readonly a: NodeHost;
  readonly b: NodeHost;
}

/** Two nodes with a direct path, of both families. */
function pair(): Pair {
  const world = new World();
  const accessPoints = [world.ipv6(), world.ipv4()];
  const addressesOfA = accessPoints.map(({ address }) => address);
  const a = world.node('a', accessPoints);
  const b = world.node('b', [world.ipv6(), world.ipv4()]);
  a.query(`b.${ZONE}`);
  world.internet.pass(3_000);
  const nodes = { world, a, b, addressesOfA };
  carry(nodes, 5_000, 'both');
  expect(world.direct(a, b)).toBe(true);
  return nodes;
}

type Directions = 'both' | 'up' | 'down';

/** Carries data for a time; gives the longest time without an arrival of each direction. */
function carry({ world, a, b }: Pair, ms: number, directions: Directions): number {
  const { internet } = world;
  const flows = [
    { from: a, to: b, flows: directions !== 'down' },
    { from: b, to: a, flows: directions !== 'up' },
  ].filter(({ flows: carried }) => carried);
  const arrivedAt = flows.map(() => Number(internet.now));
  let longestMs = 0;
  const end = internet.now + ms;
  while (internet.now < end) {
    const before = flows.map(({ to }) => to.received.length);
    for (const { from, to } of flows) from.sendData(to.virtualIpv6, `${internet.now}`);
    internet.pass(INTERVAL_MS);
    for (const [at, { to }] of flows.entries()) {
      if (to.received.length > (before[at] ?? 0)) arrivedAt[at] = internet.now;
      longestMs = Math.max(longestMs, internet.now - (arrivedAt[at] ?? 0));
    }
  }
  return longestMs;
}

function drop({ world }: Pair, dropped: (datagram: WireDatagram) => boolean): void {
  world.internet.deliveryDelays = (datagram) => (dropped(datagram) ? [] : [0]);
}

const NODES = /^(2001:db8:100::|203\.0\.113\.)/;
const [RELAY_V4, RELAY_V6] = RELAY_ENDPOINTS;

const between = (datagram: WireDatagram): boolean =>
  datagram.relayIndex === 0 && isOfNode(datagram);

function isAt({ from, to }: WireDatagram, address: IpAddress | undefined): boolean {
  return from.address === address || to.address === address;
}

function isOfNode({ from, to }: WireDatagram): boolean {
  return [from, to].every(({ address }) => NODES.test(address));
}

describe('a direct path that breaks in silence', () => {
  it.each(['both', 'up', 'down'] as const)(
    'gives way to the relay within 3 s, with traffic: %s',
    (directions) => {
      const nodes = pair();
      carry(nodes, 3_000, directions);
      drop(nodes, between);
      const stallMs = carry(nodes, 10_000, directions);
      expect(stallMs).toBeGreaterThan(500);
      expect(stallMs).toBeLessThan(BACK_WITHIN_MS);
    },
  );

  it.each(['both', 'up'] as const)(
    'gives way when one direction breaks, with traffic: %s',
    (traffic) => {
      const nodes = pair();
      const { addressesOfA } = nodes;
      drop(nodes, (datagram) => between(datagram) && addressesOfA.includes(datagram.from.address));
      expect(carry(nodes, 10_000, traffic)).toBeLessThan(BACK_WITHIN_MS);
    },
  );

  it('gives way to the other family', () => {
    const nodes = pair();
    drop(nodes, (datagram) => between(datagram) && isIpv6(datagram.to.address));
    expect(carry(nodes, 10_000, 'both')).toBeLessThan(BACK_WITHIN_MS);
    expect(nodes.world.direct(nodes.a, nodes.b)).toBe(true);
  });
});

describe('a leg at a relay that breaks in silence', () => {
  it.each(['both', 'up', 'down'] as const)(
    'gives way to the other family, with traffic: %s',
    (traffic) => {
      const nodes = pair();
      drop(nodes, between);
      carry(nodes, 5_000, traffic);
      drop(nodes, (datagram) => between(datagram) || isAt(datagram, RELAY_V4));
      const stallMs = carry(nodes, 10_000, traffic);
      expect(stallMs).toBeGreaterThan(500);
      expect(stallMs).toBeLessThan(BACK_WITHIN_MS);
      drop(nodes, (datagram) => between(datagram) || isAt(datagram, RELAY_V6));
      expect(carry(nodes, 10_000, traffic)).toBeLessThan(BACK_WITHIN_MS);
    },
  );

  it('gives way for general nodes too', () => {
    const world = new World();
    world.relay?.names.set('six.example', [ipv6('2001:db8:6::1')]);
    const a = world.node('a', [world.ipv6(), world.ipv4()]);
    const query = a.query('six.example', true);
    world.internet.pass(1_000);
    const answer = a.answers.get(query);
    const [to] = answer?.outcome === 'addresses' ? answer.addresses : [];
    if (to === undefined) throw new Error('no address');
    for (const broken of [RELAY_V4, RELAY_V6]) {
      let lastMs: number = world.internet.now;
      let longestMs = 0;
      for (let passed = 0; passed < 10_000; passed += INTERVAL_MS) {
        if (passed === 2_000)
          world.internet.deliveryDelays = (datagram) => (isAt(datagram, broken) ? [] : [0]);
        const before = a.received.length;
        a.sendData(to, `flow ${broken} ${passed}`);
        world.internet.pass(INTERVAL_MS);
        if (a.received.length > before) lastMs = world.internet.now;
        longestMs = Math.max(longestMs, world.internet.now - lastMs);
      }
      expect(longestMs).toBeGreaterThan(500);
      expect(longestMs).toBeLessThan(BACK_WITHIN_MS);
    }
  });
});

describe('a path that works', () => {
  const asked = ({ a, b }: Pair) =>
    [a, b].map(({ engine }) => engine.counters['path-checked'] ?? 0);

  it('gets no questions while data flows in both directions, or none', () => {
    const nodes = pair();
    const before = asked(nodes);
    carry(nodes, 20_000, 'both');
    nodes.world.internet.pass(600_000);
    // The stream ended: one question of each node.
    const questions = asked(nodes).map((count, at) => count - (before[at] ?? 0));
    expect(Math.max(...questions)).toBeLessThan(3);
  });

  it('gets a question at most every 1.25 s from one-way data', () => {
    const nodes = pair();
    const before = asked(nodes);
    carry(nodes, 20_000, 'up');
    const [sender, receiver] = asked(nodes).map((count, at) => count - (before[at] ?? 0));
    expect(sender).toBeLessThanOrEqual(20 / 1.25 + 1);
    expect(receiver).toBeLessThan(3);
    expect(nodes.world.direct(nodes.a, nodes.b)).toBe(true);
  });
});
