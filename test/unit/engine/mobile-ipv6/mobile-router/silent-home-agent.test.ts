/**
 * A mobile router that stopped because no home agent serves it. RFC 3963 §5.4.
 */
import { describe, expect, it } from 'vitest';
import { INGRESS, RouterScene } from '#test/conformance/nemo-mr-scene.ts';
import { acknowledgement } from '#test/unit/engine/mobile-ipv6/mobile-node/mobile-node-scene.ts';
import { ALONE, AT_A, AT_HOME, expectPhase, first, modeOf } from './mobile-router-scene.ts';

describe('mobile router: stopped registration', () => {
  function stopped(): RouterScene {
    const [scene, update] = first(ALONE);
    scene.answer(update, { status: 142 });
    return scene;
  }

  it('§5.4 reports the cause and the remedy once, and shows the cause in the status', () => {
    const scene = stopped();
    const reports = scene.out.filter(
      (output) => output.kind === 'event' && output.event.name === 'registration-stopped',
    );
    expect(reports).toMatchObject([
      {
        event: {
          level: 'warn',
          fields: {
            home: 'office',
            registrationMode: 'explicit',
            lastRefusal: 'not-authorized-for-prefix',
            remedy: expect.stringContaining('reregister'),
          },
        },
      },
    ]);
    expect(scene.request('status')).toMatchObject({
      homes: [
        {
          phase: 'stopped',
          lastRefusal: 'not-authorized-for-prefix',
          careOfAddress: null,
          bindings: [],
        },
      ],
    });
    expect(scene.node.counters['registration-stopped']).toBe(1);
  });

  it('sends nothing at home either', () => {
    const scene = stopped();
    scene.network(AT_HOME, INGRESS);
    expect([scene.updates(), scene.sent()]).toEqual([[], []]);
    expectPhase(scene, 'stopped');
    scene.request('reregister');
    expectPhase(scene, 'at-home');
  });

  it('registers again after a restart, and can be released', () => {
    const scene = stopped();
    const restarted = new RouterScene(ALONE, {}, [{ key: 'office', value: scene.record() }]);
    restarted.network(AT_A, INGRESS);
    expect(modeOf(restarted.update())).toBe('explicit');
    scene.request('deregister');
    expectPhase(scene, 'released');
  });

  it('removes at home a binding that was accepted before the refusal, and no other', () => {
    const bound = new RouterScene(ALONE);
    bound.registered(AT_A, INGRESS);
    bound.waitForUpdate();
    bound.answer(bound.update(), { status: 140 });
    expectPhase(bound, 'stopped');
    bound.request('reregister');
    const value = bound.record();
    const atHome = (records: readonly { readonly key: string; readonly value: typeof value }[]) => {
      const scene = new RouterScene(ALONE, {}, records);
      scene.network(AT_HOME, INGRESS);
      return scene.updates().map(({ message }) => message.lifetimeUnits);
    };
    expect(atHome([{ key: 'office', value }])).toEqual([0]);
    expect(atHome([{ key: 'office', value: stopped().record() }])).toEqual([]);
  });

  it('does not stop because of messages that are not authentic', () => {
    for (const sketch of [{ status: 140 }, { status: 142 }, { mobileRouter: false }]) {
      const [scene, update] = first(ALONE);
      const { path, packet } = acknowledgement(update, sketch, scene.now);
      // IPv6 header and type 2 routing header are 64 octets; their reserved fields are not
      // protected.
      for (let bit = 64 * 8; bit < packet.length * 8; bit++) {
        const flipped = packet.slice();
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
        scene.give({ kind: 'datagram', path, packet: flipped });
        scene.answer(update, { ...sketch, key: new Uint8Array(32).fill(bit & 255) });
      }
      expect([
        scene.node.counters['registration-refused'],
        scene.node.counters['role-not-served'],
      ]).toEqual([0, 0]);
      expectPhase(scene, 'registering');
      scene.give({ kind: 'datagram', path, packet });
      expect(
        (scene.node.counters['registration-refused'] ?? 0) +
          (scene.node.counters['role-not-served'] ?? 0),
      ).toBe(1);
    }
  });
});
