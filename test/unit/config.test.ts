import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { checkConfiguration, formatFault, loadConfiguration } from '#ops/config.ts';
import { nearest } from '#ops/config-issues.ts';
import { homeAgentSchema } from '../../daemons/ha/config.ts';
import { mobileNodeSchema } from '../../daemons/mn/config.ts';

const KEY = 'hex:000102030405060708090a0b0c0d0e0f';
let directory = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-config-'));
  writeFileSync(join(directory, 'good.key'), `${KEY}\n`, { mode: 0o640 });
  writeFileSync(join(directory, 'open.key'), KEY);
  chmodSync(join(directory, 'open.key'), 0o644);
  writeFileSync(join(directory, 'garbage.key'), 'correct horse battery staple', { mode: 0o600 });
});

afterAll(() => rmSync(directory, { recursive: true }));

const HA = `addresses: [2001:db8:1::1]
homePrefixes: [2001:db8:1:100::/64]
mobileNodes:
  - homeAddresses: [2001:db8:1:100::10]
    security: { spi: 1000, key: '${KEY}' }
`;

const MN = `homes:
  - homeAgent: ha.example.net
    homeAddress: 2001:db8:1:100::10
    security: { spi: 1000, key: '${KEY}' }
`;

const FILES = {
  ha: { text: HA, check: (text: string) => checkConfiguration(join(directory, 'ha.yaml'), text, homeAgentSchema) },
  mn: { text: MN, check: (text: string) => checkConfiguration(join(directory, 'mn.yaml'), text, mobileNodeSchema) },
};

function faultsOf(role: keyof typeof FILES, text: string): readonly string[] {
  const result = FILES[role].check(text);
  return result.ok ? [] : result.faults.map((fault) => formatFault(fault).replaceAll(`${directory}/`, ''));
}

