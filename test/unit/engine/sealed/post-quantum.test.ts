/**
 * Post-quantum keys of sealed sessions over a network that loses, duplicates, reorders and delays.
 * docs/reference/sealed-mobile-ipv6.md §3.1.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decapsulationKey } from '#crypto/ml-kem.ts';
import { REKEY_MS, REKEY_PACKETS } from '#engine/sealed/session.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import { isExchange, PostQuantumScene } from './post-quantum-scene.ts';
import { randomOf, requestAddress } from './sessions-scene.ts';

const IPV6_AND_UDP = 48;
const BOTH = ['post-quantum', 'post-quantum'];

describe('post-quantum keys', () => {
  it('need one more round trip, once, and no datagram over 1,280 octets', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.world.pass(30);
    expect(scene.kinds()).toEqual(['classical', 'classical']);
    scene.world.pass(10);
    expect(scene.kinds()).toEqual(['post-quantum', 'classical']);
    scene.world.pass(10);
    expect(scene.kinds()).toEqual(BOTH);
    expect(Math.max(...scene.sent.map(({ length }) => length)) + IPV6_AND_UDP).toBe(1271);
    expect(scene.sent.filter(isExchange)).toHaveLength(2);
    const { current } = scene.session;
    expect(scene.other?.current?.dataKeys?.receive).toEqual(current?.dataKeys?.send);
    expect(scene.other?.current?.dataKeys?.send).toEqual(current?.dataKeys?.receive);
    scene.world.pass(REKEY_MS / 2);
    expect(scene.sent.filter(isExchange)).toHaveLength(2);
  });

  it('replace those of the handshake, which end shortly after', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.world.pass(25);
    const classical = scene.session.current;
    scene.world.pass(100);
    expect(scene.session.current?.dataKeys).not.toEqual(classical?.dataKeys);
    expect(scene.session.current?.endsAt).toBe(classical?.endsAt);
    expect(scene.other?.formers).toHaveLength(1);
    scene.world.pass(11_000);
    expect(scene.other?.formers).toHaveLength(0);
    expect(scene.unopened()).toBeUndefined();
  });

  it('follow whatever is lost, duplicated or late, and each data key is opened', () => {
    const delays = fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 3 });
    fc.assert(
      fc.property(fc.array(delays, { minLength: 1, maxLength: 40 }), (fates) => {
        const scene = new PostQuantumScene('preferred', 'preferred');
        let next = 0;
        scene.impair(() => fates[next++] ?? [10]);
        for (let passed = 0; passed < 12_000; passed += 10) {
          scene.world.pass(10);
          expect(scene.unopened()).toBeUndefined();
        }
        scene.world.pass(60_000);
        expect(scene.kinds()).toEqual(BOTH);
        expect(scene.unopened()).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it('follow each handshake, and no weaker ones ever replace them', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.world.pass(100);
    const first = scene.session.current;
    scene.world.pass(REKEY_MS - 1000);
    for (let passed = 0; passed < 3000; passed += 5) {
      scene.world.pass(5);
      expect(scene.kinds()).toEqual(BOTH);
      expect(scene.unopened()).toBeUndefined();
    }
    expect(scene.session.current).not.toBe(first);
    expect(scene.session.sealing).toBe(scene.session.current);
    expect(scene.sent.filter(isExchange)).toHaveLength(4);
  });

  it('stay in use until they end while those of a new handshake cannot be completed', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.world.pass(100);
    scene.impair((octets) => (isExchange(octets) ? [] : [10]));
    scene.world.pass(REKEY_MS + 200_000);
    expect(scene.kinds()).toEqual(BOTH);
    expect(scene.unopened()).toBeUndefined();
    scene.world.pass(200_000);
    expect(scene.kinds()).toEqual(['classical', 'classical']);
    expect(scene.unopened()).toBeUndefined();
    scene.impair((_) => [10]);
    scene.world.pass(31_000);
    expect(scene.kinds()).toEqual(BOTH);
  });
});

/** The node makes new keys, whatever became of those before. */
const rekey = ({ node, session }: PostQuantumScene): void =>
  node.act((step) => node.sessions.rekey(step, session));

