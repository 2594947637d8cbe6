import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonValue } from '#engine/contract.ts';
import { ControlServer } from '#ops/control.ts';
import { EventHistory } from '#ops/event-history.ts';
import { ExitCode } from '#ops/exit-codes.ts';
import { chooseSocket } from '#ops/sockets.ts';
import { formatTable, formatValue } from '#ops/tables.ts';

const CLI = join(import.meta.dirname, '../../src/ops/cli.ts');
const ANSWERS: Readonly<Record<string, JsonValue>> = {
  status: { homes: [{ name: 'office', phase: 'registered', lifetimeSeconds: 60 }] },
  bindings: [{ homeAddress: '2001:db8:1:100::10', sequence: 7 }],
};

let directory = '';
let path = '';
let server: ControlServer | undefined;
let history = new EventHistory();

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-cli-'));
  path = join(directory, 'mn.sock');
  history = new EventHistory();
  server = await ControlServer.open({ path, group: undefined, history });
  server.onRequest((command, parameters, respond) => {
    const known = ANSWERS[command];
    if (known !== undefined) respond(true, known);
    else if (command === 'echo') respond(true, parameters);
    else respond(false, { error: `unknown command "${command}"` });
  });
});

afterEach(() => {
  server?.close();
  rmSync(directory, { recursive: true });
});

