import { describe, expect, it } from 'vitest';
import { ipv6 } from '#base/ip.ts';
import { OVER_IPV6, registrationKey, Scene } from './home-agent-scene.ts';

describe('refusals of Binding Updates', () => {
  it('limits answers with status 146 by prefix, and leaves those to other prefixes', () => {
    const scene = new Scene();
    const forged = { ...registrationKey(1000), key: new Uint8Array(32).fill(9) };
    const attack = scene.build(OVER_IPV6, { sequence: 1, registrationKey: forged });
    for (let count = 0; count < 10_000; count++) scene.deliver(OVER_IPV6, attack);
    expect([scene.sent.length, scene.counter('refusal-rate-limited')]).toEqual([40, 9960]);
    scene.sent = [];
    for (let host = 0; host < 100; host++) {
      const careOf = ipv6(`2001:db8:${(0xa00 + host).toString(16)}:${host.toString(16)}::1`);
      scene.deliver(
        OVER_IPV6,
        scene.build(OVER_IPV6, { sequence: 1, careOf, registrationKey: forged }),
      );
    }
    expect(scene.sent).toHaveLength(100);
  });
});
