/** `sojourn setup ha` as a process: its output, its refusals and what it asks of systemd. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { ControlServer } from '#daemon/control/control-socket.ts';
import { EventHistory } from '#daemon/control/event-history.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

const CLI = join(import.meta.dirname, '../../../src/cli/cli.ts');
const ADDRESS = ['--address', '2001:db8:1::1'];

let directory = '';
let file = '';
let server: ControlServer | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-setup-'));
  file = join(directory, 'ha.yaml');
});

afterEach(() => {
  server?.close();
  server = undefined;
  rmSync(directory, { recursive: true });
});

/** Runs `sojourn setup ha`; the daemon's sockets are in the directory of the test. */
function setUp(
  ...parameters: readonly string[]
): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((settle) => {
    const argv = [CLI, 'setup', 'ha', '--config', file, ...parameters];
    const child = spawn(process.execPath, argv, {
      env: {
        ...process.env,
        PATH: `${directory}/bin:${process.env['PATH'] ?? ''}`,
        RUNTIME_DIRECTORY: directory,
      },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
    });
    child.stderr.on('data', (chunk) => {
      err += String(chunk);
    });
    child.on('close', (code) => settle({ code, out, err }));
  });
}

/** Stands for the systemd of a host, which a test must not change. */
function recordSystemctl(): () => readonly string[] {
  const calls = join(directory, 'calls');
  mkdirSync(join(directory, 'bin'));
  const script = `#!/bin/sh\necho "systemctl says $1"\necho "$*" >> ${calls}\n`;
  writeFileSync(join(directory, 'bin/systemctl'), script, { mode: 0o755 });
  return () => (existsSync(calls) ? readFileSync(calls, 'utf8').trim().split('\n') : []);
}

async function homeAgentAnswers(): Promise<string> {
  const path = join(directory, 'ha.sock');
  server = await ControlServer.open({ path, group: undefined, history: new EventHistory() });
  server.command('status', (_, respond) => respond(true, {}));
  server.command('enroll-add', ({ name }, respond) =>
    respond(true, { name: name ?? null, line: 'SOJOURN:AEAB' }),
  );
  return path;
}

describe('sojourn setup ha', () => {
  it('restarts the unit, so that one that runs gets the new configuration', async () => {
    const calls = recordSystemctl();
    const { code, err } = await setUp(...ADDRESS, '--now');
    expect([code, calls()]).toEqual([0, ['enable sojourn-ha', 'restart sojourn-ha']]);
    expect(err).toContain('systemctl says restart');
  });

  it('names a restart after it replaced a configuration', async () => {
    expect((await setUp(...ADDRESS)).out).toContain('systemctl enable --now sojourn-ha\n');
    expect((await setUp(...ADDRESS, '--force')).out).toContain('systemctl restart sojourn-ha\n');
  });

  it('prints one JSON document with the enrolment in it', async () => {
    recordSystemctl();
    const socket = ['--socket', await homeAgentAnswers()];
    const { out } = await setUp(...ADDRESS, ...socket, '--json', '--now', '--enroll', 'phone');
    expect(JSON.parse(out)).toMatchObject({
      ...{ file, addresses: ['2001:db8:1::1'], internet: 'nat66' },
      enrolment: { name: 'phone', line: 'SOJOURN:AEAB' },
    });
  });

  it.each([[[]], [['--enroll', 'phone']]])(
    'runs no second home agent beside one that answers (%j)',
    async (more) => {
      const path = await homeAgentAnswers();
      writeFileSync(file, 'homePrefixes: []\n');
      expect(await setUp(...ADDRESS, '--force', '--run', ...more)).toEqual({
        ...{ code: ExitCode.negative, out: '' },
        err: expect.stringMatching(
          new RegExp(`answers at ${path} already; .*systemctl stop sojourn-ha.*--now`),
        ),
      });
      expect(readFileSync(file, 'utf8')).toBe('homePrefixes: []\n');
    },
  );

  it.each([
    ['--ipv4-home-prefix', '198.51.100.0/24'],
    ['--prefix-pool', '2001:db8:2::/48'],
  ])('refuses %s without --home-prefix, as it would translate it', async (option, prefix) => {
    expect(await setUp(...ADDRESS, option, prefix)).toEqual({
      ...{ code: ExitCode.usage, out: '' },
      err: expect.stringContaining(`${option} needs --home-prefix`),
    });
    expect(existsSync(file)).toBe(false);
    const home = ['--home-prefix', '2001:db8:1:100::/64'];
    expect((await setUp(...ADDRESS, option, prefix, ...home)).code).toBe(0);
    expect(parse(readFileSync(file, 'utf8'))['internet']).not.toBe('nat66');
  });

  it('names the keys of a former configuration that the new one does not have', async () => {
    writeFileSync(file, 'homePrefixes: []\nmobileNodes: []\nisolate: false\n');
    const { code, out } = await setUp(...ADDRESS, '--force');
    expect([code, out]).toEqual([0, expect.stringMatching(/not kept +mobileNodes, isolate\n/)]);
  });
});
