/**
 * Nodes and general nodes in the simulated internet: reached through a relay from any access
 * network, while nodes move and relays restart. docs/reference/ntmobile.md §10.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6, isIpv6 } from '#base/ip.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import type { NodeHost } from './node-host.ts';
import type { RelayHost } from './relay-host.ts';
import { RELAY_ENDPOINTS } from './system.ts';
import { ACCESS_NETWORKS, DELAY_MS, World } from './world.ts';

const R6 = ipv6('2001:db8:6::1');
const R4 = ipv4('203.0.113.80');
/** To the relay and back. */
const ROUND_TRIP_MS = 2 * DELAY_MS;
/** The node sends data every millisecond. */
const MOMENT_MS = 2;
const KINDS = Object.values(ACCESS_NETWORKS);
let world: World;
let relay: RelayHost;

beforeEach(() => {
  world = new World();
  if (world.relay === undefined) throw new Error('no relay');
  relay = world.relay;
  relay.names.set('six.example', [R6]);
  relay.names.set('four.example', [R4]);
});

function accessPointsOf(choice: number) {
  const network = KINDS[choice % KINDS.length];
  if (network === undefined) throw new Error('no access network');
  return network(world);
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

/** Whether a server answers within the time; a request every ten milliseconds. */
function answers(node: NodeHost, to: IpAddress, ms: number, flow = 'flow'): boolean {
  const mark = `${flow} ${world.internet.now}`;
  for (let passed = 0; passed < ms && !node.received.includes(mark); passed += 10) {
    node.sendData(to, mark);
    world.internet.pass(10);
  }
  return node.received.includes(mark);
}

/** The longest time without received data while the node sends continuously. */
function longestSilence(node: NodeHost, to: IpAddress, ms: number): number {
  let [last, longest] = [0, 0];
  for (let passed = 1; passed <= ms; passed++) {
    const before = node.received.length;
    node.sendData(to, `flow ${passed}`);
    world.internet.pass(1);
    if (node.received.length > before) last = passed;
    longest = Math.max(longest, passed - last);
  }
  return longest;
}

describe('a general node', () => {
  for (const [kind, network] of Object.entries(ACCESS_NETWORKS)) {
    it(`answers sockets of both families from ${kind}, whichever family it has itself`, () => {
      const node = world.node('a', network(world));
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

  it('answers after three round trips to the coordinator and one to the relay', () => {
    const node = world.node('a', [world.ipv4()]);
    const startedAt = world.internet.now;
    const [six] = addressesOf(node, 'six.example');
    expect(world.internet.now - startedAt).toBeLessThanOrEqual(2 * ROUND_TRIP_MS);
    const sentAt = world.internet.now;
    expect(node.sendData(six, 'flow 1')).toBe(true);
    world.internet.pass(1_000, () => node.received.includes('flow 1'));
    expect(world.internet.now - sentAt).toBe(ROUND_TRIP_MS);
  });

  it('answers an unknown name with no-such-name, and one inside the relay with failure', () => {
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
    it(`stalls for hardly more than one round trip when its node moves, seed ${seed}`, () => {
      const random = randomOf(300 + seed);
      const [from = 0, to = 0, again = 0] = random(3);
      const node = world.node('a', accessPointsOf(from));
      const [six, four] = addressesOf(node, seed % 2 === 0 ? 'six.example' : 'four.example');
      const address = from % 2 === 0 ? six : four;
      expect(answers(node, address, 500)).toBe(true);
      node.move(accessPointsOf(to));
      expect(longestSilence(node, address, 300)).toBeLessThanOrEqual(ROUND_TRIP_MS + MOMENT_MS);
      world.internet.pass(again * 20);
      node.move(accessPointsOf(again));
      expect(longestSilence(node, address, 300)).toBeLessThanOrEqual(ROUND_TRIP_MS + MOMENT_MS);
    });
  }

  it('follows a move by a Keep Alive of 1,200 octets, with short retransmissions', () => {
    const node = world.node('a', [world.ipv4()]);
    expect(answers(node, addressesOf(node, 'four.example')[1], 500)).toBe(true);
    const lengths: number[] = [];
    const send = world.internet.send.bind(world.internet);
    world.internet.send = (host, datagram) => {
      const control =
        host === node &&
        RELAY_ENDPOINTS.includes(datagram.to.address) &&
        (datagram.octets[0] ?? 0) >> 4 === 9;
      if (control) lengths.push(datagram.octets.length);
      send(host, datagram);
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

  it('resumes at once after the NAT in front of its node lost its mappings', () => {
    const accessPoints = ACCESS_NETWORKS['symmetric']?.(world) ?? [];
    const node = world.node('a', accessPoints);
    const [six] = addressesOf(node, 'six.example');
    expect(answers(node, six, 500)).toBe(true);
    for (const { nats } of accessPoints) for (const nat of nats) nat.forget();
    expect(longestSilence(node, six, 300)).toBeLessThanOrEqual(3 * ROUND_TRIP_MS);
  });

  it('continues without the coordinator, and across rekeys', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    world.coordinator.down = true;
    for (let minute = 0; minute < 25; minute++) {
      world.internet.pass(60_000);
      expect(answers(node, six, 200)).toBe(true);
    }
  });

  it('resumes to the same server within two round trips after the relay returned', () => {
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

  it('resumes after the relay was away longer than its node retransmits', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    relay.down = true;
    world.internet.pass(90_000);
    relay.restart();
    expect(answers(node, six, 5_000)).toBe(true);
  });

  it('resumes after the relay lost its store', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    relay.restart(false);
    world.internet.pass(25_000);
    expect(answers(node, six, 1_000)).toBe(true);
  });

  it('ends when the credential of its node expires', () => {
    const node = world.node('a', [world.ipv4()]);
    const [six] = addressesOf(node, 'six.example');
    expect(answers(node, six, 500)).toBe(true);
    node.disabled = true;
    world.internet.pass(86_400_000);
    expect(answers(node, six, 1_000)).toBe(false);
  });
});
