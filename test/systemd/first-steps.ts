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
  await machine.run(['systemctl', 'disable', '--now', ...PAIR.map(unit)]);
  for (const name of PAIR) await configure(machine, name, CONFIGURATIONS[name]);
}
