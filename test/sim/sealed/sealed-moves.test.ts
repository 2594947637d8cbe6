/** Sealed Mobile IPv6 under virtual time: docs/reference/sealed-mobile-ipv6.md §3 to §5. */
import { describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import type { JsonValue } from '#base/json.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Output } from '#engine/contract/output.ts';
import { createHomeAgent } from '#engine/mobile-ipv6/home-agent/home-agent.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { createMobileNode } from '#engine/mobile-ipv6/mobile-node/mobile-node.ts';
import { Script } from '#test/scenario/script.ts';
import { HOME_AGENT_V4, homeAddressOf, keyPairOfDaemon } from '../population.ts';
import { SeededRandom } from '../random.ts';
import { RandomMoves } from '../random-moves.ts';

const MOVES = Number(process.env['SOJOURN_MOVES'] ?? 1000);

function countOf(value: JsonValue, name: string): number {
  const counts: Readonly<Record<string, unknown>> = Object(value);
  return Number(counts[name] ?? 0);
}

const nodeCount = (script: Script, name: string): number =>
  countOf(script.mobile.engine.request('stats').value, name);
const agentCount = (script: Script, name: string): number =>
  countOf(script.agent.engine.request('stats').value, name);

/** The data keys that a step gives to the data plane. */
function keysIn(outputs: readonly Output[]): readonly string[] {
  return outputs.flatMap((output) =>
    output.kind === 'set-desired' && output.key.startsWith('sealing/')
      ? (output.part?.sealingKeys ?? []).flatMap(({ send, receive }) =>
          [...(send === undefined ? [] : [send]), ...receive].map(({ key }) => hex(key)),
        )
      : [],
  );
}

describe('a sealed registration', () => {
  it('takes one round trip with its handshake', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-a');
    script.arrows('mn -> ha sealed Tunnel Request', 'ha -> mn sealed Tunnel Response');
    expect(script.settled()).toMatchObject({ encapsulation: 'sealed' });
    expect(nodeCount(script, 'binding-update-sent')).toBe(1);
    expect(nodeCount(script, 'registration-accepted')).toBe(1);
  });

  it.each(['ipv4-a', 'nat-symmetric', 'nat-twice', 'dual-nat'])('works from %s', (network) => {
    const script = new Script({ sealed: true });
    script.move(network);
    expect(script.settled()).toMatchObject({ encapsulation: 'sealed' });
    expect(script.lostData()).toBeUndefined();
  });

  it('moves by one sealed Binding Update', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-a');
    script.settled();
    script.move('nat-port');
    script.arrows('mn -> ha sealed mobility', 'ha -> mn sealed mobility');
    script.settled();
    expect(nodeCount(script, 'handshake-started')).toBe(1);
  });

  it(`needs no handshake in ${MOVES} random moves but the first and those for new keys`, () => {
    const script = new Script({ sealed: true });
    const random = new SeededRandom(14);
    const networks = script.networks.all.map(({ name }) => name);
    script.move('ipv6-a');
    script.settled();
    for (let move = 0; move < MOVES; move += 1) {
      script.move(networks[random.below(networks.length)] ?? 'ipv6-a');
      script.settled();
    }
    expect(nodeCount(script, 'handshake-started')).toBe(1);
    expect(agentCount(script, 'registration-refused')).toBe(0);
  }, 120_000);

  it('needs no handshake after moves that leave no time for an answer', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-a');
    script.settled();
    for (const network of ['ipv6-b', 'nat-twice', 'ipv4-b', 'ipv6-b', 'nat-twice', 'ipv4-b']) {
      const sent = nodeCount(script, 'binding-update-sent');
      script.move(network);
      script.world.runFor(40);
      expect(nodeCount(script, 'binding-update-sent')).toBe(sent + 1);
      script.move('none');
      script.world.runFor(500);
    }
    script.move('ipv6-a');
    script.settled();
    expect(nodeCount(script, 'handshake-started')).toBe(1);
  });

  it('makes new keys every ten minutes, and loses no data by that', () => {
    const script = new Script({ sealed: true });
    script.move('nat-port');
    script.settled();
    for (let minute = 0; minute < 35; minute += 1) {
      script.world.runFor(60_000);
      expect(script.lostData()).toBeUndefined();
    }
    expect(agentCount(script, 'session-started')).toBe(4);
    expect(nodeCount(script, 'handshake-started')).toBe(1);
  });
});

describe('keys that sealed 2^27 packets', () => {
  it.each(['transmitted', 'received'] as const)(
    'get replaced early, counted as %s',
    (direction) => {
      const script = new Script({ sealed: true });
      script.move('nat-port');
      script.settled();
      const carry = (packets: number): void => {
        const sample = { tunnel: script.tunnelOfMobile().id, transmitted: 0, received: 0 };
        const tunnels = [{ ...sample, [direction]: packets }];
        script.mobile.engine.step({ kind: 'traffic', tunnels });
        script.world.runFor(1000);
      };
      carry(2 ** 26);
      carry(2 ** 26 - 1000);
      expect(agentCount(script, 'session-started')).toBe(1);
      carry(1000);
      expect(agentCount(script, 'session-started')).toBe(2);
      carry(2 ** 26);
      expect(agentCount(script, 'session-started')).toBe(2);
      expect(script.lostData()).toBeUndefined();
    },
  );
});

