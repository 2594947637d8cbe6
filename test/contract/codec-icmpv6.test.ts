import { describe, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { encodeIcmpv6, icmpv6ChecksumValid, icmpv6Codec } from '#wire/ip/icmpv6.ts';
import type { Icmpv6Message } from '#wire/ip/icmpv6-messages.ts';
import { codecContract } from './codec-harness.ts';

const NODE = ipv6('2001:db8:9::7');
const HOME = ipv6('2001:db8:1::64');
const AGENT = ipv6('2001:db8:1::1');
const HOME_HEX = '20010db8000100000000000000000064';
const AGENT_HEX = '20010db8000100000000000000000001';

codecContract<Icmpv6Message>(icmpv6Codec, [
  {
    name: 'parameter problem',
    hex: '0402 0000 0000002a 6000',
    value: {
      code: 2,
      checksum: 0,
      body: { type: 'parameter-problem', pointer: 42, packet: fromHex('6000') },
    },
  },
  {
    name: 'packet too big',
    hex: '0200 0000 00000500 60',
    value: {
      code: 0,
      checksum: 0,
      body: { type: 'packet-too-big', mtu: 1280, packet: fromHex('60') },
    },
  },
  {
    name: 'router advertisement of a home agent with every option of RFC 6275 §7',
    hex: `8600 abcd 40 68 0708 00000000 00000000
          0101 020000000001
          0304 40 e0 00278d00 00093a80 00000000 ${AGENT_HEX}
          0501 0000 000005dc
          0701 0000 00000bb8
          0801 0000 000a 0708
          1901 0102030405 06`,
    value: {
      code: 0,
      checksum: 0xabcd,
      body: {
        type: 'router-advertisement',
        currentHopLimit: 64,
        managed: false,
        otherConfiguration: true,
        homeAgent: true,
        preference: 1,
        routerLifetimeSeconds: 1800,
        reachableTimeMs: 0,
        retransmissionTimerMs: 0,
        options: [
          { type: 'source-link-layer-address', address: fromHex('020000000001') },
          {
            type: 'prefix-information',
            prefixLength: 64,
            onLink: true,
            autonomous: true,
            routerAddress: true,
            validLifetimeSeconds: 2592000,
            preferredLifetimeSeconds: 604800,
            prefix: AGENT,
          },
          { type: 'mtu', mtu: 1500 },
          { type: 'advertisement-interval', intervalMs: 3000 },
          { type: 'home-agent-information', preference: 10, lifetimeSeconds: 1800 },
          { type: 'unknown', optionType: 25, data: fromHex('010203040506') },
        ],
      },
    },
  },
  {
    name: 'neighbour solicitation',
    hex: `8700 0000 00000000 ${HOME_HEX} 0101 020000000001`,
    value: {
      code: 0,
      checksum: 0,
      body: {
        type: 'neighbour-solicitation',
        target: HOME,
        options: [{ type: 'source-link-layer-address', address: fromHex('020000000001') }],
      },
    },
  },
  {
    name: 'neighbour advertisement',
    hex: `8800 0000 60000000 ${HOME_HEX} 0201 020000000001`,
    value: {
      code: 0,
      checksum: 0,
      body: {
        type: 'neighbour-advertisement',
        router: false,
        solicited: true,
        override: true,
        target: HOME,
        options: [{ type: 'target-link-layer-address', address: fromHex('020000000001') }],
      },
    },
  },
  {
    name: 'redirect',
    hex: `8900 0000 00000000 ${AGENT_HEX} ${HOME_HEX} 0402 000000000000 6000000000000000`,
    value: {
      code: 0,
      checksum: 0,
      body: {
        type: 'redirect',
        target: AGENT,
        destination: HOME,
        options: [{ type: 'redirected-header', packet: fromHex('6000000000000000') }],
      },
    },
  },
  {
    name: 'home agent address discovery reply',
    hex: `9100 0000 0007 0000 ${AGENT_HEX} ${HOME_HEX}`,
    value: {
      code: 0,
      checksum: 0,
      body: {
        type: 'home-agent-address-discovery-reply',
        identifier: 7,
        homeAgents: [AGENT, HOME],
      },
    },
  },
  {
    name: 'home agent address discovery request',
    hex: '9000 0000 0007 0000',
    value: {
      code: 0,
      checksum: 0,
      body: { type: 'home-agent-address-discovery-request', identifier: 7 },
    },
  },
  {
    name: 'mobile prefix advertisement',
    hex: '9300 0000 0007 c000 0501 0000 000005dc',
    value: {
      code: 0,
      checksum: 0,
      body: {
        type: 'mobile-prefix-advertisement',
        identifier: 7,
        managed: true,
        otherConfiguration: true,
        options: [{ type: 'mtu', mtu: 1500 }],
      },
    },
  },
]);

describe('ICMPv6', () => {
  test('ICMPv6 checksum covers the pseudo-header', () => {
    const octets = encodeIcmpv6(
      { type: 'packet-too-big', mtu: 1280, packet: fromHex('60') },
      0,
      NODE,
      AGENT,
    );
    expect(icmpv6ChecksumValid(NODE, AGENT, octets)).toBe(true);
    expect(icmpv6ChecksumValid(NODE, HOME, octets)).toBe(false);
  });
});
