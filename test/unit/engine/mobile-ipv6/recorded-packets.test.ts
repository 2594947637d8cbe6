/**
 * The answers of the engines to packets that another implementation really sent: registrations,
 * test messages, a Binding Error and acknowledgements.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { isMalformed } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { validateAcknowledgement } from '#engine/mobile-ipv6/mobile-node/binding/acknowledgement.ts';
import { recorded } from '#test/contract/recorded-packets.ts';
import { icmpv6Codec, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { type Ipv6Packet, ipv6Codec, type2RoutingHeader } from '#wire/ip/ipv6.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';
import { OVER_IPV6, prefix, Scene } from './home-agent/home-agent-scene.ts';
import { HOME, Scene as NodeScene } from './mobile-node/mobile-node-scene.ts';

const AGENT = ipv6('2001:db8:100::1');
const NODE = ipv6('2001:db8:100::10');
const ROUTER = ipv6('2001:db8:100::20');
const CARE_OF = ipv6('2001:db8:a:0:5054:ff:fe97:e800');
const OUR_CARE_OF = ipv6('2001:db8:a:0:8072:2bff:fe86:a684');
const OTHER_OUR_CARE_OF = ipv6('2001:db8:b:0:8072:2bff:fe86:a684');
const CORRESPONDENT = ipv6('2001:db8:c:0:dcd9:7dff:fef4:1729');
const OVER_TUNNEL = { kind: 'tunnel', tunnel: 1 } as const;

const node = {
  identifier: undefined,
  registrationKeys: [],
  ipv4HomeAddresses: [],
  mayUseIpv4Pool: false,
};

function homeAgent(addresses = [AGENT]): Scene {
  return new Scene({
    addresses,
    insecure: true,
    homePrefixes: [prefix('2001:db8:100::/64')],
    mobileNodes: [
      { ...node, homeAddresses: [NODE], mobileNetworkPrefixes: [] },
      {
        ...node,
        homeAddresses: [ROUTER],
        mobileNetworkPrefixes: [prefix('2001:db8:150::/64')],
      },
    ],
  });
}

function packetOf(bytes: Uint8Array): Ipv6Packet {
  const packet = ipv6Codec.parse(bytes);
  assert(!isMalformed(packet), 'IPv6');
  return packet;
}

/** The only answer to the packet. */
function answerOf(
  scene: Scene,
  bytes: Uint8Array,
  path: Parameters<Scene['deliver']>[0] = OVER_IPV6,
) {
  scene.sent = [];
  scene.deliver(path, bytes);
  expect(scene.sent).toHaveLength(1);
  return packetOf(scene.sent[0]?.packet ?? new Uint8Array());
}

function statusOf(answer: Ipv6Packet): number {
  const header = mobilityCodec.parse(answer.payload);
  assert(!isMalformed(header) && header.message.type === 'binding-acknowledgement', 'answer');
  return header.message.status;
}

