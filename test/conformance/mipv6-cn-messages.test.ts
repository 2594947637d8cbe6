/**
 * MIPv6-CN: tests of return routability, Mobility Headers and Home Address options. RFC 6275 §9.2
 * to §9.4.
 */
import { describe, expect, it } from 'vitest';
import { assert } from '#base/assert.ts';
import { encode, isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import {
  CARE_OF,
  CORRESPONDENT,
  HOME,
  OTHER_CARE_OF,
  Scene,
} from '#test/unit/engine/mobile-ipv6/correspondent-node/correspondent-scene.ts';
import { encodeIcmpv6, icmpv6Codec, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeMobility, fillMobilityChecksum } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';

const HEADER_LENGTH = 1;
const MESSAGE_TYPE = 2;
const RESERVED = 3;
const CHECKSUM = 4;
/** An IPv6 header, and a Destination Options header with the Home Address option. */
const AFTER_HEADERS = { plain: 40, withOption: 64 } as const;
const UDP = 17;

const HOME_TEST_INIT = { type: 'home-test-init', homeInitCookie: 7n, options: [] } as const;
const CARE_OF_TEST_INIT = {
  type: 'care-of-test-init',
  careOfInitCookie: 9n,
  options: [],
} as const;

interface Sample {
  readonly source: Ipv6Address;
  readonly homeAddress?: Ipv6Address;
  readonly header: Uint8Array;
}

function home(): Sample {
  return { source: HOME, header: encodeMobility(HOME_TEST_INIT, HOME, CORRESPONDENT) };
}

function careOf(): Sample {
  return { source: CARE_OF, header: encodeMobility(CARE_OF_TEST_INIT, CARE_OF, CORRESPONDENT) };
}

/** A Binding Update that the scene accepts unless it is changed. */
function update(scene: Scene): Sample {
  const packet = ipv6Codec.parse(scene.build({ sequence: 1 }));
  assert(!isMalformed(packet), 'IPv6');
  return { source: CARE_OF, homeAddress: HOME, header: packet.payload.slice() };
}

/** Changes an octet; the checksum is right after that unless the octet is of the checksum. */
function changed(sample: Sample, at: number, value: number): Sample {
  const header = sample.header.slice();
  header[at] = value;
  if (at !== CHECKSUM)
    fillMobilityChecksum(header, sample.homeAddress ?? sample.source, CORRESPONDENT);
  return { ...sample, header };
}

function deliver(scene: Scene, { source, homeAddress, header }: Sample): void {
  scene.deliver(scene.packet(source, header, homeAddress));
}

/** ICMPv6 Parameter Problem, code 0, to the source on the wire. */
function expectProblem(scene: Scene, to: Ipv6Address, pointer: number): void {
  expect(scene.sent).toHaveLength(1);
  const packet = ipv6Codec.parse(scene.sent[0]?.packet ?? new Uint8Array());
  assert(!isMalformed(packet), 'IPv6');
  expect([packet.source, packet.destination, packet.extensions]).toEqual([CORRESPONDENT, to, []]);
  expect(icmpv6Codec.parse(packet.payload)).toMatchObject({
    code: 0,
    body: { type: 'parameter-problem', pointer },
  });
}

function expectBindingError(scene: Scene, to: Ipv6Address, status: number, homeAddress: string) {
  const { packet, message } = scene.answer();
  expect([packet.source, packet.destination, packet.extensions]).toEqual([CORRESPONDENT, to, []]);
  expect(message).toMatchObject({ type: 'binding-error', status, homeAddress });
}

describe('MIPv6-CN, return routability', () => {
  it('CN-1-1 answers Home and Care-of Test Init with tokens that authorize a binding', () => {
    const scene = new Scene();
    const home = scene.homeToken();
    const careOfToken = scene.careOfToken();
    expect([home.token.length, careOfToken.token.length]).toEqual([8, 8]);
    expect(scene.snapshot()).toMatchObject({ bindings: [] });
    expect(scene.update({ sequence: 1, home, careOfToken }).message.status).toBe(0);
  });

  it.each<[string, MobilityMessage, Ipv6Address]>([
    ['CN-2-1-2 drops a Home Test Init with a Home Address option', HOME_TEST_INIT, HOME],
    ['CN-2-2-2 drops a Care-of Test Init with a Home Address option', CARE_OF_TEST_INIT, HOME],
  ])('%s', (_, message, homeAddress) => {
    const scene = new Scene();
    scene.deliver(scene.packet(CARE_OF, message, homeAddress));
    scene.update({ sequence: 1 });
    scene.deliver(scene.packet(CARE_OF, message, homeAddress));
    expect([scene.sent, scene.counter('test-with-home-address-option')]).toEqual([[], 2]);
  });
});

describe('MIPv6-CN, Mobility Headers', () => {
  it.each([
    ['CN-2-1-3 refuses a Home Test Init whose Header Len is 0', home, 0, 'plain'],
    ['CN-2-2-3 refuses a Care-of Test Init whose Header Len is 0', careOf, 0, 'plain'],
    ['CN-2-3-3 refuses a Binding Update whose Header Len is 0', update, 0, 'withOption'],
  ] as const)('%s', (_, make, length, headers) => {
    const scene = new Scene();
    const sample = make(scene);
    deliver(scene, changed(sample, HEADER_LENGTH, length));
    expectProblem(scene, sample.source, AFTER_HEADERS[headers] + HEADER_LENGTH);
    expect(scene.careOfOf()).toBeUndefined();
  });

  it.each([
    ['CN-2-1-4 ignores the Reserved field of a Home Test Init', home],
    ['CN-2-2-4 ignores the Reserved field of a Care-of Test Init', careOf],
  ] as const)('%s', (_, make) => {
    const scene = new Scene();
    deliver(scene, changed(make(), RESERVED, 255));
    expect(scene.answer().message.type).toMatch(/^(home|care-of)-test$/);
  });

  it('CN-2-3-4 ignores the Reserved field of a Binding Update', () => {
    const scene = new Scene();
    const sample = update(scene);
    // The authenticator covers the field, so that only its owner can set it.
    deliver(scene, changed(sample, RESERVED, 255));
    expect([scene.sent, scene.counter('authorization-failed')]).toEqual([[], 1]);
    scene.deliver(scene.build({ sequence: 1, edit: (header) => header.set([255], RESERVED) }));
    expect(scene.answer().message).toMatchObject({ status: 0 });
  });

  it('CN-2-3-9 ignores the Reserved field behind the K flag', () => {
    const scene = new Scene();
    scene.deliver(scene.build({ sequence: 1, edit: (header) => header.set([255], 9) }));
    expect(scene.answer().message).toMatchObject({ status: 0 });
  });

  it.each([
    ['CN-2-1-5 refuses a Home Test Init with another Payload Proto', home, 'plain'],
    ['CN-2-2-5 refuses a Care-of Test Init with another Payload Proto', careOf, 'plain'],
    ['CN-2-3-5 refuses a Binding Update with another Payload Proto', update, 'withOption'],
  ] as const)('%s', (_, make, headers) => {
    const scene = new Scene();
    const sample = make(scene);
    deliver(scene, changed(sample, 0, 58));
    expectProblem(scene, sample.source, AFTER_HEADERS[headers]);
    expect(scene.careOfOf()).toBeUndefined();
  });

  it.each([
    ['CN-2-1-6 drops a Home Test Init with a wrong checksum', home],
    ['CN-2-2-6 drops a Care-of Test Init with a wrong checksum', careOf],
    ['CN-2-3-6 drops a Binding Update with a wrong checksum', update],
  ] as const)('%s', (_, make) => {
    const scene = new Scene();
    const sample = make(scene);
    deliver(scene, changed(sample, CHECKSUM, (sample.header[CHECKSUM] ?? 0) ^ 1));
    expect([scene.sent, scene.counter('checksum-invalid')]).toEqual([[], 1]);
    expect(scene.careOfOf()).toBeUndefined();
  });

  it('CN-2-4-1 answers an unknown MH type with Binding Error 2', () => {
    const scene = new Scene();
    deliver(scene, changed(careOf(), MESSAGE_TYPE, 200));
    expectBindingError(scene, CARE_OF, 2, '::');
    const header = changed({ ...careOf(), homeAddress: HOME }, MESSAGE_TYPE, 200);
    deliver(scene, header);
    expectBindingError(scene, CARE_OF, 2, HOME);
  });
});

describe('MIPv6-CN, errors about packets to a mobile node', () => {
  /** ICMPv6 from a router, about a packet to `careOf` with a type 2 routing header. */
  function error(scene: Scene, careOf: Ipv6Address): Uint8Array {
    const quoted = encode(ipv6Codec, {
      ...{ trafficClass: 0, flowLabel: 0, hopLimit: 60, source: CORRESPONDENT },
      ...{ destination: careOf, protocol: UDP, payload: new Uint8Array(8) },
      extensions: [{ type: 'type-2-routing', homeAddress: HOME }],
    });
    const body = { type: 'destination-unreachable', packet: quoted } as const;
    const router = ipv6('2001:db8:a::fe');
    const payload = encodeIcmpv6(body, 3, router, CORRESPONDENT);
    return scene.anyPacket(router, CORRESPONDENT, PROTOCOL_ICMPV6, payload);
  }

  it('CN-6-1 deletes a binding whose care-of address stays unreachable', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    for (const wait of [0, 1000, 3999]) {
      scene.pass(wait);
      scene.deliver(error(scene, CARE_OF));
    }
    expect(scene.careOfOf()).toBe(CARE_OF);
    scene.pass(1);
    scene.deliver(error(scene, OTHER_CARE_OF));
    expect(scene.careOfOf()).toBe(CARE_OF);
    scene.deliver(error(scene, CARE_OF));
    expect([scene.careOfOf(), scene.counter('binding-unreachable')]).toEqual([undefined, 1]);
    expect([scene.sent, scene.counter('delivery-error')]).toEqual([[], 5]);
  });
});

