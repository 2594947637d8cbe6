/**
 * The leak check has to find a virtual address in every header where a frame can show one;
 * otherwise its silence proves nothing.
 */
import { describe, expect, it } from 'vitest';
import { fromHex, hex } from '#base/bytes.ts';
import { addressToBytes, ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import { shownBy } from '#lab/leaks.ts';

const PREFIXES = ['fd12:3456:789a::/48', '198.18.0.0/15'].map((text) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
});

const address4 = (text: string): string => hex(addressToBytes(ipv4(text))).slice(-8);
const address6 = (text: string): string => hex(addressToBytes(ipv6(text)));
const ETHERNET = '020000000001020000000002';
const ARP_REQUEST = `${ETHERNET}08060001080006040001020000000002`;

function header4(protocol: string, from: string, to: string): string {
  return `450000540000400040${protocol}0000${address4(from)}${address4(to)}`;
}

const header6 = (next: string, from: string, to: string): string =>
  `600000000040${next}40${address6(from)}${address6(to)}`;
const frame4 = (protocol: string, from: string, to: string, payload: string): string =>
  `${ETHERNET}0800${header4(protocol, from, to)}${payload}`;
const frame6 = (next: string, from: string, to: string, payload: string): string =>
  `${ETHERNET}86dd${header6(next, from, to)}${payload}`;

const UDP = '1ed21ed200400000';
const REAL4 = ['192.0.2.1', '198.51.100.2'] as const;
const REAL6 = ['2001:db8::1', '2001:db8::2'] as const;
const V4 = '198.19.7.9';
const V6 = 'fd12:3456:789a:1::77';

describe('a virtual address in a capture', () => {
  it.each([
    ['an IPv4 source', frame4('11', V4, REAL4[1], UDP), V4],
    ['an IPv4 destination', frame4('06', REAL4[0], V4, '00'.repeat(20)), V4],
    ['an IPv6 source', frame6('06', V6, REAL6[1], '00'.repeat(20)), V6],
    ['an IPv6 destination', frame6('11', REAL6[0], V6, UDP), V6],
    [
      'the target of an ARP request',
      `${ARP_REQUEST}${address4('192.0.2.1')}000000000000${address4(V4)}`,
      V4,
    ],
    [
      'the sender of an ARP request',
      `${ARP_REQUEST}${address4(V4)}000000000000${address4('192.0.2.1')}`,
      V4,
    ],
    [
      'what Neighbour Discovery asks for',
      frame6('3a', 'fe80::1', 'ff02::1:ff00:77', `8700000000000000${address6(V6)}`),
      V6,
    ],
    [
      'what ICMP quotes',
      frame4('01', ...REAL4, `0301000000000000${header4('11', V4, REAL4[0])}`),
      V4,
    ],
    [
      'what ICMPv6 quotes',
      frame6('3a', ...REAL6, `0100000000000000${header6('11', V6, REAL6[0])}`),
      V6,
    ],
    ['IPv4 in IPv4', frame4('04', ...REAL4, header4('11', REAL4[0], V4)), V4],
    ['IPv6 in IPv4', frame4('29', ...REAL4, header6('11', V6, REAL6[0])), V6],
    ['IPv6 in GRE', frame6('2f', ...REAL6, `000086dd${header6('11', REAL6[0], V6)}`), V6],
  ])('shows: %s', (_, text, shown) => {
    expect(shownBy(fromHex(text), PREFIXES)).toEqual([shown]);
  });

  it.each([
    ['the payload of UDP', frame4('11', ...REAL4, `${UDP}${header6('11', V6, V6)}`)],
    [
      'the payload of UDP over IPv6',
      frame6('11', ...REAL6, `${UDP}${address4(V4)}${address6(V6)}`),
    ],
    ['the data of an echo', frame4('01', ...REAL4, `0800000000000000${address4(V4).repeat(10)}`)],
    ['nothing', `${ETHERNET}88cc0207`],
    ['a frame that was cut short', frame6('06', V6, V6, '').slice(0, 60)],
  ])('does not show: %s', (_, text) => {
    expect(shownBy(fromHex(text), PREFIXES)).toEqual([]);
  });
});
