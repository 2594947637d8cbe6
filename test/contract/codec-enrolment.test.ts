/** The options of an enrolment on the wire. docs/reference/enrolment.md §2. */
import { describe, expect, it } from 'vitest';
import { fromHex, hex } from '#base/bytes.ts';
import { ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import {
  type InitiationPayload,
  initiationPayloadCodec,
  type ResponsePayload,
  responsePayloadCodec,
} from '#wire/ntmobile/payload.ts';
import { codecContract } from './codec-harness.ts';

const SECRET = Uint8Array.from({ length: 16 }, (_, at) => at + 1);
const HOME = '20010db8000101000000000000000010';
const HEAD = '0000000a 02 000000';

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

codecContract<InitiationPayload>(initiationPayloadCodec, [
  {
    name: 'with a request to be enrolled',
    hex: `0000000000000001 0000 30 0050 ${hex(SECRET)} 03 76616e ${'00'.repeat(60)}`,
    value: {
      ...{ timestamp: 1n, credential: undefined },
      options: [{ type: 'enrolment-request', request: { secret: SECRET, name: 'van' } }],
    },
  },
]);

codecContract<ResponsePayload>(responsePayloadCodec, [
  {
    name: 'with a grant of two prefixes and a fixed IPv4 address',
    hex: `${HEAD} 31 002e ${HOME} 40 05 c0000209
          06 40 20010db8000102000000000000000000  04 1c cb007140`,
    value: {
      ...{ spi: 10, suite: 2 },
      options: [
        {
          type: 'enrolment-grant',
          grant: {
            ...{ homeAddress: ipv6('2001:db8:1:100::10'), homePrefixLength: 64 },
            ...{ virtualHomeNetwork: true, ipv4HomeAddress: ipv4('192.0.2.9') },
            mobileNetworkPrefixes: [prefix('2001:db8:1:200::/64'), prefix('203.0.113.64/28')],
          },
        },
      ],
    },
  },
  {
    name: 'with a grant of an IPv4 address from the pool',
    hex: `${HEAD} 31 0016 ${HOME} 40 02 00000000`,
    value: {
      ...{ spi: 10, suite: 2 },
      options: [
        {
          type: 'enrolment-grant',
          grant: {
            ...{ homeAddress: ipv6('2001:db8:1:100::10'), homePrefixLength: 64 },
            ...{ virtualHomeNetwork: false, ipv4HomeAddress: 'dynamic' },
            mobileNetworkPrefixes: [],
          },
        },
      ],
    },
  },
]);

describe('the codec of enrolment options', () => {
  it.each([
    ['a name behind its field', `30 0050 ${hex(SECRET)} 40 ${'61'.repeat(63)}`, 'name too long'],
    ['padding', `30 0050 ${hex(SECRET)} 01 6161 ${'00'.repeat(61)}`, 'padding is not zero'],
    [
      'a control character',
      `30 0050 ${hex(SECRET)} 01 1b ${'00'.repeat(62)}`,
      'name is no plain text',
    ],
    [
      'another size',
      `30 0051 ${hex(SECRET)} 00 ${'00'.repeat(64)}`,
      'option longer than its value',
    ],
  ])('refuses a request: %s', (_name, digits, reason) => {
    const octets = fromHex(`0000000000000001 0000 ${digits}`);
    expect(initiationPayloadCodec.parse(octets)).toEqual({ malformed: true, reason });
  });

  it.each([
    ['both IPv4 flags', `31 0016 ${HOME} 40 06 c0000209`, 'contradictory or unknown flags'],
    ['an unknown flag', `31 0016 ${HOME} 40 08 00000000`, 'contradictory or unknown flags'],
    ['no IPv4 address', `31 0016 ${HOME} 40 04 00000000`, 'IPv4 address and flags disagree'],
    ['an IPv4 address', `31 0016 ${HOME} 40 00 c0000209`, 'IPv4 address and flags disagree'],
    ['a length', `31 0016 ${HOME} 81 00 00000000`, 'prefix length out of range'],
    ['a family', `31 001c ${HOME} 40 00 00000000 05 18 cb007100`, 'unknown address family'],
    ['host bits', `31 001c ${HOME} 40 00 00000000 04 18 cb007101`, 'bits behind the prefix length'],
    [
      'five prefixes',
      `31 0034 ${HOME} 40 00 00000000 ${'0418cb007100'.repeat(5)}`,
      'too many prefixes',
    ],
  ])('refuses a grant: %s', (_name, digits, reason) => {
    const octets = fromHex(`${HEAD} ${digits}`);
    expect(responsePayloadCodec.parse(octets)).toEqual({ malformed: true, reason });
  });
});
