import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hex } from '#base/bytes.ts';
import {
  addressToBytes,
  bytesOfIpv6,
  formatPrefix,
  ipFromBytes,
  ipv4,
  ipv4Mapped,
  ipv6,
  ipv6FromBytes,
  isGlobalUnicast,
  isLinkLocal,
  isMulticast,
  isPrivateIpv4,
  isUniqueLocal,
  networkOf,
  parseIpAddress,
  parseIpv4,
  parseIpv6,
  parsePrefix,
  prefixContains,
  solicitedNodeMulticast,
} from '#base/ip.ts';

describe('addresses', () => {
  test.each([
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['2001:0db8::0001', '2001:db8::1'],
  ])('%s is written %s (RFC 5952)', (text, canonical) => {
    expect(parseIpv6(text)).toBe(canonical);
  });

  test.each([
    '',
    ':',
    ':::',
    '1:::2',
    '1::2::3',
    ':1',
    '1:',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7::8',
    'fe80::1%1',
    '::1.2.3',
  ])('%j is no IPv6 address', (text) => {
    expect(parseIpv6(text)).toBeUndefined();
  });

  test.each(['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.1.1.1', '1.2.3.4 ', '1..2.3', 'a.b.c.d'])(
    '%j is no IPv4 address',
    (text) => {
      expect(parseIpv4(text)).toBeUndefined();
    },
  );

  test('octets go to text and back, and the platform accepts the text', () => {
    const octets = fc.oneof(
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      fc
        .array(fc.constantFrom(0, 0, 0, 1, 255), { minLength: 16, maxLength: 16 })
        .map((bytes) => Uint8Array.from(bytes)),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
    );
    fc.assert(
      fc.property(octets, (bytes) => {
        const address = ipFromBytes(bytes);
        expect(hex(addressToBytes(address))).toBe(hex(bytes));
        expect(parseIpAddress(address)).toBe(address);
        expect(bytes.length === 16 ? isIPv6(address) : isIPv4(address)).toBe(true);
        if (bytes.length === 16 && !address.includes('.'))
          expect(new URL(`http://[${address}]`).hostname).toBe(`[${address}]`);
      }),
      { numRuns: 3000 },
    );
  });

  test('any text parses to an address that the platform accepts, or to nothing', () => {
    const text = fc.string({ unit: fc.constantFrom(...'0123456789abcF:.'), maxLength: 20 });
    fc.assert(
      fc.property(text, (candidate) => {
        expect(parseIpv6(candidate) !== undefined).toBe(isIPv6(candidate));
        expect(parseIpv4(candidate) !== undefined).toBe(isIPv4(candidate));
      }),
      { numRuns: 5000 },
    );
  });

  test('colliding addresses do not share a cached text', () => {
    for (let value = 0; value < 20000; value++) {
      const bytes = new Uint8Array(16);
      new DataView(bytes.buffer).setUint32(12, value * 0x10001);
      expect(hex(bytesOfIpv6(ipv6FromBytes(bytes)))).toBe(hex(bytes));
    }
  });

  test('address scopes are recognized', () => {
    expect([
      isMulticast(ipv6('ff02::1')),
      isMulticast(ipv6('ff::1')),
      isMulticast(ipv4('224.0.0.1')),
    ]).toEqual([true, false, true]);
    expect([
      isLinkLocal(ipv6('febf::1')),
      isLinkLocal(ipv6('fec0::1')),
      isLinkLocal(ipv4('169.254.1.1')),
    ]).toEqual([true, false, true]);
    expect([isUniqueLocal(ipv6('fd00::1')), isUniqueLocal(ipv6('fe00::1'))]).toEqual([true, false]);
    expect([isPrivateIpv4(ipv4('172.31.0.1')), isPrivateIpv4(ipv4('172.32.0.1'))]).toEqual([
      true,
      false,
    ]);
    for (const text of [
      '::',
      '::1',
      'fe80::1',
      'ff02::1',
      '::ffff:192.0.2.1',
      '0.0.0.0',
      '127.0.0.1',
      '240.0.0.1',
      '224.0.0.1',
    ]) {
      expect([text, parseIpAddress(text)].length).toBe(2);
      const address = parseIpAddress(text);
      expect(address !== undefined && isGlobalUnicast(address)).toBe(false);
    }
    expect([isGlobalUnicast(ipv6('2001:db8::1')), isGlobalUnicast(ipv4('192.0.2.1'))]).toEqual([
      true,
      true,
    ]);
    expect(ipv4Mapped(ipv4('192.0.2.1'))).toBe(parseIpv6('::ffff:c000:201'));
    expect(solicitedNodeMulticast(ipv6('2001:db8::1234:5678'))).toBe('ff02::1:ff34:5678');
  });
});

describe('prefixes', () => {
  test('prefix text parses with its host bits cleared', () => {
    const prefix = parsePrefix('2001:db8:ffff::1/35');
    expect(prefix && formatPrefix(prefix)).toBe('2001:db8:e000::/35');
    expect(parsePrefix('192.0.2.1')).toEqual({ address: '192.0.2.1', length: 32 });
    for (const text of [
      '192.0.2.0/33',
      '2001:db8::/129',
      '192.0.2.0/',
      '192.0.2.0/8/8',
      'x/8',
      '192.0.2.0/-1',
    ]) {
      expect(parsePrefix(text)).toBeUndefined();
    }
  });

  test('prefixes contain addresses of their family only', () => {
    const prefix = { address: ipv4('192.0.2.0'), length: 25 };
    expect(prefixContains(prefix, ipv4('192.0.2.127'))).toBe(true);
    expect(prefixContains(prefix, ipv4('192.0.2.128'))).toBe(false);
    expect(prefixContains(prefix, ipv6('2001:db8::'))).toBe(false);
    expect(prefixContains({ address: ipv6('::'), length: 0 }, ipv6('2001:db8::'))).toBe(true);
    expect(networkOf(ipv6('2001:db8::ffff'), 128)).toBe('2001:db8::ffff');
  });
});
