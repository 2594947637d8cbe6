/**
 * Answers of a mobile node to invalid packets. RFC 6275 §11.2, §9.2, §9.3.3; RFC 8200 §4.2, §4.4;
 * RFC 4443 §2.4.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, fillMobilityChecksum, mobilityCodec } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import { acknowledgement, HOME_ADDRESS, Scene } from './mobile-node-scene.ts';

const CARE_OF = ipv6('2001:db8:f1::2');
const STRANGER = ipv6('2001:db8:bad::1');
const STRANGER_HOME = ipv6('2001:db8:bad::100');
const OVER_IPV6 = { kind: 'ipv6' } as const;
const UNKNOWN = { type: 'unknown', messageType: 99, data: new Uint8Array(10) } as const;

function away(): Scene {
  const scene = new Scene();
  scene.registered({ addresses: [`${CARE_OF}/64`] });
  return scene;
}

function packetOf(payload: Uint8Array, changes: Partial<Ipv6Packet> = {}): Uint8Array {
  return encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 64,
    source: STRANGER,
    destination: CARE_OF,
    extensions: [],
    protocol: 135,
    payload,
    ...changes,
  });
}

/** Gives the packet and the only answer to it. */
function answerTo(scene: Scene, packet: Uint8Array): Ipv6Packet {
  const [only, ...more] = scene.give({ kind: 'datagram', path: OVER_IPV6, packet });
  assert(only?.kind === 'send' && more.length === 0, 'one packet sent');
  expect(only.path).toEqual(OVER_IPV6);
  const answer = ipv6Codec.parse(only.packet);
  assert(!isMalformed(answer), 'IPv6');
  return answer;
}

