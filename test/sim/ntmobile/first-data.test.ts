/**
 * Time to the first data between two NTMobile nodes through a relay, also in an impaired network.
 * docs/reference/ntmobile.md §8, §9.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { FirstDatagrams } from '#engine/ntmobile/relay/first-datagrams.ts';
import { SeededRandom } from '#test/sim/random.ts';
import { NAT_KINDS } from './nat.ts';
import { RELAY_ENDPOINTS } from './system.ts';
import { DELAY_MS, World } from './world.ts';

/** Between two nodes through the relay. */
const ROUND_TRIP_MS = 4 * DELAY_MS;

/** Two nodes that never have a direct path. */
function symmetricPair() {
  const world = new World();
  const a = world.node('a', [world.behind(NAT_KINDS.symmetric)]);
  const b = world.node('b', [world.behind(NAT_KINDS.symmetric)]);
  return { world, a, b };
}

type Pair = ReturnType<typeof symmetricPair>;

function resolveName({ world, a, b }: Pair): void {
  const query = a.query(b.name);
  expect(world.internet.pass(5_000, () => a.answers.has(query))).toBe(true);
  expect(a.answers.get(query)).toMatchObject({ outcome: 'addresses' });
}

/** Milliseconds from now to the first data that arrives; the application tries each millisecond. */
function firstDataMs({ world, a, b }: Pair, mostMs = 5_000): number {
  for (let passed = 0; passed < mostMs; passed += 1) {
    a.sendData(b.virtualIpv6, 'data');
    world.internet.pass(1);
    if (b.received.length > 0) return passed + 1;
  }
  return Number.POSITIVE_INFINITY;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('the first data over the relay', () => {
  it('arrives one and a half round trips after the name was answered', () => {
    const pair = symmetricPair();
    resolveName(pair);
    const ms = firstDataMs(pair);
    expect(ms).toBeLessThanOrEqual(1.6 * ROUND_TRIP_MS);
    expect(pair.world.relay?.engine.counters).toMatchObject({ 'first-datagram-passed': 1 });
    expect(pair.world.exchangeData(pair.b, pair.a, 100)).toBe(true);
  });

  it('needs one handshake and no more', () => {
    const pair = symmetricPair();
    let requests = 0;
    pair.world.internet.deliveryDelays = ({ octets, to }) => {
      if ((octets[0] ?? 0) >> 4 === 10 && !RELAY_ENDPOINTS.includes(to.address)) requests += 1;
      return [0];
    };
    resolveName(pair);
    firstDataMs(pair);
    pair.world.internet.pass(2_000);
    expect(requests).toBe(1);
  });

  it('takes two round trips through a relay that ignores first datagrams', () => {
    vi.spyOn(FirstDatagrams.prototype, 'take').mockReturnValue(false);
    const pair = symmetricPair();
    resolveName(pair);
    expect(firstDataMs(pair)).toBeLessThanOrEqual(2.1 * ROUND_TRIP_MS);
    expect(pair.world.relay?.engine.counters).toMatchObject({ 'first-datagram-passed': 0 });
  });

  it('arrives when the Tunnel Response overtakes the answer of the relay', () => {
    const pair = symmetricPair();
    resolveName(pair);
    pair.world.internet.deliveryDelays = ({ from, relayIndex }) =>
      RELAY_ENDPOINTS.includes(from.address) && relayIndex === 0 ? [80] : [0];
    expect(firstDataMs(pair)).toBeLessThanOrEqual(3 * ROUND_TRIP_MS);
    pair.world.internet.deliveryDelays = () => [0];
    expect(pair.world.exchangeData(pair.a, pair.b, 200)).toBe(true);
    pair.world.internet.pass(30_000);
    expect(pair.world.exchangeData(pair.a, pair.b, 200)).toBe(true);
  });

  it('goes through a relay whose session is established only after the name was answered', () => {
    const pair = symmetricPair();
    const { world, a } = pair;
    const { relay } = world;
    if (relay === undefined) throw new Error('no relay');
    relay.down = true;
    a.restart([world.behind(NAT_KINDS.symmetric)]);
    resolveName(pair);
    world.internet.pass(100);
    relay.down = false;
    expect(firstDataMs(pair)).toBeLessThanOrEqual(1_500);
    expect(relay.engine.counters['first-datagram-passed']).toBe(1);
  });

  it('arrives after the relay was restarted before it answered', () => {
    const pair = symmetricPair();
    resolveName(pair);
    pair.world.internet.pass(5);
    pair.world.relay?.restart();
    expect(firstDataMs(pair, 15_000)).toBeLessThanOrEqual(15_000);
  });
});

describe('two nodes behind a relay, in a network that loses, duplicates and reorders', () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    it(`exchange data, seed ${seed}`, () => {
      const pair = symmetricPair();
      const random = new SeededRandom(seed);
      resolveName(pair);
      pair.world.internet.deliveryDelays = () => {
        const delay = () => random.below(60);
        if (random.chance(0.2)) return [];
        return random.chance(0.15) ? [delay(), delay()] : [delay()];
      };
      expect(firstDataMs(pair, 20_000)).toBeLessThanOrEqual(20_000);
      pair.world.internet.deliveryDelays = () => [0];
      pair.world.internet.pass(1_000);
      expect(pair.world.exchangeData(pair.a, pair.b, 500)).toBe(true);
    });
  }
});
