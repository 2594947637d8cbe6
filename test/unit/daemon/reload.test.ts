/**
 * Reload of the configuration by signal and by command, and its notifications to the service
 * manager.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import { ask } from '#daemon/control/control-client.ts';
import { parseObject } from '#daemon/control/json-lines.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

const FIXTURE = join(import.meta.dirname, 'fixtures/lifecycle-daemon.ts');
const CLI = join(import.meta.dirname, '../../../src/cli/cli.ts');
const PATIENCE = { timeout: 60_000 };

let directory = '';
let socket = '';
let config = '';
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-reload-'));
  socket = join(directory, 'fixture.sock');
  config = join(directory, 'fixture.yaml');
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

function configure(more: JsonObject, daemon: JsonObject = {}): void {
  writeFileSync(
    config,
    JSON.stringify({ behaviour: 'good', ...more, daemon: { controlSocket: socket, ...daemon } }),
    {
      mode: 0o600,
    },
  );
}

interface Running {
  readonly child: ChildProcess;
  /** Log lines of this event so far, without the common fields. */
  lines(event: string): readonly JsonObject[];
}

async function start(
  environment: NodeJS.ProcessEnv = {},
  ...parameters: readonly string[]
): Promise<Running> {
  const argv = [FIXTURE, '--config', config, ...parameters];
  const child = spawn(process.execPath, argv, { env: { ...process.env, ...environment } });
  children.push(child);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  const lines = (event: string) =>
    output.split('\n').flatMap((line) => {
      const {
        level,
        time: _time,
        name: _name,
        msg: _message,
        event: found,
        ...fields
      } = parseObject(line) ?? {};
      return found === event ? [{ level, ...fields }] : [];
    });
  await expect
    .poll(() => output.includes('started') || output.includes('READY'), PATIENCE)
    .toBe(true);
  return { child, lines };
}

interface Ended {
  readonly status: unknown;
  readonly stdout: string;
  readonly stderr: string;
}

function reload(...options: readonly string[]): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  const argv = [CLI, '--socket', socket, '--timeout', '30000', ...options, 'reload'];
  execFile(process.execPath, argv, (error, stdout, stderr) =>
    resolve({ status: error === null ? 0 : error.code, stdout, stderr }),
  );
  return promise;
}

