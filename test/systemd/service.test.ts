/**
 * The Debian package on a machine with systemd: installed, started, moved, killed, misconfigured,
 * stopped, removed. Each test depends on the ones before it.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDebianPackage } from '#installer/debian-package.ts';
import { waitFor } from '#lab/shell.ts';
import { difference } from '#test/netns/helpers/host-state.ts';
import {
  CONFIGURATIONS,
  type ConfiguredDaemon,
  configure,
  NTMOBILE_NODE,
} from './configurations.ts';
import { expectEncryptedNode } from './first-steps.ts';
import {
  changesByDaemons,
  filesOf,
  kernelStateOf,
  killMain,
  override,
  statusOf,
  unit,
} from './inspection.ts';
import { describeInstallation } from './installation.ts';
import { Machine } from './machine.ts';
import { ADDRESSES, makeNetwork, moveTo } from './network.ts';
import { describePackage, describeUnmanagedDevices } from './package.ts';
import { describeSecondInstance } from './second-instance.ts';
import { describeVpn } from './vpn.ts';

const DAEMONS = ['as', 'dc', 'ha', 'mn', 'rsn'] as const;
const REGISTERED = (careOf: string): string =>
  `registered with ${ADDRESSES.homeAgent}, care-of ${careOf}`;

let machine: Machine;
let scratch = '';
let filesBefore: readonly string[] = [];

beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'sojourn-package-'));
  const debianPackage = makeDebianPackage(scratch);
  machine = await Machine.start();
  await makeNetwork(machine);
  filesBefore = await filesOf(machine);
  copyFileSync(debianPackage, machine.path('/run/sojourn.deb'));
});

afterAll(async () => {
  await machine?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

describePackage(() => machine, DAEMONS);
describeUnmanagedDevices(() => machine);

describe('units', () => {
  let before: Readonly<Record<'ha' | 'mn', readonly string[]>> = { ha: [], mn: [] };

  beforeAll(async () => {
    before = { ha: await kernelStateOf(machine, 'ha'), mn: await kernelStateOf(machine, 'mn') };
    await override(machine, 'mn', 'NetworkNamespacePath=/run/netns/mn');
  });

  it.each(DAEMONS)(
    '%s becomes active as its own user with exactly its capabilities',
    async (daemon) => {
      await configure(machine, daemon, CONFIGURATIONS[daemon]);
      await machine.run(['systemctl', 'start', unit(daemon)], { timeoutMs: 100_000 });
      expect(await machine.property(unit(daemon), 'ActiveState')).toBe('active');
      const process = `/proc/${await machine.property(unit(daemon), 'MainPID')}`;
      const text = await machine.run(['cat', `${process}/status`]);
      const user = (await machine.run(['id', '--user', `sojourn-${daemon}`])).trim();
      expect(/^Uid:\s+(.*)$/m.exec(text)?.[1]?.split('\t')).toEqual([user, user, user, user]);
      const capabilities = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].map(
        (set) => new RegExp(`^${set}:\\s+(\\w+)$`, 'm').exec(text)?.[1],
      );
      expect(new Set(capabilities)).toEqual(new Set([CAPABILITIES[daemon]]));
      expect(text).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(text).toMatch(/^Seccomp:\s+2$/m);
    },
  );

  it('report their state in the status text', async () => {
    expect(await statusOf(machine, 'ha')).toBe(
      `listening on ${ADDRESSES.homeAgent}, ${ADDRESSES.homeAgentIpv4}: 0 bindings, 0 tunnels`,
    );
    expect(await statusOf(machine, 'dc')).toBe('serving nodes.example: 0 nodes');
    expect(await statusOf(machine, 'as')).toBe(
      'serving nodes.example on port 4501: 0 accounts, 0 devices',
    );
    expect(await statusOf(machine, 'mn')).toBe('no network (no care-of address)');
    expect(await statusOf(machine, 'rsn')).toBe('relaying: 0 nodes, 0 legs');
  });

  it('answer DNS and HTTPS queries', async () => {
    const answer = await machine.runInNetwork([
      ...['dig', `@${ADDRESSES.homeAgent}`, 'nodes.example', 'SOA', '+short', '+tries=1'],
    ]);
    expect(answer).toMatch(/^ns\.nodes\.example\. /);
    const code = await machine.runInNetwork([
      ...['curl', '--silent', '--insecure', '--output', '/dev/null', '--write-out', '%{http_code}'],
      `https://[${ADDRESSES.homeAgent}]:4501/`,
    ]);
    expect(code).toBe('404');
  });

  it('carry packets and update the status text after a move', async () => {
    for (const link of ['first', 'second'] as const) {
      await moveTo(machine, link);
      await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES[link]), 60_000);
      await machine.run(['ping', '-c', '3', '-i', '0.2', '-w', '20', ADDRESSES.home]);
    }
    await machine.waitForProperty(unit('ha'), 'StatusText', /: 1 binding, 1 tunnel$/);
  });

  it('accept commands from members of the group sojourn only', async () => {
    await machine.run(['useradd', '--groups', 'sojourn', 'alice']);
    await machine.run(['useradd', 'bob']);
    const asked = await machine.run([
      'runuser',
      '-u',
      'alice',
      '--',
      'sojourn',
      '--daemon',
      'mn',
      '--json',
      'status',
    ]);
    expect(JSON.parse(asked)).toMatchObject({
      role: 'mobile-node',
      homes: [{ phase: 'registered' }],
    });
    expect(
      await machine.attempt(['runuser', '-u', 'bob', '--', 'sojourn', '--daemon', 'mn', 'status']),
    ).toMatchObject({
      code: 77,
    });
    const secret = await machine.attempt([
      'runuser',
      '-u',
      'alice',
      '--',
      'cat',
      '/etc/sojourn/ha.yaml',
    ]);
    expect(secret.code).not.toBe(0);
    const state = await machine.attempt([
      'runuser',
      '-u',
      'alice',
      '--',
      'ls',
      '/var/lib/sojourn/as',
    ]);
    expect(state.code).not.toBe(0);
  });

  it('apply a new configuration at a reload and reject a wrong one', async () => {
    const mainPid = await machine.property(unit('ha'), 'MainPID');
    await configure(machine, 'ha', { ...CONFIGURATIONS.ha, daemon: { logLevel: 'debug' } });
    await machine.run(['systemctl', 'reload', unit('ha')]);
    expect(await machine.journal(unit('ha'))).toMatch(
      /"event":"config-reloaded","setting":"daemon\.logLevel","old":"info","new":"debug"/,
    );
    await configure(machine, 'ha', { ...CONFIGURATIONS.ha, homePrefixes: ['nonsense'] });
    expect((await machine.attempt(['systemctl', 'reload', unit('ha')])).code).not.toBe(0);
    expect(await machine.journal(unit('ha'))).toMatch(
      /\/etc\/sojourn\/ha\.yaml:\d+:\d+: homePrefixes\[0\]: /,
    );
    expect(await machine.property(unit('ha'), 'ActiveState')).toBe('active');
    expect(await machine.property(unit('ha'), 'MainPID')).toBe(mainPid);
    await machine.waitForProperty(unit('ha'), 'StatusText', /: 1 binding, 1 tunnel$/);
    await configure(machine, 'ha', CONFIGURATIONS.ha);
  });

  it('restart by the watchdog when they hang', async () => {
    await override(machine, 'as', 'WatchdogSec=5s');
    await machine.run(['systemctl', 'restart', unit('as')]);
    for (let beat = 0; beat < 4; beat++) {
      const last = await machine.property(unit('as'), 'WatchdogTimestampMonotonic');
      await machine.waitForProperty(
        unit('as'),
        'WatchdogTimestampMonotonic',
        new RegExp(`^(?!${last}$)`),
      );
    }
    expect(await machine.property(unit('as'), 'NRestarts')).toBe('0');
    await killMain(machine, 'as', 'STOP');
    await machine.waitForProperty(unit('as'), 'NRestarts', '1', 60_000);
    await machine.waitForProperty(unit('as'), 'ActiveState', 'active', 60_000);
    expect(await machine.journal(unit('as'))).toContain('Watchdog timeout');
  });

  it.each(['ha', 'mn'] as const)(
    '%s restarts after kill -9 and continues to serve',
    async (daemon) => {
      await killMain(machine, daemon, 'KILL');
      await machine.waitForProperty(unit(daemon), 'NRestarts', '1', 60_000);
      await machine.waitForProperty(unit(daemon), 'ActiveState', 'active', 60_000);
      await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES.second), 60_000);
      await machine.run(['ping', '-c', '3', '-i', '0.2', '-w', '30', ADDRESSES.home]);
    },
  );

  it('leave no kernel state after kill -9 without a restart', async () => {
    const since = await kernelStateOf(machine, 'mn');
    expect(difference(before.mn, since).join('\n')).toMatch(/^\+ rule -6 .*$/m);
    await override(machine, 'mn', 'NetworkNamespacePath=/run/netns/mn\nRestart=no');
    await killMain(machine, 'mn', 'KILL');
    await machine.waitForProperty(unit('mn'), 'ActiveState', 'failed', 60_000);
    expect(changesByDaemons(before.mn, await kernelStateOf(machine, 'mn'))).toEqual([]);
    await override(machine, 'mn', 'NetworkNamespacePath=/run/netns/mn');
    await machine.run(['systemctl', 'start', unit('mn')]);
    await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES.second), 60_000);
  });

  it('restart with a new version of the package', async () => {
    const previous = await machine.property(unit('ha'), 'MainPID');
    await machine.run(['dpkg', '--install', '/run/sojourn.deb'], { timeoutMs: 110_000 });
    for (const daemon of DAEMONS)
      await machine.waitForProperty(unit(daemon), 'ActiveState', 'active', 60_000);
    expect(await machine.property(unit('ha'), 'MainPID')).not.toBe(previous);
    await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES.second), 60_000);
  });

  it('show the key of the running daemon with --show-key', async () => {
    for (const daemon of ['dc', 'rsn'] as const) {
      const shown = await machine.run([
        `sojourn-${daemon}`,
        '--show-key',
        '--config',
        `/etc/sojourn/${daemon}.yaml`,
      ]);
      // The exit code of a relay that is not registered yet is 1.
      const { stdout } = await machine.attempt(['sojourn', '--daemon', daemon, '--json', 'status']);
      const answer: unknown = JSON.parse(stdout);
      expect(answer).toMatchObject({ publicKey: shown.trim() });
    }
  });

  it('do not restart with a wrong configuration and log its faults', async () => {
    await configure(machine, 'dc', { ...CONFIGURATIONS.dc, port: 0 });
    expect((await machine.attempt(['systemctl', 'restart', unit('dc')])).code).not.toBe(0);
    await machine.waitForProperty(unit('dc'), 'ActiveState', 'failed');
    expect(await machine.property(unit('dc'), 'ExecMainStatus')).toBe('78');
    expect(await machine.property(unit('dc'), 'NRestarts')).toBe('0');
    expect(await machine.journal(unit('dc'))).toMatch(
      /\/etc\/sojourn\/dc\.yaml:\d+:\d+: port: must be at least 1, not 0/,
    );
  });

  it('leave no kernel state after a stop', async () => {
    await machine.run(['systemctl', 'stop', ...DAEMONS.map(unit)]);
    for (const daemon of ['as', 'ha', 'mn', 'rsn']) {
      expect([daemon, await machine.property(unit(daemon), 'Result')]).toEqual([daemon, 'success']);
    }
    expect(changesByDaemons(before.mn, await kernelStateOf(machine, 'mn'))).toEqual([]);
    expect(difference(before.ha, await kernelStateOf(machine, 'ha'))).toEqual([]);
    expect(await machine.run(['ls', '/run/sojourn'])).toBe('');
  });

  it('run an encrypted node after the commands of the quickstart', async () => {
    await expectEncryptedNode(machine);
  });

  it('register the stub of a mobile node in systemd-resolved until it stops', async () => {
    await machine.run(['systemctl', 'start', 'systemd-resolved', 'polkit']);
    await configure(machine, 'mn', NTMOBILE_NODE);
    await machine.run([
      'sh',
      '-c',
      'umask 027; echo secret > /etc/sojourn/password; chgrp sojourn-mn /etc/sojourn/password',
    ]);
    await override(machine, 'mn', '');
    await machine.run(['systemctl', 'start', unit('mn')], { timeoutMs: 100_000 });
    const asked = async (): Promise<boolean> =>
      (await machine.run(['resolvectl', 'dns'])).includes('(sojourn-mn): 127.0.78.90');
    await waitFor(asked, {
      timeoutMs: 30_000,
      what: `the stub to be known\n${await machine.journal(unit('mn'))}`,
      intervalMs: 200,
    });
    await machine.run(['systemctl', 'stop', unit('mn')]);
    expect(await machine.run(['resolvectl', 'dns'])).not.toContain('sojourn-mn');
    await machine.run(['rm', '/etc/sojourn/password']);
  });

  it.each(Object.entries(LARGEST_EXPOSURE))(
    '%s has a security exposure of at most %d',
    async (daemon, largest) => {
      const text = await machine.run([
        'systemd-analyze',
        'security',
        '--no-pager',
        `${unit(daemon)}.service`,
      ]);
      const [, exposure] = /Overall exposure level for \S+: ([\d.]+)/.exec(text) ?? [];
      expect(Number(exposure)).toBeGreaterThan(0);
      expect(Number(exposure)).toBeLessThanOrEqual(largest);
    },
  );
});

describeVpn(() => machine);
describeSecondInstance(() => machine);

describe('removal of the package', () => {
  it('stops and disables units and keeps configuration and state', async () => {
    await machine.run(['systemctl', 'enable', '--now', unit('ha')], { timeoutMs: 100_000 });
    await machine.run(['dpkg', '--remove', 'sojourn'], { timeoutMs: 100_000 });
    const left = difference(filesBefore, await filesOf(machine)).filter(
      (line) => !/^\+ \/(etc|var\/lib)\/sojourn(\/|$)/.test(line),
    );
    expect(left).toEqual([]);
    expect(await machine.run(['ls', '/etc/sojourn'])).toBe(`${DAEMONS.join('.yaml\n')}.yaml\n`);
    expect(await machine.run(['ls', '/var/lib/sojourn/ha'])).toContain('ha.sqlite\n');
    expect(await machine.run(['sh', '-c', 'pgrep --list-full node || true'])).toBe('');
    expect(
      await machine.run(['systemctl', 'list-units', '--all', '--no-legend', 'sojourn-*']),
    ).toBe('');
    expect(
      (await machine.attempt(['systemctl', 'list-unit-files', '--no-legend', 'sojourn-*'])).stdout,
    ).toBe('');
  });

  it("removes state at a purge and keeps the operator's configuration", async () => {
    await machine.run(['dpkg', '--purge', 'sojourn']);
    expect(difference(filesBefore, await filesOf(machine))).toEqual([
      ...['/etc/sojourn', ...DAEMONS.map((name) => `/etc/sojourn/${name}.yaml`)].map(
        (path) => `+ ${path}`,
      ),
    ]);
  });
});

const CAPABILITIES: Readonly<Record<ConfiguredDaemon, string>> = {
  as: '0000000000000000',
  dc: '0000000000000400',
  ha: '0000000000003000',
  mn: '0000000000003400',
  rsn: '0000000000003000',
};
const LARGEST_EXPOSURE: Readonly<Record<string, number>> = {
  as: 3,
  dc: 3,
  ha: 4,
  mn: 4,
  mr: 4,
  rsn: 4,
};

describeInstallation(() => machine);
