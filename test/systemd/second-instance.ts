/** Two home agents on one host, by the commands of docs/guides/operating.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CONFIGURATIONS, configure } from './configurations.ts';
import { unit } from './inspection.ts';
import type { Machine } from './machine.ts';

const GUIDE = join(import.meta.dirname, '../../docs/guides/operating.md');
const SECOND = ['2001:db8:1::4', '192.0.2.4'] as const;

/** The indented block of commands that makes the second unit. */
function commandsOfGuide(): string {
  const [, commands] =
    /```\n( +cd \/usr\/lib\/systemd[^`]*?)\n +```/.exec(readFileSync(GUIDE, 'utf8')) ?? [];
  if (commands === undefined) throw new Error(`${GUIDE} has no commands for a second instance`);
  return commands;
}

export function describeSecondInstance(machine: () => Machine): void {
  describe('a second home agent on one host', () => {
    const forwarding = async (): Promise<string> =>
      (await machine().run(['sysctl', '-n', 'net.ipv6.conf.all.forwarding'])).trim();

    it('runs beside the first, and each keeps its socket and forwarding', async () => {
      const before = await forwarding();
      const [address, ipv4] = SECOND;
      await machine().run(['ip', 'address', 'add', `${address}/64`, 'dev', 'net0', 'nodad']);
      await machine().run(['ip', 'address', 'add', `${ipv4}/24`, 'dev', 'net0']);
      await configure(machine(), 'ha', CONFIGURATIONS.ha);
      await configure(machine(), 'ha', SECOND_CONFIGURATION, 'ha2');
      await machine().run(['systemctl', 'start', unit('ha')], { timeoutMs: 100_000 });
      await machine().run(['sh', '-ec', commandsOfGuide()], { timeoutMs: 100_000 });
      expect(await machine().run(['sojourn', '--daemon', 'ha2', 'status'])).toContain(address);
      await machine().run(['systemctl', 'stop', unit('ha')]);
      await machine().run(
        [
          'sh',
          '-c',
          'until [ "$(sysctl -n net.ipv6.conf.all.forwarding)" = 1 ]; do sleep 0.1; done',
        ],
        { timeoutMs: 10_000 },
      );
      await machine().run(['systemctl', 'start', unit('ha')], { timeoutMs: 100_000 });
      await machine().run(['systemctl', 'disable', '--now', '--quiet', unit('ha2')]);
      expect(await machine().run(['sojourn', '--daemon', 'ha', 'status'])).toContain(
        CONFIGURATIONS.ha.addresses[0],
      );
      await machine().run(['systemctl', 'stop', unit('ha')]);
      expect(await forwarding()).toBe(before);
      await machine().run([
        'rm',
        '/etc/sojourn/ha2.yaml',
        `/etc/systemd/system/${unit('ha2')}.service`,
      ]);
      await machine().run(['systemctl', 'daemon-reload']);
    });
  });
}

const SECOND_CONFIGURATION = {
  ...CONFIGURATIONS.ha,
  ...{ daemon: { name: 'ha2' }, udpPort: 4192, homePrefixes: ['2001:db8:1:300::/64'] },
  addresses: SECOND.slice(0, 1),
  ipv4Addresses: SECOND.slice(1),
  mobileNodes: [{ ...CONFIGURATIONS.ha.mobileNodes[0], homeAddresses: ['2001:db8:1:300::10'] }],
};
