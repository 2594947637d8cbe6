/**
 * Drop-ins: the merge of several files into one configuration, and the positions of faults.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatFault, loadConfiguration } from '#daemon/configuration/config.ts';
import { homeAgentSchema } from '../../../../daemons/ha/config.ts';
import { mobileNodeSchema } from '../../../../daemons/mn/config.ts';
import { HA, KEY, MN } from './config-faults.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-drop-ins-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

function write(files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), text, { mode: 0o600 });
  }
}

function load<S extends Parameters<typeof loadConfiguration>[1]>(name: string, schema: S) {
  const result = loadConfiguration(join(directory, name), schema);
  const faults = result.ok
    ? []
    : result.faults.map((fault) => formatFault(fault).replaceAll(`${directory}/`, ''));
  return { faults, value: result.ok ? result.value : undefined };
}

describe('drop-ins', () => {
  it('merge in the order of their names, mappings deeply and lists as a whole', () => {
    write({
      'mn.yaml':
        `${MN}daemon: { logLevel: warn, threads: 4 }\n` +
        'interfaces: [{ match: eth0, preference: 1 }]\n',
      'mn.yaml.d/9.yaml': 'lifetimeSeconds: 900\ndaemon: { name: nine }\n',
      'mn.yaml.d/10.yaml':
        'lifetimeSeconds: 1000\ndaemon: { logLevel: debug }\ninterfaces: [{ match: wlan0, ' +
        'preference: 2 }]\n',
    });
    const { faults, value } = load('mn.yaml', mobileNodeSchema);
    expect(faults).toEqual([]);
    expect(value).toMatchObject({
      daemon: { name: 'nine', logLevel: 'debug', threads: 4 },
      // "10" comes before "9".
      mobileNode: { lifetimeSeconds: 900, interfaces: [{ match: 'wlan0', preference: 2 }] },
    });
  });

  it('may be empty or replace an empty file; hidden files and backups are ignored', () => {
    write({
      'ha.yaml': '# everything is in drop-ins\n',
      'ha.yaml.d/10-all.yaml': HA,
      'ha.yaml.d/20-nothing.yaml': '# nothing yet\n',
      'ha.yaml.d/.hidden.yaml': 'wrong: yes\n',
      'ha.yaml.d/30-site.yaml~': 'wrong: yes\n',
      'ha.yaml.d/40-old.yaml.dpkg-old': 'wrong: yes\n',
      'ha.yaml.d/50.yaml/inner.yaml': 'wrong: yes\n',
    });
    expect(load('ha.yaml', homeAgentSchema).faults).toEqual([]);
  });

  it('name key files relative to the directory of the main file', () => {
    write({
      'ha.yaml': HA.replace(`key: '${KEY}'`, 'keyFile: absent'),
      'ha.yaml.d/10-node.yaml':
        'mobileNodes: [{ homeAddresses: [2001:db8:1:100::10], ' +
        'security: { spi: 1000, keyFile: alice } }]\n',
      alice: KEY,
    });
    expect(load('ha.yaml', homeAgentSchema).faults).toEqual([]);
  });
});

describe('fault positions', () => {
  it('point to the last file that sets the value, in the order of the files', () => {
    write({
      'ha.yaml':
        `${HA}maximumBindings: 0\nudpPort: 4191\n` + `daemon:\n  threads: 0\n  logLevel: info\n`,
      'ha.yaml.d/10.yaml': 'udpPort: 0\ndaemon:\n  # a comment\n  logLevel: loud\n',
      'ha.yaml.d/20.yaml':
        'mobileNodes:\n  - homeAddresses: [2001:db8:1:100::10]\n    security: { spi: 17, ' +
        'key: x }\n',
    });
    expect(
      load('ha.yaml', homeAgentSchema).faults.map((fault) =>
        fault.split(': ').slice(0, 2).join(': '),
      ),
    ).toEqual([
      'ha.yaml:6:18: maximumBindings',
      'ha.yaml:9:12: daemon.threads',
      'ha.yaml.d/10.yaml:1:10: udpPort',
      'ha.yaml.d/10.yaml:4:13: daemon.logLevel',
      'ha.yaml.d/20.yaml:3:22: mobileNodes[0].security.spi',
      'ha.yaml.d/20.yaml:3:31: mobileNodes[0].security.key',
    ]);
  });

  it('point to an unknown key, or to the first file with the section of a missing key', () => {
    write({
      'mn.yaml': `${MN}daemon: {}\nntmobile:\n  account: alice\n`,
      'mn.yaml.d/10.yaml': 'daemon:\n  lgoLevel: info\nntmobile:\n  port: 7890\n',
    });
    expect(load('mn.yaml', mobileNodeSchema).faults.map((fault) => fault.split(' (')[0])).toEqual([
      'mn.yaml:7:3: ntmobile.accountServer: is missing',
      'mn.yaml:7:3: ntmobile: has neither passwordFile nor enrolmentTokenFile',
      'mn.yaml.d/10.yaml:2:3: daemon.lgoLevel: unknown key',
    ]);
  });

  it('point to the effective value if a drop-in replaces a mapping or is replaced', () => {
    write({
      'mn.yaml': `${MN}tunnelMtu: { ipip: 1 }\n`,
      'mn.yaml.d/10.yaml': 'tunnelMtu: 5\n',
      'mn.yaml.d/20.yaml': 'tunnelMtu: { udp: 2 }\n',
    });
    expect(load('mn.yaml', mobileNodeSchema).faults).toEqual([
      'mn.yaml.d/20.yaml:1:19: tunnelMtu.udp: must be at least 1280, not 2',
    ]);
  });

  it('list the YAML errors of all files before any other fault', () => {
    write({
      'mn.yaml': 'a: [\n',
      'mn.yaml.d/10.yaml': 'b: {\n',
      'mn.yaml.d/20.yaml': 'lifetimeSeconds: 0\n',
    });
    const files = load('mn.yaml', mobileNodeSchema).faults.map((fault) => fault.split(':')[0]);
    expect([...new Set(files)]).toEqual(['mn.yaml', 'mn.yaml.d/10.yaml']);
  });

  it('report a drop-in directory that is not a directory', () => {
    write({ 'mn.yaml': MN, 'mn.yaml.d': 'lifetimeSeconds: 600\n' });
    expect(load('mn.yaml', mobileNodeSchema).faults).toEqual([
      'mn.yaml.d:1:1: is not a directory (put drop-ins into it as files)',
    ]);
  });

  it('report only the world-readable file that contains a key', () => {
    write({
      'mn.yaml': MN.replace(`key: '${KEY}'`, 'keyFile: absent'),
      'mn.yaml.d/10.yaml': 'lifetimeSeconds: 600\n',
      'mn.yaml.d/20.yaml': MN,
    });
    for (const name of ['mn.yaml', 'mn.yaml.d/10.yaml']) chmodSync(join(directory, name), 0o644);
    expect(load('mn.yaml', mobileNodeSchema).faults).toEqual([]);
    chmodSync(join(directory, 'mn.yaml.d/20.yaml'), 0o644);
    expect(load('mn.yaml', mobileNodeSchema).faults).toEqual([
      'mn.yaml.d/20.yaml:1:1: contains a key and is readable by every user (chmod o= ' +
        'mn.yaml.d/20.yaml)',
    ]);
  });
});
