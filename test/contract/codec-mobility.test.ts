import { describe, expect, test } from 'vitest';
import { encode, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import {
  encodeMobility,
  HEADER_LENGTH_TOO_SMALL,
  type MobilityHeader,
  mobilityChecksum,
  mobilityChecksumValid,
  mobilityCodec,
} from '#wire/mobility/header.ts';
import {
  type MobilityMessage,
  NO_BINDING_ACKNOWLEDGEMENT_FLAGS,
  NO_BINDING_UPDATE_FLAGS,
} from '#wire/mobility/message.ts';
import { mobilitySummary } from '#wire/mobility/summary.ts';
import { codecContract, type Golden } from './codec-harness.ts';

const NODE = ipv6('2001:db8:9::7');
const HOME = ipv6('2001:db8:1::64');
const AGENT = ipv6('2001:db8:1::1');

function header(message: MobilityMessage, checksum = 0): MobilityHeader {
  return { payloadProtocol: 59, checksum, message };
}

const goldens: readonly Golden<MobilityHeader>[] = [
  {
    name: 'binding refresh request',
    hex: '3b00 0000 0000 0000',
    value: header({ type: 'binding-refresh-request', options: [] }),
  },
  {
    name: 'binding refresh request with callback option',
    // Type 18, length 16, "SJRN", subtype 1, reserved, 27 seconds, token; PadN to eight octets.
    hex: '3b03 0000 0000 0000 1210 534a524e 01 00 001b 0102030405060708 0104 00000000',
    value: header({
      type: 'binding-refresh-request',
      options: [{ type: 'callback', seconds: 27, token: 0x0102030405060708n }],
    }),
  },
  {
    name: 'binding refresh request with the option of another experiment',
    hex: '3b01 0000 0000 0000 1204 534a524e 0100',
    value: header({
      type: 'binding-refresh-request',
      options: [{ type: 'unknown', optionType: 18, data: fromHex('534a524e') }],
    }),
  },
  {
    name: 'home test init',
    hex: '3b01 0100 1234 0000 0102030405060708',
    value: header(
      { type: 'home-test-init', homeInitCookie: 0x0102030405060708n, options: [] },
      0x1234,
    ),
  },
  {
    name: 'care-of test init with binding identifier',
    hex: '3b02 0200 0000 0000 ffffffffffffffff 2304 0007 00 00 0100',
    value: header({
      type: 'care-of-test-init',
      careOfInitCookie: 0xffffffffffffffffn,
      options: [
        {
          type: 'binding-identifier',
          bindingId: 7,
          status: 0,
          simultaneousHomeAndForeign: false,
          careOfAddress: undefined,
        },
      ],
    }),
  },
  {
    name: 'home test',
    hex: '3b02 0300 0000 0102 0102030405060708 a1a2a3a4a5a6a7a8',
    value: header({
      type: 'home-test',
      homeNonceIndex: 0x0102,
      homeInitCookie: 0x0102030405060708n,
      homeKeygenToken: fromHex('a1a2a3a4a5a6a7a8'),
      options: [],
    }),
  },
  {
    name: 'care-of test',
    hex: '3b02 0400 0000 0103 0102030405060708 b1b2b3b4b5b6b7b8',
    value: header({
      type: 'care-of-test',
      careOfNonceIndex: 0x0103,
      careOfInitCookie: 0x0102030405060708n,
      careOfKeygenToken: fromHex('b1b2b3b4b5b6b7b8'),
      options: [],
    }),
  },
  {
    name: 'binding update without options',
    hex: '3b01 0500 0000 0011 c000 0064 0102 0000',
    value: header({
      type: 'binding-update',
      sequence: 0x11,
      flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, homeRegistration: true },
      lifetimeUnits: 100,
      options: [],
    }),
  },
  {
    name: 'binding update with every flag',
    hex: '3b01 0500 0000 ffff ff40 ffff 0102 0000',
    value: header({
      type: 'binding-update',
      sequence: 0xffff,
      flags: {
        acknowledge: true,
        homeRegistration: true,
        linkLocalCompatibility: true,
        keyManagementMobility: true,
        mapRegistration: true,
        mobileRouter: true,
        proxyRegistration: true,
        forceUdp: true,
        overwrite: true,
      },
      lifetimeUnits: 0xffff,
      options: [],
    }),
  },
  {
    name: 'home registration of RFC 5555 with RFC 4283 and RFC 4285 options',
    hex: `3b08 0500 0000 0001 c100 0096
          1d06 8000 c0000201
          2006 0000 c6336407
          080c 01 6d40686f6d652e74657374
          0a08 e8d4a51000000001
          00 0911 01 00000100 000102030405060708090a0b`,
    value: header({
      type: 'binding-update',
      sequence: 1,
      flags: {
        ...NO_BINDING_UPDATE_FLAGS,
        acknowledge: true,
        homeRegistration: true,
        forceUdp: true,
      },
      lifetimeUnits: 150,
      options: [
        {
          type: 'ipv4-home-address',
          prefixLength: 32,
          requestPrefix: false,
          address: ipv4('192.0.2.1'),
        },
        { type: 'ipv4-care-of-address', address: ipv4('198.51.100.7') },
        {
          type: 'mobile-node-identifier',
          subtype: 1,
          identifier: new TextEncoder().encode('m@home.test'),
        },
        { type: 'replay-protection', timestamp: 0xe8d4a51000000001n },
        {
          type: 'authentication',
          subtype: 1,
          spi: 256,
          authenticator: fromHex('000102030405060708090a0b'),
        },
      ],
    }),
  },
  {
    name: 'correspondent registration: alternate care-of address, nonces, authorization data last',
    hex: `3b06 0500 0000 0002 8000 0069
          0100 0310 20010db8000900000000000000000007
          0404 0005 0006 0102 0000
          050c a0a1a2a3a4a5a6a7a8a9aaab`,
    value: header({
      type: 'binding-update',
      sequence: 2,
      flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true },
      lifetimeUnits: 105,
      options: [
        { type: 'alternate-care-of-address', address: NODE },
        { type: 'nonce-indices', homeNonceIndex: 5, careOfNonceIndex: 6 },
        { type: 'binding-authorization-data', authenticator: fromHex('a0a1a2a3a4a5a6a7a8a9aaab') },
      ],
    }),
  },
  {
    name: 'mobile router: RFC 3963 prefixes, binding identifier with address, unknown option',
    hex: `3b07 0500 0000 0003 c440 0064
          0612 0030 20010db8002000000000000000000000
          c803 abcdef 0103 000000
          2314 0001 00 80 20010db8000900000000000000000007`,
    value: header({
      type: 'binding-update',
      sequence: 3,
      flags: {
        ...NO_BINDING_UPDATE_FLAGS,
        acknowledge: true,
        homeRegistration: true,
        mobileRouter: true,
        overwrite: true,
      },
      lifetimeUnits: 100,
      options: [
        { type: 'mobile-network-prefix', prefixLength: 48, prefix: ipv6('2001:db8:20::') },
        { type: 'unknown', optionType: 200, data: fromHex('abcdef') },
        {
          type: 'binding-identifier',
          bindingId: 1,
          status: 0,
          simultaneousHomeAndForeign: true,
          careOfAddress: NODE,
        },
      ],
    }),
  },
  {
    name: 'acknowledgement with refresh advice, IPv4 address, NAT detection and prefix length',
    hex: `3b03 0600 0000 0080 0001 0064
          0202 0050 1e06 0080 c0000201
          1f06 8000 0000006e`,
    value: header({
      type: 'binding-acknowledgement',
      status: 0,
      flags: { ...NO_BINDING_ACKNOWLEDGEMENT_FLAGS, keyManagementMobility: true },
      sequence: 1,
      lifetimeUnits: 100,
      options: [
        { type: 'binding-refresh-advice', refreshIntervalUnits: 80 },
        {
          type: 'ipv4-address-acknowledgement',
          status: 0,
          prefixLength: 32,
          address: ipv4('192.0.2.1'),
        },
        { type: 'nat-detection', forceUdp: true, refreshTimeSeconds: 110 },
      ],
    }),
  },
  {
    name: 'binding error',
    hex: '3b02 0700 0000 0100 20010db8000100000000000000000064',
    value: header({ type: 'binding-error', status: 1, homeAddress: HOME, options: [] }),
  },
  {
    name: 'unknown message, other payload protocol',
    hex: '1101 ff00 beef 0102030405060708090a',
    value: {
      payloadProtocol: 17,
      checksum: 0xbeef,
      message: { type: 'unknown', messageType: 255, data: fromHex('0102030405060708090a') },
    },
  },
];

