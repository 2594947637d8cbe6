/**
 * NEMO-HA, initialisation and processing of Mobility Headers for a mobile router's home addresses:
 * RFC 6275 §9.2, §9.3.3.
 */
import { describe, expect, it } from 'vitest';
import { isMalformed } from '#base/bytes.ts';
import {
  CARE_OF,
  HOME_AGENT,
  OVER_IPV6,
  type Scene,
} from '#test/unit/engine/mobile-ipv6/home-agent/home-agent-scene.ts';
import { icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeMobility, fillMobilityChecksum, mobilityCodec } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import {
  A1,
  A2,
  build,
  exchange,
  expectAnswer,
  expectNotServed,
  expectServed,
  HEADER_AT,
  HOME,
  type Origin,
  onHomeLink,
  registered,
} from './nemo-ha-scene.ts';

/** The only packet sent: over IPv6, from the home agent to the source of the invalid one. */
function reply(scene: Scene) {
  expect(scene.sent.map(({ path }) => path)).toEqual([OVER_IPV6]);
  const packet = ipv6Codec.parse(scene.sent[0]?.packet ?? new Uint8Array());
  if (isMalformed(packet)) throw new Error(packet.reason);
  expect([packet.source, packet.destination, packet.extensions]).toEqual([HOME_AGENT, CARE_OF, []]);
  return packet;
}

/** The packet with the right checksum. */
function changed(bytes: Uint8Array, origin: Origin, at: number, value: number): Uint8Array {
  bytes[HEADER_AT + at] = value;
  fillMobilityChecksum(bytes.subarray(HEADER_AT), HOME[origin], HOME_AGENT);
  return bytes;
}

interface Wrong {
  readonly packet: (scene: Scene, origin: Origin) => Uint8Array;
  readonly answered: (scene: Scene, origin: Origin) => void;
  readonly reason: string;
}

const parameterProblem = (pointer: number) => (scene: Scene) =>
  expect(icmpv6Codec.parse(reply(scene).payload)).toMatchObject({
    code: 0,
    body: { type: 'parameter-problem', pointer },
  });

const UNKNOWN_TYPE: Wrong = {
  packet: (scene, origin) => {
    const message: MobilityMessage = { type: 'unknown', messageType: 99, data: new Uint8Array(10) };
    return scene.packet(
      CARE_OF,
      HOME_AGENT,
      HOME[origin],
      encodeMobility(message, HOME[origin], HOME_AGENT),
    );
  },
  answered: (scene, origin) =>
    expect(mobilityCodec.parse(reply(scene).payload)).toMatchObject({
      message: { type: 'binding-error', status: 2, homeAddress: HOME[origin] },
    }),
  reason: 'unknown-message-type',
};

const PIGGYBACKED: Wrong = {
  packet: (scene, origin) =>
    changed(build(scene, { sequence: 16, homeAddress: HOME[origin] }), origin, 0, 58),
  answered: parameterProblem(HEADER_AT),
  reason: 'payload-protocol-invalid',
};

const CHECKSUM: Wrong = {
  packet: (scene, origin) => {
    const bytes = build(scene, { sequence: 16, homeAddress: HOME[origin] });
    bytes[HEADER_AT + 5] = (bytes[HEADER_AT + 5] ?? 0) ^ 1;
    return bytes;
  },
  answered: (scene) => expect(scene.sent).toEqual([]),
  reason: 'checksum-invalid',
};

const HEADER_LENGTH: Wrong = {
  packet: (scene, origin) =>
    changed(build(scene, { sequence: 16, homeAddress: HOME[origin] }), origin, 1, 0),
  answered: parameterProblem(HEADER_AT + 1),
  reason: 'header-length-invalid',
};

describe('NEMO-HA, before the first registration', () => {
  it('NEMO-HA_0_0_0 forwards, may be a proxy, has no binding and accepts a registration', () => {
    const scene = onHomeLink();
    expect(scene.desired.get('home-agent')?.sysctls).toEqual(
      expect.arrayContaining([{ path: 'net/ipv6/conf/all/forwarding', value: '1' }]),
    );
    expectNotServed(scene, HOME.HNP);
    const answer = exchange(scene, { sequence: 1, homeAddress: HOME.HNP });
    expectAnswer(answer, {
      status: 0,
      sequence: 1,
      lifetimeUnits: 105,
      mobileRouter: true,
      homeAddress: HOME.HNP,
    });
    expectServed(scene, { homeAddress: HOME.HNP, sequence: 1, prefixes: [A1, A2] });
  });
});

describe('NEMO-HA, invalid Mobility Headers', () => {
  it.each<[string, Origin, boolean, Wrong]>([
    ['NEMO-HA_1_1_1 unknown type, HNP', 'HNP', false, UNKNOWN_TYPE],
    ['NEMO-HA_1_1_2 another header after it, HNP', 'HNP', false, PIGGYBACKED],
    ['NEMO-HA_1_1_3 wrong checksum, HNP', 'HNP', false, CHECKSUM],
    ['NEMO-HA_1_1_4 shorter than its message, HNP', 'HNP', false, HEADER_LENGTH],
    ['NEMO-HA_1_1_5 unknown type, HNP, with a binding', 'HNP', true, UNKNOWN_TYPE],
    ['NEMO-HA_1_1_6 another header after it, HNP, with a binding', 'HNP', true, PIGGYBACKED],
    ['NEMO-HA_1_1_7 shorter than its message, HNP, with a binding', 'HNP', true, HEADER_LENGTH],
    ['NEMO-HA_1_1_8 wrong checksum, MNP', 'MNP', false, CHECKSUM],
    ['NEMO-HA_1_1_9 another header after it, MNP', 'MNP', false, PIGGYBACKED],
    ['NEMO-HA_1_1_10 shorter than its message, MNP', 'MNP', false, HEADER_LENGTH],
  ])('%s', (_, origin, bound, { packet, answered, reason }) => {
    const scene = bound ? registered(origin) : onHomeLink();
    const before = scene.snapshot();
    scene.deliver(OVER_IPV6, packet(scene, origin));
    answered(scene, origin);
    expect([scene.counter(reason), scene.snapshot()]).toEqual([1, before]);
    scene.sent = [];
    scene.pass(2000);
    expect([scene.sent, scene.counter('registration-refused')]).toEqual([[], 0]);
  });
});
