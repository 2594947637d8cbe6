import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask } from '#ops/control-client.ts';
import { ExitCode } from '#ops/exit-codes.ts';

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

/** A daemon that runs, what it wrote so far, and its end. */
function start(environment: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [FIXTURE, '--config', config], { env: { ...process.env, ...environment } });
  children.push(child);
  let output = '';
  const waiting: { readonly text: string; readonly settle: () => void }[] = [];
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
    for (const { text, settle } of waiting) if (output.includes(text)) settle();
  });
  const wrote = (text: string) =>
    new Promise<void>((settle) => (output.includes(text) ? settle() : waiting.push({ text, settle })));
  const ended = new Promise<number | null>((settle) => child.on('close', (code) => settle(code)));
  return { child, wrote, ended, output: () => output };
}

describe('arguments', () => {
  it.each([
    ['--help', ExitCode.ok, 'Usage: sojourn-fixture'],
    ['--version', ExitCode.ok, '0.'],
    ['--nonsense', ExitCode.usage, "unknown option '--nonsense'"],
  ])('%s', (parameter, code, text) => {
    const { status, stdout, stderr } = run('--config', config, parameter);
    expect([status, stdout + stderr]).toEqual([code, expect.stringContaining(text)]);
  });

  it('needs a configuration', () => {
    expect(run()).toMatchObject({ status: ExitCode.usage, stderr: expect.stringContaining('--config') });
  });

  it('refuses a wrong log level', () => {
    configure('good');
    expect(run('--config', config, '--log-level', 'loud').status).toBe(ExitCode.usage);
  });
});

describe('configuration', () => {
  it('exits with 78 and every fault, and touches nothing', () => {
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

  it('stops after the check with --check', () => {
    configure('throws');
    expect(run('--config', config, '--check')).toMatchObject({
      status: ExitCode.ok,
      stdout: `${config}: ok\n`,
      stderr: 'warning: fixture caution\n',
    });
    expect(existsSync(socket)).toBe(false);
  });
});

describe('a life', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('answers, and stops cleanly on %s', async (signal) => {
    configure('good');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    expect(await ask(socket, 'hello')).toEqual({ ok: true, value: { command: 'hello' } });
    daemon.child.kill(signal);
    expect(await daemon.ended).toBe(ExitCode.ok);
    expect(daemon.output()).toContain('fixture stopped');
    expect(daemon.output()).toContain('fixture caution');
    expect(existsSync(socket)).toBe(false);
  });

  it('starts again after kill -9, over the socket that is left', async () => {
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

  it('refuses to run twice', async () => {
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
  ])('a start that %s has its own exit code', (behaviour, code, text) => {
    configure(behaviour);
    const { status, stdout } = run('--config', config);
    expect([status, stdout]).toEqual([code, expect.stringContaining(text)]);
    expect(existsSync(socket)).toBe(false);
  });

  it.each(['break', 'throw'])('logs a defect (%s), stops and exits with 70', async (command) => {
    configure('good');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    await ask(socket, command);
    expect(await daemon.ended).toBe(ExitCode.internal);
    expect(daemon.output()).toContain('"event":"defect"');
    expect(daemon.output()).toContain('fixture stopped');
  });

  it('gives up on a stop that takes too long', async () => {
    configure('never-stops');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.internal);
    expect(daemon.output()).toContain('"event":"stop-timeout"');
  });

  it('goes at once on a second signal', async () => {
    configure('never-stops');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    daemon.child.kill('SIGTERM');
    await daemon.wrote('"event":"stopping"');
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.internal);
    expect(daemon.output()).not.toContain('stop-timeout');
  });

  it('tells what could not be undone', async () => {
    configure('fails-to-stop');
    const daemon = start();
    await daemon.wrote('"event":"started"');
    daemon.child.kill('SIGTERM');
    await daemon.ended;
    expect(daemon.output()).toContain('stuck route');
  });

  it('cleans up on request', () => {
    configure('good');
    expect(run('--config', config, '--cleanup')).toMatchObject({ status: ExitCode.ok, stdout: 'fixture cleaned\n' });
    configure('forbidden');
    expect(run('--config', config, '--cleanup').status).toBe(ExitCode.permission);
  });

  it('never cleans up under a daemon that runs, and does so when it was killed', async () => {
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
    expect(run('--config', config, '--cleanup')).toMatchObject({ status: ExitCode.ok, stdout: 'fixture cleaned\n' });
    expect(existsSync(socket)).toBe(false);
  });

  it('never takes another file for a socket that was left', () => {
    configure('good');
    writeFileSync(socket, 'precious');
    expect(run('--config', config, '--cleanup').status).toBe(ExitCode.unavailable);
    expect(run('--config', config).stdout).toContain('is no socket');
    expect(readFileSync(socket, 'utf8')).toBe('precious');
  });
});

describe('service manager', () => {
  it.skipIf(spawnSync('systemd-notify', ['--version']).error !== undefined)('hears READY and STOPPING', async () => {
    const notifySocket = join(directory, 'notify');
    // Node has no unix datagram sockets; perl stands for systemd's end.
    const listener = spawn('perl', ['-MSocket', '-e', NOTIFY_LISTENER, notifySocket]);
    children.push(listener);
    let heard = '';
    const listening = new Promise<void>((settle) => {
      listener.stdout.on('data', (chunk) => {
        heard += String(chunk);
        if (heard.includes('listening')) settle();
      });
    });
    await listening;
    configure('good');
    const daemon = start({ NOTIFY_SOCKET: notifySocket });
    await expect.poll(() => heard, { timeout: 10_000 }).toContain('READY=1');
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(ExitCode.ok);
    await expect.poll(() => heard, { timeout: 10_000 }).toContain('STOPPING=1');
  });

  it('is not missed where none asked, and its missing program is told once', async () => {
    configure('good');
    const environment: NodeJS.ProcessEnv = { PATH: directory, NOTIFY_SOCKET: undefined };
    const quiet = start(environment);
    await quiet.wrote('"event":"started"');
    quiet.child.kill('SIGTERM');
    expect(await quiet.ended).toBe(ExitCode.ok);
    expect(quiet.output()).not.toContain('service-manager-not-told');
    const told = start({ ...environment, NOTIFY_SOCKET: join(directory, 'notify') });
    await told.wrote('"event":"service-manager-not-told"');
    told.child.kill('SIGTERM');
    expect(await told.ended).toBe(ExitCode.ok);
    expect(told.output().match(/"level":"warn".*systemd-notify/g)).toHaveLength(1);
  });

  it('goes without where systemd-notify cannot reach it', async () => {
    configure('good');
    const daemon = start({ NOTIFY_SOCKET: '/nonexistent/notify' });
    await daemon.wrote('"event":"service-manager-not-told"');
    expect(await ask(socket, 'hello')).toMatchObject({ ok: true });
  });
});

const NOTIFY_LISTENER = `
  $| = 1;
  socket(my $s, PF_UNIX, SOCK_DGRAM, 0) or die;
  bind($s, sockaddr_un($ARGV[0])) or die;
  print "listening\\n";
  while (defined recv($s, my $text, 4096, 0)) { print "$text\\n" }
`;
