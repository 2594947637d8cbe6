import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '#daemon/control/control-client.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

const FIXTURE = join(import.meta.dirname, 'fixtures/lifecycle-daemon.ts');
let directory = '';
let socket = '';
let config = '';
const children: ChildProcess[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-life-'));
  socket = join(directory, 'fixture.sock');
  config = join(directory, 'fixture.yaml');
});

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});

function configure(behaviour: string): void {
  writeFileSync(config, `behaviour: ${behaviour}\ndaemon: { controlSocket: ${socket} }\n`);
}

function run(...parameters: readonly string[]) {
  return spawnSync(process.execPath, [FIXTURE, ...parameters], { encoding: 'utf8' });
}

/** A running daemon, its output so far, and its exit. */
function start(environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [FIXTURE, '--config', config], {
    env: { ...process.env, ...environment },
  });
  children.push(child);
  let output = '';
  const waiting: { readonly text: string; readonly settle: () => void }[] = [];
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
    for (const { text, settle } of waiting) if (output.includes(text)) settle();
  });
  const wrote = (text: string) =>
    new Promise<void>((settle) =>
      output.includes(text) ? settle() : waiting.push({ text, settle }),
    );
  const ended = new Promise<number | null>((settle) => child.on('close', (code) => settle(code)));
  return { child, wrote, ended, output: () => output };
}

describe('arguments', () => {
  it.each([
    ['--help', ExitCode.ok, 'Usage: sojourn-fixture'],
    ['--version', ExitCode.ok, '0.'],
    ['--nonsense', ExitCode.usage, "unknown option '--nonsense'"],
  ])('%s prints its text and exits', (parameter, code, text) => {
    const { status, stdout, stderr } = run('--config', config, parameter);
    expect([status, stdout + stderr]).toEqual([code, expect.stringContaining(text)]);
  });

  it('--config is required', () => {
    expect(run()).toMatchObject({
      status: ExitCode.usage,
      stderr: expect.stringContaining('--config'),
    });
  });

  it('--log-level rejects an unknown level', () => {
    configure('good');
    expect(run('--config', config, '--log-level', 'loud').status).toBe(ExitCode.usage);
  });
});

describe('configuration', () => {
  it('exits with 78 and lists every fault without changing anything', () => {
    writeFileSync(config, `behavior: good\ndaemon: { controlSocket: ${socket}, threads: 0 }\n`);
    const { status, stderr } = run('--config', config);
    expect(status).toBe(ExitCode.configuration);
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringContaining('behaviour: is missing'),
      `${config}:1:1: behavior: unknown key (did you mean "behaviour"?)`,
      expect.stringContaining('daemon.threads: must be at least 1, not 0'),
    ]);
    expect(existsSync(socket)).toBe(false);
  });

  it('exits after the check with --check', () => {
    configure('throws');
    expect(run('--config', config, '--check')).toMatchObject({
      status: ExitCode.ok,
      stdout: `${config}: ok\n`,
      stderr: 'warning: fixture warning\n',
    });
    expect(existsSync(socket)).toBe(false);
  });
});

describe('a run', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('answers and stops cleanly on %s', async (signal) => {
    configure('good');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    expect(await ask(socket, 'hello')).toEqual({ ok: true, value: { command: 'hello' } });
    daemon.child.kill(signal);
    expect(await daemon.ended).toBe(ExitCode.ok);
    expect(daemon.output()).toContain('fixture stopped');
    expect(daemon.output()).toContain('fixture warning');
    expect(existsSync(socket)).toBe(false);
  });

  it('replaces the socket of a killed daemon', async () => {
    configure('good');
    const first = start();
    await first.wrote('"event":"started"');
    first.child.kill('SIGKILL');
    await first.ended;
    expect(existsSync(socket)).toBe(true);
    const second = start();
    await second.wrote('"event":"started"');
    expect(await ask(socket, 'hello')).toMatchObject({ ok: true });
  });

  it('refuses to start while another instance runs', async () => {
    configure('good');
    await start().wrote('"event":"started"');
    const second = run('--config', config);
    expect(second.status).toBe(ExitCode.unavailable);
    expect(second.stdout).toContain('a daemon already serves');
  });

  it.each([
    ['throws', ExitCode.internal, 'lifecycle-daemon.ts'],
    ['forbidden', ExitCode.permission, 'CAP_NET_ADMIN'],
    ['absent', ExitCode.unavailable, 'ENODEV'],
  ])('a start that %s exits with its own code', (behaviour, code, text) => {
    configure(behaviour);
    const { status, stdout } = run('--config', config);
    expect([status, stdout]).toEqual([code, expect.stringContaining(text)]);
    expect(existsSync(socket)).toBe(false);
  });

  it.each(['break', 'throw'])(
    'logs an internal error (%s), stops and exits with 70',
    async (command) => {
      configure('good');
      const daemon = start();
      await daemon.wrote('"event":"started"');
      await ask(socket, command);
      expect(await daemon.ended).toBe(ExitCode.internal);
      expect(daemon.output()).toContain('"event":"internal-error"');
      expect(daemon.output()).toContain('fixture stopped');
    },
  );

  it('exits after the timeout if the stop hangs', async () => {
    configure('never-stops');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.internal);
    expect(daemon.output()).toContain('"event":"stop-timeout"');
  });

  it('exits at once on a second signal', async () => {
    configure('never-stops');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    daemon.child.kill('SIGTERM');
    await daemon.wrote('"event":"stopping"');
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.internal);
    expect(daemon.output()).not.toContain('stop-timeout');
  });

  it('logs each failure of the stop', async () => {
    configure('fails-to-stop');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    daemon.child.kill('SIGTERM');
    await daemon.ended;
    expect(daemon.output()).toContain('stuck route');
  });

  it('cleans up with --cleanup', () => {
    configure('good');
    expect(run('--config', config, '--cleanup')).toMatchObject({
      status: ExitCode.ok,
      stdout: 'fixture cleaned\n',
    });
    configure('forbidden');
    expect(run('--config', config, '--cleanup').status).toBe(ExitCode.permission);
  });

  it('refuses --cleanup while the daemon runs and allows it after kill -9', async () => {
    configure('good');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    const refused = run('--config', config, '--cleanup');
    expect([refused.status, refused.stdout]).toEqual([
      ExitCode.unavailable,
      expect.stringContaining('a daemon already serves'),
    ]);
    expect(refused.stdout).not.toContain('fixture cleaned');
    expect(await ask(socket, 'hello')).toMatchObject({ ok: true });
    daemon.child.kill('SIGKILL');
    await daemon.ended;
    expect(run('--config', config, '--cleanup')).toMatchObject({
      status: ExitCode.ok,
      stdout: 'fixture cleaned\n',
    });
    expect(existsSync(socket)).toBe(false);
  });

  it('refuses to replace a file that is not a socket', () => {
    configure('good');
    writeFileSync(socket, 'precious');
    expect(run('--config', config, '--cleanup').status).toBe(ExitCode.unavailable);
    expect(run('--config', config).stdout).toContain('is not a socket');
    expect(readFileSync(socket, 'utf8')).toBe('precious');
  });
});

