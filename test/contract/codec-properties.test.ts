import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Codec, encode, isMalformed } from '#base/bytes.ts';
import { ipv4FromBytes, ipv6FromBytes } from '#base/ip.ts';
import { arpCodec } from '#wire/ip/arp.ts';
import { espCodec } from '#wire/ip/esp.ts';
import { icmpv4Codec } from '#wire/ip/icmpv4.ts';
import { icmpv6Codec } from '#wire/ip/icmpv6.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import type { Extension } from '#wire/ip/ipv6-extensions.ts';
import { udpCodec } from '#wire/ip/udp.ts';
import { type MobilityHeader, mobilityCodec } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';
import { ntmobileMessageCodec } from '#wire/ntmobile/message.ts';
import { rtnetlinkCodec } from '#wire/rtnetlink/message.ts';
import { expectTotal } from './codec-harness.ts';

const u8 = fc.nat(0xff);
const u16 = fc.nat(0xffff);
const u32 = fc.nat(0xffffffff);
const u64 = fc.bigInt(0n, 2n ** 64n - 1n);
const octets = (minLength: number, maxLength = minLength) =>
  fc.uint8Array({ minLength, maxLength });
const address6 = octets(16).map((bytes) => ipv6FromBytes(bytes));
const address4 = octets(4).map((bytes) => ipv4FromBytes(bytes));
const boolean = fc.boolean();
const type = <T extends string>(name: T) => fc.constant(name);

const option: fc.Arbitrary<MobilityOption> = fc.oneof(
  fc.record({ type: type('binding-refresh-advice'), refreshIntervalUnits: u16 }),
  fc.record({ type: type('alternate-care-of-address'), address: address6 }),
  fc.record({ type: type('nonce-indices'), homeNonceIndex: u16, careOfNonceIndex: u16 }),
  fc.record({ type: type('binding-authorization-data'), authenticator: octets(0, 24) }),
  fc.record({ type: type('mobile-network-prefix'), prefixLength: u8, prefix: address6 }),
  fc.record({ type: type('mobile-node-identifier'), subtype: u8, identifier: octets(0, 40) }),
  fc.record({ type: type('authentication'), subtype: u8, spi: u32, authenticator: octets(0, 33) }),
  fc.record({ type: type('replay-protection'), timestamp: u64 }),
  fc.record({ type: type('callback'), seconds: u16, token: u64 }),
  fc.record({
    type: type('dns-configuration'),
    ipv6Servers: fc.array(address6, { maxLength: 3 }),
    ipv4Servers: fc.array(address4, { maxLength: 15 }),
    searchDomains: fc.array(fc.constantFrom('a', 'lab.example', 'x-1.y_2.z'), { maxLength: 4 }),
  }),
  fc.record({
    type: type('ipv4-home-address'),
    prefixLength: fc.nat(63),
    requestPrefix: boolean,
    address: address4,
  }),
  fc.record({
    type: type('ipv4-address-acknowledgement'),
    status: u8,
    prefixLength: fc.nat(63),
    address: address4,
  }),
  fc.record({ type: type('nat-detection'), forceUdp: boolean, refreshTimeSeconds: u32 }),
  fc.record({ type: type('ipv4-care-of-address'), address: address4 }),
  fc.record({
    type: type('binding-identifier'),
    bindingId: u16,
    status: u8,
    simultaneousHomeAndForeign: boolean,
    careOfAddress: fc.oneof(fc.constant(undefined), address4, address6),
  }),
  fc.record({
    type: type('unknown'),
    optionType: fc.integer({ min: 100, max: 255 }),
    data: octets(0, 40),
  }),
);
const options = fc.array(option, { maxLength: 6 });
/** RFC 6275 §6.2.7: authorization data is the last option of a binding message. */
const bindingOptions = options.map((all) => [
  ...all.filter(({ type }) => type !== 'binding-authorization-data'),
  ...all.filter(({ type }) => type === 'binding-authorization-data').slice(0, 1),
]);

const message: fc.Arbitrary<MobilityMessage> = fc.oneof(
  fc.record({ type: type('binding-refresh-request'), options }),
  fc.record({ type: type('home-test-init'), homeInitCookie: u64, options }),
  fc.record({ type: type('care-of-test-init'), careOfInitCookie: u64, options }),
  fc.record({
    type: type('home-test'),
    homeNonceIndex: u16,
    homeInitCookie: u64,
    homeKeygenToken: octets(8),
    options,
  }),
  fc.record({
    type: type('binding-update'),
    sequence: u16,
    flags: fc.record({
      acknowledge: boolean,
      homeRegistration: boolean,
      linkLocalCompatibility: boolean,
      keyManagementMobility: boolean,
      mapRegistration: boolean,
      mobileRouter: boolean,
      proxyRegistration: boolean,
      forceUdp: boolean,
      overwrite: boolean,
    }),
    lifetimeUnits: u16,
    options: bindingOptions,
  }),
  fc.record({
    type: type('binding-acknowledgement'),
    status: u8,
    flags: fc.record({
      keyManagementMobility: boolean,
      mobileRouter: boolean,
      proxyRegistration: boolean,
    }),
    sequence: u16,
    lifetimeUnits: u16,
    options: bindingOptions,
  }),
  fc.record({ type: type('binding-error'), status: u8, homeAddress: address6, options }),
);

