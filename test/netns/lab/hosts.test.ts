import { describe, expect, test } from 'vitest';
import { HOST_KINDS } from '#lab/hosts/host-networking.ts';
import { Lab } from '#lab/topology.ts';

/** What configures a node's interfaces: the kinds of hosts that tests and demos can choose. */

describe.each(HOST_KINDS)('a host configured by %s', (hosts) => {
  test('gets addresses in each network; only the kernel alone keeps former ones', async () => {
    await using lab = await Lab.create({ networks: ['ar6', 'nat-prc', 'ds'], hosts });
    const shown = async (...argv: readonly string[]): Promise<string> =>
      await lab.exec('mn', ['ip', ...argv]);
    await lab.move('mn', 'ds');
    const both = [await lab.waitForAddress('mn', 6), await lab.waitForAddress('mn', 4)];
    expect(both.map(({ interface: name }) => name)).toEqual(['eth0', 'eth0']);
    await lab.move('mn', 'ar6');
    const { address } = await lab.waitForAddress('mn', 6, { timeoutMs: 15_000 });
    expect(address).toMatch(/^2001:db8:a:/);
    const stale = await shown('-6', 'route', 'show', '2001:db8:d::/64');
    expect(stale !== '', stale).toBe(hosts === 'kernel');
    await lab.move('mn', 'nat-prc');
    expect((await lab.waitForAddress('mn', 4, { timeoutMs: 15_000 })).address).toMatch(
      /^192\.168\.3\./,
    );
    expect(await shown('-4', 'route', 'show', 'default')).toContain('via 192.168.3.1 ');
  });
});
