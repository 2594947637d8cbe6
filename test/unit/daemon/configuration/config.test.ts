import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import {
  checkConfiguration,
  formatFault,
  loadConfiguration,
} from '#daemon/configuration/config.ts';
import { nearest } from '#daemon/configuration/config-issues.ts';
import { homeAgentSchema } from '../../../../daemons/ha/config.ts';
import { mobileNodeSchema } from '../../../../daemons/mn/config.ts';
import { mobileRouterSchema } from '../../../../daemons/mr/config.ts';
import { HA, KEY, MN, MR, WRONG } from './config-faults.ts';

let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-config-'));
  writeFileSync(join(directory, 'good.key'), `${KEY}\n`, { mode: 0o640 });
  writeFileSync(join(directory, 'open.key'), KEY);
  chmodSync(join(directory, 'open.key'), 0o644);
  writeFileSync(join(directory, 'garbage.key'), 'correct horse battery staple', { mode: 0o600 });
});

afterAll(() => rmSync(directory, { recursive: true }));

const FILES = {
  ha: {
    text: HA,
    check: (text: string) => checkConfiguration(join(directory, 'ha.yaml'), text, homeAgentSchema),
  },
  mn: {
    text: MN,
    check: (text: string) => checkConfiguration(join(directory, 'mn.yaml'), text, mobileNodeSchema),
  },
  mr: {
    text: MR,
    check: (text: string) =>
      checkConfiguration(join(directory, 'mr.yaml'), text, mobileRouterSchema),
  },
};

function faultsOf(role: keyof typeof FILES, text: string): readonly string[] {
  const result = FILES[role].check(text);
  return result.ok
    ? []
    : result.faults.map((fault) => formatFault(fault).replaceAll(`${directory}/`, ''));
}