/** `[what it is, role, text to replace, replacement, the whole fault]`; an empty text to replace means: append. */
const WRONG: readonly (readonly [string, keyof typeof FILES, string, string, string])[] = [
  [
    'unknown key, near another',
    'ha',
    '',
    'homePrefix: 1\n',
    'ha.yaml:6:1: homePrefix: unknown key (did you mean "homePrefixes"?)',
  ],
  [
    'unknown key in a list entry',
    'mn',
    '    homeAddress:',
    '    identfier: a@b\n    homeAddress:',
    'mn.yaml:3:5: homes[0].identfier: unknown key (did you mean "identifier"?)',
  ],
  [
    'unknown key like no other',
    'mn',
    '',
    'interfaces: [{ match: eth0, preference: 1, zzzzzz: 2 }]\n',
    'mn.yaml:5:44: interfaces[0].zzzzzz: unknown key (known here: match, preference)',
  ],
  [
    'missing key',
    'ha',
    'addresses: [2001:db8:1::1]\n',
    '',
    'ha.yaml:1:1: addresses: is missing (IPv6 addresses of this home agent)',
  ],
  [
    'not an address',
    'ha',
    '[2001:db8:1::1]',
    '[2001:db8:1::g]',
    'ha.yaml:1:13: addresses[0]: "2001:db8:1::g" is not an IPv6 address (for example 2001:db8::1)',
  ],
  [
    'address of the wrong scope',
    'ha',
    '[2001:db8:1::1]',
    '[fe80::1]',
    'ha.yaml:1:13: addresses[0]: must be a global unicast address',
  ],
  [
    'prefix with bits behind it',
    'ha',
    '2001:db8:1:100::/64',
    '2001:db8:1:100::1/64',
    'ha.yaml:2:16: homePrefixes[0]: "2001:db8:1:100::1/64" is not an IPv6 prefix (for example 2001:db8:1::/64)',
  ],
  [
    'text for a number',
    'mn',
    '',
    'lifetimeSeconds: ten\n',
    'mn.yaml:5:18: lifetimeSeconds: must be a number, not the text "ten" (lifetime of a registration)',
  ],
  ['out of range', 'ha', '', 'udpPort: 70000\n', 'ha.yaml:6:10: udpPort: must be at most 65535, not 70000'],
  [
    'wrong choice',
    'ha',
    '',
    'security: nome\n',
    'ha.yaml:6:11: security: must be one of required, none (did you mean "none"?)',
  ],
  [
    'security left out, mobile node',
    'mn',
    `    security: { spi: 1000, key: '${KEY}' }\n`,
    '',
    'mn.yaml:2:5: homes[0].security: is missing (give { spi: …, keyFile: … }, or write "security: none")',
  ],
  [
    'security left out, home agent',
    'ha',
    `    security: { spi: 1000, key: '${KEY}' }\n`,
    '',
    'ha.yaml:4:5: mobileNodes[0]: has no security association (give security: { spi, keyFile }, or write "security: none" at the top)',
  ],
  [
    'reserved SPI',
    'mn',
    'spi: 1000',
    'spi: 17',
    'mn.yaml:4:22: homes[0].security.spi: SPI 17 is reserved by RFC 4285 (use 256 or more)',
  ],
  [
    'SPI 3 with another algorithm',
    'mn',
    'spi: 1000',
    'spi: 3',
    'mn.yaml:4:22: homes[0].security.spi: SPI 3 means HMAC-SHA1 (RFC 4285) (set algorithm: hmac-sha1-96, or use an SPI of 256 or more)',
  ],
  [
    'key without a form',
    'mn',
    KEY,
    'correct horse battery staple',
    'mn.yaml:4:33: homes[0].security.key: not a key (write hex:… or base64:… or text:…)',
  ],
  [
    'short key',
    'mn',
    KEY,
    'text:secret',
    'mn.yaml:4:33: homes[0].security.key: a key of 6 octets is too short; at least 16 (make one with: echo "hex:$(openssl rand -hex 32)")',
  ],
  [
    'key file that everybody can read',
    'mn',
    `key: '${KEY}'`,
    'keyFile: open.key',
    'mn.yaml:4:37: homes[0].security.keyFile: open.key can be read by every user of this host (chmod o-rwx open.key)',
  ],
  [
    'key file without a key',
    'mn',
    `key: '${KEY}'`,
    'keyFile: garbage.key',
    'mn.yaml:4:37: homes[0].security.keyFile: not a key (write hex:… or base64:… or text:…)',
  ],
  [
    'key file that is missing',
    'mn',
    `key: '${KEY}'`,
    'keyFile: absent.key',
    'mn.yaml:4:37: homes[0].security.keyFile: absent.key cannot be read: ENOENT: no such file or directory, stat \'absent.key\' (make one with: echo "hex:$(openssl rand -hex 32)")',
  ],
  [
    'home address outside the home prefixes',
    'ha',
    '[2001:db8:1:100::10]',
    '[2001:db8:2::10]',
    'ha.yaml:4:21: mobileNodes[0].homeAddresses[0]: 2001:db8:2::10 is outside homePrefixes (one of: 2001:db8:1:100::/64)',
  ],
  [
    'home address granted twice',
    'ha',
    '[2001:db8:1:100::10]',
    '[2001:db8:1:100::10, 2001:db8:1:100::10]',
    'ha.yaml:4:41: mobileNodes[0].homeAddresses[1]: 2001:db8:1:100::10 is already granted above (grant it once)',
  ],
  [
    'home agent known by IPv4 only',
    'mn',
    'ha.example.net',
    '192.0.2.1',
    "mn.yaml:2:16: homes[0].homeAgent: only an IPv4 address is given (add homeAgentAddress: the home agent's IPv6 address)",
  ],
  [
    'home agent that is no name',
    'mn',
    'ha.example.net',
    'ha_/example',
    'mn.yaml:2:16: homes[0].homeAgent: "ha_/example" is neither a DNS name nor an address (for example ha.example.net)',
  ],
  [
    'threads that make no pairs',
    'mn',
    '',
    'daemon: { threads: 3 }\n',
    'mn.yaml:5:20: daemon.threads: must be 1 or even (pairs of one thread each way)',
  ],
  [
    'interface name too long',
    'ha',
    '',
    'homeLink: interface-too-long\n',
    'ha.yaml:6:11: homeLink: "interface-too-long" is not an interface name (1 to 15 characters, no space, "/", ":" or "%") (for example eth0)',
  ],
  ['key twice', 'mn', '', 'udpPort: 1\nudpPort: 2\n', 'mn.yaml:6:1: Map keys must be unique (write each key once)'],
];

