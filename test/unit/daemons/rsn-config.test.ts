/** `rsn.yaml`: its settings, and its faults. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { formatPrefix } from '#base/ip.ts';
import { checkConfiguration, formatFault } from '#daemon/configuration/config.ts';
import { relaySchema } from '../../../daemons/rsn/config.ts';

const KEY = 'iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=';
const RSN = `addresses: [192.0.2.2]
directionCoordinators:
  - { name: dc.example, publicKey: 'base64:${KEY}', endpoints: [192.0.2.1] }
authorities: ['base64:${KEY}']
systemPrefix: fd12:3456:789a::/48
`;

const check = (text: string) => checkConfiguration('rsn.yaml', text, relaySchema);

describe('a wrong rsn.yaml', () => {
  it.each([
    [
      'an empty list of addresses',
      '[192.0.2.2]',
      '[]',
      'rsn.yaml:1:12: addresses: must have at least 1 entry',
    ],
    [
      'a text that is not an address',
      '[192.0.2.2]',
      '[relay.example]',
      'rsn.yaml:1:13: addresses[0]: "relay.example" is not an IP address (for example ' +
        '2001:db8::1 or 192.0.2.1)',
    ],
    [
      'a system prefix outside fd00::/8',
      'fd12:3456:789a::/48',
      '2001:db8::/48',
      'rsn.yaml:5:15: systemPrefix: is not a /48 of fd00::/8 (RFC 4193) (for example ' +
        'fd12:3456:789a::/48)',
    ],
    [
      'a translator prefix that is too long',
      '',
      'translatorIpv4Prefix: 100.127.0.0/25\n',
      'rsn.yaml:6:23: translatorIpv4Prefix: has fewer than 254 addresses (use a /24 or larger)',
    ],
    [
      'a translator prefix that overlaps a virtual prefix',
      '',
      'translatorIpv4Prefix: 198.19.0.0/16\n',
      'rsn.yaml:6:23: translatorIpv4Prefix: overlaps the virtual prefix 198.18.0.0/15 ' +
        '(choose another prefix)',
    ],
    [
      'an address instead of a prefix',
      '',
      'deniedDestinations: [203.0.113.1/24]\n',
      'rsn.yaml:6:22: deniedDestinations[0]: "203.0.113.1/24" is not a prefix (for example ' +
        '2001:db8::/48 or 192.0.2.0/24)',
    ],
    [
      'a coordinator key that is given twice',
      '[192.0.2.1] }',
      `[192.0.2.1] }\n  - { name: dc2.example, publicKey: 'base64:${KEY}', endpoints: ['::1'] }`,
      'rsn.yaml:4:37: directionCoordinators[1].publicKey: is given twice (each direction ' +
        'coordinator has its own)',
    ],
    [
      'a limit of 0',
      '',
      'limits: { legs: 0 }\n',
      'rsn.yaml:6:17: limits.legs: must be at least 1, not 0',
    ],
    [
      'a key of Mobile IPv6 daemons',
      '',
      'daemon: { rawPath: false }\n',
      expect.stringContaining('rsn.yaml:6:11: daemon.rawPath: unknown key'),
    ],
    [
      'a name whose device name is too long',
      '',
      'daemon: { name: relay-of-ours }\n',
      'rsn.yaml:6:9: daemon: the device name "sojourn-relay-of-ours" is longer than 15 ' +
        'characters (set daemon.device)',
    ],
  ])('rejects %s', (_what, from, to, expected) => {
    expect(RSN).toContain(from);
    const result = check(from === '' ? RSN + to : RSN.replace(from, to));
    expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([expected]);
  });
});

describe('a valid rsn.yaml', () => {
  it('builds a relay with defaults', () => {
    const result = check(RSN);
    if (!result.ok) throw new Error(result.faults.map(formatFault).join('\n'));
    const { daemon, relay } = result.value;
    expect(daemon).toMatchObject({
      name: 'rsn',
      device: 'sojourn-rsn',
      deviceMtu: 1404,
      threads: 2,
    });
    expect(relay).toMatchObject({
      ...{ port: 7890, endpoints: [{ address: '192.0.2.2', port: 7890 }], lifetimeSeconds: 600 },
      ...{
        maximumLegs: 20_000,
        maximumGeneralNodes: 65_536,
        maximumGeneralNodesOfNode: 1024,
        maximumResolutions: 256,
      },
      ...{
        deniedDestinations: [],
        allowedDestinations: [],
        coordinators: [{ name: 'dc.example' }],
      },
    });
    expect([...relay.virtualIpv4Prefixes, relay.translatorIpv4Prefix].map(formatPrefix)).toEqual([
      ...['198.18.0.0/15', '100.127.0.0/16'],
    ]);
  });

  it.each(['rsn.yaml', 'rsn.minimal.yaml'])('examples/%s passes the check', (name) => {
    const result = check(
      readFileSync(join(import.meta.dirname, '../../../examples', name), 'utf8'),
    );
    expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([]);
  });
});
