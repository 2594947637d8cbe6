/** The configuration that an enrolment writes, and its file. */
import { mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import {
  enrolledConfiguration,
  writeConfiguration,
} from '#composition/enrolment/enrolled-configuration.ts';
import {
  formerConfiguration,
  keptKeys,
  replacedKeys,
} from '#composition/enrolment/former-configuration.ts';
import { checkConfiguration } from '#daemon/configuration/config.ts';
import { mobileNodeSchema } from '../../../daemons/mn/config.ts';
import { mobileRouterSchema } from '../../../daemons/mr/config.ts';

const LINE = {
  ...{ publicKey: new Uint8Array(32).fill(3), secret: new Uint8Array(16), expiresAt: 1e9 },
  ...{ port: 4191, addresses: [ipv6('2001:db8:1::1')], ipv4Addresses: [ipv4('192.0.2.1')] },
  ...{ name: 'van', router: false },
};
const GRANT = {
  ...{ homeAddress: ipv6('2001:db8:1:100::abc'), homePrefixLength: 64 },
  ...{ virtualHomeNetwork: true, mobileNetworkPrefixes: prefixes() },
};
const DYNAMIC = { ...GRANT, ipv4HomeAddress: 'dynamic' } as const;

function prefixes(...texts: readonly string[]): readonly Prefix[] {
  return texts.map((text) => parsePrefix(text)).filter((prefix) => prefix !== undefined);
}

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-enrolled-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

describe('the configuration of an enrolled node', () => {
  it('passes the checks of the mobile node', () => {
    const text = enrolledConfiguration({
      ...{ role: 'mn', line: LINE, grant: DYNAMIC, networkDevices: [], stateDirectory: undefined },
      former: undefined,
    });
    const checked = checkConfiguration(join(directory, 'mn.yaml'), text, mobileNodeSchema);
    expect(checked).toMatchObject({
      ok: true,
      value: {
        mobileNode: {
          homes: [
            {
              ...{ publicKey: LINE.publicKey, homeAddress: GRANT.homeAddress, identifier: 'van' },
              ...{ ipv4HomeAddress: 'dynamic', virtualHomeNetwork: true },
              homePrefix: { address: '2001:db8:1:100::', length: 64 },
            },
          ],
        },
      },
    });
  });

  it('gives a router its addresses, one interface after the other', () => {
    const mobileNetworkPrefixes = prefixes('2001:db8:2::/64', '2001:db8:3::/64', '198.51.100.0/28');
    const text = enrolledConfiguration({
      ...{ role: 'mr', line: { ...LINE, router: true, port: 4192 } },
      grant: { ...DYNAMIC, ipv4HomeAddress: ipv4('192.0.2.9'), mobileNetworkPrefixes },
      ...{ networkDevices: ['lan0', 'lan1'], stateDirectory: '/var/lib/other', former: undefined },
    });
    const checked = checkConfiguration(join(directory, 'mr.yaml'), text, mobileRouterSchema);
    expect(checked).toMatchObject({
      ok: true,
      value: {
        daemon: { stateDirectory: '/var/lib/other' },
        mobileRouter: {
          udpPort: 4192,
          homes: [{ ipv4HomeAddress: '192.0.2.9', mobileNetworkPrefixes }],
          mobileNetworks: [{ device: 'lan0' }, { device: 'lan1' }],
        },
      },
    });
    expect(text).toMatch(/2001:db8:2::1.64[\s\S]*2001:db8:3::1.64[\s\S]*198\.51\.100\.1.28/);
  });
});

describe('the configuration of a node that enrols again', () => {
  const FORMER = `
homes:
  - { name: office, identifier: van, postQuantum: required, publicKey: 'hex:${'07'.repeat(32)}' }
  - { identifier: other, homeAddress: '2001:db8:9::1' }
udpPort: 4999
killSwitch: true
acceptDns: true
splitTunnel: { exclude: [192.0.2.0/24] }
interfaces: &uplinks [{ match: wlan0, preference: 5 }]
daemon: { logLevel: debug, stateDirectory: /var/lib/former }
`;
  const node = {
    ...{ line: LINE, grant: DYNAMIC, networkDevices: [], stateDirectory: undefined },
    role: 'mn',
  } as const;
  const formerOf = (name: string, text: string) => {
    const file = join(directory, name);
    writeFileSync(file, text);
    return formerConfiguration(file);
  };

  it('keeps every key but those of the registration', () => {
    const former = formerOf('former.yaml', FORMER);
    const text = enrolledConfiguration({ ...node, former });
    const checked = checkConfiguration(join(directory, 'mn.yaml'), text, mobileNodeSchema);
    expect(checked).toMatchObject({
      ok: true,
      value: {
        daemon: { logLevel: 'debug', stateDirectory: '/var/lib/former' },
        mobileNode: {
          ...{ killSwitch: 'always', acceptDns: true, udpPort: 4191 },
          splitTunnel: { exclude: [{ address: '192.0.2.0', length: 24 }] },
          interfaces: [{ match: 'wlan0', preference: 5 }],
          homes: [{ name: 'office', postQuantum: 'required', publicKey: LINE.publicKey }],
        },
      },
    });
    expect(Object.keys(keptKeys(former ?? {}))).toEqual([
      ...['killSwitch', 'acceptDns', 'splitTunnel', 'interfaces', 'daemon'],
    ]);
    expect(replacedKeys(former ?? {})).toEqual(['homes', 'udpPort']);
  });

  it('takes a state directory of the command line in the place of the former one', () => {
    const former = formerOf('former.yaml', FORMER);
    const text = enrolledConfiguration({ ...node, former, stateDirectory: '/var/lib/new' });
    expect(parse(text)).toMatchObject({
      daemon: { logLevel: 'debug', stateDirectory: '/var/lib/new' },
    });
  });

  it('keeps nothing of an empty file or none', () => {
    expect(formerOf('empty.yaml', '# nothing\n')).toEqual({});
    expect(formerConfiguration(join(directory, 'absent.yaml'))).toBeUndefined();
  });

  it.each([
    ['a file that is not YAML', 'homes: [', /is not a YAML mapping.*nothing was changed/],
    ['a list', '- homes\n', /is not a YAML mapping/],
    ['NTMobile', 'ntmobile: { nodeId: 1 }\n', /has ntmobile.*Correct the file/],
  ])('refuses %s before the line is used', (_, text, message) => {
    expect(() => formerOf('wrong.yaml', text)).toThrow(message);
  });
});

describe('the file of an enrolled node', () => {
  it('can be read by the user of the unit whatever the umask is', () => {
    const file = join(directory, 'umask/etc/mn.yaml');
    const before = process.umask(0o077);
    try {
      expect(writeConfiguration(file, 'first\n', false)).toBe(true);
      expect(writeConfiguration(file, 'second\n', true)).toBe(true);
    } finally {
      process.umask(before);
    }
    const modes = [file, `${file}.old`, dirname(file), dirname(dirname(file))].map(
      (path) => statSync(path).mode & 0o777,
    );
    expect(modes).toEqual([0o644, 0o644, 0o755, 0o755]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it('replaces a former one only on request, and keeps it', () => {
    const file = join(directory, 'new/mn.yaml');
    expect(writeConfiguration(file, 'first\n', false)).toBe(true);
    expect(writeConfiguration(file, 'second\n', false)).toBe(false);
    expect(readFileSync(file, 'utf8')).toBe('first\n');
    writeFileSync(file, 'changed\n');
    expect(writeConfiguration(file, 'second\n', true)).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('second\n');
    expect(readFileSync(`${file}.old`, 'utf8')).toBe('changed\n');
    expect(writeConfiguration(file, 'third\n', true)).toBe(true);
    expect(readFileSync(`${file}.old`, 'utf8')).toBe('changed\n');
    expect(readFileSync(`${file}.old2`, 'utf8')).toBe('second\n');
  });

  it('goes through no link that was there before', () => {
    const file = join(directory, 'linked/mn.yaml');
    expect(writeConfiguration(file, 'first\n', false)).toBe(true);
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'precious\n');
    symlinkSync(victim, `${file}.${process.pid}`);
    symlinkSync(victim, `${file}.old`);
    expect(writeConfiguration(file, 'second\n', true)).toBe(true);
    expect(readFileSync(file, 'utf8')).toBe('second\n');
    expect(readFileSync(victim, 'utf8')).toBe('precious\n');
  });
});