/** Runs `sojourn` as a user does, while this process answers it. */
function sojourn(...parameters: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((settle) => {
    const child = spawn(process.execPath, [CLI, ...parameters]);
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

describe('sojourn', () => {
  it('prints a table for people', async () => {
    const { code, out } = await sojourn('--socket', path, 'bindings');
    expect([code, out]).toEqual([0, 'HOME ADDRESS        SEQUENCE\n2001:db8:1:100::10         7\n']);
  });

  it('prints JSON for programs', async () => {
    const { code, out } = await sojourn('bindings', '--json', '--socket', path);
    expect([code, JSON.parse(out)]).toEqual([0, ANSWERS['bindings']]);
  });

  it('says by its exit code whether the homes are registered', async () => {
    expect((await sojourn('--socket', path, 'status')).code).toBe(ExitCode.ok);
    server?.command('status', (_, respond) => respond(true, { homes: [{ name: 'office', phase: 'registering' }] }));
    const { code, out } = await sojourn('--socket', path, 'status');
    expect([code, out]).toEqual([ExitCode.negative, expect.stringContaining('registering')]);
  });

  it('sends any request, with parameters', async () => {
    const { out } = await sojourn('--socket', path, '--json', 'request', 'echo', '{"a":[1,2]}');
    expect(JSON.parse(out)).toEqual({ a: [1, 2] });
    expect((await sojourn('--socket', path, 'request', 'echo', '[1]')).code).toBe(ExitCode.usage);
  });

  it('shows a refusal', async () => {
    const { code, err } = await sojourn('--socket', path, 'request', 'fly');
    expect([code, err]).toEqual([ExitCode.negative, 'sojourn: fly: unknown command "fly"\n']);
  });

  it('shows past events and follows new ones until the daemon leaves', async () => {
    history.event({ name: 'handover', level: 'info', fields: { from: 'eth0', to: 'wlan0' } }, 0);
    const past = await sojourn('--socket', path, 'events');
    expect(past.out).toBe('1970-01-01T00:00:00.000Z  info   handover  from=eth0 to=wlan0\n');
    const child = spawn(process.execPath, [CLI, '--socket', path, '--json', 'events', '--follow', '--last', '1']);
    const names: string[] = [];
    child.stdout.on('data', (chunk) => {
      names.push(
        ...String(chunk)
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line).name),
      );
      if (names.length === 1) history.event({ name: 'registered', level: 'info', fields: {} }, 0);
      else server?.close();
    });
    const code = await new Promise((settle) => child.on('close', settle));
    expect([code, names]).toEqual([ExitCode.unavailable, ['handover', 'registered']]);
  });

  it('exits with 69 and a remedy where no daemon is', async () => {
    const absent = join(directory, 'ha.sock');
    const { code, err } = await sojourn('--socket', absent, 'status');
    expect(code).toBe(ExitCode.unavailable);
    expect(err).toBe(`sojourn: no daemon at ${absent}: is it running? systemctl status sojourn-ha\n`);
  });

  it('gives up on a silent daemon', async () => {
    server?.command('status', () => {});
    const { code, err } = await sojourn('--socket', path, '--timeout', '200', 'status');
    expect([code, err]).toEqual([ExitCode.unavailable, expect.stringContaining('within 200 ms')]);
  });

  it.each([
    [['--help'], ExitCode.ok],
    [['--version'], ExitCode.ok],
    [[], ExitCode.usage],
    [['statsu'], ExitCode.usage],
    [['--nonsense', 'status'], ExitCode.usage],
    [['check', 'nobody', 'file'], ExitCode.usage],
    [['check', '../ops', 'file'], ExitCode.usage],
  ])('%j exits with %i', async (parameters, expected) => {
    expect((await sojourn(...parameters)).code).toBe(expected);
  });

  it('runs as an executable', () => {
    const link = join(directory, 'sojourn');
    spawnSync('ln', ['-s', CLI, link]);
    const environment = { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}` };
    expect(spawnSync(link, ['--version'], { encoding: 'utf8', env: environment }).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('check', () => {
  const key = "'text:sixteen octets or more'";

  it.each([
    [
      'ha',
      `addresses: [2001:db8::1]\nhomePrefixes: [2001:db8:1::/64]\nmobileNodes:\n  - homeAddresses: [2001:db8:1::9]\n    security: { spi: 256, key: ${key} }\n`,
    ],
    [
      'mn',
      `homes:\n  - homeAgent: ha.example.net\n    homeAddress: 2001:db8:1::9\n    security: { spi: 256, key: ${key} }\n`,
    ],
  ])('%s: a good file is ok, a wrong one exits with 78', async (daemon, text) => {
    const file = join(directory, `${daemon}.yaml`);
    writeFileSync(file, text);
    chmodSync(file, 0o600);
    expect(await sojourn('check', daemon, file)).toEqual({ code: 0, out: `${file}: ok\n`, err: '' });
    writeFileSync(file, text.replace('spi: 256', 'spi: 5'));
    const { code, err } = await sojourn('check', daemon, file);
    expect([code, err]).toEqual([ExitCode.configuration, expect.stringContaining('SPI 5 is reserved')]);
  });
});

describe('choice of the socket', () => {
  it('takes the only one, a name, or a path', () => {
    expect(chooseSocket({}, directory)).toEqual({ ok: true, path });
    expect(chooseSocket({ daemon: 'ha' }, '/run/sojourn')).toEqual({ ok: true, path: '/run/sojourn/ha.sock' });
    expect(chooseSocket({ socket: '/x', daemon: 'ha' }, directory)).toEqual({ ok: true, path: '/x' });
  });

  it('finds those of units, each in a directory of its own', () => {
    mkdirSync(join(directory, 'ha'));
    writeFileSync(join(directory, 'ha/ha.sock'), '');
    expect(chooseSocket({ daemon: 'ha' }, directory)).toEqual({ ok: true, path: join(directory, 'ha/ha.sock') });
    expect(chooseSocket({ daemon: 'mn' }, directory)).toEqual({ ok: true, path });
    expect(chooseSocket({}, directory)).toMatchObject({ reason: 'several' });
  });

  it('asks which one where there are several, and says so where there is none', () => {
    writeFileSync(join(directory, 'ha.sock'), '');
    expect(chooseSocket({}, directory)).toMatchObject({
      reason: 'several',
      message: expect.stringContaining('--daemon ha | --daemon mn'),
    });
    mkdirSync(join(directory, 'empty'));
    expect(chooseSocket({}, join(directory, 'empty'))).toMatchObject({ reason: 'none' });
    expect(chooseSocket({}, join(directory, 'absent'))).toMatchObject({ reason: 'none' });
  });
});

describe('tables', () => {
  it('aligns, right for numbers, and leaves empty columns out', () => {
    const rows = [
      { name: 'a', octets: 5, gone: null },
      { name: 'long', octets: 1234, list: ['x', 'y'] },
    ];
    expect(formatTable(rows)).toBe('NAME  OCTETS  LIST\na          5  -\nlong    1234  x, y');
    expect(formatTable([])).toBe('(none)');
  });

  it('writes wide and nested rows one below the other', () => {
    const nested = [
      { home: 'a', bindings: [{ sequence: 1 }] },
      { home: 'b', bindings: [] },
    ];
    expect(formatValue(nested)).toBe('home  a\nbindings:\n  SEQUENCE\n         1\n\nhome      b\nbindings  -');
    expect(formatValue([{ a: 'x'.repeat(100), b: 'y'.repeat(100) }])).toMatch(/^a {2}x+\nb {2}y+$/);
  });

  it('nests objects and lists', () => {
    const value = {
      careOfAddress: '2001:db8::1',
      up: true,
      plane: { drops: 0 },
      homes: [{ name: 'a' }],
      none: [],
      empty: {},
    };
    expect(formatValue(value)).toBe(
      [
        'care-of address  2001:db8::1',
        'up               yes',
        'none             -',
        'empty            -',
        'plane:',
        '  drops  0',
        'homes:',
        '  NAME',
        '  a',
      ].join('\n'),
    );
  });
});
