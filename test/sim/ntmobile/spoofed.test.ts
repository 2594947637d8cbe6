/**
 * An attacker on the path spoofs the source of a node's datagrams: the spoofed host gets at most
 * three times their octets, regardless of the data for the node. docs/reference/ntmobile.md §9,
 * §11.
 */
import { describe, expect, it } from 'vitest';
import { ipv4, ipv6, isIpv6 } from '#base/ip.ts';
import { NEVER } from '#base/time.ts';
import { randomOf } from '#test/unit/engine/sealed/sessions-scene.ts';
import type { Host, WireDatagram } from './internet.ts';
import type { NodeHost } from './node-host.ts';
import { isSealed } from './sealed-text.ts';
import { accessPointsAt, RELAY_ENDPOINTS, ZONE } from './system.ts';
import { ACCESS_NETWORKS, World } from './world.ts';

const AMPLIFICATION = 3;
const ENVELOPE_OCTETS = 4;
const LARGE = 'x'.repeat(1_100);
const octetsOf = ({ octets, relayIndex }: WireDatagram): number =>
  octets.length + (relayIndex === 0 ? 0 : ENVELOPE_OCTETS);

const isControl = ({ octets, relayIndex }: WireDatagram): boolean =>
  relayIndex === 0 && !isSealed(octets);

/** A host that is not involved. */
class Bystander implements Host {
  readonly name = 'bystander';
  readonly endpoint = { address: ipv4('192.0.2.66'), port: 7777 };
  /** Octets that arrived, and octets that were sent in this host's name. */
  received = 0;
  spoofedOctets = 0;
  deadline = () => NEVER;
  tick(): void {}
  receive(_now: unknown, datagram: WireDatagram): void {
    this.received += octetsOf(datagram);
  }
}

/** Datagrams of a node to the relay that the attacker redirects or drops; the others pass. */
interface Attack {
  readonly redirects: (datagram: WireDatagram) => boolean;
  readonly drops: (datagram: WireDatagram) => boolean;
}

function attack({ internet }: World, node: NodeHost, { redirects, drops }: Attack): Bystander {
  const bystander = new Bystander();
  internet.attach(bystander, accessPointsAt([bystander.endpoint.address]));
  const send = internet.send.bind(internet);
  internet.send = (host, datagram) => {
    if (host !== node || !RELAY_ENDPOINTS.includes(datagram.to.address)) send(host, datagram);
    else if (!isIpv6(datagram.to.address) && redirects(datagram)) {
      bystander.spoofedOctets += octetsOf(datagram);
      send(bystander, { ...datagram, from: bystander.endpoint });
      // A replayed control message changes nothing; the simulated plane has no replay window for
      // data.
      if (isControl(datagram)) send(bystander, { ...datagram, from: bystander.endpoint });
    } else if (!drops(datagram)) send(host, datagram);
  };
  return bystander;
}

/** A node with a general flow and a relayed path, and a flood of data on both. */
function scene() {
  const world = new World();
  const { relay } = world;
  if (relay === undefined) throw new Error('no relay');
  relay.names.set('six.example', [ipv6('2001:db8:6::1')]);
  const symmetric = () => ACCESS_NETWORKS['symmetric']?.(world) ?? [];
  const [node, other] = [world.node('a', symmetric()), world.node('b', symmetric())];
  const query = node.query('six.example', true);
  node.query(`b.${ZONE}`);
  expect(world.exchangeData(node, other, 1_000)).toBe(true);
  const answer = node.answers.get(query);
  const server = answer?.outcome === 'addresses' ? answer.addresses.find(isIpv6) : undefined;
  if (server === undefined) throw new Error('no address of the server');
  expect(node.sendData(server, 'flow 1')).toBe(true);
  world.internet.pass(1_000);
  const flood = () => {
    relay.sendFromServer({ source: server, to: node.virtualIpv6, text: LARGE });
    other.sendData(node.virtualIpv6, LARGE);
  };
  return { world, relay, node, symmetric, flood, server };
}

/**
 * Runs the flood for `ms`. Returns the highest ratio of the bystander's received octets to the
 * spoofed ones.
 */
function floodFor(
  ms: number,
  { world, node, flood, server }: ReturnType<typeof scene>,
  bystander: Bystander,
): number {
  let closest = 0;
  for (let passed = 0; passed < ms; passed += 2) {
    flood();
    if (passed % 50 === 0) node.sendData(server, 'flow 1');
    world.internet.pass(2);
    expect(bystander.received).toBeLessThanOrEqual(AMPLIFICATION * bystander.spoofedOctets);
    if (bystander.spoofedOctets > 0)
      closest = Math.max(closest, bystander.received / bystander.spoofedOctets);
  }
  return closest;
}

describe('a host whose address an attacker spoofs', () => {
  it('receives at most three times the octets of one spoofed Keep Alive', () => {
    const all = scene();
    const { world, node, symmetric } = all;
    let diverted = 0;
    const redirects = (datagram: WireDatagram) =>
      isControl(datagram) && datagram.octets.length > 1_000 && diverted++ === 0;
    const bystander = attack(world, node, { redirects, drops: () => true });
    node.move(symmetric());
    expect(floodFor(4_000, all, bystander)).toBeGreaterThan(2);
    expect(bystander.spoofedOctets).toBe(1_200);
  });

  it('receives data for one round trip only while the node itself still sends', () => {
    const all = scene();
    const { world, relay, node, symmetric } = all;
    const redirects = (datagram: WireDatagram) =>
      isControl(datagram) && datagram.octets.length > 1_000;
    const bystander = attack(world, node, { redirects, drops: () => false });
    node.move(symmetric());
    floodFor(100, all, bystander);
    const { received } = bystander;
    expect(received).toBeGreaterThan(0);
    floodFor(1_000, all, bystander);
    // Path Challenges until they fail, and no data.
    expect(bystander.received).toBeLessThan(received + LARGE.length);
    expect(relay.engine.counters['path-validated']).toBeGreaterThan(0);
  });

  for (let seed = 1; seed <= 20; seed++) {
    it(`receives at most three times the spoofed octets, seed ${seed}`, () => {
      const all = scene();
      const { world, node, symmetric } = all;
      const random = randomOf(500 + seed);
      const draw = () => (random(1)[0] ?? 0) / 256;
      const [control, data, envelopes, rest] = [draw(), draw(), draw(), draw()];
      const redirects = ({ octets, relayIndex }: WireDatagram) =>
        draw() < (relayIndex !== 0 ? envelopes : isSealed(octets) ? data : control);
      const bystander = attack(world, node, { redirects, drops: () => draw() < rest });
      for (let move = 0; move < 4; move += 1) {
        node.move(symmetric());
        floodFor(100 + Math.round(2_000 * draw()), all, bystander);
      }
      expect(bystander.received).toBeGreaterThan(0);
    });
  }
});