codecContract(mobilityCodec, goldens);

describe('mobility header', () => {
  test('checksum covers the pseudo-header and itself as zero', () => {
    const bytes = encodeMobility(
      { type: 'home-test-init', homeInitCookie: 1n, options: [] },
      HOME,
      AGENT,
    );
    expect(mobilityChecksumValid(HOME, AGENT, bytes)).toBe(true);
    expect(mobilityChecksumValid(NODE, AGENT, bytes)).toBe(false);
    // By hand: 2001+0db8+1+64, 2001+0db8+1+1, 87 + 10, 3b01+0100+1, complemented.
    const sum = 2 * (0x2001 + 0x0db8) + 1 + 0x64 + 1 + 1 + 0x87 + 0x10 + 0x3b01 + 0x0100 + 1;
    expect(mobilityChecksum(HOME, AGENT, bytes)).toBe(~sum & 0xffff);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const copy = bytes.slice();
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(mobilityChecksumValid(HOME, AGENT, copy)).toBe(false);
    }
  });

  test.each([
    [1, '3b00 0100 0000 0000'],
    [3, '3b01 0300 0000 0000 0000000000000000'],
    [5, '3b00 0500 0000 0000'],
    [6, '3b00 0600 0000 0000'],
    [7, '3b01 0700 0000 0000 0000000000000000'],
  ])('message %i shorter than its fixed part has its own reason', (_type, text) => {
    expect(mobilityCodec.parse(fromHex(text))).toEqual({
      malformed: true,
      reason: HEADER_LENGTH_TOO_SMALL,
    });
  });

  test.each([
    [
      'alternate care-of address of 15',
      '3b03 0500 0000 0000 0000 0000 030f 000000000000000000000000000000 0100 00',
    ],
    ['option past the end', '3b01 0500 0000 0000 0000 0000 0905 0100'],
    ['option without length', '3b01 0500 0000 0000 0000 0000 00000009'],
    ['authentication option without whole SPI', '3b01 0500 0000 0000 0000 0000 0902 0100'],
    ['IPv4 home address of 4', '3b02 0500 0000 0000 0000 0000 1d04 00000000 0104 00000000'],
  ])('%s is malformed', (_name, text) => {
    expect(isMalformed(mobilityCodec.parse(fromHex(text)))).toBe(true);
  });

  test('a binding identifier of wrong length is kept, so that status 164 can answer it', () => {
    const parsed = mobilityCodec.parse(
      fromHex('3b02 0500 0000 0000 0000 0000 2306 000100000000 0102 0000'),
    );
    expect(parsed).toMatchObject({
      message: { options: [{ type: 'unknown', optionType: 35, data: fromHex('000100000000') }] },
    });
  });

  test('padding is skipped at any position', () => {
    const parsed = mobilityCodec.parse(
      fromHex('3b02 0500 0000 0001 0000 0000 0000 0202 0009 0101 ff 00 0100'),
    );
    expect(parsed).toMatchObject({
      message: { options: [{ type: 'binding-refresh-advice', refreshIntervalUnits: 9 }] },
    });
  });

  test('octets behind the header are ignored', () => {
    const octets = fromHex('3b00 0000 0000 0000');
    const followed = new Uint8Array([...octets, 1, 2, 3]);
    expect(mobilityCodec.parse(followed)).toEqual(mobilityCodec.parse(octets));
    expect(mobilityChecksum(HOME, AGENT, followed)).toBe(mobilityChecksum(HOME, AGENT, octets));
  });

  test('authentication data ends the message, with SPI on a four-octet boundary', () => {
    for (const length of [12, 16]) {
      for (const extra of [0, 1, 2, 3, 4, 5, 6, 7]) {
        const bytes = encode(mobilityCodec, {
          payloadProtocol: 59,
          checksum: 0,
          message: {
            type: 'binding-update',
            sequence: 0,
            flags: NO_BINDING_UPDATE_FLAGS,
            lifetimeUnits: 0,
            options: [
              {
                type: 'mobile-node-identifier',
                subtype: 1,
                identifier: new Uint8Array(extra).fill(7),
              },
              {
                type: 'authentication',
                subtype: 1,
                spi: 0xcafebabe,
                authenticator: new Uint8Array(length).fill(0xee),
              },
            ],
          },
        });
        expect(bytes.length % 8).toBe(0);
        expect(hex(bytes).endsWith(`cafebabe${'ee'.repeat(length)}`)).toBe(true);
        expect((bytes.length - length - 4) % 4).toBe(0);
      }
    }
  });

  test('summary names the message and shows no authenticator', () => {
    for (const golden of goldens) {
      const line = mobilitySummary(golden.value);
      expect(line).not.toContain('\n');
      expect(line).not.toContain('0102030405060708090a0b');
      expect(line).toContain(
        golden.value.message.type === 'unknown' ? '255' : golden.value.message.type,
      );
    }
  });
});