describe('mobile node: invalid packets', () => {
  it('§9.2 answers an unknown MH type by Binding Error 2 to the source, rate-limited', () => {
    const scene = away();
    // STRANGER → MN  MH type 99;  MN → STRANGER  Binding Error 2
    const packet = packetOf(encodeMobility(UNKNOWN, STRANGER, CARE_OF));
    const answer = answerTo(scene, packet);
    expect(answer).toMatchObject({ source: CARE_OF, destination: STRANGER, extensions: [] });
    expect(mobilityCodec.parse(answer.payload)).toMatchObject({
      message: { type: 'binding-error', status: 2, homeAddress: '::' },
    });
    for (let count = 0; count < 30; count++)
      scene.give({ kind: 'datagram', path: OVER_IPV6, packet });
    const { counters } = scene.node;
    expect([counters['unknown-message-type'], counters['binding-error-sent']]).toEqual([31, 10]);
    expect(counters['error-rate-limited']).toBe(21);
  });

  it('§9.2 answers invalid Payload Proto and Header Len by Parameter Problem 0', () => {
    const scene = away();
    const request = encodeMobility(
      { type: 'binding-refresh-request', options: [] },
      STRANGER,
      CARE_OF,
    );
    request[0] = 58;
    fillMobilityChecksum(request, STRANGER, CARE_OF);
    const proto = icmpv6Codec.parse(answerTo(scene, packetOf(request)).payload);
    expect(proto).toMatchObject({ code: 0, body: { type: 'parameter-problem', pointer: 40 } });
    const short = Uint8Array.of(59, 0, 6, 0, 0, 0, 0, 0);
    fillMobilityChecksum(short, STRANGER, CARE_OF);
    const length = icmpv6Codec.parse(answerTo(scene, packetOf(short)).payload);
    expect(length).toMatchObject({ code: 0, body: { type: 'parameter-problem', pointer: 41 } });
    expect(scene.node.counters['parameter-problem-sent']).toBe(2);
  });

  it('RFC 8200 answers unknown options and routing headers, and ignores the message', () => {
    const scene = new Scene();
    scene.network({ addresses: [`${CARE_OF}/64`] });
    const genuine = ipv6Codec.parse(acknowledgement(scene.update(), {}, scene.now).packet);
    assert(!isMalformed(genuine), 'IPv6');
    const option = { type: 'unknown', optionType: 0xc1, data: new Uint8Array(4) } as const;
    const options = { type: 'destination-options', options: [option] } as const;
    const routing = {
      type: 'routing',
      routingType: 0,
      segmentsLeft: 1,
      data: new Uint8Array(20),
    } as const;
    const home = genuine.source;
    const code2 = answerTo(
      scene,
      encode(ipv6Codec, { ...genuine, extensions: [options, ...genuine.extensions] }),
    );
    expect(code2).toMatchObject({ source: CARE_OF, destination: home });
    expect(icmpv6Codec.parse(code2.payload)).toMatchObject({ code: 2, body: { pointer: 42 } });
    const code0 = answerTo(
      scene,
      encode(ipv6Codec, { ...genuine, extensions: [routing, ...genuine.extensions] }),
    );
    expect(icmpv6Codec.parse(code0.payload)).toMatchObject({ code: 0, body: { pointer: 42 } });
    expect(scene.request('status')).toMatchObject({ homes: [{ phase: 'registering' }] });
  });

  it.each<MobilityMessage>([
    { type: 'home-test-init', homeInitCookie: 1n, options: [] },
    { type: 'care-of-test-init', careOfInitCookie: 1n, options: [] },
  ])('answers $type as a host without Mobile IPv6, with Home Address option not', (message) => {
    const scene = away();
    const packet = packetOf(encodeMobility(message, STRANGER, CARE_OF));
    const error = icmpv6Codec.parse(answerTo(scene, packet).payload);
    expect(error).toMatchObject({ code: 1, body: { type: 'parameter-problem', pointer: 6 } });
    const payload = encodeMobility(message, STRANGER_HOME, CARE_OF);
    const extensions = [homeAddressExtension(STRANGER_HOME)];
    const hidden = packetOf(payload, { extensions });
    expect(scene.give({ kind: 'datagram', path: OVER_IPV6, packet: hidden })).toEqual([]);
    expect(scene.node.counters['correspondent-role-not-served']).toBe(2);
  });

  it('§9.3.1 answers a stranger’s Home Address option by Binding Error 1, with ESP by none', () => {
    const scene = away();
    const extensions = [homeAddressExtension(STRANGER_HOME)];
    const data = packetOf(new Uint8Array(16), { protocol: 17, extensions });
    const answer = answerTo(scene, data);
    expect(answer).toMatchObject({ source: CARE_OF, destination: STRANGER, extensions: [] });
    expect(mobilityCodec.parse(answer.payload)).toMatchObject({
      message: { type: 'binding-error', status: 1, homeAddress: STRANGER_HOME },
    });
    const esp = packetOf(new Uint8Array(16), { protocol: 50, extensions });
    expect(scene.give({ kind: 'datagram', path: OVER_IPV6, packet: esp })).toEqual([]);
    const { counters } = scene.node;
    expect([counters['unknown-binding'], counters['home-address-option-with-ipsec']]).toEqual([
      1, 1,
    ]);
  });

  it('does not answer a wrong checksum, a multicast source, or a packet for another node', () => {
    const scene = away();
    const wrong = encodeMobility(UNKNOWN, STRANGER, HOME_ADDRESS);
    expect(scene.give({ kind: 'datagram', path: OVER_IPV6, packet: packetOf(wrong) })).toEqual([]);
    const source = ipv6('ff02::1');
    const multicast = packetOf(encodeMobility(UNKNOWN, source, CARE_OF), { source });
    expect(scene.give({ kind: 'datagram', path: OVER_IPV6, packet: multicast })).toEqual([]);
    const destination = ipv6('2001:db8:f1::3');
    const foreign = packetOf(encodeMobility(UNKNOWN, STRANGER, destination), { destination });
    expect(scene.give({ kind: 'datagram', path: OVER_IPV6, packet: foreign })).toEqual([]);
    const { counters } = scene.node;
    expect([counters['checksum-invalid'], counters['unknown-message-type']]).toEqual([1, 2]);
  });
});
