/**
 * A mobile node as a VPN on a machine with systemd: name servers through systemd-resolved, and the
 * kill switch at boot. The home agent is in the namespace that has the mobile node elsewhere.
 */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { run, waitFor } from '#lab/shell.ts';
import { CONFIGURATIONS, configure } from './configurations.ts';
import { override, unit } from './inspection.ts';
import { Machine } from './machine.ts';
import { ADDRESSES, moveTo } from './network.ts';

const CLI = [process.execPath, join(import.meta.dirname, '../../src/cli/cli.ts')];
const SERVER = '2001:db8:1:100::53';
const FILE = '/var/lib/sojourn/mn/mn-killswitch.nft';
const [HOME] = CONFIGURATIONS.mn.homes;
const TABLE = 'table inet sojourn-killswitch-mn\n';

export function describeVpn(machine: () => Machine): void {
  describe('a mobile node as a VPN', () => {
    const tables = async (): Promise<string> => await machine().run(['nft', 'list', 'tables']);

    it('sets name servers in systemd-resolved, and stays closed after a stop', async () => {
      await moveTo(machine(), 'first');
      await configure(machine(), 'ha', {
        ...CONFIGURATIONS.ha,
        ...{ addresses: [ADDRESSES.first], ipv4Addresses: [] },
        dns: { servers: [SERVER], search: ['example.net'] },
      });
      await configure(machine(), 'mn', {
        homes: [{ ...HOME, homeAgent: ADDRESSES.first }],
        ...{ killSwitch: true, acceptDns: true },
      });
      await override(machine(), 'ha', 'NetworkNamespacePath=/run/netns/mn');
      await override(machine(), 'mn', '');
      await machine().run(['systemctl', 'start', unit('ha'), unit('mn')], { timeoutMs: 100_000 });
      const registered = `registered with ${ADDRESSES.first}, care-of ${ADDRESSES.homeAgent}`;
      await machine().waitForProperty(unit('mn'), 'StatusText', registered, 60_000);
      await waitFor(
        async () =>
          (await machine().run(['resolvectl', 'dns'])).includes(`(sojourn-mn): ${SERVER}`),
        { timeoutMs: 10_000, what: 'the name servers to be known', intervalMs: 200 },
      );
      const domains = await machine().run(['resolvectl', 'domain', 'sojourn-mn']);
      expect(domains.trim().split(': ').at(-1)?.split(' ').sort()).toEqual(['example.net', '~.']);
      expect(await tables()).toContain(TABLE);

      await machine().run(['systemctl', 'stop', unit('mn'), unit('ha')]);
      expect(await machine().run(['resolvectl', 'dns'])).not.toContain('sojourn-mn');
      expect(await tables()).toBe(TABLE);
      const refused = await machine().attempt(['ping', '-c', '1', '-W', '1', ADDRESSES.first]);
      expect(refused.code).not.toBe(0);
    });

    it('the kill switch closes a host before its network at boot, until it is opened', async () => {
      const above = mkdtempSync(join(tmpdir(), 'sojourn-boot-'));
      try {
        await run([...CLI, 'install', '--destdir', above]);
        mkdirSync(join(above, FILE, '..'), { recursive: true });
        copyFileSync(machine().path(FILE), join(above, FILE));
        await using booted = await Machine.start(above);
        expect(await booted.run(['nft', 'list', 'tables'])).toBe(TABLE);
        const [closedAt, networkAt] = await Promise.all(
          ['killswitch-sojourn.service', 'network-pre.target'].map((name) =>
            booted.property(name, 'ActiveEnterTimestampMonotonic'),
          ),
        );
        expect(Number(closedAt)).toBeGreaterThan(0);
        expect(Number(networkAt)).toBeGreaterThan(Number(closedAt));
        expect(await booted.run(['sojourn', 'killswitch'])).toContain('closed');
        expect(await booted.run(['sojourn', 'killswitch', 'off'])).toContain('open');
        expect(await booted.run(['nft', 'list', 'tables'])).toBe('');
        expect((await booted.attempt(['test', '-e', FILE])).code).not.toBe(0);
      } finally {
        rmSync(above, { recursive: true, force: true });
      }
      expect(await machine().run(['sojourn', 'killswitch', 'off'])).toContain('open');
      expect(await tables()).toBe('');
      await override(machine(), 'ha', '');
      await override(machine(), 'mn', 'NetworkNamespacePath=/run/netns/mn');
    });
  });
}