describe('the service manager', () => {
  /**
   * Node has no unix datagram sockets; perl plays systemd. Returns the notifications so far.
   */
  async function listen(notifySocket: string): Promise<() => string> {
    const listener = spawn('perl', ['-MSocket', '-e', NOTIFY_LISTENER, notifySocket]);
    children.push(listener);
    let heard = '';
    listener.stdout.on('data', (chunk) => {
      heard += String(chunk);
    });
    await expect.poll(() => heard, { timeout: 10_000 }).toContain('listening');
    return () => heard;
  }

  it('receives readiness, status and stop, each once', async () => {
    const notifySocket = join(directory, 'notify');
    const heard = await listen(notifySocket);
    configure('good');
    const daemon = start({ NOTIFY_SOCKET: notifySocket });
    await expect.poll(heard, { timeout: 10_000 }).toContain('READY=1');
    await ask(socket, 'happen');
    await expect
      .poll(heard, { timeout: 10_000 })
      .toContain('STATUS=listening on : 1 binding, 0 tunnels');
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.ok);
    await expect.poll(heard, { timeout: 10_000 }).toContain('STOPPING=1');
    expect(heard().trim().split('\n')).toEqual([
      'listening',
      'STATUS=listening on : 0 bindings, 0 tunnels',
      'READY=1',
      'STATUS=listening on : 1 binding, 0 tunnels',
      'STOPPING=1',
    ]);
  });

  it('receives notifications at an abstract socket name', async () => {
    const name = `@sojourn-test-${process.pid}`;
    const heard = await listen(name);
    configure('good');
    start({ NOTIFY_SOCKET: name });
    await expect.poll(heard, { timeout: 10_000 }).toContain('READY=1');
  });

  it('receives keepalives while the daemon meets its deadlines', async () => {
    const notifySocket = join(directory, 'notify');
    const heard = await listen(notifySocket);
    configure('good');
    const daemon = start({ NOTIFY_SOCKET: notifySocket, WATCHDOG_USEC: '100000' });
    const beats = (): number => heard().split('WATCHDOG=1').length - 1;
    await expect.poll(beats, { timeout: 10_000 }).toBeGreaterThan(3);
    await ask(socket, 'fall-behind');
    await daemon.wrote('"event":"overdue"');
    const until = beats();
    await ask(socket, 'happen');
    await expect.poll(heard, { timeout: 10_000 }).toContain('1 binding');
    expect(beats()).toBe(until);
    await ask(socket, 'catch-up');
    await expect.poll(beats, { timeout: 10_000 }).toBeGreaterThan(until);
  });

  it('ignores the watchdog of another process and hides its variables from children', async () => {
    const notifySocket = join(directory, 'notify');
    const heard = await listen(notifySocket);
    configure('good');
    start({ NOTIFY_SOCKET: notifySocket, WATCHDOG_USEC: '20000', WATCHDOG_PID: '1' });
    await expect.poll(heard, { timeout: 10_000 }).toContain('READY=1');
    expect(await ask(socket, 'environment')).toEqual({ ok: true, value: [] });
    expect(heard()).not.toContain('WATCHDOG');
  });

  it('gets no notification without NOTIFY_SOCKET', async () => {
    configure('good');
    const quiet = start({ NOTIFY_SOCKET: undefined });
    await quiet.wrote('"event":"started"');
    quiet.child.kill('SIGTERM');
    expect(await quiet.ended).toBe(ExitCode.ok);
    expect(quiet.output()).not.toContain('service-manager-unreachable');
  });

  it('an unreachable one is logged once', async () => {
    configure('good');
    const daemon = start({ NOTIFY_SOCKET: '/nonexistent/notify', WATCHDOG_USEC: '20000' });
    await daemon.wrote('"event":"service-manager-unreachable"');
    expect(await ask(socket, 'hello')).toMatchObject({ ok: true });
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.ok);
    expect(daemon.output().match(/"level":"warn".*nonexistent/g)).toHaveLength(1);
  });
});

const NOTIFY_LISTENER = `
  $| = 1;
  my $name = $ARGV[0] =~ s/^\\@/\\0/r;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
  bind($s, pack('S a*', AF_UNIX, $name)) or die;
  print "listening\\n";
  while (defined recv($s, my $text, 4096, 0)) { print "$text\\n" }
`;
