/** Changes of a coordinator's configuration while nodes and relays are registered. */
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
const announcedRelays = (peer: Peer): number =>
  (peer.register()?.options ?? []).filter((option) => option.type === 'relay').length;

describe('changed relay keys', () => {
  it('remove a relay from registrations, and refuse its handshake', () => {
    const a = node(scene, 1, 'a');
    const first = relay(scene, 9);
    relay(scene, 10);
    expect(announcedRelays(a)).toBe(2);
    scene.reconfigure({ relayKeys: [SECOND_RELAY_KEY] });
    expect(announcedRelays(a)).toBe(1);
    const refused = scene.engine.counters['initiation-refused'] ?? 0;
    first.connect();
    scene.pass(30_000);
    expect(scene.engine.counters['initiation-refused']).toBeGreaterThan(refused);
    expect(announcedRelays(a)).toBe(1);
  });

  it('admit a new relay', () => {
    scene.reconfigure({ relayKeys: [] });
    const a = node(scene, 1, 'a');
    expect(announcedRelays(a)).toBe(0);
    scene.reconfigure({ relayKeys: [RELAY_KEY] });
    relay(scene, 9);
    expect(announcedRelays(a)).toBe(1);
  });
});

describe('changed authorities', () => {
  it('revoke the nodes of a removed authority, and no others', () => {
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
    // The coordinator dropped its keys with the registration.
    expect(a.register()).toBeUndefined();
    expect(b.register()?.status).toBe(0);
  });

  it('recheck credentials only if the authorities differ', () => {
    node(scene, 1, 'a').register();
    let verified = 0;
    const verifyCredential = (credential: Uint8Array) => {
      verified += 1;
      return scene.holders.get(hex(credential));
    };
    scene.reconfigure({ verifyCredential });
    scene.pass(1);
    expect(verified).toBe(1);
    scene.reconfigure({ verifyCredential, relayRateKilobits: 5 });
    scene.pass(1);
    expect(verified).toBe(1);
  });

  it('recheck many nodes in batches', () => {
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

describe('changed limits', () => {
  it('apply to the next registration', () => {
    const [a, b] = [node(scene, 1, 'a'), node(scene, 2, 'b')];
    expect(findNtmobileOption(a.register()?.options ?? [], 'lifetime')?.seconds).toBe(300);
    scene.reconfigure({ maximumLifetimeSeconds: 120, maximumRegistrations: 1 });
    expect(findNtmobileOption(a.register()?.options ?? [], 'lifetime')?.seconds).toBe(120);
    expect(b.register()?.status).toBe(NtmobileStatus.busy);
  });

  it('apply to handshakes without a cookie at once', () => {
    scene.reconfigure({ handshakesPerSecond: 1 });
    for (const seed of [1, 2, 3]) node(scene, seed, `n${seed}`);
    expect(scene.engine.counters['cookie-sent']).toBeGreaterThan(0);
  });
});