describe('MIPv6-CN, data with a Home Address option that the data plane did not accept', () => {
  function deliverData(scene: Scene, source: Ipv6Address, homeAddress: Ipv6Address): void {
    scene.deliver(scene.anyPacket(source, CORRESPONDENT, UDP, new Uint8Array(8), homeAddress));
  }

  it('CN-6-2-1 answers with Binding Error 1 if no binding exists', () => {
    const scene = new Scene();
    deliverData(scene, CARE_OF, HOME);
    expectBindingError(scene, CARE_OF, 1, HOME);
  });

  it('CN-6-2-3 answers with Binding Error 1, and changes no binding, from another address', () => {
    const scene = new Scene();
    scene.update({ sequence: 1 });
    const before = scene.snapshot();
    deliverData(scene, OTHER_CARE_OF, HOME);
    expectBindingError(scene, OTHER_CARE_OF, 1, HOME);
    expect(scene.snapshot()).toEqual(before);
  });

  it('CN-6-3-1 answers nothing to a multicast source', () => {
    const scene = new Scene();
    deliverData(scene, ipv6('ff02::1'), HOME);
    expect([scene.sent, scene.counter('source-not-unicast')]).toEqual([[], 1]);
  });

  it('CN-6-3-2 drops a multicast home address and answers with Binding Error 1', () => {
    const scene = new Scene();
    deliverData(scene, CARE_OF, ipv6('ff0e::1'));
    expectBindingError(scene, CARE_OF, 1, 'ff0e::1');
    expect(scene.counter('mobile-ipv6-header-invalid')).toBe(1);
  });
});