describe('new handshakes while post-quantum keys are not confirmed', () => {
  it('leave each data key opened by the other end', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.world.pass(40);
    expect(scene.kinds()).toEqual(['post-quantum', 'classical']);
    const first = scene.session.current;
    // The Keep Alives under the new keys are lost, and then the exchange of the next handshake.
    scene.impair((octets) => ((octets[0] ?? 0) >> 4 === 9 ? [] : [10]));
    scene.world.inFlight.length = 0;
    rekey(scene);
    scene.world.pass(15);
    expect(scene.unopened()).toBeUndefined();
    scene.world.pass(1000);
    expect(scene.session.current?.postQuantum).toBe(false);
    expect(scene.unopened()).toBeUndefined();
    scene.impair((octets) => (isExchange(octets) ? [] : [10]));
    scene.world.pass(60_000);
    expect(scene.session.sealing).toBe(first);
    expect(scene.kinds()).toEqual(['post-quantum', 'classical']);
    expect(scene.unopened()).toBeUndefined();
    rekey(scene);
    scene.world.pass(1000);
    expect(scene.unopened()).toBeUndefined();
    scene.impair((_) => [10]);
    scene.world.pass(31_000);
    expect(scene.kinds()).toEqual(BOTH);
    expect(scene.other?.formers.length).toBeLessThan(3);
  });

  it.each(['preferred', 'required'] as const)(
    'never break data, whatever is lost or late, if an end has %s',
    (mode) => {
      const fate = fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 2 });
      const rekeys = fc.array(fc.integer({ min: 1, max: 400 }), { maxLength: 8 });
      fc.assert(
        fc.property(fc.array(fate, { maxLength: 60 }), rekeys, (fates, waits) => {
          const scene = new PostQuantumScene('preferred', mode);
          let next = 0;
          scene.impair(() => fates[next++] ?? [10]);
          const at = waits.map((_, index) => waits.slice(0, index + 1).reduce((a, b) => a + b));
          for (let passed = 0; passed < 4000; passed += 10) {
            if (at.includes(passed / 10)) rekey(scene);
            scene.world.pass(10);
            expect(scene.unopened()).toBeUndefined();
          }
          scene.world.pass(90_000);
          expect(scene.kinds()).toEqual(BOTH);
          expect(scene.unopened()).toBeUndefined();
        }),
        { numRuns: 60 },
      );
    },
  );
});

describe('post-quantum keys that sealed as many packets as they may', () => {
  it.each([
    ['preferred', 'classical'],
    ['required', 'none'],
  ] as const)('seal no more after a handshake without exchange, with %s', (mode, kind) => {
    const scene = new PostQuantumScene(mode, mode);
    scene.world.pass(100);
    const first = scene.session.current;
    scene.impair((octets) => (isExchange(octets) ? [] : [10]));
    const carry = (transmitted: number): void =>
      scene.node.act((step) =>
        scene.node.sessions.carried(step, scene.session, { transmitted, received: 0 }),
      );
    carry(REKEY_PACKETS);
    scene.world.pass(1000);
    expect(scene.session.current).not.toBe(first);
    carry(REKEY_PACKETS - 1);
    expect(scene.session.sealing).toBe(first);
    const { keyChanges } = scene.node;
    carry(1);
    expect(scene.node.keyChanges).toBe(keyChanges + 1);
    expect(scene.kinds()).toEqual([kind, 'post-quantum']);
    expect(scene.unopened()).toBeUndefined();
  });
});