describe('lost keys', () => {
  it('come back at the call of a home agent that kept its store', () => {
    const script = new Script({ sealed: true });
    script.move('ipv4-a');
    script.settled();
    script.restartAgent(200);
    script.arrows('ha -> mn sealed Tunnel Request', 'mn -> ha sealed Tunnel Request');
    script.world.runFor(500);
    expect(script.lostData()).toBeUndefined();
    expect(nodeCount(script, 'home-agent-called')).toBe(1);
  });

  it('come back after silence if the home agent lost its store', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-a');
    script.settled();
    script.agent.engine.store.clear();
    script.restartAgent(200);
    script.mobile.engine.request('reregister');
    script.settled(20_000);
    expect(nodeCount(script, 'handshake-started')).toBe(2);
  });

  it('need a handshake at once after a restart of the node, from a clock in the past too', () => {
    const script = new Script({ sealed: true });
    script.move('ipv6-a');
    script.settled();
    script.mobile.offsetMs -= 86_400_000;
    script.restartMobile(200);
    script.settled(10_000);
    expect(script.lostData()).toBeUndefined();
  });
});

describe('name servers of a home agent with a public key', () => {
  it('reach the resolver of a node that accepts them', () => {
    const dns = { servers: [ipv6('2001:db8:1::53')], search: ['lab.example'] };
    const script = new Script({ sealed: true, agent: { dns }, mobile: { acceptDns: true } });
    const desired = new Map<string, DesiredPart | undefined>();
    script.mobile.engine.onStep = (_, outputs) => {
      for (const output of outputs)
        if (output.kind === 'set-desired') desired.set(output.key, output.part);
    };
    script.move('ipv6-a');
    script.settled();
    expect(desired.get('name-servers')).toEqual({
      nameServers: [{ servers: dns.servers, searchDomains: dns.search }],
    });
  });
});

describe('data from another port of the NAT', () => {
  it('moves the tunnel after a round trip', () => {
    const script = new Script({ sealed: true });
    script.move('nat-port');
    script.settled();
    // Right after a move, data from elsewhere may be late.
    script.world.runFor(1500);
    for (const nat of script.network('nat-port').nats) nat.reboot();
    const before = script.binding();
    script.lostData();
    expect(agentCount(script, 'endpoint-moved')).toBe(1);
    expect(script.binding()?.remotePort).not.toBe(before?.remotePort);
    expect(script.lostData()).toBeUndefined();
  });
});

describe('late data from a path that the node has left', () => {
  it('does not move the tunnel back, although the node still has that address', () => {
    const script = new Script({ sealed: true });
    script.move('dual');
    const before = script.settled();
    const remote = script.careOfAddress(4) ?? expect.fail('no IPv4 address');
    const home = homeAddressOf(0);
    const { tunnel } = script.agent.tunnels.plane.routeOf(home) ?? expect.fail('no tunnel');
    const ports = { localPort: 4191, remotePort: 4191, relayIndex: 0 };
    script.world.runFor(2000);
    const late = { kind: 'roaming', tunnel, local: HOME_AGENT_V4, remote, ...ports } as const;
    script.agent.engine.step(late);
    script.world.runFor(3000);
    expect(agentCount(script, 'endpoint-checked')).toBe(1);
    expect(agentCount(script, 'endpoint-moved')).toBe(0);
    expect(script.binding()).toEqual(before);
  });
});

describe('a binding that was revoked', () => {
  it('comes back under new keys, which a call of the home agent asks for', () => {
    const script = new Script({ sealed: true });
    const published = new Set<string>();
    script.agent.engine.onStep = (_, outputs) => {
      for (const key of keysIn(outputs)) published.add(key);
    };
    script.move('ipv4-a');
    script.settled();
    const first = [...published];
    const { homeAddress } = script.mobile.configuration.homes[0] ?? expect.fail('no home');
    script.agent.engine.request('revoke', { homeAddress });
    expect(script.binding()).toBeUndefined();
    published.clear();
    script.mobile.engine.request('reregister');
    script.arrows('mn -> ha sealed mobility', 'ha -> mn sealed Tunnel Request');
    expect(script.settled()).toMatchObject({ encapsulation: 'sealed' });
    expect(script.lostData()).toBeUndefined();
    expect(first.length).toBeGreaterThan(0);
    expect([...published].filter((key) => first.includes(key))).toEqual([]);
    expect(published.size).toBeGreaterThan(0);
    expect(nodeCount(script, 'home-agent-called')).toBe(1);
    expect(agentCount(script, 'session-started')).toBe(2);
  });
});

describe('coming home', () => {
  it('de-registers sealed on the home link, and leaves by a new handshake', () => {
    const script = new Script({ sealed: true, homeLink: true });
    script.move('ipv6-a');
    script.settled();
    script.move('home');
    expect(script.settled()).toBeUndefined();
    script.move('ipv6-b');
    expect(script.settled()).toMatchObject({ encapsulation: 'sealed' });
    expect(nodeCount(script, 'handshake-started')).toBe(2);
  });
});

describe('sealed nodes among faults', () => {
  it.each([
    { seed: 1, mobiles: 1, homeLink: false },
    { seed: 2, mobiles: 4, homeLink: false },
    { seed: 3, mobiles: 1, homeLink: true },
    { seed: 4, mobiles: 4, homeLink: true },
  ])('converge with seed $seed, $mobiles nodes, home link $homeLink', (world) => {
    const moves = 500;
    const result = new RandomMoves({
      ...{ ...world, moves, sealed: true },
      makeHomeAgent: (configuration, random) =>
        createHomeAgent(configuration, random, keyPairOfDaemon('ha')),
      makeMobileNode: (configuration, random) =>
        createMobileNode(configuration, random, { own: ownKeyOf(configuration) }),
    }).run();
    expect(result.moves).toBeGreaterThanOrEqual(moves);
    expect(result.delivered).toBeGreaterThan(moves);
  });
});

/** The node's number is in the name of its home. */
function ownKeyOf({ homes }: MobileNodeConfiguration): KeyPair {
  return keyPairOfDaemon((homes[0]?.name ?? '').replace('home', 'mn'));
}
