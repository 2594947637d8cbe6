import { describe, expect, test } from 'vitest';
import { fromHex, hex, isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import {
  encodeAddressChange,
  encodeDump,
  encodeLinkChange,
  encodeNeighbourChange,
  encodeRouteChange,
  encodeRuleChange,
  parseRtnetlink,
  type RtnetlinkMessage,
  rtnetlinkCodec,
} from '#wire/rtnetlink/message.ts';
import { codecContract } from './codec-harness.ts';

const envelope = { flags: 2, sequence: 5, portId: 1 };

codecContract<readonly RtnetlinkMessage[]>(rtnetlinkCodec, [
  {
    name: 'link',
    hex: `44000000 1000 0200 05000000 01000000  00 00 0100 03000000 43100100 00000000
          0900 0300 6574683000 000000  0800 0400 dc050000  0500 1000 06 000000  0500 2100 01
          000000`,
    value: [
      {
        ...envelope,
        kind: 'link',
        operation: 'new',
        link: {
          index: 3,
          flags: 0x11043,
          changeMask: 0,
          hardwareType: 1,
          name: 'eth0',
          mtu: 1500,
          operationalState: 6,
          carrier: true,
        },
      },
    ],
  },
  {
    name: 'a proxy neighbour and the end of the dump in one datagram',
    hex: `30000000 1c00 0200 05000000 01000000  0a 00 0000 01000000 0000 08 00  1400 0100
          20010db8000000000000000000000099
          14000000 0300 0200 05000000 01000000  00000000`,
    value: [
      {
        ...envelope,
        kind: 'neighbour',
        operation: 'new',
        neighbour: { interfaceIndex: 1, destination: ipv6('2001:db8::99'), state: 0, flags: 8 },
      },
      { ...envelope, kind: 'done', errno: 0 },
    ],
  },
  {
    name: 'address that was removed',
    hex: `48000000 1500 0000 05000000 01000000  0a 40 02 00 02000000
          1400 0200 20010db8000900000000000000000007  1400 0100 20010db8000900000000000000000007
          0800 0800 02020000`,
    value: [
      {
        flags: 0,
        sequence: 5,
        portId: 1,
        kind: 'address',
        operation: 'delete',
        address: {
          interfaceIndex: 2,
          address: ipv6('2001:db8:9::7'),
          prefixLength: 64,
          scope: 0,
          flags: 0x202,
        },
      },
    ],
  },
  {
    name: 'default route with metric',
    hex: `48000000 1800 0200 05000000 01000000  02 00 00 00 fe 10 00 01 00000000
          0800 0500 c0000201  0800 0400 02000000  0800 0600 64000000  0800 0f00 fe000000
          0c00 0800 0800 0200 78050000`,
    value: [
      {
        ...envelope,
        kind: 'route',
        operation: 'new',
        route: {
          destination: { address: ipv4('0.0.0.0'), length: 0 },
          table: 254,
          protocol: 16,
          scope: 0,
          routeType: 1,
          flags: 0,
          gateway: ipv4('192.0.2.1'),
          interfaceIndex: 2,
          priority: 100,
          mtu: 1400,
        },
      },
    ],
  },
  {
    name: 'rule by source and mark',
    hex: `58000000 2000 0200 05000000 01000000  0a 00 80 00 00 0000 01 02000000
          1400 0200 20010db8000100000000000000000064  0800 0600 f4010000  0800 0a00 05000000
          0800 0f00 e8030000  0800 1000 ff000000  0500 1500 c8 000000`,
    value: [
      {
        ...envelope,
        kind: 'rule',
        operation: 'new',
        rule: {
          family: 6,
          action: 1,
          table: 1000,
          invert: true,
          source: { address: ipv6('2001:db8:1::64'), length: 128 },
          priority: 500,
          mark: 5,
          markMask: 255,
          protocol: 200,
        },
      },
    ],
  },
  {
    name: 'message of no kind that is known',
    hex: '14000000 5000 0000 05000000 01000000 01020304',
    value: [
      {
        flags: 0,
        sequence: 5,
        portId: 1,
        kind: 'other',
        messageType: 80,
        data: fromHex('01020304'),
      },
    ],
  },
]);

describe('rtnetlink', () => {
  test('an error with the kernel’s explanation, as Linux sent it', () => {
    const parsed = parseRtnetlink(
      fromHex(`680000000200000211000000010000009bffffff3400000018000506110000000000000002180000
               fe0400010000000008000100cb00710008000500cb00710108000f00fe000000200001004e657874
               686f702068617320696e76616c6964206761746577617900`),
    );
    expect(parsed).toMatchObject([
      { kind: 'error', errno: 101, sequence: 17, text: 'Nexthop has invalid gateway' },
    ]);
  });

  test('an acknowledgement is an error with errno 0', () => {
    const parsed = parseRtnetlink(
      fromHex('240000000200000109000000010000000000000058000000200005060900000000000000'),
    );
    expect(parsed).toEqual([
      { flags: 256, sequence: 9, portId: 1, kind: 'error', errno: 0, text: undefined },
    ]);
  });

  test('five addresses of one dump, as Linux sent them', () => {
    const parsed = parseRtnetlink(
      fromHex(`4c000000140002000500000001000000020880fe01000000080001007f000001080002007f000001
               070003006c6f0000080008008000000014000600ffffffffffffffffe6d90200e6d902004c000000
               140002000500000001000000022080000100000008000100c000020a08000200c000020907000300
               6c6f0000080008008000000014000600ffffffffffffffffe6d90200e6d902005000000014000200
               05000000010000000a400200010000001400010020010db800000000000000000000000514000600
               64000000c8000000e6d90200e6d90200080008000202000005000b004d000000`),
    );
    if (isMalformed(parsed)) throw new Error(parsed.reason);
    expect(
      parsed.map((message) => (message.kind === 'address' ? message.address : undefined)),
    ).toMatchObject([
      { address: '127.0.0.1', prefixLength: 8, scope: 254, label: 'lo' },
      { address: '192.0.2.9', peer: '192.0.2.10', prefixLength: 32 },
      {
        address: '2001:db8::5',
        preferredLifetimeSeconds: 100,
        validLifetimeSeconds: 200,
        flags: 0x202,
        protocol: 77,
      },
    ]);
  });

  test('several next hops', () => {
    const parsed = parseRtnetlink(
      fromHex(`40000000 1800 0000 01000000 00000000  02 00 00 00 fe 10 00 01 00000000
               2400 0900  1000 0000 02000000 0800 0500 c0000201  1000 0004 03000000 0800 0500
          c6336401`),
    );
    expect(parsed).toMatchObject([
      {
        route: {
          nextHops: [
            { interfaceIndex: 2, weight: 1, gateway: '192.0.2.1' },
            { interfaceIndex: 3, weight: 5, gateway: '198.51.100.1' },
          ],
        },
      },
    ]);
  });

  test('requests have the flags of their change', () => {
    const address = {
      interfaceIndex: 1,
      address: ipv4('192.0.2.1'),
      prefixLength: 32,
      scope: 0,
      flags: 0,
    };
    const flagsOf = (octets: Uint8Array) =>
      new DataView(octets.buffer, octets.byteOffset).getUint16(6, true);
    expect(flagsOf(encodeAddressChange('add', address, 1))).toBe(0x605);
    expect(flagsOf(encodeAddressChange('replace', address, 1))).toBe(0x505);
    expect(flagsOf(encodeAddressChange('delete', address, 1))).toBe(0x005);
    expect(hex(encodeDump('neighbour', 6, 9, { neighbourFlags: 8 }))).toBe(
      '1c0000001e00010309000000000000000a0000000000000000000800',
    );
    expect(hex(encodeDump('link', undefined, 2)).slice(0, 16)).toBe('2000000012000103');
  });

  test('requests parse to the encoded values', () => {
    const route = {
      destination: { address: ipv6('2001:db8::'), length: 32 },
      table: 1000,
      protocol: 200,
      scope: 0,
      routeType: 1,
      flags: 0,
      interfaceIndex: 4,
    };
    const multipath = {
      ...route,
      nextHops: [{ interfaceIndex: 2, weight: 2, gateway: ipv6('fe80::1') }],
    };
    const viaIpv6 = {
      ...route,
      destination: { address: ipv4('0.0.0.0'), length: 0 },
      gateway: ipv6('fe80::1'),
    };
    const rule = {
      family: 4 as const,
      action: 1,
      table: 254,
      invert: false,
      suppressPrefixLength: 0,
      ipProtocol: 17,
      sourcePorts: { first: 4191, last: 4191 },
    };
    const neighbour = { interfaceIndex: 1, destination: ipv4('192.0.2.9'), state: 0x80, flags: 8 };
    const link = { index: 7, flags: 1, changeMask: 1, hardwareType: 0, mtu: 1400 };
    expect(parseRtnetlink(encodeRouteChange('replace', multipath, 1))).toMatchObject([
      { operation: 'new', route: multipath },
    ]);
    expect(parseRtnetlink(encodeRouteChange('delete', viaIpv6, 1))).toMatchObject([
      { operation: 'delete', route: viaIpv6 },
    ]);
    expect(parseRtnetlink(encodeRuleChange('add', rule, 1))).toMatchObject([{ rule }]);
    expect(parseRtnetlink(encodeNeighbourChange('add', neighbour, 1))).toMatchObject([
      { neighbour },
    ]);
    expect(parseRtnetlink(encodeLinkChange(link, 1))).toMatchObject([{ link }]);
  });
});
