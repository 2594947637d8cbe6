/** Parameter Problems about Binding Updates. RFC 6275 §11.3.5. */
import { describe, expect, it } from 'vitest';
import { encode } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { HOME, HOME_AGENT, Scene } from './mobile-node-scene.ts';

const CARE_OF = ipv6('2001:db8:f1::2');
const OTHER_AGENT = ipv6('2001:db8:1::2');
const STRANGER = ipv6('2001:db8:bad::1');
const TWO_AGENTS = { homes: [{ ...HOME, homeAgent: { addresses: [HOME_AGENT, OTHER_AGENT] } }] };

function registering(): Scene {
  const scene = new Scene(TWO_AGENTS);
  scene.network({ addresses: [`${CARE_OF}/64`] });
  return scene;
}

/** An error of `source` that quotes the packet. */
function complain(scene: Scene, source: Ipv6Address, quoted: Uint8Array, code = 1): void {
  const body = { type: 'parameter-problem', pointer: 40, packet: quoted } as const;
  const payload = encodeIcmpv6(body, code, source, CARE_OF);
  const packet = encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit: 64, source, destination: CARE_OF },
    ...{ extensions: [], protocol: PROTOCOL_ICMPV6, payload },
  });
  scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet });
}

/** The octets of the last Binding Update. */
function sentUpdate(scene: Scene): Uint8Array {
  const sent = scene.out.findLast((output) => output.kind === 'send');
  if (sent?.kind !== 'send') throw new Error('nothing is sent');
  return sent.packet;
}

describe('mobile node: Parameter Problem about a Binding Update', () => {
  it.each([1, 2])('turns to the other address of the home agent at once, code %d', (code) => {
    const scene = registering();
    const update = sentUpdate(scene);
    complain(scene, HOME_AGENT, update, code);
    expect(scene.update().packet.destination).toBe(OTHER_AGENT);
    expect(scene.event('home-agent-without-mobility')).toMatchObject({ homeAgent: HOME_AGENT });
    // Once for a minute: a repetition changes nothing.
    complain(scene, HOME_AGENT, update, code);
    expect(scene.updates()).toEqual([]);
    const { counters } = scene.node;
    expect(counters['parameter-problem-followed']).toBe(1);
    expect(counters['parameter-problem-ignored']).toBe(1);
  });

  it('does not send there again for a minute, and then does', () => {
    const scene = registering();
    complain(scene, HOME_AGENT, sentUpdate(scene));
    const refusedUntil = scene.now + 60_000;
    const sent: { readonly early: boolean; readonly destination: Ipv6Address }[] = [];
    for (let count = 0; count < 16; count++) {
      scene.waitForUpdate();
      const { destination } = scene.update().packet;
      sent.push({ early: scene.now < refusedUntil, destination });
    }
    const to = (early: boolean) =>
      new Set(sent.filter((one) => one.early === early).map(({ destination }) => destination));
    expect(to(true)).toEqual(new Set([OTHER_AGENT]));
    expect(to(false)).toEqual(new Set([HOME_AGENT, OTHER_AGENT]));
  });

  it('keeps the back-off where the home agent has no other address', () => {
    const scene = new Scene();
    scene.network({ addresses: [`${CARE_OF}/64`] });
    complain(scene, HOME_AGENT, sentUpdate(scene));
    expect(scene.updates()).toEqual([]);
    expect([scene.waitForUpdate(), scene.waitForUpdate()]).toEqual([1500, 3000]);
  });

  it.each<[string, (scene: Scene) => void]>([
    ['of a stranger', (scene) => complain(scene, STRANGER, sentUpdate(scene))],
    [
      'with a forged authenticator',
      (scene) => {
        const forged = sentUpdate(scene).slice();
        forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
        complain(scene, HOME_AGENT, forged);
      },
    ],
    [
      'with a truncated quotation',
      (scene) => complain(scene, HOME_AGENT, sentUpdate(scene).slice(0, 100)),
    ],
  ])('ignores one %s', (_, attack) => {
    const scene = registering();
    attack(scene);
    expect(scene.updates()).toEqual([]);
    expect(scene.node.counters['parameter-problem-ignored']).toBe(1);
  });
});