const extension: fc.Arbitrary<Extension> = fc.oneof(
  address6.map((homeAddress): Extension => ({ type: 'type-2-routing', homeAddress })),
  address6.map(
    (address): Extension => ({
      type: 'destination-options',
      options: [
        { type: 'padding', length: 4 },
        { type: 'home-address', address },
      ],
    }),
  ),
  fc.tuple(fc.integer({ min: 100, max: 200 }), octets(4)).map(
    ([optionType, data]): Extension => ({
      type: 'destination-options',
      options: [{ type: 'unknown', optionType, data }],
    }),
  ),
  fc.record({
    type: type('routing'),
    routingType: fc.integer({ min: 3, max: 255 }),
    segmentsLeft: u8,
    data: octets(12),
  }),
);

const packet: fc.Arbitrary<Ipv6Packet> = fc.record({
  trafficClass: u8,
  flowLabel: fc.nat(0xfffff),
  hopLimit: u8,
  source: address6,
  destination: address6,
  extensions: fc.array(extension, { maxLength: 4 }),
  protocol: fc.constantFrom(6, 17, 41, 58, 59, 135),
  payload: octets(0, 200),
});

function expectRoundTrip<T>(codec: Codec<T>, value: T): void {
  const bytes = encode(codec, value);
  expect(codec.parse(bytes)).toEqual(value);
}

describe('any value survives encoding and parsing', () => {
  test('mobility header', () => {
    const header: fc.Arbitrary<MobilityHeader> = fc.record({
      payloadProtocol: u8,
      checksum: u16,
      message,
    });
    fc.assert(
      fc.property(header, (value) => expectRoundTrip(mobilityCodec, value)),
      { numRuns: 2000 },
    );
  });

  test('IPv6 packet', () => {
    fc.assert(
      fc.property(packet, (value) => expectRoundTrip(ipv6Codec, value)),
      { numRuns: 1000 },
    );
  });
});

/** The messages of ML-KEM as far as their first SPI. */
const ENCAPSULATION_REQUEST = [18, 0, 0, 0, 0, 0, 0, 1, 25, 4, 0xa4, 0, 0, 0, 1];
const ENCAPSULATION_RESPONSE = [19, 1, 0, 0, 0, 0, 0, 1, 26, 4, 0x54, 0, 0, 0, 1];

describe('any octets parse to a value or Malformed, without an exception', () => {
  const codecs = [
    [(bytes: Uint8Array) => expectTotal(mobilityCodec, bytes), [0x3b, 0x04, 0x05]],
    [(bytes: Uint8Array) => expectTotal(ipv6Codec, bytes), [0x60]],
    [(bytes: Uint8Array) => expectTotal(ipv4Codec, bytes), [0x45]],
    [(bytes: Uint8Array) => expectTotal(udpCodec, bytes), []],
    [(bytes: Uint8Array) => expectTotal(icmpv6Codec, bytes), [0x86]],
    [(bytes: Uint8Array) => expectTotal(icmpv4Codec, bytes), []],
    [(bytes: Uint8Array) => expectTotal(espCodec, bytes), []],
    [(bytes: Uint8Array) => expectTotal(arpCodec, bytes), [0, 1, 8, 0, 6, 4]],
    [(bytes: Uint8Array) => expectTotal(rtnetlinkCodec, bytes), [64, 0, 0, 0, 24, 0]],
    [(bytes: Uint8Array) => expectTotal(ntmobileMessageCodec, bytes), [9, 0, 0, 0]],
    [(bytes: Uint8Array) => expectTotal(ntmobileMessageCodec, bytes), ENCAPSULATION_REQUEST],
    [(bytes: Uint8Array) => expectTotal(ntmobileMessageCodec, bytes), ENCAPSULATION_RESPONSE],
  ] as const;
  test.each(codecs)('codec %#', (total, start) => {
    fc.assert(
      fc.property(octets(0, 120), (bytes) => {
        total(bytes);
        const started = bytes.slice();
        started.set(start.slice(0, started.length));
        total(started);
      }),
      { numRuns: 2000 },
    );
  });

  test('a mobility header full of the smallest options parses in one pass', () => {
    // 1018 options of two octets is the most that a header can hold.
    const bytes = new Uint8Array(2048);
    bytes.set([59, 255, 5]);
    for (let at = 12; at < 2048; at += 2) bytes[at] = 99;
    const parsed = mobilityCodec.parse(bytes);
    expect(isMalformed(parsed)).toBe(false);
    expect(parsed).toHaveProperty('message.options.length', 1018);
  });
});
