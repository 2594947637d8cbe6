import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { NetworkInterface } from '#engine/common/network-interface.ts';

const root = join(import.meta.dirname, '../../..');
const enter = join(root, 'lab/enter.ts');
const inside = join(import.meta.dirname, 'kernel-inside.ts');

function addonPath(): string {
  const build = join(root, 'native/build');
  const addon = readdirSync(build).find((name) => name.endsWith('.node'));
  if (addon === undefined) throw new Error('the addon is not built: npm run build');
  return join(build, addon);
}

interface Observed {
  readonly seen: NetworkInterface;
  readonly once: string;
  readonly twice: string;
  readonly refusal: string;
  readonly replugged: NetworkInterface;
  readonly left: string;
}

let observed: Observed;
beforeAll(() => {
  const output = execFileSync(
    process.execPath,
    [enter, '--', process.execPath, inside, addonPath()],
    {
      encoding: 'utf8',
      cwd: root,
    },
  );
  observed = JSON.parse(output);
});

describe('the kernel port', () => {
  it('sees addresses with lifetimes and default routers', () => {
    const { addresses, routers, epoch, running } = observed.seen;
    expect({ epoch, running }).toEqual({ epoch: 1, running: true });
    expect(addresses.map((one) => one.address)).toEqual(['192.0.2.5', '2001:db8:2::5']);
    expect(routers).toMatchObject([{ family: 4, gateway: '192.0.2.1', metric: 0, epoch: 1 }]);
  });

  it('applies addresses, routes, rules, proxy entries and sysctls, twice without change', () => {
    for (const part of [
      '2001:db8:1::5/128',
      '198.51.100.5/32',
      'unreachable 2001:db8:ffff::/48',
      'default dev tun9 table 1000 src 2001:db8:1::5 metric 1024 mtu 1400',
      'default dev tun9 table 1000 scope link src 198.51.100.5',
      '203.0.113.0/24 via 192.0.2.1 dev eth0 table 1000 onlink',
      'from 2001:db8:1::5 lookup 1000',
      'not from all fwmark 0x51/0xff lookup main suppress_prefixlength 0',
      '2001:db8:2::77 dev eth0 proxy',
      '192.0.2.77 dev eth0 proxy',
      'forwarding',
    ]) {
      expect(observed.once).toContain(part);
    }
    expect(observed.twice).toBe(observed.once);
  });

  it('reports a device that is down by its errno name', () => {
    expect(observed.refusal).toBe('ENETDOWN');
  });

  it('counts a new carrier epoch and leaves the old address unconfirmed in it', () => {
    expect(observed.replugged).toMatchObject({
      epoch: 2,
      addresses: [{ address: '192.0.2.5', epoch: 1 }],
      routers: [],
    });
  });

  it('deletes everything, and deleting it twice is harmless', () => {
    expect(observed.left).toBe('');
  });

  it('finds and removes the leftovers of a killed run, and restores the original sysctls', () => {
    const addon = addonPath();
    const both = `"$0" "${inside}" "${addon}" kill; "$0" "${inside}" "${addon}" sweep`;
    const { stdout } = spawnSync(
      process.execPath,
      [enter, '--', 'sh', '-c', both, process.execPath],
      {
        encoding: 'utf8',
        cwd: root,
      },
    );
    const swept: { readonly found: string; readonly left: string } = JSON.parse(stdout);
    expect(swept.found).toBe(observed.once);
    expect(swept.left).toBe('');
  });

  it('sets shared settings again that another daemon restored when it stopped', () => {
    const parameters = [enter, '--', process.execPath, inside, addonPath(), 'share'];
    const { stdout } = spawnSync(process.execPath, parameters, { encoding: 'utf8', cwd: root });
    const [original, shared] = ['1 0', '2 1'];
    expect(JSON.parse(stdout)).toEqual({ original, shared, between: original, left: original });
  });
});
