import { describe, expect, it } from 'vitest';
import { encode, isMalformed } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, fillMobilityChecksum, mobilityCodec } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import {
  CARE_OF,
  HOME_ADDRESS,
  HOME_AGENT,
  OTHER_CARE_OF,
  OVER_IPV6,
  Scene,
  udpPath,
} from './home-agent-scene.ts';

// IPv6 header 40, Destination Options with Home Address option 24.
const HEADER_AT = 64;
// After next header, length and four octets of padding, whose contents are ignored.
const HOME_ADDRESS_OPTION_AT = 46;

/** A scene with one binding, and a Binding Update that moves it. */
function prepared() {
  const scene = new Scene();
  scene.update(OVER_IPV6, { sequence: 1 });
  const move = () => scene.build(OVER_IPV6, { sequence: 2, careOf: OTHER_CARE_OF });
  return { scene, move, before: scene.snapshot() };
}

function flipped(bytes: Uint8Array, at: number, mask: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

/** The octets with the right checksum in their Mobility Header. */
function withChecksum(bytes: Uint8Array): Uint8Array {
  fillMobilityChecksum(bytes.subarray(HEADER_AT), HOME_ADDRESS, HOME_AGENT);
  return bytes;
}

function reply(scene: Scene) {
  expect(scene.sent).toHaveLength(1);
  const packet = ipv6Codec.parse(scene.sent[0]?.packet ?? new Uint8Array());
  if (isMalformed(packet)) throw new Error(packet.reason);
  return packet;
}

describe('bad input', () => {
  it('changes no state when it is truncated at any length', () => {
    const { scene, move, before } = prepared();
    const whole = move();
    for (let length = 0; length < whole.length; length++) {
      scene.deliver(OVER_IPV6, whole.slice(0, length));
      scene.deliver(udpPath('203.0.113.9'), whole.slice(0, length));
    }
    expect(scene.snapshot()).toEqual(before);
    expect(scene.counter('malformed-packet')).toBe(2 * whole.length);
    expect(scene.sent).toEqual([]);
  });

  it('changes no state with any single bit flipped after the Home Address option', () => {
    const { scene, move, before } = prepared();
    const whole = move();
    for (let bit = HOME_ADDRESS_OPTION_AT * 8; bit < whole.length * 8; bit++)
      scene.deliver(OVER_IPV6, flipped(whole, bit >> 3, 1 << (bit & 7)));
    expect(scene.snapshot()).toEqual(before);
  });

  it('fails authentication with any single bit flipped and the right checksum', () => {
    const { scene, move, before } = prepared();
    const whole = move();
    for (let bit = HEADER_AT * 8; bit < whole.length * 8; bit++) {
      const at = bit >> 3;
      // The reserved octet of the Mobility Header is covered by the authenticator too; the checksum
      // itself is not.
      if (at - HEADER_AT === 4 || at - HEADER_AT === 5) continue;
      scene.deliver(OVER_IPV6, withChecksum(flipped(whole, at, 1 << (bit & 7))));
    }
    expect(scene.snapshot()).toEqual(before);
    expect(scene.counter('authentication-failed')).toBeGreaterThan(100);
  });

  it('octets after the packet or after the Mobility Header change nothing', () => {
    const { scene, move } = prepared();
    const padded = new Uint8Array(2000);
    padded.set(move());
    scene.deliver(OVER_IPV6, padded);
    expect(scene.acknowledgement().message.status).toBe(0);
  });

  it('HA_1_1_3 gets no answer with a wrong checksum', () => {
    const { scene, move, before } = prepared();
    scene.deliver(OVER_IPV6, flipped(move(), HEADER_AT + 5, 1));
    expect([scene.sent, scene.snapshot(), scene.counter('checksum-invalid')]).toEqual([
      [],
      before,
      1,
    ]);
  });

  it('HA_1_1_2 gets a Parameter Problem that points at a Payload Proto other than 59', () => {
    const { scene, move, before } = prepared();
    scene.deliver(OVER_IPV6, withChecksum(flipped(move(), HEADER_AT, 59 ^ 58)));
    const packet = reply(scene);
    expect([packet.source, packet.destination, packet.protocol]).toEqual([
      HOME_AGENT,
      OTHER_CARE_OF,
      58,
    ]);
    const error = icmpv6Codec.parse(packet.payload);
    expect(error).toMatchObject({
      code: 0,
      body: { type: 'parameter-problem', pointer: HEADER_AT },
    });
    expect([scene.snapshot(), scene.counter('payload-protocol-invalid')]).toEqual([before, 1]);
  });

  it('HA_1_1_4 gets a Parameter Problem that points at a Header Len that is too small', () => {
    const { scene, before } = prepared();
    const short = Uint8Array.of(59, 0, 5, 0, 0, 0, 0, 2);
    fillMobilityChecksum(short, HOME_ADDRESS, HOME_AGENT);
    scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, HOME_ADDRESS, short));
    const error = icmpv6Codec.parse(reply(scene).payload);
    expect(error).toMatchObject({
      code: 0,
      body: { type: 'parameter-problem', pointer: HEADER_AT + 1 },
    });
    expect([scene.snapshot(), scene.counter('header-length-invalid')]).toEqual([before, 1]);
  });

  it('HA_1_1_1 gets a rate-limited Binding Error 2 for an unknown MH type', () => {
    const { scene, before } = prepared();
    const message: MobilityMessage = { type: 'unknown', messageType: 99, data: new Uint8Array(10) };
    const bytes = encodeMobility(message, HOME_ADDRESS, HOME_AGENT);
    scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, HOME_ADDRESS, bytes));
    const packet = reply(scene);
    expect([packet.destination, packet.extensions]).toEqual([CARE_OF, []]);
    expect(mobilityCodec.parse(packet.payload)).toMatchObject({
      message: { type: 'binding-error', status: 2, homeAddress: HOME_ADDRESS },
    });
    for (let count = 0; count < 50; count++) {
      scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, HOME_ADDRESS, bytes));
    }
    expect(scene.sent).toHaveLength(10);
    expect([scene.counter('error-rate-limited'), scene.snapshot()]).toEqual([41, before]);
  });

  it('gets Binding Error 1 for a Home Address option without binding, none with a binding', () => {
    const { scene, before } = prepared();
    const echo = new Uint8Array(8);
    scene.deliver(OVER_IPV6, scene.packet(OTHER_CARE_OF, HOME_AGENT, HOME_ADDRESS, echo, 58));
    expect(mobilityCodec.parse(reply(scene).payload)).toMatchObject({
      message: { type: 'binding-error', status: 1, homeAddress: HOME_ADDRESS },
    });
    scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, HOME_ADDRESS, echo, 58));
    expect([
      scene.sent.length,
      scene.counter('home-address-option-not-served'),
      scene.snapshot(),
    ]).toEqual([1, 1, before]);
  });

  it('gets no Binding Error without Home Address option or from a multicast source', () => {
    const { scene, before } = prepared();
    scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, undefined, new Uint8Array(8), 58));
    scene.deliver(
      OVER_IPV6,
      scene.packet(ipv6('ff02::1'), HOME_AGENT, HOME_ADDRESS, new Uint8Array(8), 58),
    );
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    expect([scene.counter('unexpected-protocol'), scene.counter('source-not-unicast')]).toEqual([
      1, 1,
    ]);
  });

  it('gets dropped as a fragment, with two Home Address options or a type 2 routing header', () => {
    const { scene, before } = prepared();
    const payload = encodeMobility(
      { type: 'binding-refresh-request', options: [] },
      HOME_ADDRESS,
      HOME_AGENT,
    );
    const packet = (extensions: Parameters<typeof ipv6Codec.write>[0]['extensions']) =>
      encode(ipv6Codec, {
        trafficClass: 0,
        flowLabel: 0,
        hopLimit: 64,
        source: CARE_OF,
        destination: HOME_AGENT,
        extensions,
        protocol: 135,
        payload,
      });
    const option = homeAddressExtension(HOME_ADDRESS);
    scene.deliver(
      OVER_IPV6,
      packet([{ type: 'fragment', offset: 0, more: true, identification: 1 }]),
    );
    scene.deliver(OVER_IPV6, packet([option, option]));
    scene.deliver(OVER_IPV6, packet([{ type: 'type-2-routing', homeAddress: HOME_ADDRESS }]));
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    for (const reason of [
      'fragmented',
      'mobile-ipv6-header-invalid',
      'unexpected-routing-header',
    ]) {
      expect(scene.counter(reason)).toBe(1);
    }
  });

  it('RFC 8200 §4.2 unknown options get skipped, dropped or answered as their type says', () => {
    const { scene, before } = prepared();
    // IPv6 | Destination Options(option, Home Address) | Mobility Header(BU)
    const move = scene.build(OVER_IPV6, { sequence: 2, careOf: OTHER_CARE_OF });
    const withOption = (optionType: number) => {
      const packet = move.slice();
      // The four octets of padding in front of the Home Address option, now an option with two
      // octets.
      packet.set([optionType, 2, 1, 2], 42);
      return packet;
    };
    scene.deliver(OVER_IPV6, withOption(0x41));
    expect([scene.sent, scene.snapshot(), scene.counter('option-unrecognized')]).toEqual([
      [],
      before,
      1,
    ]);
    for (const optionType of [0x81, 0xc1]) {
      scene.sent = [];
      scene.deliver(OVER_IPV6, withOption(optionType));
      const packet = reply(scene);
      expect([packet.source, packet.destination, packet.extensions]).toEqual([
        HOME_AGENT,
        OTHER_CARE_OF,
        [],
      ]);
      const error = icmpv6Codec.parse(packet.payload);
      expect(error).toMatchObject({ code: 2, body: { type: 'parameter-problem', pointer: 42 } });
    }
    expect([scene.snapshot(), scene.counter('option-unrecognized')]).toEqual([before, 3]);
    scene.sent = [];
    scene.deliver(OVER_IPV6, withOption(0x01));
    expect(scene.acknowledgement().message.status).toBe(0);
  });

  it('RFC 8200 §4.4 gets Parameter Problem 0 for unknown routing with segments left', () => {
    const { scene, before } = prepared();
    const parsed = ipv6Codec.parse(scene.build(OVER_IPV6, { sequence: 2, careOf: OTHER_CARE_OF }));
    if (isMalformed(parsed)) throw new Error(parsed.reason);
    const routed = (segmentsLeft: number) => {
      const data = new Uint8Array(20);
      const extensions = [
        { type: 'routing', routingType: 0, segmentsLeft, data } as const,
        ...parsed.extensions,
      ];
      return encode(ipv6Codec, { ...parsed, extensions });
    };
    scene.deliver(OVER_IPV6, routed(1));
    const error = icmpv6Codec.parse(reply(scene).payload);
    expect(error).toMatchObject({ code: 0, body: { type: 'parameter-problem', pointer: 42 } });
    expect([scene.snapshot(), scene.counter('routing-header-unrecognized')]).toEqual([before, 1]);
    scene.sent = [];
    scene.deliver(OVER_IPV6, routed(0));
    expect(scene.acknowledgement().message.status).toBe(0);
  });

  it('RFC 4443 §2.4 gets no Parameter Problem as an ICMPv6 error, and at most ten a second', () => {
    const { scene } = prepared();
    const packet = (protocol: number) => {
      const bytes = scene.packet(
        CARE_OF,
        HOME_AGENT,
        HOME_ADDRESS,
        Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0),
        protocol,
      );
      bytes.set([0xc1, 2, 0, 0], 42);
      return bytes;
    };
    scene.deliver(OVER_IPV6, packet(58));
    expect([scene.sent, scene.counter('error-not-answerable')]).toEqual([[], 1]);
    for (let count = 0; count < 30; count++) scene.deliver(OVER_IPV6, packet(17));
    expect([scene.sent.length, scene.counter('error-rate-limited')]).toEqual([10, 20]);
  });

  it('RFC 6275 §9.3.1 gets Binding Error 1 for a multicast home address, no Binding Update', () => {
    const { scene, before } = prepared();
    const wrong = ipv6('ff02::7');
    scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, wrong, new Uint8Array(8), 17));
    expect(mobilityCodec.parse(reply(scene).payload)).toMatchObject({
      message: { type: 'binding-error', status: 1, homeAddress: wrong },
    });
    scene.sent = [];
    scene.deliver(OVER_IPV6, scene.build(OVER_IPV6, { sequence: 2, homeAddress: wrong }));
    expect([scene.sent, scene.snapshot(), scene.counter('mobile-ipv6-header-invalid')]).toEqual([
      [],
      before,
      2,
    ]);
  });

  it('counts as unexpected when a home agent does not serve the message', () => {
    const { scene, before } = prepared();
    const messages: MobilityMessage[] = [
      { type: 'binding-refresh-request', options: [] },
      { type: 'binding-error', status: 1, homeAddress: HOME_ADDRESS, options: [] },
    ];
    for (const message of messages) {
      const payload = encodeMobility(message, CARE_OF, HOME_AGENT);
      scene.deliver(OVER_IPV6, scene.packet(CARE_OF, HOME_AGENT, undefined, payload));
    }
    scene.deliver({ kind: 'tunnel', tunnel: 1 }, new Uint8Array(40));
    expect([scene.sent, scene.snapshot()]).toEqual([[], before]);
    expect(scene.counter('unexpected-message')).toBe(2);
    expect(scene.counter('malformed-packet')).toBe(1);
  });

  it('never throws when it is random octets', () => {
    const { scene, before } = prepared();
    let seed = 1;
    const next = () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      return seed >>> 24;
    };
    for (let count = 0; count < 3000; count++) {
      const noise = scene.packet(
        CARE_OF,
        HOME_AGENT,
        HOME_ADDRESS,
        Uint8Array.from({ length: next() }, next),
      );
      if (noise.length > HEADER_AT + 8)
        fillMobilityChecksum(noise.subarray(HEADER_AT), HOME_ADDRESS, HOME_AGENT);
      scene.deliver(OVER_IPV6, noise);
      scene.deliver(
        { kind: 'link', device: 'eth0', protocol: 'ipv6', linkAddress: noise.slice(0, 6) },
        noise,
      );
    }
    expect(scene.snapshot()).toEqual(before);
  });
});
