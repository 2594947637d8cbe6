/**
 * The Debian package on a machine with systemd: installed, started, moved, killed, misconfigured,
 * stopped, removed. The tests follow one another.
 */
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeDebianPackage } from '#installer/debian-package.ts';
import { run, waitFor } from '#lab/shell.ts';
import { difference, HOST_STATE_SCRIPT, hostStateOf } from '#test/netns/helpers/host-state.ts';
import {
  CONFIGURATIONS,
  type ConfiguredDaemon,
  configure,
  NTMOBILE_NODE,
} from './configurations.ts';
import { Machine } from './machine.ts';
import { ADDRESSES, makeNetwork, moveTo } from './network.ts';

const DAEMONS = ['as', 'dc', 'ha', 'mn', 'rsn'] as const;
const unit = (daemon: string): string => `sojourn-${daemon}`;
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
  filesBefore = await files();
  copyFileSync(debianPackage, machine.path('/run/sojourn.deb'));
});

afterAll(async () => {
  await machine?.[Symbol.asyncDispose]();
  rmSync(scratch, { recursive: true, force: true });
});

/** Every file of the machine but what its own programs write all the time. */
async function files(): Promise<readonly string[]> {
  const passing = ['/var/lib/dpkg', '/var/log', '/var/cache', '/var/lib/systemd', '/tmp', '/root'];
  const prune = passing.flatMap((path) => ['-path', path, '-prune', '-o']);
  const text = await machine.run(['find', '/', '-xdev', ...prune, '-print']);
  // Locks and former versions of what lists users, who stay.
  return text
    .split('\n')
    .toSorted()
    .filter(
      (path) =>
        path !== '' && !/^\/etc\/(\.pwd\.lock|(passwd|group|g?shadow|sub[ug]id)-)$/.test(path),
    );
}

/** What the kernel holds on the home agent's side, or on the mobile node's. */
async function kernel(side: 'ha' | 'mn'): Promise<readonly string[]> {
  const script = ['sh', '-c', HOST_STATE_SCRIPT];
  return hostStateOf(
    await machine.run(side === 'ha' ? script : ['ip', 'netns', 'exec', 'mn', ...script]),
  );
}

/** Lines for the unit, beside what the package brings, until the machine ends. */
async function override(daemon: string, lines: string): Promise<void> {
  const directory = `/run/systemd/system/${unit(daemon)}.service.d`;
  const script = `mkdir -p ${directory} && cat > ${directory}/test.conf && systemctl daemon-reload`;
  await machine.run(['sh', '-c', script], { input: `[Service]\n${lines}\n` });
}

async function killMain(daemon: string, signal: 'KILL' | 'STOP'): Promise<void> {
  await machine.run(['systemctl', 'kill', '--kill-who=main', `--signal=${signal}`, unit(daemon)]);
}

const status = (daemon: string): Promise<string> => machine.property(unit(daemon), 'StatusText');

