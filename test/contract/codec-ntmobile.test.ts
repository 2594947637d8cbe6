import { describe, expect, test } from 'vitest';
import { encode, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { MESSAGES } from '#test/vectors/generate.ts';
import {
  type NtmobileDatagram,
  ntmobileDatagramCodec,
  ntmobileDatagramSummary,
} from '#wire/ntmobile/datagram.ts';
import {
  hasUnknownMandatoryOption,
  type NtmobileMessage,
  ntmobileMessageCodec,
} from '#wire/ntmobile/message.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import {
  type InitiationPayload,
  initiationPayloadCodec,
  type ResponsePayload,
  responsePayloadCodec,
} from '#wire/ntmobile/payload.ts';
import { codecContract } from './codec-harness.ts';

const octets = (count: number, first = 1) =>
  Uint8Array.from({ length: count }, (_, index) => (first + index) & 255);
const KEY = octets(32);

codecContract<NtmobileDatagram>(ntmobileDatagramCodec, [
  {
    name: 'sealed data',
    hex: `1abcdef0 00000007 ${hex(octets(20))}`,
    value: { type: 'data', spi: 0xabcdef0, sequence: 7, ciphertext: octets(20) },
  },
  {
    name: 'sealed control',
    hex: `90000001 ffffffff ${hex(octets(16))}`,
    value: { type: 'control', spi: 1, sequence: 0xffffffff, ciphertext: octets(16) },
  },
  {
    name: 'initiation',
    hex: `a0000002 01 02 03 00 ${hex(octets(8))} ${hex(KEY)} ${hex(octets(48))}
          ${hex(octets(19))} ${hex(octets(16))} ${hex(octets(16, 9))}`,
    value: {
      ...{ type: 'initiation', spi: 2, use: 2, suites: 3, pathId: octets(8), ephemeral: KEY },
      ...{
        encryptedStatic: octets(48),
        encryptedPayload: octets(19),
        mac1: octets(16),
        mac2: octets(16, 9),
      },
    },
  },
  {
    name: 'response',
    hex: `b0000002 ${hex(KEY)} ${hex(octets(16))}`,
    value: { type: 'response', spi: 2, ephemeral: KEY, encryptedPayload: octets(16) },
  },
  {
    name: 'cookie reply',
    hex: `c0000002 ${hex(octets(12))} ${hex(octets(32))}`,
    value: { type: 'cookie-reply', spi: 2, nonce: octets(12), encryptedCookie: octets(32) },
  },
  {
    name: 'relay envelope',
    hex: 'd0000009 1abcdef0 00000007',
    value: { type: 'relayed', index: 9, datagram: fromHex('1abcdef000000007') },
  },
]);

codecContract<InitiationPayload>(initiationPayloadCodec, [
  {
    name: 'with a credential and an option',
    hex: '0000000000000001 0100 0006 aabb 06 0004 00000258',
    value: {
      timestamp: 1n,
      credential: fromHex('01000006aabb'),
      options: [{ type: 'lifetime', seconds: 600 }],
    },
  },
  {
    name: 'with neither',
    hex: '00000000000000ff 0000',
    value: { timestamp: 255n, credential: undefined, options: [] },
  },
]);

codecContract<ResponsePayload>(responsePayloadCodec, [
  {
    name: 'without options',
    hex: '0abcdef0 02 000000',
    value: { spi: 0xabcdef0, suite: 2, options: [] },
  },
]);

codecContract<NtmobileMessage>(
  ntmobileMessageCodec,
  MESSAGES.map((value) => ({
    name: `${value.type}${value.answer ? ', answer' : ''}`,
    hex: hex(encode(ntmobileMessageCodec, value)),
    value,
  })),
);

describe('malformed NTMobile datagram', () => {
  test.each([
    ['SPI 0', '10000000 00000001', 'SPI 0'],
    ['an unassigned type', '20000001 00000001', 'unknown type'],
    ['another version', `a0000002 02 02 03 00 ${'00'.repeat(140)}`, 'unknown version'],
    ['a reserved octet', `a0000002 01 02 03 01 ${'00'.repeat(140)}`, 'reserved octet is not zero'],
    ['an envelope in an envelope', 'd0000009 d0000009 90000001', 'an envelope in an envelope'],
    [
      'a cookie reply with more behind it',
      `c0000002 ${'00'.repeat(45)}`,
      'octets behind the cookie',
    ],
  ])('%s', (_name, digits, reason) => {
    const padded =
      digits.startsWith('d') || digits.startsWith('c') ? digits : `${digits} ${'00'.repeat(16)}`;
    expect(ntmobileDatagramCodec.parse(fromHex(padded))).toEqual({ malformed: true, reason });
  });

  test('its summary shows no ciphertext', () => {
    const datagram = ntmobileDatagramCodec.parse(fromHex(`1abcdef0 00000007 ${'5a'.repeat(16)}`));
    expect(isMalformed(datagram) ? '' : ntmobileDatagramSummary(datagram)).toBe(
      'data, SPI 180150000',
    );
  });
});

