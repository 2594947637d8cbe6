/** The destinations that a relay serves. docs/reference/ntmobile.md §10. */
import { describe, expect, it } from 'vitest';
import { parseIpAddress, parsePrefix } from '#base/ip.ts';
import { Destinations } from '#engine/ntmobile/relay/general/destinations.ts';

function prefixOf(text: string) {
  const prefix = parsePrefix(text);
  if (prefix === undefined) throw new Error(text);
  return prefix;
}

function addressOf(text: string) {
  const address = parseIpAddress(text);
  if (address === undefined) throw new Error(text);
  return address;
}

function rules(denied: readonly string[] = [], allowed: readonly string[] = []): Destinations {
  return new Destinations({
    virtualPrefixes: ['fd12:3456:789a::/48', '198.18.0.0/15', '100.127.0.0/16'].map(prefixOf),
    deniedDestinations: denied.map(prefixOf),
    allowedDestinations: allowed.map(prefixOf),
    nat64Prefixes: [],
  });
}

describe('Destinations', () => {
  it.each([
    ...[
      '93.184.215.14',
      '8.8.8.8',
      '172.32.0.1',
      '100.128.0.1',
      '192.0.1.1',
      '198.20.0.1',
      '223.255.255.255',
    ],
    ...['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
    ...['2606:4700::1111', '2a00:1450::5', '64:ff9b::808:808', '2002:808:808::1', '2001:200::1'],
  ])('serves %s', (text) => {
    expect(rules().refuses(addressOf(text))).toBe(false);
  });

  it.each([
    // Unspecified, loopback, link-local, multicast, broadcast.
    ...[
      '0.0.0.0',
      '0.1.2.3',
      '127.0.0.1',
      '127.9.9.9',
      '169.254.169.254',
      '224.0.0.1',
      '255.255.255.255',
      '240.0.0.1',
    ],
    ...['::', '::1', 'fe80::1', 'fec0::1', 'ff02::1', 'ff05::1:3'],
    // Private networks.
    ...[
      '10.0.0.1',
      '172.16.0.1',
      '172.31.255.255',
      '192.168.1.1',
      '100.64.0.1',
      '192.0.0.8',
      '198.19.0.1',
    ],
    ...[
      'fc00::1',
      'fd00::1',
      'fd12:3456:789a:1::5',
      '64:ff9b:1::1',
      '100::1',
      '2001::1',
      '5f00::1',
    ],
    // IPv6 addresses that contain an IPv4 address.
    ...['::ffff:8.8.8.8', '::ffff:10.0.0.1', '::127.0.0.1', '::8.8.8.8'],
    ...[
      '64:ff9b::a00:1',
      '64:ff9b::7f00:1',
      '64:ff9b::a9fe:a9fe',
      '2002:7f00:1::1',
      '2002:c0a8:101::1',
      '2002:a00:1::5',
    ],
  ])('refuses %s', (text) => {
    expect(rules().refuses(addressOf(text))).toBe(true);
  });

  it('refuses the addresses of the relay, also inside IPv6 addresses', () => {
    const destinations = rules();
    destinations.own = new Set(['198.51.100.2', '2001:db8:2::1'].map(addressOf));
    for (const text of ['198.51.100.2', '2001:db8:2::1', '64:ff9b::c633:6402', '2002:c633:6402::1'])
      expect(destinations.refuses(addressOf(text))).toBe(true);
    expect(destinations.refuses(addressOf('198.51.100.3'))).toBe(false);
  });

  it('decides by the longest prefix, and refuses if two have the same length', () => {
    const destinations = rules(
      ['203.0.113.0/24', '10.1.2.0/24'],
      ['10.1.0.0/16', '203.0.113.128/25', '10.1.2.0/24'],
    );
    const served = ['10.1.0.1', '203.0.113.129'];
    const refused = ['10.2.0.1', '10.1.2.1', '203.0.113.1', '64:ff9b::a02:1'];
    for (const text of served)
      expect([text, destinations.refuses(addressOf(text))]).toEqual([text, false]);
    for (const text of refused)
      expect([text, destinations.refuses(addressOf(text))]).toEqual([text, true]);
  });

  it('refuses addresses of the host, the link and the system although they are allowed', () => {
    const destinations = rules(
      [],
      ['127.0.0.1/32', '169.254.169.254/32', '::1/128', 'fd12:3456:789a:1::1/128'],
    );
    for (const text of ['127.0.0.1', '169.254.169.254', '::1', 'fd12:3456:789a:1::1'])
      expect(destinations.refuses(addressOf(text))).toBe(true);
  });

  it('serves only allowed prefixes if everything is denied', () => {
    const destinations = rules(['0.0.0.0/0', '::/0'], ['192.0.2.0/24']);
    expect(destinations.refuses(addressOf('192.0.2.1'))).toBe(false);
    expect(destinations.refuses(addressOf('8.8.8.8'))).toBe(true);
    expect(destinations.refuses(addressOf('2001:db8::1'))).toBe(true);
  });
});
