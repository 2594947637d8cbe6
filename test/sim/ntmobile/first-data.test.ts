/**
 * How long the first data between two NTMobile nodes takes over the relay, and what of it outlives
 * a bad network. docs/reference/ntmobile.md §8, §9.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FirstDatagrams } from '#engine/ntmobile/relay/first-datagrams.ts';
import { SeededRandom } from '#test/sim/random.ts';
import { RELAY_ENDPOINTS } from './hosts.ts';
import { NAT_KINDS } from './nat.ts';
import { DELAY_MS, World } from './world.ts';

/** Two nodes over the relay: there and back. */
const ROUND_TRIP_MS = 4 * DELAY_MS;

/** Two nodes that never have a direct way. */
function apart() {
  const world = new World();
  const a = world.node('a', [world.behind(NAT_KINDS.symmetric)]);
  const b = world.node('b', [world.behind(NAT_KINDS.symmetric)]);
  return { world, a, b };
}

type Pair = ReturnType<typeof apart>;

function named({ world, a, b }: Pair): void {
  const query = a.query(b.name);
  expect(world.internet.pass(5_000, () => a.answers.has(query))).toBe(true);
  expect(a.answers.get(query)).toMatchObject({ outcome: 'addresses' });
}

/**
 * Milliseconds from now to the first data that is there; the application tries each millisecond.
 */
function firstDataMs({ world, a, b }: Pair, mostMs = 5_000): number {
  for (let passed = 0; passed < mostMs; passed += 1) {
    a.say(b.virtualIpv6, 'data');
    world.internet.pass(1);
    if (b.got.length > 0) return passed + 1;
  }
  return Number.POSITIVE_INFINITY;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the first data over the relay', () => {
  it('is there one round trip and a half after the name was answered', () => {
    const pair = apart();
    named(pair);
    const ms = firstDataMs(pair);
    expect(ms).toBeLessThanOrEqual(1.6 * ROUND_TRIP_MS);
    expect(pair.world.relay?.engine.counters).toMatchObject({ 'first-datagram-passed': 1 });
    expect(pair.world.joined(pair.b, pair.a, 100)).toBe(true);
  });

  it('needs one handshake and no more', () => {
    const pair = apart();
    let requests = 0;
    pair.world.internet.fate = ({ octets, to }) => {
      if ((octets[0] ?? 0) >> 4 === 10 && !RELAY_ENDPOINTS.includes(to.address)) requests += 1;
      return [0];
    };
    named(pair);
    firstDataMs(pair);
    pair.world.internet.pass(2_000);
    expect(requests).toBe(1);
  });

  it('takes no longer by a relay that skips what came along than without', () => {
    vi.spyOn(FirstDatagrams.prototype, 'take').mockReturnValue(false);
    const pair = apart();
    named(pair);
    expect(firstDataMs(pair)).toBeLessThanOrEqual(2.1 * ROUND_TRIP_MS);
    expect(pair.world.relay?.engine.counters).toMatchObject({ 'first-datagram-passed': 0 });
  });

  it('comes where the Tunnel Response is there before the relay’s own answer', () => {
    const pair = apart();
    named(pair);
    pair.world.internet.fate = ({ from, relayIndex }) =>
      RELAY_ENDPOINTS.includes(from.address) && relayIndex === 0 ? [80] : [0];
    expect(firstDataMs(pair)).toBeLessThanOrEqual(3 * ROUND_TRIP_MS);
    pair.world.internet.fate = () => [0];
    expect(pair.world.joined(pair.a, pair.b, 200)).toBe(true);
    pair.world.internet.pass(30_000);
    expect(pair.world.joined(pair.a, pair.b, 200)).toBe(true);
  });

  it('goes by a relay of which the session stands only after the name was answered', () => {
    const pair = apart();
    const { world, a } = pair;
    const { relay } = world;
    if (relay === undefined) throw new Error('no relay');
    relay.down = true;
    a.restart([world.behind(NAT_KINDS.symmetric)]);
    named(pair);
    world.internet.pass(100);
    relay.down = false;
    expect(firstDataMs(pair)).toBeLessThanOrEqual(1_500);
    expect(relay.engine.counters['first-datagram-passed']).toBe(1);
  });

  it('comes after the relay was started again before it answered', () => {
    const pair = apart();
    named(pair);
    pair.world.internet.pass(5);
    pair.world.relay?.restart();
    expect(firstDataMs(pair, 15_000)).toBeLessThanOrEqual(15_000);
  });
});

describe('two nodes that have only the relay, in a network that loses, doubles and turns around', () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    it(`find each other, seed ${seed}`, () => {
      const pair = apart();
      const random = new SeededRandom(seed);
      named(pair);
      pair.world.internet.fate = () => {
        const delay = () => random.below(60);
        if (random.chance(0.2)) return [];
        return random.chance(0.15) ? [delay(), delay()] : [delay()];
      };
      expect(firstDataMs(pair, 20_000)).toBeLessThanOrEqual(20_000);
      pair.world.internet.fate = () => [0];
      pair.world.internet.pass(1_000);
      expect(pair.world.joined(pair.a, pair.b, 500)).toBe(true);
    });
  }
});