describe('malformed control message', () => {
  test.each([
    ['an unassigned message', '63 00 00 00 00000001', 'unknown message'],
    ['an answer that is a request', '02 00 00 00 00000001', 'answer flag of wrong value'],
    ['a request that is an answer', '03 01 00 00 00000001', 'answer flag of wrong value'],
    ['a request with a status', '03 00 05 00 00000001', 'a request with a status'],
    ['reserved bits', '03 02 00 00 00000001', 'reserved bits are not zero'],
    ['a missing option', '0c 00 00 00 00000001', 'path-challenge without challenge'],
    [
      'an option twice',
      '0e 00 00 00 00000001 02 0008 0102030405060708 02 0008 0102030405060708',
      'path-id twice',
    ],
    [
      'an option longer than its value',
      '0f 00 00 00 00000001 06 0005 0000000000',
      'option longer than its value',
    ],
    ['an option behind the end', '0f 00 00 00 00000001 06 0008 00000000', 'truncated'],
    ['a name with capitals', '0f 00 00 00 00000001 01 0003 414243', 'no domain name'],
    [
      'an address of no family',
      '0f 00 00 00 00000001 14 0008 05 00 1ed2 01020304',
      'unknown address family',
    ],
    ['an index out of range', '0f 00 00 00 00000001 0b 0004 10000000', 'relay index out of range'],
    [
      'a short encapsulation key',
      `12 00 00 00 00000001 19 04a3 00000001 ${'00'.repeat(1183)}`,
      'truncated',
    ],
    [
      'a long encapsulation key',
      `12 00 00 00 00000001 19 04a5 00000001 ${'00'.repeat(1185)}`,
      'option longer than its value',
    ],
    [
      'an encapsulation key with SPI 0',
      `12 00 00 00 00000001 19 04a4 00000000 ${'00'.repeat(1184)}`,
      'SPI out of range',
    ],
    [
      'a ciphertext without confirmation',
      `13 01 00 00 00000001 1a 0444 00000001 ${'00'.repeat(1088)}`,
      'truncated',
    ],
    [
      'a ciphertext with an SPI of 32 bits',
      `13 01 00 00 00000001 1a 0454 10000000 ${'00'.repeat(1104)}`,
      'SPI out of range',
    ],
    [
      'a granted request without ciphertext',
      '13 01 00 00 00000001',
      'encapsulation-response without encapsulation',
    ],
    [
      'a reason with control characters',
      '11 01 02 00 00000001 80 0001 1b',
      'reason is no plain text',
    ],
  ])('%s', (_name, digits, reason) => {
    expect(ntmobileMessageCodec.parse(fromHex(digits))).toEqual({ malformed: true, reason });
  });

  test('a negative answer may omit the options of a positive one', () => {
    expect(ntmobileMessageCodec.parse(fromHex('02 01 03 00 00000001'))).toMatchObject({
      status: 3,
      options: [],
    });
  });

  test.each([
    ['0f 00 00 00 00000001 63 0000', true],
    ['0f 00 00 00 00000001 c8 0000', false],
  ])('an unknown option: %s may not be skipped: %s', (digits, mandatory) => {
    const message = ntmobileMessageCodec.parse(fromHex(digits));
    expect(isMalformed(message) ? undefined : hasUnknownMandatoryOption(message)).toBe(mandatory);
  });
});

test.each([
  ['a.example', true],
  ['xn--bcher-kva.example', true],
  ['A.example', false],
  ['a.example.', false],
  ['-a.example', false],
  ['a-.example', false],
  ['a..example', false],
  ['', false],
  [`${'a'.repeat(64)}.example`, false],
  [`${'a.'.repeat(126)}ab`, false],
])('%s as a domain name: %s', (name, valid) => {
  expect(isDomainName(name)).toBe(valid);
});
