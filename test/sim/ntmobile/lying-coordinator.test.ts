/**
 * A node follows a direction coordinator only where a credential, the account server or its own
 * request confirm what it says. docs/reference/ntmobile.md §8, §11.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { LIES, type Lie, type LieSubject, lieWith } from './coordinator-lies.ts';
import type { NodeHost } from './node-host.ts';
import { AUTHORITY_SEED } from './system.ts';
import { World } from './world.ts';

const SERVER = 'six.example';
const OTHER_SERVER = 'sixty.example';
let told: { lie: Lie; subject: LieSubject } | undefined;
lieWith(() => told);
afterEach(() => {
  told = undefined;
});

/** Node a has exchanged data with node c, and knows nothing of node b. */
function scene() {
  const world = new World();
  const [a, b, c] = ['a', 'b', 'c'].map((name) => world.node(name, [world.ipv4()]));
  if (a === undefined || b === undefined || c === undefined) throw new Error('three nodes');
  world.relay?.names.set(SERVER, [ipv6('2001:db8:6::1')]);
  world.relay?.names.set(OTHER_SERVER, [ipv6('2001:db8:60::1')]);
  for (const node of [b, c]) {
    a.query(node.name);
    expect(world.exchangeData(a, node, 1_000)).toBe(true);
  }
  a.restart([world.ipv4()]);
  world.internet.pass(1_000);
  const subject: LieSubject = {
    ...{ target: b.name, other: c.name },
    ...{ server: SERVER, otherServer: OTHER_SERVER },
    ...{ targetIpv6: b.virtualIpv6, targetIpv4: b.virtualIpv4 },
    ...{ victimIpv6: a.virtualIpv6, victimIpv4: a.virtualIpv4 },
    strangeRelay: hex(keyPairOf(new Uint8Array(32).fill(77)).publicKey),
    otherIpv4: c.virtualIpv4,
    authority: hex(AUTHORITY_SEED),
    candidates: [{ address: '192.0.2.99', port: 7890 }],
  };
  return { world, a, b, c, subject };
}

const count = (node: NodeHost, counter: string): number => node.engine.counters[counter] ?? 0;

describe.each(Object.entries(LIES))('a node whose coordinator %s', (_, lie) => {
  it('refuses, counts and reports the lie, and follows an honest direction after it', () => {
    const { world, a, b, subject } = scene();
    const name = lie.asks === 'target' ? subject.target : subject.server;
    const victim = lie.at === 'requester' ? a : b;
    if (lie.knowsOther === true) {
      a.query(subject.other);
      world.internet.pass(2_000);
    }
    if (lie.usesOtherServer === true) {
      const other = a.query(OTHER_SERVER, true);
      world.internet.pass(2_000);
      expect(a.answers.get(other)).toMatchObject({ outcome: 'addresses' });
    }
    const before = count(victim, lie.refusedAs);
    told = { lie, subject };
    const query = a.query(name, lie.asks === 'server');
    world.internet.pass(9_000);
    expect(a.answers.get(query)).toEqual({ outcome: 'failure' });
    expect(count(victim, lie.refusedAs) - before).toBeGreaterThan(0);
    expect(victim.events.filter((event) => event.name === 'direction-refused')).toMatchObject([
      { fields: { reason: lie.refusedAs } },
    ]);
    expect(a.tunnelTo(b.virtualIpv6)).toBeUndefined();
    expect(a.tunnelTo(b.virtualIpv4)).toBeUndefined();
    expect(a.tunnelTo(a.virtualIpv6)).toBeUndefined();
    told = undefined;
    world.internet.pass(1_000);
    const again = a.query(name, lie.asks === 'server');
    world.internet.pass(1_000);
    expect(a.answers.get(again)).toMatchObject({ outcome: 'addresses' });
  });
});
