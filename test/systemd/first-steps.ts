/** Home agent and node from nothing, by the commands of the quickstart on hosts with systemd. */
import { expect } from 'vitest';
import { CONFIGURATIONS, configure } from './configurations.ts';
import { unit } from './inspection.ts';
import type { Machine } from './machine.ts';

const PAIR = ['ha', 'mn'] as const;

/** Leaves the configurations as they were, and both units stopped and disabled. */
export async function expectEncryptedNode(machine: Machine): Promise<void> {
  await machine.run(['rm', ...PAIR.map((name) => `/etc/sojourn/${name}.yaml`)]);
  const options = ['--home-prefix', '2001:db8:1:100::/64', '--enroll', 'laptop', '--now'];
  const printed = await machine.run(['sojourn', 'setup', 'ha', ...options], { timeoutMs: 100_000 });
  const line = /SOJOURN:[A-Z0-9]+/.exec(printed)?.[0] ?? '';
  const use = ['ip', 'netns', 'exec', 'mn', 'sojourn', 'enroll', 'use', line, '--now'];
  await machine.run(use, { timeoutMs: 100_000 });
  await machine.waitForProperty(unit('mn'), 'StatusText', /^registered with /, 60_000);
  const status = await machine.run(['sojourn', '--daemon', 'mn', 'status']);
  expect(status).toMatch(/^ {2}encryption {7}encrypted \(AES-128-GCM/m);
  const [, home = ''] = /^ {2}home addresses +([0-9a-f:]+)/m.exec(status) ?? [];
  await machine.run(['ping', '-c', '3', '-i', '0.2', '-w', '20', home]);
  for (const name of PAIR)
    expect(await machine.run(['systemctl', 'is-enabled', unit(name)])).toBe('enabled\n');
  await expectRestart(machine);
  await machine.run(['systemctl', 'disable', '--now', ...PAIR.map(unit)]);
  for (const name of PAIR) await configure(machine, name, CONFIGURATIONS[name]);
}

/** The same commands on hosts whose units run, under a umask that hides new files from others. */
async function expectRestart(machine: Machine): Promise<void> {
  const before = await Promise.all(PAIR.map((name) => machine.property(unit(name), 'MainPID')));
  const hidden = (...argv: readonly string[]) =>
    machine.run(['sh', '-c', 'umask 077; exec "$@"', 'sh', ...argv], { timeoutMs: 100_000 });
  // The home agent admits the key of the node once.
  await machine.run(['sojourn', 'enroll', 'revoke', 'laptop']);
  const setup = ['setup', 'ha', '--home-prefix', '2001:db8:1:200::/64', '--force', '--now'];
  const printed = await hidden('sojourn', ...setup, '--enroll', 'tablet');
  const line = /SOJOURN:[A-Z0-9]+/.exec(printed)?.[0] ?? '';
  await machine.run(['sh', '-c', 'echo "preferIpv4: false" >> /etc/sojourn/mn.yaml']);
  const use = ['sojourn', 'enroll', 'use', line, '--force', '--now'];
  expect(await hidden('ip', 'netns', 'exec', 'mn', ...use)).toMatch(/kept keys +preferIpv4/);
  await machine.waitForProperty(unit('mn'), 'StatusText', /^registered with /, 60_000);
  const status = await machine.run(['sojourn', '--daemon', 'mn', 'status']);
  expect(status).toMatch(/^ {2}home addresses +2001:db8:1:200:/m);
  const after = await Promise.all(PAIR.map((name) => machine.property(unit(name), 'MainPID')));
  for (const [at, pid] of after.entries()) expect(pid).not.toBe(before[at]);
  await machine.run(['rm', ...PAIR.map((name) => `/etc/sojourn/${name}.yaml.old`)]);
}
