import { describe, expect, test } from 'vitest';
import { encode, fromHex, isMalformed } from '#base/bytes.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { type ArpPacket, arpCodec } from '#wire/ip/arp.ts';
import { type EspPacket, espCodec } from '#wire/ip/esp.ts';
import { type Icmpv4Message, icmpv4Codec } from '#wire/ip/icmpv4.ts';
import { type Ipv4Packet, ipv4Codec } from '#wire/ip/ipv4.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  ipv6Codec,
  mobileIpv6Violations,
  type2RoutingHeader,
  upperLayerDestination,
  upperLayerSource,
} from '#wire/ip/ipv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import {
  encodeUdp,
  PORT_DSMIPV6,
  type UdpDatagram,
  udpChecksumValid,
  udpCodec,
} from '#wire/ip/udp.ts';
import { codecContract } from './codec-harness.ts';

const NODE = ipv6('2001:db8:9::7');
const HOME = ipv6('2001:db8:1::64');
const AGENT = ipv6('2001:db8:1::1');
const NODE_HEX = '20010db8000900000000000000000007';
const HOME_HEX = '20010db8000100000000000000000064';
const AGENT_HEX = '20010db8000100000000000000000001';

const plain: Ipv6Packet = {
  trafficClass: 0,
  flowLabel: 0,
  hopLimit: 64,
  source: NODE,
  destination: AGENT,
  extensions: [],
  protocol: 59,
  payload: new Uint8Array(0),
};

codecContract<EspPacket>(espCodec, [
  {
    name: 'ESP with a body',
    hex: '00001001 fffffffe 0102030405060708',
    value: { spi: 0x1001, sequence: 0xffff_fffe, body: fromHex('0102030405060708') },
  },
  {
    name: 'ESP without a body',
    hex: 'ffffffff 00000001',
    value: { spi: 0xffff_ffff, sequence: 1, body: new Uint8Array(0) },
  },
]);

codecContract<Ipv6Packet>(ipv6Codec, [
  {
    name: 'no extension',
    hex: `6b812345 0004 11 ff ${NODE_HEX} ${AGENT_HEX} 01020304`,
    value: {
      ...plain,
      trafficClass: 0xb8,
      flowLabel: 0x12345,
      hopLimit: 255,
      protocol: 17,
      payload: fromHex('01020304'),
    },
  },
  {
    name: 'home address option',
    hex: `60000000 0018 3c 40 ${NODE_HEX} ${AGENT_HEX} 3b02 0102 0000 c910 ${HOME_HEX}`,
    value: { ...plain, extensions: [homeAddressExtension(HOME)] },
  },
  {
    name: 'type 2 routing header',
    hex: `60000000 0018 2b 40 ${AGENT_HEX} ${NODE_HEX} 3b02 0201 00000000 ${HOME_HEX}`,
    value: {
      ...plain,
      source: AGENT,
      destination: NODE,
      extensions: [{ type: 'type-2-routing', homeAddress: HOME }],
    },
  },
  {
    name: 'every extension, unknown options and routing type octet for octet',
    hex: `60000000 0040 00 40 ${NODE_HEX} ${AGENT_HEX}
          2b00 0502 0000 0100
          3c01 0600 00000000 1122334455667788
          2c03 1e03 abcdef 00 0101 00 c910 ${HOME_HEX} 0101 00
          3b00 0001 deadbeef`,
    value: {
      ...plain,
      extensions: [
        {
          type: 'hop-by-hop',
          options: [
            { type: 'unknown', optionType: 5, data: fromHex('0000') },
            { type: 'padding', length: 2 },
          ],
        },
        {
          type: 'routing',
          routingType: 6,
          segmentsLeft: 0,
          data: fromHex('00000000 1122334455667788'),
        },
        {
          type: 'destination-options',
          options: [
            { type: 'unknown', optionType: 0x1e, data: fromHex('abcdef') },
            { type: 'padding', length: 1 },
            { type: 'padding', length: 3 },
            { type: 'home-address', address: HOME },
            { type: 'padding', length: 3 },
          ],
        },
        { type: 'fragment', offset: 0, more: true, identification: 0xdeadbeef },
      ],
    },
  },
  {
    name: 'later fragment: the rest is payload',
    hex: `60000000 000c 2c 40 ${NODE_HEX} ${AGENT_HEX} 3c00 0508 00000007 01020304`,
    value: {
      ...plain,
      extensions: [{ type: 'fragment', offset: 1288, more: false, identification: 7 }],
      protocol: 60,
      payload: fromHex('01020304'),
    },
  },
]);

codecContract<Ipv4Packet>(ipv4Codec, [
  {
    // Checksum by hand: 4500+0015+0001+4000+4011+c000+0201+c633+6407 = 2b162, folded b164,
    // complemented 4e9b.
    name: 'no options',
    hex: '4500 0015 0001 4000 4011 4e9b c0000201 c6336407 aa',
    value: {
      trafficClass: 0,
      identification: 1,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      timeToLive: 64,
      protocol: 17,
      source: ipv4('192.0.2.1'),
      destination: ipv4('198.51.100.7'),
      options: new Uint8Array(0),
      payload: fromHex('aa'),
    },
  },
]);