describe('the package', () => {
  it('installs, and starts nothing that is not configured', async () => {
    await machine.run(['dpkg', '--install', '/run/sojourn.deb'], { timeoutMs: 110_000 });
    expect(await machine.run(['dpkg', '--verify', 'sojourn'])).toBe('');
    expect((await machine.run(['sojourn', '--version'])).trim()).toMatch(/^\d+\.\d+\.\d+$/);
    const units = await machine.run(['systemctl', 'list-unit-files', '--no-legend', 'sojourn-*']);
    const states = units
      .trim()
      .split('\n')
      .map((line) => line.split(/\s+/).slice(0, 2).join(' '));
    expect(states).toEqual(
      ['as', 'dc', 'ha', 'mn', 'mr', 'rsn'].map((name) => `${unit(name)}.service disabled`),
    );
    expect(await machine.run(['systemctl', 'list-units', '--no-legend', 'sojourn-*'])).toBe('');
  });

  it('brings manual pages and completions', async () => {
    const listed = await machine.run(['dpkg', '--listfiles', 'sojourn']);
    for (const path of [
      ...[
        'man1/sojourn.1',
        'man7/sojourn.7',
        ...DAEMONS.flatMap((name) => [`man8/sojourn-${name}.8`, `man5/sojourn.${name}.yaml.5`]),
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

  it('has units that systemd finds nothing wrong with', async () => {
    const script =
      'SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no /usr/lib/systemd/system/sojourn-*.service';
    expect(await machine.attempt(['sh', '-c', script])).toMatchObject({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('shows what is wrong where there is no configuration, and does not try again', async () => {
    expect((await machine.attempt(['systemctl', 'start', unit('dc')])).code).not.toBe(0);
    await machine.waitForProperty(unit('dc'), 'ActiveState', 'failed');
    expect(await machine.property(unit('dc'), 'ExecMainStatus')).toBe('78');
    expect(await machine.property(unit('dc'), 'NRestarts')).toBe('0');
    expect(await machine.journal(unit('dc'))).toMatch(
      /\/etc\/sojourn\/dc\.yaml:1:1: cannot be read: ENOENT.*check the path/,
    );
  });
});

describe('units', () => {
  let before: Readonly<Record<'ha' | 'mn', readonly string[]>> = { ha: [], mn: [] };

  beforeAll(async () => {
    before = { ha: await kernel('ha'), mn: await kernel('mn') };
    await override('mn', 'NetworkNamespacePath=/run/netns/mn');
  });

  it.each(DAEMONS)(
    '%s is active when it is ready, as its own user with exactly what it needs',
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

  it('say how they are', async () => {
    expect(await status('ha')).toBe(
      `listening on ${ADDRESSES.homeAgent}, ${ADDRESSES.homeAgentIpv4}: 0 bindings, 0 tunnels`,
    );
    expect(await status('dc')).toBe('serving nodes.example: 0 nodes');
    expect(await status('as')).toBe('serving nodes.example on port 4501: 0 accounts, 0 devices');
    expect(await status('mn')).toBe('no network (no care-of address)');
    expect(await status('rsn')).toBe('relaying: 0 nodes, 0 legs');
  });

  it('serve', async () => {
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

  it('carry packets, and follow a move in their status', async () => {
    for (const link of ['first', 'second'] as const) {
      await moveTo(machine, link);
      await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES[link]), 60_000);
      await machine.run(['ping', '-c', '3', '-i', '0.2', '-w', '20', ADDRESSES.home]);
    }
    await machine.waitForProperty(unit('ha'), 'StatusText', /: 1 binding, 1 tunnel$/);
  });

  it('let members of the group sojourn ask, and nobody else', async () => {
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

  it('take a new configuration by a reload, and a wrong one not at all', async () => {
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

  it('are ended and started again by the watchdog when they hang', async () => {
    await override('as', 'WatchdogSec=5s');
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
    await killMain('as', 'STOP');
    await machine.waitForProperty(unit('as'), 'NRestarts', '1', 60_000);
    await machine.waitForProperty(unit('as'), 'ActiveState', 'active', 60_000);
    expect(await machine.journal(unit('as'))).toContain('Watchdog timeout');
  });

  it.each(['ha', 'mn'] as const)(
    '%s is started again after kill -9, and goes on',
    async (daemon) => {
      await killMain(daemon, 'KILL');
      await machine.waitForProperty(unit(daemon), 'NRestarts', '1', 60_000);
      await machine.waitForProperty(unit(daemon), 'ActiveState', 'active', 60_000);
      await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES.second), 60_000);
      await machine.run(['ping', '-c', '3', '-i', '0.2', '-w', '30', ADDRESSES.home]);
    },
  );

  it('leave nothing in the kernel after kill -9, even where they are not started again', async () => {
    const since = await kernel('mn');
    expect(difference(before.mn, since).join('\n')).toMatch(/^\+ rule -6 .*$/m);
    await override('mn', 'NetworkNamespacePath=/run/netns/mn\nRestart=no');
    await killMain('mn', 'KILL');
    await machine.waitForProperty(unit('mn'), 'ActiveState', 'failed', 60_000);
    expect(ours(difference(before.mn, await kernel('mn')))).toEqual([]);
    await override('mn', 'NetworkNamespacePath=/run/netns/mn');
    await machine.run(['systemctl', 'start', unit('mn')]);
    await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES.second), 60_000);
  });

  it('go on with a new version of the package', async () => {
    const former = await machine.property(unit('ha'), 'MainPID');
    await machine.run(['dpkg', '--install', '/run/sojourn.deb'], { timeoutMs: 110_000 });
    for (const daemon of DAEMONS)
      await machine.waitForProperty(unit(daemon), 'ActiveState', 'active', 60_000);
    expect(await machine.property(unit('ha'), 'MainPID')).not.toBe(former);
    await machine.waitForProperty(unit('mn'), 'StatusText', REGISTERED(ADDRESSES.second), 60_000);
  });

  it('show the key of the daemon, whoever asks', async () => {
    for (const daemon of ['dc', 'rsn'] as const) {
      const shown = await machine.run([
        `sojourn-${daemon}`,
        '--show-key',
        '--config',
        `/etc/sojourn/${daemon}.yaml`,
      ]);
      // A relay that no coordinator knows yet answers, and says so by its exit code.
      const { stdout } = await machine.attempt(['sojourn', '--daemon', daemon, '--json', 'status']);
      const told: unknown = JSON.parse(stdout);
      expect(told).toMatchObject({ publicKey: shown.trim() });
    }
  });

  it('are not started again with a wrong configuration, which is shown', async () => {
    await configure(machine, 'dc', { ...CONFIGURATIONS.dc, port: 0 });
    expect((await machine.attempt(['systemctl', 'restart', unit('dc')])).code).not.toBe(0);
    await machine.waitForProperty(unit('dc'), 'ActiveState', 'failed');
    expect(await machine.property(unit('dc'), 'ExecMainStatus')).toBe('78');
    expect(await machine.property(unit('dc'), 'NRestarts')).toBe('0');
    expect(await machine.journal(unit('dc'))).toMatch(
      /\/etc\/sojourn\/dc\.yaml:\d+:\d+: port: must be at least 1, not 0/,
    );
  });

  it('leave nothing when they are stopped', async () => {
    await machine.run(['systemctl', 'stop', ...DAEMONS.map(unit)]);
    for (const daemon of ['as', 'ha', 'mn', 'rsn']) {
      expect([daemon, await machine.property(unit(daemon), 'Result')]).toEqual([daemon, 'success']);
    }
    expect(ours(difference(before.mn, await kernel('mn')))).toEqual([]);
    expect(difference(before.ha, await kernel('ha'))).toEqual([]);
    expect(await machine.run(['ls', '/run/sojourn'])).toBe('');
  });

  it('let a mobile node have systemd-resolved ask it, and forget it afterwards', async () => {
    await machine.run(['systemctl', 'start', 'systemd-resolved', 'polkit']);
    await configure(machine, 'mn', NTMOBILE_NODE);
    await machine.run([
      'sh',
      '-c',
      'umask 027; echo secret > /etc/sojourn/password; chgrp sojourn-mn /etc/sojourn/password',
    ]);
    await override('mn', '');
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
    '%s: exposure is at most %d',
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

describe('removal', () => {
  it('stops and disables what runs, and leaves configuration and state', async () => {
    await machine.run(['systemctl', 'enable', '--now', unit('ha')], { timeoutMs: 100_000 });
    await machine.run(['dpkg', '--remove', 'sojourn'], { timeoutMs: 100_000 });
    const left = difference(filesBefore, await files()).filter(
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

  it('takes state too when the package is purged, and what the operator wrote never', async () => {
    await machine.run(['dpkg', '--purge', 'sojourn']);
    expect(difference(filesBefore, await files())).toEqual([
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

describe('sojourn install', () => {
  const CLI = [process.execPath, join(import.meta.dirname, '../../src/cli/cli.ts')];
  let before: readonly string[] = [];

  beforeAll(async () => {
    before = await files();
    await run([...CLI, 'install', '--destdir', machine.path('/')]);
    await machine.run(['systemd-sysusers', '/usr/local/lib/sysusers.d/sojourn.conf']);
    await machine.run(['systemd-tmpfiles', '--create', '/usr/local/lib/tmpfiles.d/sojourn.conf']);
    await machine.run(['systemctl', 'daemon-reload']);
  });

  it('puts units in place that run', async () => {
    await configure(machine, 'dc', CONFIGURATIONS.dc);
    await machine.run(['systemctl', 'enable', '--now', unit('dc')], { timeoutMs: 100_000 });
    expect(await status('dc')).toBe('serving nodes.example: 0 nodes');
    expect(await machine.run(['sojourn', 'status'])).toContain('nodes.example');
    expect(await machine.property(unit('dc'), 'FragmentPath')).toBe(
      `/usr/local/lib/systemd/system/${unit('dc')}.service`,
    );
  });

  it('replaces itself under a daemon that runs', async () => {
    const said = await run([...CLI, 'install', '--destdir', machine.path('/')]);
    expect(said).toContain('systemctl try-restart');
    await machine.run(['systemctl', 'restart', unit('dc')], { timeoutMs: 100_000 });
    expect(await status('dc')).toBe('serving nodes.example: 0 nodes');
  });

  it('is undone by sojourn uninstall, which leaves configuration and state', async () => {
    expect(await machine.run(['sojourn', 'uninstall'], { timeoutMs: 100_000 })).toMatch(/^removed/);
    expect(
      difference(before, await files()).filter((line) => !line.startsWith('+ /var/lib/sojourn')),
    ).toEqual([]);
    expect(await machine.run(['sh', '-c', 'pgrep --list-full node || true'])).toBe('');
    expect(
      (await machine.attempt(['systemctl', 'list-unit-files', '--no-legend', 'sojourn-*'])).stdout,
    ).toBe('');
  });
});

/** What tests themselves changed on the mobile node's side: its links. */
function ours(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => !/ (eth[01]|eth[01]@\S+) /.test(`${line} `));
}
