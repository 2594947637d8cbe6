/** `sojourn install` and `sojourn uninstall` on the machine of service.test.ts. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { run } from '#lab/shell.ts';
import { difference } from '#test/netns/helpers/host-state.ts';
import { CONFIGURATIONS, configure } from './configurations.ts';
import { filesOf, statusOf, unit } from './inspection.ts';
import type { Machine } from './machine.ts';

export function describeInstallation(machine: () => Machine): void {
  describe('sojourn install', () => {
    const CLI = [process.execPath, join(import.meta.dirname, '../../src/cli/cli.ts')];
    let before: readonly string[] = [];

    beforeAll(async () => {
      before = await filesOf(machine());
      await run([...CLI, 'install', '--destdir', machine().path('/')]);
      await machine().run(['systemd-sysusers', '/usr/local/lib/sysusers.d/sojourn.conf']);
      await machine().run([
        'systemd-tmpfiles',
        '--create',
        '/usr/local/lib/tmpfiles.d/sojourn.conf',
      ]);
      await machine().run(['systemctl', 'daemon-reload']);
    });

    it('installs units that start', async () => {
      await configure(machine(), 'dc', CONFIGURATIONS.dc);
      await machine().run(['systemctl', 'enable', '--now', unit('dc')], { timeoutMs: 100_000 });
      expect(await statusOf(machine(), 'dc')).toBe('serving nodes.example: 0 nodes');
      expect(await machine().run(['sojourn', 'status'])).toContain('nodes.example');
      expect(await machine().property(unit('dc'), 'FragmentPath')).toBe(
        `/usr/local/lib/systemd/system/${unit('dc')}.service`,
      );
    });

    it('replaces the files of a running daemon', async () => {
      const output = await run([...CLI, 'install', '--destdir', machine().path('/')]);
      expect(output).toContain('systemctl try-restart');
      await machine().run(['systemctl', 'restart', unit('dc')], { timeoutMs: 100_000 });
      expect(await statusOf(machine(), 'dc')).toBe('serving nodes.example: 0 nodes');
    });

    it('leaves only configuration and state after sojourn uninstall', async () => {
      expect(await machine().run(['sojourn', 'uninstall'], { timeoutMs: 100_000 })).toMatch(
        /^removed/,
      );
      expect(
        difference(before, await filesOf(machine())).filter(
          (line) => !line.startsWith('+ /var/lib/sojourn'),
        ),
      ).toEqual([]);
      expect(await machine().run(['sh', '-c', 'pgrep --list-full node || true'])).toBe('');
      expect(
        (await machine().attempt(['systemctl', 'list-unit-files', '--no-legend', 'sojourn-*']))
          .stdout,
      ).toBe('');
    });
  });
}