describe('a wrong configuration', () => {
  it.each(WRONG)('rejects %s', (_, role, from, to, expected) => {
    const { text } = FILES[role];
    expect(text.includes(from)).toBe(true);
    expect(faultsOf(role, from === '' ? text + to : text.replace(from, to))).toEqual([expected]);
  });

  it('reports all faults at once, in the order of the file', () => {
    const faults = faultsOf(
      'mn',
      `${MN.replace('spi: 1000', 'spi: 17')}udpPort: 0\ndefaultRoute: maybe\nmarc: 1\n`,
    );
    expect(faults.map((fault) => fault.split(' ')[1])).toEqual([
      'homes[0].security.spi:',
      'udpPort:',
      'defaultRoute:',
      'marc:',
    ]);
  });

  it('limits an identifier to 253 octets of UTF-8, the size of the option', () => {
    const named = (identifier: string) =>
      faultsOf('mn', MN.replace(/homeAddress: .*/, `$&\n    identifier: ${identifier}`));
    expect(named('ü'.repeat(126))).toEqual([]);
    expect(named('ü'.repeat(127))).toEqual([
      expect.stringContaining('identifier: must be 1 to 253 octets'),
    ]);
  });

  it('reports faults of fields and of their relations together', () => {
    const text = `udpPort: 0
addresses: [2001:db8:1::1, 2001:db8:1::x]
homePrefixes: [2001:db8:1:100::/64]
ipv4HomePrefixes: [192.0.2.0/24]
ipv4Pool: 203.0.113.0/24
mobileNodes:
  - homeAddresses: [2001:db8:1:100::10, 2001:db8:2::10, oops]
    identifier: 'two words'
    security: { spi: 17, key: '${KEY}', algoritm: x }
  - homeAddresses: [2001:db8:1:100::10]
    ipv4HomeAddresses: [192.0.2.9, 192.0.2.9]
daemon: { name: a-name-that-is-long, threads: 3 }
`;
    expect(faultsOf('ha', text).map((fault) => fault.split(' (')[0])).toEqual([
      'ha.yaml:1:10: udpPort: must be at least 1, not 0',
      'ha.yaml:2:28: addresses[1]: "2001:db8:1::x" is not an IPv6 address',
      'ha.yaml:5:11: ipv4Pool: 203.0.113.0/24 is outside ipv4HomePrefixes',
      'ha.yaml:7:41: mobileNodes[0].homeAddresses[1]: 2001:db8:2::10 is outside homePrefixes',
      'ha.yaml:7:57: mobileNodes[0].homeAddresses[2]: "oops" is not an IPv6 address',
      'ha.yaml:8:17: mobileNodes[0].identifier: must be 1 to 253 octets of UTF-8 without ' +
        'white space, like alice@example.net',
      'ha.yaml:9:22: mobileNodes[0].security.spi: SPI 17 is reserved by RFC 4285',
      expect.stringContaining('mobileNodes[0].security.algoritm: unknown key'),
      'ha.yaml:10:5: mobileNodes[1]: has no publicKey and no security association',
      'ha.yaml:10:21: mobileNodes[1].homeAddresses[0]: 2001:db8:1:100::10 is already granted above',
      'ha.yaml:11:36: mobileNodes[1].ipv4HomeAddresses[1]: 192.0.2.9 is already granted above',
      'ha.yaml:12:9: daemon: the device name "sojourn-a-name-that-is-long" is longer than 15 ' +
        'characters',
      'ha.yaml:12:47: daemon.threads: must be 1 or even',
    ]);
  });

  it('reports faults of fields and relations in the homes of a mobile node', () => {
    const text = `homes:
  - homeAgent: 192.0.2.1
    homeAddress: 2001:db8:1:100::10
    homePrefix: 2001:db8:9::/64
    ipv4HomeLink: { prefixLength: 240 }
    security: { spi: 17, algorithm: md5, key: short }
  - { homeAgent: ha.example.net, homeAddress: '2001:db8:1:100::11', security: none }
  - { homeAgent: ha.example.net, homeAddress: '2001:db8:1:100::11', security: none }
mark: 0
`;
    expect(faultsOf('mn', text).map((fault) => fault.split(' (')[0])).toEqual([
      'mn.yaml:2:16: homes[0].homeAgent: is a lone IPv4 address',
      'mn.yaml:3:18: homes[0].homeAddress: 2001:db8:1:100::10 is outside homePrefix',
      'mn.yaml:5:19: homes[0].ipv4HomeLink: a virtual home network has no home link',
      'mn.yaml:5:35: homes[0].ipv4HomeLink.prefixLength: must be at most 32, not 240',
      'mn.yaml:6:22: homes[0].security.spi: SPI 17 is reserved by RFC 4285',
      'mn.yaml:6:37: homes[0].security.algorithm: must be one of hmac-sha256-128, hmac-sha1-96',
      'mn.yaml:6:47: homes[0].security.key: is not a key',
      'mn.yaml:8:47: homes[2].homeAddress: 2001:db8:1:100::11 is given twice',
      'mn.yaml:9:7: mark: must be at least 1, not 0',
    ]);
  });

  it.each([
    ['mn', 'homes[0]', 'mn.yaml:5:15:'],
    ['mr', 'homes[0]', 'mr.yaml:5:15:'],
    ['ha', 'mobileNodes[0]', 'ha.yaml:6:15:'],
  ] as const)('rejects security and esp beside publicKey in %s', (role, entry, position) => {
    const { text } = FILES[role];
    const publicKey = `    publicKey: 'hex:${'2a'.repeat(32)}'\n`;
    const fault = (key: string) => `${entry}.${key}: is not used beside publicKey (remove it)`;
    expect(faultsOf(role, text.replace('    security:', `${publicKey}$&`))).toEqual([
      `${position} ${fault('security')}`,
    ]);
    const withEsp = faultsOf(role, text.replace(/ {4}security: .*/, `${publicKey}    esp: {}`));
    expect(withEsp).toContainEqual(expect.stringContaining(fault('esp')));
  });

  it('skips relation checks of faulty fields', () => {
    const text = HA.replace('2001:db8:1:100::/64', 'oops').replace(/security: .*/, 'security: 5');
    expect(faultsOf('ha', text).map((fault) => fault.split(': ')[1])).toEqual([
      'homePrefixes[0]',
      'mobileNodes[0].security',
    ]);
  });

  it('reports keys in a world-readable file', () => {
    const file = join(directory, 'exposed.yaml');
    writeFileSync(file, `${MN}mark: 0\n`);
    chmodSync(file, 0o644);
    const exposed = loadConfiguration(file, mobileNodeSchema);
    expect(exposed.ok ? [] : exposed.faults.map(formatFault)).toEqual([
      `${file}:1:1: contains a key and is readable by every user (chmod o= ${file})`,
      expect.stringContaining('mark: must be at least 1'),
    ]);
    writeFileSync(file, MN);
    expect(loadConfiguration(file, mobileNodeSchema).ok).toBe(false);
  });

  it('rejects empty files, non-mappings and too many aliases', () => {
    expect(faultsOf('mn', '')).toEqual(['mn.yaml:1:1: the file is empty (see examples/)']);
    expect(faultsOf('mn', '- a\n')).toEqual([
      'mn.yaml:1:1: must be a mapping (key: value), not a list',
    ]);
    const levels = Array.from(
      { length: 9 },
      (_, n) => `l${n}: &l${n} [${Array(9).fill(n === 0 ? 'x' : `*l${n - 1}`)}]`,
    );
    expect(faultsOf('mn', levels.join('\n'))).toEqual([
      'mn.yaml:1:1: too many aliases (write the values out)',
    ]);
  });

  it('never repeats a key in a message', () => {
    const texts = faultsOf('mn', MN.replace(KEY, 'hex:00112233445566778899aabbccddeef'));
    expect(texts).toHaveLength(1);
    expect(texts.join()).not.toContain('001122');
  });

  it('reports a missing file', () => {
    const result = loadConfiguration('/nonexistent/ha.yaml', homeAgentSchema);
    expect(result.ok ? '' : result.faults.map(formatFault).join()).toContain(
      '/nonexistent/ha.yaml:1:1: cannot be read: ENOENT',
    );
  });
});