describe('home agent: recorded packets', () => {
  it('registers a mobile node, and removes the binding when it is at home', () => {
    const scene = homeAgent();
    const away = answerOf(scene, recorded('UMIP MN BU (away, A H, alt CoA)'));
    expect([statusOf(away), away.destination, type2RoutingHeader(away)]).toEqual([
      0,
      CARE_OF,
      NODE,
    ]);
    const home = answerOf(scene, recorded('UMIP MN dereg BU at home'));
    expect([statusOf(home), home.destination, home.extensions]).toEqual([0, NODE, []]);
    expect(scene.counter('binding-deleted')).toBe(1);
  });

  it('registers a mobile router with explicit and implicit prefixes', () => {
    const explicit = homeAgent();
    const group = 'UMIP MR BU explicit / dereg at home';
    expect(statusOf(answerOf(explicit, recorded(group)))).toBe(0);
    const implicit = homeAgent();
    expect(statusOf(answerOf(implicit, recorded('UMIP MR BU implicit, dereg away', 1)))).toBe(0);
    for (const scene of [explicit, implicit])
      expect(scene.desired.get(`binding/${ROUTER}`)?.routes).toContainEqual({
        destination: prefix('2001:db8:150::/64'),
        table: 254,
        device: '%tun',
      });
  });

  it('answers data with a Home Address option by Binding Error only without a binding', () => {
    const scene = homeAgent();
    const echo = recorded('UMIP MN echo request to HA with HAO');
    expect(mobilityCodec.parse(answerOf(scene, echo).payload)).toMatchObject({
      message: { type: 'binding-error', status: 1, homeAddress: NODE },
    });
    scene.deliver(OVER_IPV6, recorded('UMIP MN BU (away, A H, alt CoA)'));
    scene.sent = [];
    scene.deliver(OVER_IPV6, echo);
    expect(scene.sent).toEqual([]);
  });

  it('answers Home and Care-of Test Init as a host without Mobile IPv6', () => {
    const scene = homeAgent([CORRESPONDENT]);
    const inner = packetOf(recorded('UMIP HoTI in tunnel')).payload;
    for (const [bytes, path] of [
      [inner, OVER_TUNNEL],
      [recorded('UMIP CoTI'), OVER_IPV6],
    ] as const) {
      const answer = answerOf(scene, bytes, path);
      expect(answer.protocol).toBe(PROTOCOL_ICMPV6);
      expect(icmpv6Codec.parse(answer.payload)).toMatchObject({ code: 1, body: { pointer: 6 } });
    }
    expect(scene.counter('correspondent-role-not-served')).toBe(2);
  });

  it('does not answer a correspondent registration', () => {
    const scene = homeAgent([ipv6('2001:db8:c::d')]);
    scene.deliver(OVER_IPV6, recorded('UMIP MN BU to CN'));
    expect(scene.sent).toEqual([]);
    expect(scene.counter('correspondent-role-not-served')).toBe(1);
  });
});

describe('mobile node: recorded packets', () => {
  it.each([
    ['UMIP HA BA 0 (RH2)', 0, 0x0848, OUR_CARE_OF, NODE],
    ['UMIP HA BA 0 (RH2)', 1, 0x0849, NODE, NODE],
    ['UMIP HA BA 0 (RH2)', 3, 0x084b, OTHER_OUR_CARE_OF, NODE],
    ['UMIP HA BA 135, then 0', 1, 0x3f0d, OUR_CARE_OF, NODE],
    ['UMIP HA BA 142, 129', 0, 0x2480, OUR_CARE_OF, ROUTER],
    ['UMIP HA BA nemo', 1, 0x3ca4, OUR_CARE_OF, ROUTER],
  ] as const)('accepts the acknowledgement of %s, %d', (group, index, sequence, careOf, home) => {
    const packet = packetOf(recorded(group, index));
    const header = mobilityCodec.parse(packet.payload);
    assert(!isMalformed(header) && header.message.type === 'binding-acknowledgement', 'answer');
    const update = { sequence, timestamp: undefined, at: monotonic(0), lifetimeUnits: 15 };
    const received = { path: OVER_IPV6, packet, header: packet.payload, message: header.message };
    const verdict = validateAcknowledgement(received, {
      homeAgent: AGENT,
      homeAddress: home,
      careOfAddress: careOf,
      registrationKey: undefined,
      sent: [update],
    });
    expect(verdict).toEqual({ kind: 'valid', update });
  });

  it('ignores the Binding Error of a correspondent', () => {
    const scene = new NodeScene({ homes: [{ ...HOME, homeAddress: NODE }] });
    scene.network({ addresses: ['2001:db8:b:0:5054:ff:fe97:e800/64'] });
    const packet = recorded('UMIP CN BE');
    expect(scene.give({ kind: 'datagram', path: { kind: 'ipv6' }, packet })).toEqual([]);
    expect(scene.node.counters['binding-error-ignored']).toBe(1);
  });
});
