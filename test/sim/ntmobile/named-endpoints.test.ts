/**
 * What another node, or a coordinator in its name, can make a node send to endpoints that it names.
 * docs/reference/ntmobile.md §8, §11.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { CANDIDATES, type LieSubject, lieWith, RELAY_ELSEWHERE } from './coordinator-lies.ts';
import { World } from './world.ts';

let subject: LieSubject | undefined;
let lie = CANDIDATES;
lieWith(() => (subject === undefined ? undefined : { lie, subject }));
afterEach(() => {
  subject = undefined;
  lie = CANDIDATES;
});

const NO_SUBJECT: Omit<LieSubject, 'candidates'> = {
  ...{
    target: '',
    other: '',
    otherIpv4: '',
    server: '',
    otherServer: '',
    strangeRelay: '',
    authority: '',
  },
  ...{ victimIpv6: '', victimIpv4: '', targetIpv6: '', targetIpv4: '' },
};

/** Datagrams of node a to strangers while its coordinator names these endpoints as those of b. */
function sentTo(addresses: readonly string[], ms: number) {
  const world = new World();
  const [a, b] = [world.node('a', [world.ipv4(), world.ipv6()]), world.node('b', [world.ipv4()])];
  const send = world.internet.send.bind(world.internet);
  const sent: { readonly address: string; readonly octets: number }[] = [];
  const named = new Set(addresses);
  /** The direction, and what node b sent to node a, in envelopes of the relay as well. */
  let caused = 0;
  let direction = 0;
  world.internet.send = (host, datagram) => {
    const { address } = datagram.to;
    if (host === a && named.has(address)) sent.push({ address, octets: datagram.octets.length });
    if (host.name === 'dc') direction = Math.max(direction, datagram.octets.length);
    if (host === b) caused += datagram.octets.length;
    send(host, datagram);
  };
  subject = {
    ...{ ...NO_SUBJECT, target: b.name },
    candidates: addresses.map((address) => ({ address, port: 7777 })),
  };
  a.query(b.name);
  world.internet.pass(ms);
  return { sent, caused: caused + direction, a, b, world };
}

const STRANGERS = Array.from({ length: 16 }, (_, at) => `192.0.2.${at + 1}`);

describe('a node whose peer names endpoints of strangers', () => {
  it('sends them at most three times the octets that named them, and 32 datagrams', () => {
    const { sent, caused, a } = sentTo(STRANGERS, 4_000);
    const octets = sent.reduce((sum, one) => sum + one.octets, 0);
    expect(sent.length).toBeGreaterThan(8);
    expect(sent.length).toBeLessThanOrEqual(32);
    expect(octets).toBeLessThanOrEqual(3 * caused);
    expect(a.engine.counters['check-unpaid']).toBeGreaterThan(0);
  });

  it('sends them at most 32 datagrams a minute, however long the peer stays', () => {
    for (const minutes of [1, 5]) {
      const { sent } = sentTo(STRANGERS, minutes * 60_000);
      expect(sent.length).toBeLessThanOrEqual(32 * (minutes + 1));
    }
  });

  it.each([
    ...['10.9.9.9', '172.16.1.1', '192.168.77.1', '100.64.7.7', '169.254.1.1', '127.0.0.1'],
    ...['0.0.0.0', '0.1.2.3', '224.0.0.1', '240.0.0.1', '255.255.255.255', '203.0.113.255'],
    ...['203.0.113.0', '198.18.0.1', '198.19.0.1', 'fd00::1', 'fd12:3456:789a::1', 'fe80::1'],
    ...['::', '::1', 'ff02::1', '::ffff:10.0.0.1', '::10.0.0.1', '64:ff9b::10.0.0.1'],
    ...['2002:a00:1::1', '2001:db8:9::5efe:10.0.0.1'],
  ])('sends nothing to %s, where no other node can be', (address) => {
    const { sent, a } = sentTo([address], 30_000);
    expect(sent).toEqual([]);
    expect(a.engine.counters['candidate-skipped']).toBeGreaterThan(0);
  });

  it('sends nothing to its own addresses', () => {
    const world = new World();
    const own = world.ipv4().address;
    const { sent } = sentTo([own], 30_000);
    expect(sent).toEqual([]);
  });

  it('reaches the peer through the relay, and directly once it names its own endpoints', () => {
    const { world, a, b } = sentTo(STRANGERS, 1_000);
    expect(world.exchangeData(a, b, 5_000)).toBe(true);
    subject = undefined;
    world.internet.pass(30_000);
    expect(world.direct(a, b)).toBe(true);
  });
});

describe('a node whose coordinator names endpoints of a stranger as those of the relay', () => {
  it('tries them less and less often, and uses the relay once it is named', () => {
    const world = new World();
    const stranger = { address: '192.0.2.99', port: 7777 };
    lie = RELAY_ELSEWHERE;
    subject = { ...NO_SUBJECT, candidates: [stranger] };
    let sent = 0;
    const send = world.internet.send.bind(world.internet);
    world.internet.send = (host, datagram) => {
      if (datagram.to.address === stranger.address) sent += 1;
      send(host, datagram);
    };
    const a = world.node('a', [world.ipv4()]);
    world.internet.pass(600_000);
    expect(sent).toBeGreaterThan(20);
    expect(sent).toBeLessThan(300);
    subject = undefined;
    const b = world.node('b', [world.ipv4()]);
    a.query(b.name);
    expect(world.exchangeData(a, b, 90_000)).toBe(true);
  });
});