describe('reload', () => {
  it('applies reloadable changes and lists the others at each reload until a restart', async () => {
    configure({});
    const { lines } = await start();
    configure({ size: 2, key: 'text:a secret of this test' }, { logLevel: 'debug', threads: 4 });
    expect(await reload()).toEqual({
      status: ExitCode.ok,
      stdout:
        'in force now\n  daemon.logLevel: info → debug\n  size: 1 → 2\n  key: added [redacted]\n' +
        'only after a restart\n  daemon.threads: 2 → 4\n',
      stderr: '',
    });
    expect(await ask(socket, 'status')).toMatchObject({ value: { size: 2 } });
    await expect.poll(() => lines('config-needs-restart'), PATIENCE).toHaveLength(1);
    expect(lines('config-reloaded')).toEqual([
      { level: 'info', setting: 'daemon.logLevel', old: 'info', new: 'debug' },
      { level: 'info', setting: 'size', old: 1, new: 2 },
      { level: 'info', setting: 'key', old: null, new: '[redacted]' },
    ]);
    expect(lines('config-needs-restart')).toEqual([
      { level: 'warn', setting: 'daemon.threads', old: 2, new: 4 },
    ]);
    expect(JSON.parse((await reload('--json')).stdout)).toEqual({
      applied: [],
      needsRestart: [{ setting: 'daemon.threads', old: 2, new: 4 }],
    });
    configure({ size: 2, key: 'text:a secret of this test' }, { logLevel: 'debug' });
    expect((await reload()).stdout).toBe('no changes\n');
  });

  it('lists at each reload what the daemon would open only when it starts', async () => {
    configure({});
    const { lines } = await start();
    configure({ size: 200 });
    for (const inForce of ['in force now\n  size: 1 → 200\n', '']) {
      expect(await reload()).toMatchObject({
        status: ExitCode.ok,
        stdout: `${inForce}only after a restart\n  size: 1 → 200\n`,
      });
    }
    await expect
      .poll(() => lines('config-needs-restart'), PATIENCE)
      .toEqual(
        Array(2).fill({
          ...{ level: 'warn', setting: 'size', old: 1, new: 200 },
          why: 'the room is that of the start',
        }),
      );
  });

  it('rejects a wrong configuration as a whole, lists every fault and exits with 78', async () => {
    configure({});
    const { lines } = await start();
    configure({ size: 5, colour: 'red' }, { threads: 3 });
    mkdirSync(`${config}.d`);
    writeFileSync(`${config}.d/10.yaml`, 'behaviour: godo\n');
    const { status, stdout, stderr } = await reload();
    expect([status, stdout]).toEqual([ExitCode.configuration, '']);
    expect(
      stderr
        .trimEnd()
        .split('\n')
        .map((line) => line.replaceAll(`${directory}/`, '').replace(/:1:\d+:/, ':')),
    ).toEqual([
      'fixture.yaml: colour: unknown key (known here: daemon, behaviour, size, key)',
      'fixture.yaml: daemon.threads: must be 1 or even (a pair has one thread for each direction)',
      'fixture.yaml.d/10.yaml: behaviour: must be one of good, throws, forbidden, absent, ' +
        'late-defect, never-stops, fails-to-stop (did you mean "good"?)',
      'sojourn: the configuration is wrong; the daemon keeps the previous one',
    ]);
    expect(JSON.parse((await reload('--json')).stdout)).toMatchObject({
      faults: [{ path: 'colour' }, {}, { line: 1, column: 12 }],
    });
    expect(await ask(socket, 'status')).toMatchObject({ value: { size: 1 } });
    expect(lines('config-refused').slice(0, 2)).toMatchObject([
      { level: 'warn', file: config, line: 1, setting: 'colour', why: 'unknown key' },
      { setting: 'daemon.threads' },
    ]);
    expect(lines('config-reloaded')).toEqual([]);
  });

  it('keeps the previous settings if the daemon cannot apply the new ones', async () => {
    configure({});
    const { lines } = await start();
    configure({ size: 13 });
    expect(await reload()).toMatchObject({
      status: ExitCode.negative,
      stderr: 'sojourn: no way: EBADSIZE\n',
    });
    await expect
      .poll(() => lines('config-not-applied'), PATIENCE)
      .toMatchObject([{ level: 'error', error: 'no way: EBADSIZE' }]);
    configure({ size: 14 });
    expect((await reload()).stdout).toBe('in force now\n  size: 1 → 14\n');
  });

  it('runs on SIGHUP, one reload after the other', async () => {
    configure({});
    const running = await start();
    for (const size of [2, 3, 4]) {
      configure({ size });
      running.child.kill('SIGHUP');
      await expect
        .poll(() => running.lines('config-reloaded').at(-1), PATIENCE)
        .toMatchObject({ new: size });
    }
    running.child.kill('SIGHUP');
    await expect.poll(() => running.lines('config-unchanged'), PATIENCE).toHaveLength(1);
    configure({ size: 5 });
    const answers = await Promise.all([ask(socket, 'reload'), ask(socket, 'reload')]);
    expect(answers).toEqual([
      { ok: true, value: { applied: [{ setting: 'size', old: 4, new: 5 }], needsRestart: [] } },
      { ok: true, value: { applied: [], needsRestart: [] } },
    ]);
  });

  it('keeps the log level of the command line', async () => {
    configure({});
    const { lines } = await start({}, '--log-level', 'info');
    configure({}, { logLevel: 'error' });
    await ask(socket, 'reload');
    configure({ size: 2 }, { logLevel: 'error' });
    await ask(socket, 'reload');
    await expect.poll(() => lines('config-reloaded'), PATIENCE).toHaveLength(2);
  });
});

describe('the service manager', () => {
  it('receives the start and the end of each reload, also of a rejected one', async () => {
    const notifySocket = join(directory, 'notify');
    // Node has no unix datagram sockets; perl plays systemd.
    const listener = spawn('perl', ['-MSocket', '-e', NOTIFY_LISTENER, notifySocket]);
    children.push(listener);
    let heard = '';
    listener.stdout.on('data', (chunk) => {
      heard += String(chunk);
    });
    await expect.poll(() => heard, PATIENCE).toContain('listening');
    configure({});
    const { child } = await start({ NOTIFY_SOCKET: notifySocket });
    const ready = () => heard.split('\n').filter((line) => line === 'READY=1').length;
    await expect.poll(ready, PATIENCE).toBe(1);
    for (const [round, size] of ['2', 'wrong'].entries()) {
      const before = process.hrtime.bigint() / 1000n;
      configure({ size: size === 'wrong' ? size : Number(size) });
      child.kill('SIGHUP');
      await expect.poll(ready, PATIENCE).toBe(round + 2);
      const [, since = '0'] = /^RELOADING=1\nMONOTONIC_USEC=(\d+)\n/.exec(lastRound(heard)) ?? [];
      expect(BigInt(since)).toBeGreaterThanOrEqual(before);
      expect(BigInt(since)).toBeLessThanOrEqual(process.hrtime.bigint() / 1000n);
    }
  });
});

function lastRound(heard: string): string {
  return heard.slice(
    heard.lastIndexOf('RELOADING=1'),
    heard.lastIndexOf('READY=1') + 'READY=1\n'.length,
  );
}

const NOTIFY_LISTENER = `
  $| = 1;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
  bind($s, sockaddr_un($ARGV[0])) or die;
  print "listening\\n";
  while (defined recv($s, my $text, 4096, 0)) { print "$text\\n" }
`;