describe('a valid configuration', () => {
  it('builds a home agent with defaults', () => {
    const result = FILES.ha.check(HA);
    if (!result.ok) throw new Error(result.faults.map(formatFault).join('\n'));
    const { daemon, homeAgent } = result.value;
    expect(daemon).toMatchObject({
      name: 'ha',
      device: 'sojourn-ha',
      threads: 2,
      controlSocket: '/run/sojourn/ha.sock',
      stateDirectory: '/var/lib/sojourn',
    });
    expect(homeAgent).toMatchObject({
      insecure: false,
      homePrefixes: [{ address: '2001:db8:1:100::', length: 64 }],
      udpPort: 4191,
      homeLink: undefined,
      tunnelMtu: { ipip: 1460, udp: 1472 },
    });
    expect(
      homeAgent.mobileNodes[0]?.registrationKeys.map(({ spi, key }) => [spi, hex(key)]),
    ).toEqual([[1000, '000102030405060708090a0b0c0d0e0f']]);
  });

  it('builds a mobile node with defaults and a key from a file', () => {
    const result = FILES.mn.check(MN.replace(`key: '${KEY}'`, 'keyFile: good.key'));
    if (!result.ok) throw new Error(result.faults.map(formatFault).join('\n'));
    const [home] = result.value.mobileNode.homes;
    expect(home).toMatchObject({
      name: '2001:db8:1:100::10',
      homeAgent: { name: 'ha.example.net' },
      homePrefix: { address: '2001:db8:1:100::', length: 64 },
      ipv4HomeAddress: 'none',
      virtualHomeNetwork: true,
    });
    expect(hex(home?.registrationKey?.key ?? new Uint8Array())).toBe(
      '000102030405060708090a0b0c0d0e0f',
    );
  });

  it('builds a mobile router with defaults', () => {
    const result = FILES.mr.check(MR);
    if (!result.ok) throw new Error(result.faults.map(formatFault).join('\n'));
    const { daemon, mobileRouter } = result.value;
    expect(daemon).toMatchObject({
      name: 'mr',
      device: 'sojourn-mr',
      controlSocket: '/run/sojourn/mr.sock',
    });
    expect(mobileRouter.homes).toMatchObject([
      {
        homeAddress: '2001:db8:1:100::20',
        mobileNetworkPrefixes: [
          { address: '2001:db8:5::', length: 64 },
          { address: '192.0.2.0', length: 28 },
        ],
        registrationModes: ['explicit'],
      },
    ]);
    expect(mobileRouter.mobileNetworks).toEqual([
      {
        device: 'lan0',
        addresses: [
          { address: '2001:db8:5::1', prefixLength: 64 },
          { address: '192.0.2.1', prefixLength: 28 },
        ],
      },
    ]);
  });

  it.each([
    ['without addresses on its interfaces', ', addresses: [2001:db8:5::1/64, 192.0.2.1/28]', ''],
    ['with a part of a prefix on an interface', '192.0.2.1/28]', '192.0.2.9/29]'],
    ['with a network of two addresses, both in use', '192.0.2.1/28]', '192.0.2.2/31]'],
    [
      'with both registration modes',
      'mobileNetworks:',
      '    registrationModes: [implicit, explicit]\nmobileNetworks:',
    ],
    [
      'with a home address in a network without a home link',
      '2001:db8:1:100::20',
      '2001:db8:5::20',
    ],
  ])('allows a mobile router %s', (_what, from, to) => {
    expect(MR).toContain(from);
    expect(faultsOf('mr', MR.replace(from, to))).toEqual([]);
  });

  it('allows no security only with security: none', () => {
    const open = FILES.mn.check(MN.replace(/security: .*/, 'security: none'));
    expect(open.ok && open.value.mobileNode.homes[0]?.registrationKey).toBe(undefined);
    const home = FILES.ha.check(`security: none\n${HA.replace(/ {4}security: .*\n/, '')}`);
    expect(home.ok && home.value.homeAgent.insecure).toBe(true);
  });

  it('may contain keys if it is not world-readable', () => {
    const file = join(directory, 'closed.yaml');
    writeFileSync(file, MN);
    chmodSync(file, 0o640);
    expect(loadConfiguration(file, mobileNodeSchema).ok).toBe(true);
    writeFileSync(file, MN.replace(`key: '${KEY}'`, `keyFile: ${directory}/good.key`));
    chmodSync(file, 0o644);
    expect(loadConfiguration(file, mobileNodeSchema).ok).toBe(true);
  });

  it.each([
    ['ha.yaml', (file: string) => loadConfiguration(file, homeAgentSchema)],
    ['ha.minimal.yaml', (file: string) => loadConfiguration(file, homeAgentSchema)],
    ['mn.yaml', (file: string) => loadConfiguration(file, mobileNodeSchema)],
    ['mn.minimal.yaml', (file: string) => loadConfiguration(file, mobileNodeSchema)],
    ['mr.yaml', (file: string) => loadConfiguration(file, mobileRouterSchema)],
    ['mr.minimal.yaml', (file: string) => loadConfiguration(file, mobileRouterSchema)],
  ])('examples/%s passes the check', (name, load) => {
    const result = load(join(import.meta.dirname, '../../../../examples', name));
    expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([]);
  });
});

describe('nearest', () => {
  it.each([
    ['homeAdress', 'homeAddress'],
    ['HOMEAGENT', 'homeAgent'],
    ['x', undefined],
    ['completely', undefined],
  ])('suggests for %s the key %s', (word, expected) => {
    expect(nearest(word, ['homeAddress', 'homeAgent', 'identifier'])).toBe(expected);
  });
});
