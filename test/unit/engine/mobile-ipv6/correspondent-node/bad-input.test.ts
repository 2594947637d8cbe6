/** Packets that a correspondent node must not answer, or not often. RFC 6275 §9.2 to §9.5, §15. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import { CARE_OF, CORRESPONDENT, HOME, OTHER_CARE_OF, Scene } from './correspondent-scene.ts';

const ESP = 50;

describe('correspondent node: bad input', () => {
  it('limits the tests that it answers to one network, and keeps no state for them', () => {
    const scene = new Scene();
    const init = { type: 'care-of-test-init', careOfInitCookie: 1n, options: [] } as const;
    const flood = scene.packet(CARE_OF, init);
    for (let count = 0; count < 3000; count++) scene.deliver(flood);
    expect(scene.sent.length).toBe(1000);
    expect(scene.counter('test-rate-limited')).toBe(2000);
    scene.deliver(scene.packet(OTHER_CARE_OF, init));
    expect(scene.sent.length).toBe(1001);
    expect(scene.ask('bindings').value).toEqual([]);
  });

  it('limits refusals that anybody can cause', () => {
    const scene = new Scene();
    const token = { index: 1, token: new Uint8Array(8) };
    const expired = scene.build({ sequence: 1, home: token, careOfToken: token });
    for (let count = 0; count < 30; count++) scene.deliver(expired);
    expect([scene.sent.length, scene.counter('refusal-rate-limited')]).toEqual([10, 20]);
    expect(scene.counter('nonce-expired')).toBe(30);
    const longest = Math.max(...scene.sent.map(({ packet }) => packet.length));
    expect(longest).toBeLessThanOrEqual(expired.length);
  });

  it('accepts no token of another address', () => {
    const scene = new Scene();
    const home = scene.homeToken(OTHER_CARE_OF);
    scene.deliver(scene.build({ sequence: 1, home }));
    const careOfToken = scene.careOfToken(OTHER_CARE_OF);
    scene.deliver(scene.build({ sequence: 1, careOfToken }));
    // A home token is no care-of token, even of the same address.
    scene.deliver(scene.build({ sequence: 1, careOfToken: scene.homeToken(CARE_OF) }));
    expect([scene.sent, scene.counter('authorization-failed')]).toEqual([[], 3]);
  });

  it.each<MobilityMessage>([
    {
      type: 'home-test',
      homeNonceIndex: 1,
      homeInitCookie: 1n,
      homeKeygenToken: new Uint8Array(8),
      options: [],
    },
    { type: 'binding-refresh-request', options: [] },
    { type: 'binding-error', status: 1, homeAddress: HOME, options: [] },
  ])('ignores $type', (message) => {
    const scene = new Scene();
    scene.deliver(scene.packet(CARE_OF, message));
    expect([scene.sent, scene.counter('unexpected-message')]).toEqual([[], 1]);
  });

  it('§9.3.1 answers nothing to ESP behind an unbound home address', () => {
    const scene = new Scene();
    scene.deliver(scene.anyPacket(CARE_OF, CORRESPONDENT, ESP, new Uint8Array(24), HOME));
    expect([scene.sent, scene.counter('home-address-option-with-ipsec')]).toEqual([[], 1]);
  });

  it('ignores data that its plane punted before the binding existed', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    scene.deliver(scene.anyPacket(CARE_OF, CORRESPONDENT, 17, new Uint8Array(8), HOME));
    expect([scene.sent, scene.counter('binding-newer-than-packet')]).toEqual([[], 1]);
  });

  it('ignores packets to other addresses, and other paths', () => {
    const scene = new Scene();
    const init = { type: 'home-test-init', homeInitCookie: 1n, options: [] } as const;
    scene.deliver(scene.packet(HOME, init, undefined, ipv6('2001:db8:c::99')));
    const tunnel: PacketPath = { kind: 'tunnel', tunnel: 1 };
    scene.deliver(scene.packet(HOME, init), tunnel);
    scene.deliver(new Uint8Array(3));
    expect(scene.sent).toEqual([]);
    for (const reason of ['not-addressed-to-us', 'unexpected-path', 'malformed-packet'])
      expect([reason, scene.counter(reason)]).toEqual([reason, 1]);
  });

  it('survives any change of an octet of a Binding Update and binds nothing by it', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, flip) => {
        const scene = new Scene();
        const packet = scene.build({ sequence: 1 });
        const at = position % packet.length;
        packet[at] = (packet[at] ?? 0) ^ flip;
        scene.deliver(packet);
        // Traffic class, flow label and hop limit are not protected.
        const unprotected = (at < 4 && packet[0] !== undefined && packet[0] >> 4 === 6) || at === 7;
        const padding = at >= 42 && at < 46;
        if (!unprotected && !padding) expect(scene.careOfOf()).toBeUndefined();
        expect(scene.sent.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 500 },
    );
  });

  it('throws for no octets whatever', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    const valid = scene.packet(
      CARE_OF,
      encodeMobility({ type: 'binding-refresh-request', options: [] }, CARE_OF, CORRESPONDENT),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(40), (octets, kept) => {
        const packet = new Uint8Array(kept + octets.length);
        packet.set(valid.subarray(0, kept));
        packet.set(octets, kept);
        if (packet.length >= 40)
          packet.set([(packet.length - 40) >> 8, (packet.length - 40) & 255], 4);
        scene.deliver(packet);
        expect(scene.careOfOf()).toBe(CARE_OF);
      }),
      { numRuns: 1000 },
    );
  });
});
