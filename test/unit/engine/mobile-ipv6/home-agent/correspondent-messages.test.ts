/**
 * Packets to a home agent that are meant for a correspondent node. RFC 6275 §9.3.1, §9.4.1-2;
 * RFC 4443 §3.4.
 */
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import { icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeMobility } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import {
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  OTHER_CARE_OF,
  OVER_IPV6,
  Scene,
} from './home-agent-scene.ts';

/** A scene with one binding. */
function prepared() {
  const scene = new Scene();
  scene.update(OVER_IPV6, { sequence: 1 });
  return { scene, before: scene.snapshot() };
}

function reply(scene: Scene) {
  expect(scene.sent).toHaveLength(1);
  const packet = ipv6Codec.parse(scene.sent[0]?.packet ?? new Uint8Array());
  if (isMalformed(packet)) throw new Error(packet.reason);
  return packet;
}

describe('home agent: packets for a correspondent node', () => {
  it.each<MobilityMessage>([
    { type: 'home-test-init', homeInitCookie: 1n, options: [] },
    { type: 'care-of-test-init', careOfInitCookie: 1n, options: [] },
  ])('answers $type as a host without Mobile IPv6, with Home Address option not', (message) => {
    const { scene, before } = prepared();
    const plain = encodeMobility(message, CARE_OF, HOME_AGENT);
    scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, undefined, plain));
    const error = icmpv6Codec.parse(reply(scene).payload);
    expect(error).toMatchObject({ code: 1, body: { type: 'parameter-problem', pointer: 6 } });
    scene.sent = [];
    // RFC 6275 §9.4.1-2; with a binding and without.
    const fromHome = encodeMobility(message, HOME_ADDRESS, HOME_AGENT);
    for (const source of [CARE_OF, OTHER_CARE_OF])
      scene.deliver(OVER_IPV6, scene.packet(source, HOME_AGENT, HOME_ADDRESS, fromHome));
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    expect(scene.counter('correspondent-role-not-served')).toBe(3);
  });

  it('§9.3.1 gets no Binding Error for ESP, AH or a message after an unbound home address', () => {
    const { scene, before } = prepared();
    for (const protocol of [50, 51])
      scene.deliver(
        OVER_IPV6,
        scene.packet(OTHER_CARE_OF, HOME_AGENT, HOME_ADDRESS, new Uint8Array(24), protocol),
      );
    const request: MobilityMessage = { type: 'binding-refresh-request', options: [] };
    const payload = encodeMobility(request, HOME_ADDRESS, HOME_AGENT);
    scene.deliver(OVER_IPV6, scene.packet(OTHER_CARE_OF, HOME_AGENT, HOME_ADDRESS, payload));
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    expect(scene.counter('home-address-option-with-ipsec')).toBe(2);
    expect(scene.counter('unexpected-message')).toBe(1);
  });

  it('§6.2.7 drops a message whose Binding Authorization Data is not the last option', () => {
    const { scene, before } = prepared();
    const options = [
      { type: 'binding-authorization-data', authenticator: new Uint8Array(12) },
      { type: 'nonce-indices', homeNonceIndex: 1, careOfNonceIndex: 1 },
    ] as const;
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2, options }));
    expect([scene.sent, scene.snapshot(), scene.counter('malformed-mobility-header')]).toEqual([
      [],
      before,
      1,
    ]);
  });
});