codecContract<UdpDatagram>(udpCodec, [
  {
    name: 'datagram',
    hex: '105f c000 000b 1234 010203',
    value: {
      sourcePort: PORT_DSMIPV6,
      destinationPort: 49152,
      checksum: 0x1234,
      payload: fromHex('010203'),
    },
  },
]);

codecContract<ArpPacket>(arpCodec, [
  {
    name: 'reply',
    hex: '0001 0800 06 04 0002 020000000001 c0000201 020000000002 c0000202',
    value: {
      operation: 2,
      senderHardware: fromHex('020000000001'),
      senderAddress: ipv4('192.0.2.1'),
      targetHardware: fromHex('020000000002'),
      targetAddress: ipv4('192.0.2.2'),
    },
  },
]);

codecContract<Icmpv4Message>(icmpv4Codec, [
  {
    // 0304 + 0578 + 4500 = 4d7c, complemented b283.
    name: 'fragmentation needed',
    hex: '0304 b283 0000 0578 4500',
    value: {
      code: 4,
      body: { type: 'destination-unreachable', nextHopMtu: 1400, packet: fromHex('4500') },
    },
  },
  {
    name: 'echo request',
    hex: '0800 f7fc 0001 0002',
    value: {
      code: 0,
      body: { type: 'echo-request', identifier: 1, sequence: 2, data: new Uint8Array(0) },
    },
  },
]);

describe('IPv6 and Mobile IPv6 headers', () => {
  test('home address option and type 2 routing header replace the addresses', () => {
    const packet: Ipv6Packet = {
      ...plain,
      extensions: [{ type: 'type-2-routing', homeAddress: HOME }, homeAddressExtension(AGENT)],
    };
    expect([homeAddressOption(packet), type2RoutingHeader(packet)]).toEqual([AGENT, HOME]);
    expect([upperLayerSource(packet), upperLayerDestination(packet)]).toEqual([AGENT, HOME]);
    expect([upperLayerSource(plain), upperLayerDestination(plain)]).toEqual([NODE, AGENT]);
    expect(mobileIpv6Violations(packet)).toEqual([]);
  });

  const fragment = { type: 'fragment', offset: 0, more: true, identification: 1 } as const;
  test.each([
    ['home-address-option-repeated', [homeAddressExtension(HOME), homeAddressExtension(HOME)]],
    ['home-address-option-after-fragment', [fragment, homeAddressExtension(HOME)]],
    [
      'home-address-option-before-routing-header',
      [homeAddressExtension(HOME), { type: 'type-2-routing', homeAddress: HOME }],
    ],
    ['home-address-not-unicast-routable', [homeAddressExtension(ipv6('fe80::1'))]],
    ['home-address-not-unicast-routable', [homeAddressExtension(ipv6('ff02::1'))]],
    [
      'home-address-option-length',
      [
        {
          type: 'destination-options',
          options: [{ type: 'unknown', optionType: 201, data: fromHex('00000000') }],
        },
      ],
    ],
    [
      'type-2-routing-header-invalid',
      [{ type: 'routing', routingType: 2, segmentsLeft: 0, data: new Uint8Array(20) }],
    ],
    [
      'type-2-routing-header-invalid',
      [{ type: 'routing', routingType: 2, segmentsLeft: 1, data: new Uint8Array(36) }],
    ],
    [
      'type-2-home-address-not-unicast-routable',
      [{ type: 'type-2-routing', homeAddress: ipv6('::') }],
    ],
  ] as const)('%s', (violation, extensions) => {
    const octets = encode(ipv6Codec, { ...plain, extensions });
    const parsed = ipv6Codec.parse(octets);
    if (isMalformed(parsed)) throw new Error(parsed.reason);
    expect(mobileIpv6Violations(parsed)).toEqual([violation]);
  });

  test('hop-by-hop options anywhere but first are malformed', () => {
    const octets = fromHex(
      `60000000 0010 3c 40 ${NODE_HEX} ${AGENT_HEX} 0000 0104 00000000 3b00 0104 00000000`,
    );
    expect(isMalformed(ipv6Codec.parse(octets))).toBe(true);
  });

  test('UDP checksum may be right, wrong or absent', () => {
    const datagram = { sourcePort: 1, destinationPort: 2, payload: fromHex('0102030405') };
    const octets = encodeUdp(NODE, AGENT, datagram);
    expect(udpChecksumValid(NODE, AGENT, octets)).toBe(true);
    octets[8] = 0xff;
    expect(udpChecksumValid(NODE, AGENT, octets)).toBe(false);
    octets.fill(0, 6, 8);
    expect(udpChecksumValid(NODE, AGENT, octets)).toBe(false);
    expect(udpChecksumValid(ipv4('192.0.2.1'), ipv4('192.0.2.2'), octets)).toBe(true);
  });
});
