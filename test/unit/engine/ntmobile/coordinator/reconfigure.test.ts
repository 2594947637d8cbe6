/**
 * A direction coordinator that is told by its operator to believe, allow or limit something else,
 * while nodes and relays are registered.
 */
import { beforeEach, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption } from '#wire/ntmobile/options.ts';
import { node, type Peer, RELAY_KEY, relay, Scene, SECOND_RELAY_KEY } from './coordinator-scene.ts';

let scene: Scene;
beforeEach(() => {
  scene = new Scene();
});

const names = (): unknown => scene.command('nodes')?.value;
const relaysTold = (peer: Peer): number =>
  (peer.register()?.options ?? []).filter((option) => option.type === 'relay').length;

describe('relays', () => {
  it('that may register no longer are told of to nobody, and are not let in again', () => {
    const a = node(scene, 1, 'a');
    const first = relay(scene, 9);
    relay(scene, 10);
    expect(relaysTold(a)).toBe(2);
    scene.reconfigure({ relayKeys: [SECOND_RELAY_KEY] });
    expect(relaysTold(a)).toBe(1);
    const refused = scene.engine.counters['initiation-refused'] ?? 0;
    first.connect();
    scene.pass(30_000);
    expect(scene.engine.counters['initiation-refused']).toBeGreaterThan(refused);
    expect(relaysTold(a)).toBe(1);
  });

  it('that may register now do so', () => {
    scene.reconfigure({ relayKeys: [] });
    const a = node(scene, 1, 'a');
    expect(relaysTold(a)).toBe(0);
    scene.reconfigure({ relayKeys: [RELAY_KEY] });
    relay(scene, 9);
    expect(relaysTold(a)).toBe(1);
  });
});

describe('authorities', () => {
  it('that are believed no longer take their nodes with them, and no others', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    for (const peer of [a, b]) expect(peer.register()?.status).toBe(0);
    const holders = new Map(scene.holders);
    const only = hex(b.credential ?? new Uint8Array());
    scene.reconfigure({
      verifyCredential: (credential) => (hex(credential) === only ? holders.get(only) : undefined),
    });
    scene.pass(1);
    expect(names()).toMatchObject([{ name: 'b.nodes.example' }]);
    expect(scene.events.filter(({ name }) => name === 'node-revoked')).toMatchObject([
      { fields: { name: 'a.nodes.example' } },
    ]);
    expect([...scene.stored.keys()].filter((key) => key.startsWith('registrations'))).toHaveLength(
      1,
    );
    // Its keys are gone with the registration: nobody answers it.
    expect(a.register()).toBeUndefined();
    expect(b.register()?.status).toBe(0);
  });

  it('are requests again only where they are others', () => {
    node(scene, 1, 'a').register();
    let requests = 0;
    const verifyCredential = (credential: Uint8Array) => {
      requests += 1;
      return scene.holders.get(hex(credential));
    };
    scene.reconfigure({ verifyCredential: verifyCredential });
    scene.pass(1);
    expect(requests).toBe(1);
    scene.reconfigure({ verifyCredential: verifyCredential, relayRateKilobits: 5 });
    scene.pass(1);
    expect(requests).toBe(1);
  });

  it('are requests about many nodes bit by bit', () => {
    scene.reconfigure({ maximumRegistrations: 1000 });
    for (let seed = 11; seed < 121; seed += 1) {
      const peer = node(scene, seed, `n${seed}`);
      const { sessions, session } = peer;
      if (session === undefined) throw new Error('not connected');
      const options = [{ type: 'lifetime', seconds: 600 }] as const;
      peer.act((step) =>
        sessions.request(step, session, { type: 'registration-request', options }, 'request'),
      );
      scene.pass(30);
    }
    expect(names()).toHaveLength(110);
    scene.reconfigure({ verifyCredential: () => undefined });
    expect(scene.engine.deadline()).toBe(scene.now);
    scene.step({ kind: 'tick' });
    expect(names()).toHaveLength(10);
    scene.pass(1);
    expect(names()).toHaveLength(0);
  });
});

describe('limits', () => {
  it('count from the next registration', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    expect(findNtmobileOption(a.register()?.options ?? [], 'lifetime')?.seconds).toBe(300);
    scene.reconfigure({ maximumLifetimeSeconds: 120, maximumRegistrations: 1 });
    expect(findNtmobileOption(a.register()?.options ?? [], 'lifetime')?.seconds).toBe(120);
    expect(b.register()?.status).toBe(NtmobileStatus.busy);
  });

  it('of strangers hold at once', () => {
    scene.reconfigure({ handshakesPerSecond: 1 });
    for (const seed of [1, 2, 3]) node(scene, seed, `n${seed}`);
    expect(scene.engine.counters['cookie-sent']).toBeGreaterThan(0);
  });
});
