/**
 * Nodes and general nodes in the simulated internet: reached over a relay from any place, while
 * nodes move and relays restart. docs/reference/ntmobile.md §10.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6, isIpv6 } from '#base/ip.ts';
import { randomOf } from '#test/unit/engine/ntmobile/common/sessions-scene.ts';
import { type NodeHost, RELAY_ENDPOINTS } from './hosts.ts';
import type { RelayHost } from './relay-host.ts';
import { DELAY_MS, PLACES, World } from './world.ts';

const R6 = ipv6('2001:db8:6::1');
const R4 = ipv4('203.0.113.80');
/** To the relay and back. */
const ROUND_TRIP_MS = 2 * DELAY_MS;
/** The node says something every millisecond. */
const MOMENT_MS = 2;
const KINDS = Object.values(PLACES);
let world: World;
let relay: RelayHost;

beforeEach(() => {
  world = new World();
  if (world.relay === undefined) throw new Error('no relay');
  relay = world.relay;
  relay.names.set('six.example', [R6]);
  relay.names.set('four.example', [R4]);
});

function placeAt(choice: number) {
  const place = KINDS[choice % KINDS.length];
  if (place === undefined) throw new Error('no place');
  return place(world);
}

/** Virtual addresses that an application gets for a name: IPv6, IPv4. */
function addressesOf(node: NodeHost, name: string): readonly [IpAddress, IpAddress] {
  const query = node.query(name, true);
  world.internet.pass(1_000, () => node.answers.has(query));
  const answer = node.answers.get(query);
  const addresses = answer?.outcome === 'addresses' ? answer.addresses : [];
  const six = addresses.find(isIpv6);
  const four = addresses.find((address) => !isIpv6(address));
  if (six === undefined || four === undefined)
    throw new Error(`${name}: ${JSON.stringify(answer)}`);
  return [six, four];
}

/** Whether a server answers within the time; asked anew every ten milliseconds. */
function answers(node: NodeHost, to: IpAddress, ms: number, flow = 'flow'): boolean {
  const mark = `${flow} ${world.internet.now}`;
  for (let passed = 0; passed < ms && !node.got.includes(mark); passed += 10) {
    node.say(to, mark);
    world.internet.pass(10);
  }
  return node.got.includes(mark);
}

/** The node talks all the time; the longest that it heard nothing. */
function longestSilence(node: NodeHost, to: IpAddress, ms: number): number {
  let [last, longest] = [0, 0];
  for (let passed = 1; passed <= ms; passed++) {
    const before = node.got.length;
    node.say(to, `flow ${passed}`);
    world.internet.pass(1);
    if (node.got.length > before) last = passed;
    longest = Math.max(longest, passed - last);
  }
  return longest;
}

describe('a general node', () => {
  for (const [kind, place] of Object.entries(PLACES)) {
    it(`is reached by sockets of both families from ${kind}, whichever it has itself`, () => {
      const node = world.node('a', place(world));
      for (const [name, real] of [
        ['six.example', R6],
        ['four.example', R4],
      ] as const) {
        for (const address of addressesOf(node, name)) {
          relay.reached.length = 0;
          expect(answers(node, address, 500)).toBe(true);
          expect(new Set(relay.reached)).toEqual(new Set([real]));
        }
      }
    });
  }

  it('is there after three round trips to the coordinator and one to the relay', () => {
    const node = world.node('a', [world.ipv4()]);
    const begun = world.internet.now;
    const [six] = addressesOf(node, 'six.example');
    expect(world.internet.now - begun).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
    const asked = world.internet.now;
    expect(node.say(six, 'flow 1')).toBe(true);
    world.internet.pass(1_000, () => node.got.includes('flow 1'));
    expect(world.internet.now - asked).toBe(ROUND_TRIP_MS);
  });

  it('that nobody knows is no name, and one inside the relay’s networks is none that is served', () => {
    const node = world.node('a', [world.ipv4()]);
    relay.names.set('inside.example', [ipv4('192.168.0.1'), ipv6('::1')]);
    const queries = ['nobody.example', 'inside.example'].map((name) => node.query(name, true));
    world.internet.pass(1_000);
    expect(queries.map((query) => node.answers.get(query)?.outcome)).toEqual([
      'no-such-name',
      'failure',
    ]);
  });
});

