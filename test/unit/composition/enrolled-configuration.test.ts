/** The configuration that an enrolment writes, and its file. */
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import {
  enrolledConfiguration,
  writeConfiguration,
} from '#composition/enrolment/enrolled-configuration.ts';
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
      ...{ networkDevices: ['lan0', 'lan1'], stateDirectory: '/var/lib/other' },
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

describe('the file of an enrolled node', () => {
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