describe('an attacker that drops the messages of ML-KEM', () => {
  it('delays post-quantum keys with preferred: data flows, and the exchange is repeated', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.impair((octets) => (isExchange(octets) ? [] : [10]));
    scene.world.pass(300_000);
    expect(scene.kinds()).toEqual(['classical', 'classical']);
    expect(scene.node.events).toEqual(['established', 'post-quantum unanswered']);
    const repeated = scene.sent.filter(isExchange).length;
    expect(repeated).toBeGreaterThan(12);
    expect(repeated).toBeLessThan(25);
    scene.impair((_) => [10]);
    scene.world.pass(31_000);
    expect(scene.kinds()).toEqual(BOTH);
  });

  it.each([
    ['node', 'required', 'preferred'],
    ['home agent', 'preferred', 'required'],
  ] as const)('stops all data if the %s requires them', (_who, node, agent) => {
    const scene = new PostQuantumScene(node, agent);
    scene.impair((octets) => (isExchange(octets) ? [] : [10]));
    for (let passed = 0; passed < 20_000; passed += 10) {
      scene.world.pass(10);
      expect(scene.kinds()).toEqual(['none', 'none']);
    }
    scene.impair((_) => [10]);
    scene.world.pass(31_000);
    expect(scene.kinds()).toEqual(BOTH);
  });
});

describe('a peer without ML-KEM', () => {
  it.each([
    ['preferred', 'off', 'classical'],
    ['off', 'preferred', 'classical'],
    ['off', 'off', 'classical'],
    ['required', 'off', 'none'],
    ['off', 'required', 'none'],
  ] as const)('leads from %s and %s to %s keys of data', (node, agent, kind) => {
    const scene = new PostQuantumScene(node, agent);
    scene.world.pass(20_000);
    expect(scene.kinds()).toEqual([kind, kind]);
    expect(scene.sent.filter(isExchange)).toEqual([]);
    expect(scene.sent.length).toBeLessThan(6);
  });

  it('includes every peer of another use than that of mobile nodes', () => {
    const scene = new PostQuantumScene('required', 'required', { use: HandshakeUse.relay });
    scene.world.pass(1000);
    expect(scene.kinds()).toEqual(['classical', 'classical']);
  });
});

/** A request with this key; the transaction is not the node's. */
function requestOf(key: Uint8Array, transaction = 77): NtmobileMessage {
  const options = [{ type: 'encapsulation-key', spi: 4711, key }] as const;
  return { type: 'encapsulation-request', answer: false, status: 0, transaction, options };
}

/** A scene in which the node's own messages of ML-KEM are lost, and both ends have keys. */
function withoutExchange(): PostQuantumScene {
  const scene = new PostQuantumScene('preferred', 'preferred');
  scene.impair((octets) => (isExchange(octets) ? [] : [10]));
  scene.world.pass(100);
  return scene;
}

const goodKey = (): Uint8Array => decapsulationKey(randomOf(9)(64)).encapsulationKey;