describe('a connection to a general node', () => {
  for (let seed = 1; seed <= 10; seed++) {
    it(`stalls for one round trip and a moment when its node moves, seed ${seed}`, () => {
      const random = randomOf(300 + seed);
      const [from = 0, to = 0, again = 0] = random(3);
      const node = world.node('a', placeAt(from));
      const [six, four] = addressesOf(node, seed % 2 === 0 ? 'six.example' : 'four.example');
      const address = from % 2 === 0 ? six : four;
      expect(answers(node, address, 500)).toBe(true);
      node.move(placeAt(to));
      expect(longestSilence(node, address, 300)).toBeLessThanOrEqual(ROUND_TRIP_MS + MOMENT_MS);
      world.internet.pass(again * 20);
      node.move(placeAt(again));
      expect(longestSilence(node, address, 300)).toBeLessThanOrEqual(ROUND_TRIP_MS + MOMENT_MS);
    });
  }

  it('is told of a move by a datagram of 1,200 octets, that is short when it is sent again and afterwards', () => {
    const node = world.node('a', [world.ipv4()]);
    expect(answers(node, addressesOf(node, 'four.example')[1], 500)).toBe(true);
    const lengths: number[] = [];
    const send = world.internet.send.bind(world.internet);
    world.internet.send = (host, wire) => {
      const control =
        host === node &&
        RELAY_ENDPOINTS.includes(wire.to.address) &&
        (wire.octets[0] ?? 0) >> 4 === 9;
      if (control) lengths.push(wire.octets.length);
      send(host, wire);
    };
    node.move([]);
    relay.down = true;
    node.move([world.ipv4()]);
    world.internet.pass(1_000);
    expect(lengths).toEqual([1_200, 115, 115]);
    relay.down = false;
    world.internet.pass(60_000);
    expect(lengths.length).toBeGreaterThan(5);
    expect(lengths.slice(1).every((length) => length <= 115)).toBe(true);
  });

  it('is found again at once when a translator forgot its node', () => {
    const spots = PLACES['symmetric']?.(world) ?? [];
    const node = world.node('a', spots);
    const [six] = addressesOf(node, 'six.example');
    expect(answers(node, six, 500)).toBe(true);
    for (const { nats } of spots) for (const nat of nats) nat.forget();
    expect(longestSilence(node, six, 300)).toBeLessThanOrEqual(3 * ROUND_TRIP_MS);
  });

  it('goes on while the coordinator is gone, and while keys are made anew', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    world.coordinator.down = true;
    for (let minute = 0; minute < 25; minute++) {
      world.internet.pass(60_000);
      expect(answers(node, six, 200)).toBe(true);
    }
  });

  it('goes on to the same server after the relay was away, within two round trips of its return', () => {
    const node = world.node('a', [world.ipv4()]);
    const addresses = [...addressesOf(node, 'six.example'), ...addressesOf(node, 'four.example')];
    for (const address of addresses) expect(answers(node, address, 500)).toBe(true);
    relay.names.set('six.example', [ipv6('2001:db8:6::2')]);
    relay.down = true;
    world.internet.pass(1_500);
    relay.reached.length = 0;
    relay.restart();
    world.internet.pass(DELAY_MS + ROUND_TRIP_MS);
    for (const address of addresses) expect(answers(node, address, 2 * ROUND_TRIP_MS)).toBe(true);
    expect(new Set(relay.reached)).toEqual(new Set([R6, R4]));
  });

  it('goes on after the relay was away so long that its node asked it in vain', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    relay.down = true;
    world.internet.pass(90_000);
    relay.restart();
    expect(answers(node, six, 5_000)).toBe(true);
  });

  it('goes on after the relay lost all that it knew', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    relay.restart(false);
    world.internet.pass(25_000);
    expect(answers(node, six, 1_000)).toBe(true);
  });

  it('ends with the credential of its node', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    expect(answers(node, six, 500)).toBe(true);
    node.disabled = true;
    world.internet.pass(86_400_000);
    expect(answers(node, six, 1_000)).toBe(false);
  });
});