describe('wrong configuration', () => {
  it.each(WRONG)('%s', (_, role, from, to, expected) => {
    const { text } = FILES[role];
    expect(text.includes(from)).toBe(true);
    expect(faultsOf(role, from === '' ? text + to : text.replace(from, to))).toEqual([expected]);
  });

  it('tells all faults at once, in the order of the file', () => {
    const faults = faultsOf('mn', `${MN.replace('spi: 1000', 'spi: 17')}udpPort: 0\ndefaultRoute: maybe\nmarc: 1\n`);
    expect(faults.map((fault) => fault.split(' ')[1])).toEqual([
      'homes[0].security.spi:',
      'udpPort:',
      'defaultRoute:',
      'marc:',
    ]);
  });

  it('refuses nothing, non-mappings and alias bombs', () => {
    expect(faultsOf('mn', '')).toEqual(['mn.yaml:1:1: the file is empty (see examples/)']);
    expect(faultsOf('mn', '- a\n')).toEqual(['mn.yaml:1:1: must be a mapping (key: value), not a list']);
    const levels = Array.from(
      { length: 9 },
      (_, n) => `l${n}: &l${n} [${Array(9).fill(n === 0 ? 'x' : `*l${n - 1}`)}]`,
    );
    expect(faultsOf('mn', levels.join('\n'))).toEqual(['mn.yaml:1:1: too many aliases (write the values out)']);
  });

  it('never repeats a key in a message', () => {
    const texts = faultsOf('mn', MN.replace(KEY, 'hex:00112233445566778899aabbccddeef'));
    expect(texts).toHaveLength(1);
    expect(texts.join()).not.toContain('001122');
  });

  it('tells of a file that is not there', () => {
    const result = loadConfiguration('/nonexistent/ha.yaml', homeAgentSchema);
    expect(result.ok ? '' : result.faults.map(formatFault).join()).toContain(
      '/nonexistent/ha.yaml:1:1: cannot be read: ENOENT',
    );
  });
});

describe('good configuration', () => {
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
    expect(homeAgent.mobileNodes[0]?.securityAssociations.map(({ spi, key }) => [spi, hex(key)])).toEqual([
      [1000, '000102030405060708090a0b0c0d0e0f'],
    ]);
  });

  it('builds a mobile node with defaults, and with the key from a file', () => {
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
    expect(hex(home?.securityAssociation?.key ?? new Uint8Array())).toBe('000102030405060708090a0b0c0d0e0f');
  });

  it('goes without security only where that is written', () => {
    const open = FILES.mn.check(MN.replace(/security: .*/, 'security: none'));
    expect(open.ok && open.value.mobileNode.homes[0]?.securityAssociation).toBe(undefined);
    const home = FILES.ha.check(`security: none\n${HA.replace(/ {4}security: .*\n/, '')}`);
    expect(home.ok && home.value.homeAgent.insecure).toBe(true);
  });

  it('warns of keys in a file that everybody can read', () => {
    const file = join(directory, 'exposed.yaml');
    writeFileSync(file, MN);
    chmodSync(file, 0o644);
    const exposed = loadConfiguration(file, mobileNodeSchema);
    expect(exposed.ok && exposed.warnings.map((warning) => warning.remedy)).toEqual([`chmod o-rwx ${file}`]);
    chmodSync(file, 0o640);
    const closed = loadConfiguration(file, mobileNodeSchema);
    expect(closed.ok && closed.warnings).toEqual([]);
  });

  it.each([
    ['ha.yaml', (file: string) => loadConfiguration(file, homeAgentSchema)],
    ['ha.minimal.yaml', (file: string) => loadConfiguration(file, homeAgentSchema)],
    ['mn.yaml', (file: string) => loadConfiguration(file, mobileNodeSchema)],
    ['mn.minimal.yaml', (file: string) => loadConfiguration(file, mobileNodeSchema)],
  ])('accepts examples/%s but for its key files', (name, load) => {
    const result = load(join(import.meta.dirname, '../../examples', name));
    const faults = result.ok ? [] : result.faults;
    expect(faults.length).toBeGreaterThan(0);
    expect(faults.filter((fault) => !fault.path.endsWith('keyFile')).map(formatFault)).toEqual([]);
  });
});

describe('did you mean', () => {
  it.each([
    ['homeAdress', 'homeAddress'],
    ['HOMEAGENT', 'homeAgent'],
    ['x', undefined],
    ['completely', undefined],
  ])('%s → %s', (word, expected) => {
    expect(nearest(word, ['homeAddress', 'homeAgent', 'identifier'])).toBe(expected);
  });
});
