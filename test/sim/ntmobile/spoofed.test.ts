/**
 * Somebody on the path lets what a node sends seem to come from somewhere else: whoever is there
 * gets no more than three times that, whatever goes to the node meanwhile.
 * docs/reference/ntmobile.md §9, §11.
 */
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6, isIpv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { randomOf } from '#test/unit/engine/ntmobile/common/sessions-scene.ts';
import { type NodeHost, RELAY_ENDPOINTS, spotsOf, ZONE } from './hosts.ts';
import type { Host, Wire } from './internet.ts';
import { isSealed } from './sealed-text.ts';
import { PLACES, World } from './world.ts';

const AMPLIFICATION = 3;
const ENVELOPE_OCTETS = 4;
const LARGE = 'x'.repeat(1_100);
const octetsOf = ({ octets, relayIndex }: Wire): number =>
  octets.length + (relayIndex === 0 ? 0 : ENVELOPE_OCTETS);

const isControl = ({ octets, relayIndex }: Wire): boolean => relayIndex === 0 && !isSealed(octets);

/** It asked for nothing. */
class Bystander implements Host {
  readonly name = 'bystander';
  readonly place = { address: ipv4('192.0.2.66'), port: 7777 };
  /** Octets that came, and those that seem to have come from here. */
  received = 0;
  spoken = 0;
  deadline = () => NEVER;
  tick(): void {}
  receive(_now: unknown, wire: Wire): void {
    this.received += octetsOf(wire);
  }
}

/**
 * What of a node's datagrams to the relay seems to come from elsewhere; the rest is lost, or goes
 * on as it should.
 */
interface Attack {
  readonly diverts: (wire: Wire) => boolean;
  readonly loses: (wire: Wire) => boolean;
}

function attack({ internet }: World, node: NodeHost, { diverts, loses }: Attack): Bystander {
  const bystander = new Bystander();
  internet.attach(bystander, spotsOf([bystander.place.address]));
  const send = internet.send.bind(internet);
  internet.send = (host, wire) => {
    if (host !== node || !RELAY_ENDPOINTS.includes(wire.to.address)) send(host, wire);
    else if (!isIpv6(wire.to.address) && diverts(wire)) {
      bystander.spoken += octetsOf(wire);
      send(bystander, { ...wire, from: bystander.place });
      // A sealed message that comes again says nothing; this plane has no window for data.
      if (isControl(wire)) send(bystander, { ...wire, from: bystander.place });
    } else if (!loses(wire)) send(host, wire);
  };
  return bystander;
}

/** A node with a general flow and a relayed path, to which much is sent on both. */
function scene() {
  const world = new World();
  const { relay } = world;
  if (relay === undefined) throw new Error('no relay');
  relay.names.set('six.example', [ipv6('2001:db8:6::1')]);
  const symmetric = () => PLACES['symmetric']?.(world) ?? [];
  const [node, other] = [world.node('a', symmetric()), world.node('b', symmetric())];
  const query = node.query('six.example', true);
  node.query(`b.${ZONE}`);
  expect(world.joined(node, other, 1_000)).toBe(true);
  const answer = node.answers.get(query);
  const server = answer?.outcome === 'addresses' ? answer.addresses.find(isIpv6) : undefined;
  if (server === undefined) throw new Error('no address of the server');
  expect(node.say(server, 'flow 1')).toBe(true);
  world.internet.pass(1_000);
  const flood = () => {
    relay.serverSays({ source: server, to: node.virtualIpv6, text: LARGE });
    other.say(node.virtualIpv6, LARGE);
  };
  return { world, relay, node, symmetric, flood, server };
}

/**
 * For so long; gives by how much the bystander's octets ever came close to three times those that
 * seem to be its own.
 */
function floodFor(
  ms: number,
  { world, node, flood, server }: ReturnType<typeof scene>,
  bystander: Bystander,
): number {
  let closest = 0;
  for (let passed = 0; passed < ms; passed += 2) {
    flood();
    if (passed % 50 === 0) node.say(server, 'flow 1');
    world.internet.pass(2);
    expect(bystander.received).toBeLessThanOrEqual(AMPLIFICATION * bystander.spoken);
    if (bystander.spoken > 0) closest = Math.max(closest, bystander.received / bystander.spoken);
  }
  return closest;
}

describe('who did not move there', () => {
  it('gets by a Keep Alive from a new place some packets, and no more than three times its octets', () => {
    const all = scene();
    const { world, node, symmetric } = all;
    let diverted = 0;
    const diverts = (wire: Wire) =>
      isControl(wire) && wire.octets.length > 1_000 && diverted++ === 0;
    const bystander = attack(world, node, { diverts, loses: () => true });
    node.move(symmetric());
    expect(floodFor(4_000, all, bystander)).toBeGreaterThan(2);
    expect(bystander.spoken).toBe(1_200);
  });

  it('gets them for a round trip only while the node itself is heard of', () => {
    const all = scene();
    const { world, relay, node, symmetric } = all;
    const diverts = (wire: Wire) => isControl(wire) && wire.octets.length > 1_000;
    const bystander = attack(world, node, { diverts, loses: () => false });
    node.move(symmetric());
    floodFor(100, all, bystander);
    const { received } = bystander;
    expect(received).toBeGreaterThan(0);
    floodFor(1_000, all, bystander);
    // Path Challenges until they fail, and no packet.
    expect(bystander.received).toBeLessThan(received + LARGE.length);
    expect(relay.engine.counters['path-validated']).toBeGreaterThan(0);
  });

  for (let seed = 1; seed <= 20; seed++) {
    it(`gets no more than three times what seems to come from there, seed ${seed}`, () => {
      const all = scene();
      const { world, node, symmetric } = all;
      const random = randomOf(500 + seed);
      const draw = () => (random(1)[0] ?? 0) / 256;
      const [control, data, envelopes, rest] = [draw(), draw(), draw(), draw()];
      const diverts = ({ octets, relayIndex }: Wire) =>
        draw() < (relayIndex !== 0 ? envelopes : isSealed(octets) ? data : control);
      const bystander = attack(world, node, { diverts, loses: () => draw() < rest });
      for (let move = 0; move < 4; move += 1) {
        node.move(symmetric());
        floodFor(100 + Math.round(2_000 * draw()), all, bystander);
      }
      expect(bystander.received).toBeGreaterThan(0);
    });
  }
});