describe('a home agent', () => {
  it('refuses a key with a coefficient above the modulus, and keeps the keys in use', () => {
    const scene = withoutExchange();
    const bad = goodKey();
    bad.set([0xff, 0xff, 0xff], 300);
    scene.deliver(scene.agent, requestOf(bad));
    expect(scene.agent.sessions.counters['encapsulation-key-invalid']).toBe(1);
    scene.world.pass(100);
    expect(scene.node.received.at(-1)).toMatchObject({
      ...{ type: 'encapsulation-response', status: 1, options: [] },
    });
    expect(scene.kinds()).toEqual(['classical', 'classical']);
  });

  it('makes one encapsulation for one handshake', () => {
    const scene = withoutExchange();
    for (let transaction = 0; transaction < 50; transaction += 1)
      scene.deliver(scene.agent, requestOf(goodKey(), transaction));
    expect(scene.agent.sessions.counters['encapsulation-unexpected']).toBe(49);
    expect(scene.other?.unconfirmed).toHaveLength(1);
  });

  it('answers a retransmission with the same keys', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    let answers = 0;
    scene.impair((octets) => {
      if (isExchange(octets) && octets.length < 1200) answers += 1;
      else return [10];
      return answers < 4 ? [] : [10];
    });
    scene.world.pass(5000);
    expect(answers).toBe(4);
    expect(scene.kinds()).toEqual(BOTH);
    expect(scene.agent.sessions.counters['post-quantum-established']).toBe(1);
  });

  it('takes no key before both ends have keys, and none that is replayed', () => {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.world.pass(1000);
    const { agent } = scene;
    const recorded = scene.sent.filter(isExchange);
    for (const octets of recorded)
      agent.act((step) => agent.sessions.receive(step, scene.node.pathTo(agent.endpoint), octets));
    // The answer has the SPI of the node.
    expect(agent.sessions.counters).toMatchObject({
      ...{ 'control-replayed': 1, 'control-unknown-spi': 1 },
    });
    scene.world.pass(REKEY_MS + 1000);
    for (const octets of recorded)
      agent.act((step) => agent.sessions.receive(step, scene.node.pathTo(agent.endpoint), octets));
    expect(agent.sessions.counters['control-unknown-spi']).toBe(3);
    expect(agent.sessions.counters['post-quantum-established']).toBe(2);
    expect(scene.kinds()).toEqual(BOTH);
  });

  it.each([
    ['truncated', (octets: Uint8Array) => octets.subarray(0, -1)],
    ['longer', (octets: Uint8Array) => Uint8Array.of(...octets, 0)],
  ])('drops a key that is %s', (_how, change) => {
    const scene = withoutExchange();
    // Message 18, transaction 1; option 25 with its length, SPI and key.
    const value = change(Uint8Array.of(0, 0, 0x12, 0x67, ...goodKey()));
    const head = [18, 0, 0, 0, 0, 0, 0, 1, 25, value.length >> 8, value.length & 255];
    scene.deliverOctets(scene.agent, Uint8Array.of(...head, ...value));
    expect(scene.agent.sessions.counters['message-malformed']).toBe(1);
    expect(scene.kinds()).toEqual(['classical', 'classical']);
  });
});

describe('a mobile node', () => {
  /** The home agent's genuine answer is lost; this one arrives instead. */
  function answeredWith(change: (ciphertext: Uint8Array) => void): PostQuantumScene {
    const scene = new PostQuantumScene('preferred', 'preferred');
    scene.impair((octets) => (isExchange(octets) && octets.length < 1200 ? [] : [10]));
    scene.world.pass(100);
    const request = scene.agent.received.find(({ type }) => type === 'encapsulation-request');
    const { transaction = 0 } = request ?? {};
    const ciphertext = new Uint8Array(1088);
    change(ciphertext);
    const options = [
      { type: 'encapsulation', spi: 42, ciphertext, confirmation: new Uint8Array(16) },
    ] as const;
    const answer = { type: 'encapsulation-response', answer: true, status: 0 } as const;
    scene.deliver(scene.node, { ...answer, transaction, options });
    return scene;
  }

  it('keeps its keys after a wrong ciphertext, and makes others by a new handshake', () => {
    const scene = answeredWith((ciphertext) => ciphertext.fill(7));
    expect(scene.node.sessions.counters['encapsulation-unconfirmed']).toBe(1);
    expect(scene.node.events).toContain('post-quantum unconfirmed');
    expect(scene.kinds()).toEqual(['classical', 'classical']);
    expect(scene.unopened()).toBeUndefined();
    requestAddress(scene.node, scene.session);
    scene.agent.reply = ({ transaction }) => ({
      ...{ type: 'error', answer: true, status: 6, transaction, options: [] },
    });
    scene.world.pass(500);
    expect(scene.node.events).toContain('question: 6');
    scene.impair((_) => [10]);
    scene.world.pass(61_000);
    expect(scene.kinds()).toEqual(BOTH);
  });

  it('ignores answers with another transaction, and requests', () => {
    const scene = withoutExchange();
    const [ciphertext, confirmation] = [new Uint8Array(1088), new Uint8Array(16)];
    const options = [{ type: 'encapsulation', spi: 42, ciphertext, confirmation }] as const;
    const answer = { type: 'encapsulation-response', answer: true, status: 0 } as const;
    scene.deliver(scene.node, { ...answer, transaction: 1, options });
    scene.deliver(scene.node, requestOf(goodKey()));
    expect(scene.node.sessions.counters['encapsulation-unexpected']).toBe(2);
    expect(scene.node.events).toEqual(['established']);
  });
});
