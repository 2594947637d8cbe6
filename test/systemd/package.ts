/** The Debian package right after its installation on the machine of service.test.ts. */
import { describe, expect, it } from 'vitest';
import { unit } from './inspection.ts';
import type { Machine } from './machine.ts';

export function describePackage(machine: () => Machine, daemons: readonly string[]): void {
  describe('the package', () => {
    it('installs and starts no unconfigured daemon', async () => {
      await machine().run(['dpkg', '--install', '/run/sojourn.deb'], { timeoutMs: 110_000 });
      expect(await machine().run(['dpkg', '--verify', 'sojourn'])).toBe('');
      expect((await machine().run(['sojourn', '--version'])).trim()).toMatch(/^\d+\.\d+\.\d+$/);
      const units = await machine().run([
        'systemctl',
        'list-unit-files',
        '--no-legend',
        'sojourn-*',
      ]);
      const states = units
        .trim()
        .split('\n')
        .map((line) => line.split(/\s+/).slice(0, 2).join(' '));
      expect(states).toEqual(
        ['as', 'cn', 'dc', 'ha', 'mn', 'mr', 'rsn'].map((name) => `${unit(name)}.service disabled`),
      );
      expect(await machine().run(['systemctl', 'list-units', '--no-legend', 'sojourn-*'])).toBe('');
    });

    it('contains manual pages and completions', async () => {
      const listed = await machine().run(['dpkg', '--listfiles', 'sojourn']);
      for (const path of [
        ...[
          'man1/sojourn.1',
          'man7/sojourn.7',
          ...daemons.flatMap((name) => [`man8/sojourn-${name}.8`, `man5/sojourn.${name}.yaml.5`]),
        ].map((page) => `man/${page}.gz`),
        ...[
          'bash-completion/completions/sojourn',
          'zsh/vendor-completions/_sojourn',
          'doc/sojourn/examples/ha.yaml',
        ],
      ]) {
        expect(listed).toContain(`/usr/share/${path}\n`);
      }
    });

    it('contains units that systemd-analyze verifies without warning', async () => {
      const script =
        'SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no ' +
        '/usr/lib/systemd/system/sojourn-*.service';
      expect(await machine().attempt(['sh', '-c', script])).toMatchObject({
        code: 0,
        stdout: '',
        stderr: '',
      });
    });

    it('fails without a configuration, logs the fault and does not restart', async () => {
      expect((await machine().attempt(['systemctl', 'start', unit('dc')])).code).not.toBe(0);
      await machine().waitForProperty(unit('dc'), 'ActiveState', 'failed');
      expect(await machine().property(unit('dc'), 'ExecMainStatus')).toBe('78');
      expect(await machine().property(unit('dc'), 'NRestarts')).toBe('0');
      expect(await machine().journal(unit('dc'))).toMatch(
        /\/etc\/sojourn\/dc\.yaml:1:1: cannot be read: ENOENT.*check the path/,
      );
    });
  });
}

export function describeUnmanagedDevices(machine: () => Machine): void {
  describe('the devices of the daemons', () => {
    it('stay unmanaged by networkd and NetworkManager', async () => {
      const script = `
ip tuntap add dev sojourn-try mode tun
systemctl restart systemd-networkd
networkctl --no-pager --no-legend list sojourn-try || true
systemctl stop systemd-networkd
ip link delete sojourn-try
! command -v NetworkManager > /dev/null || NetworkManager --print-config`;
      const shown = await machine().run(['sh', '-ec', script], { timeoutMs: 60_000 });
      expect(shown).toMatch(/sojourn-try .* unmanaged/);
      if (shown.includes('[main]'))
        expect(shown).toContain('unmanaged-devices=interface-name:sojourn-*');
    });
  });
}
