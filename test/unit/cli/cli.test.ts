import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonValue } from '#base/json.ts';
import { completion } from '#cli/completion.ts';
import { chooseSocket } from '#cli/control-socket-paths.ts';
import { isSettled } from '#cli/daemon-request.ts';
import { program } from '#cli/program.ts';
import { formatTable, formatValue } from '#daemon/answers/tables.ts';
import { ControlServer } from '#daemon/control/control-socket.ts';
import { EventHistory } from '#daemon/control/event-history.ts';
import { ExitCode } from '#daemon/exit-codes.ts';

const CLI = join(import.meta.dirname, '../../../src/cli/cli.ts');
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
function sojourn(
  ...parameters: readonly string[]
): Promise<{ code: number | null; out: string; err: string }> {
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
    expect([code, out]).toEqual([
      0,
      'HOME ADDRESS        SEQUENCE\n2001:db8:1:100::10         7\n',
    ]);
  });

  it('prints JSON for programs', async () => {
    const { code, out } = await sojourn('bindings', '--json', '--socket', path);
    expect([code, JSON.parse(out)]).toEqual([0, ANSWERS['bindings']]);
  });

  it('says by its exit code whether the homes are registered', async () => {
    expect((await sojourn('--socket', path, 'status')).code).toBe(ExitCode.ok);
    server?.command('status', (_, respond) =>
      respond(true, { homes: [{ name: 'office', phase: 'registering' }] }),
    );
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
    const child = spawn(process.execPath, [
      CLI,
      '--socket',
      path,
      '--json',
      'events',
      '--follow',
      '--last',
      '1',
    ]);
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
    expect(err).toBe(
      `sojourn: no daemon at ${absent}: check it with systemctl status sojourn-ha, start it with systemctl start sojourn-ha\n`,
    );
  });

  it('says to whom it is not permitted how to be permitted', async () => {
    const root = process.getuid?.() === 0;
    chmodSync(path, 0);
    // Root without capabilities: what belongs to others is not its own.
    if (root) chownSync(path, 65_534, 65_534);
    const powerless = root ? ['setpriv', '--bounding-set=-all', '--inh-caps=-all'] : [];
    const [program = '', ...argv] = [
      ...powerless,
      process.execPath,
      CLI,
      '--socket',
      path,
      'status',
    ];
    const { status, stderr } = spawnSync(program, argv, { encoding: 'utf8' });
    expect(status).toBe(ExitCode.permission);
    expect(stderr).toMatch(
      /^sojourn: not permitted to use \S+: be .*(sudo usermod -aG \S+ \S+, then log in again|controlGroup)/,
    );
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
    const environment = {
      ...process.env,
      PATH: `${join(process.execPath, '..')}:${process.env['PATH'] ?? ''}`,
    };
    expect(spawnSync(link, ['--version'], { encoding: 'utf8', env: environment }).stdout).toMatch(
      /^\d+\.\d+\.\d+\n$/,
    );
  });
});

describe('what goes on', () => {
  it('--watch asks again and again, and says when the daemon is away', async () => {
    const child = spawn(process.execPath, [
      CLI,
      '--socket',
      path,
      '--json',
      'bindings',
      '--watch',
      '0.1',
    ]);
    const lines: JsonValue[] = [];
    let rest = '';
    await new Promise<void>((settle) => {
      child.stdout.on('data', (chunk) => {
        const [last = '', ...whole] = (rest + String(chunk)).split('\n').reverse();
        rest = last;
        lines.push(...whole.reverse().map((line) => JSON.parse(line)));
        if (lines.length >= 2) server?.close();
        if (lines.length >= 4) settle();
      });
    });
    child.kill();
    expect(lines.slice(0, 2)).toEqual([ANSWERS['bindings'], ANSWERS['bindings']]);
    expect(lines.at(-1)).toEqual({ error: expect.stringContaining('no daemon at') });
  });

  it.each(['0', 'soon', '-1'])('--watch %s is no interval', async (interval) => {
    expect((await sojourn('--socket', path, 'bindings', `--watch=${interval}`)).code).toBe(
      ExitCode.usage,
    );
  });

  it('trace shows messages as they pass, those that are asked for, and ends after as many as are wanted', async () => {
    const message = {
      ...{
        at: '2026-01-01T12:00:00.123Z',
        direction: 'in',
        transport: 'ipv6',
        from: '::1',
        to: '::2',
      },
      ...{
        message: 'binding-update',
        summary: 'binding-update sequence 7',
        counted: ['authentication-failed'],
      },
    };
    server?.stream('trace', (give) => {
      give({ ...message, message: 'home-test', summary: 'home-test' });
      give(message);
      return () => {};
    });
    const { code, out } = await sojourn(
      '--socket',
      path,
      'trace',
      '--message',
      'binding-update',
      '--count',
      '1',
    );
    expect([code, out]).toEqual([
      0,
      '12:00:00.123 in  ipv6  ::1 > ::2  binding-update sequence 7  [authentication-failed]\n',
    ]);
    const { out: json } = await sojourn('--socket', path, '--json', 'trace', '--count', '1');
    expect(JSON.parse(json)).toMatchObject({ message: 'home-test' });
  });

  it('trace of a daemon that has no such messages says so', async () => {
    expect(await sojourn('--socket', path, 'trace')).toMatchObject({
      code: ExitCode.negative,
      err: expect.stringContaining('unknown command "trace"'),
    });
  });
});

describe('interventions', () => {
  const asked: (readonly [string, JsonValue])[] = [];

  beforeEach(() => {
    asked.length = 0;
    for (const name of ['revoke', 'move', 'reregister', 'deregister']) {
      server?.command(name, (parameters, respond) => {
        asked.push([name, parameters]);
        respond(true, {});
      });
    }
  });

  it.each([
    [['revoke', '2001:db8::1'], 'revoke', { homeAddress: '2001:db8::1', node: '2001:db8::1' }],
    [
      ['move', '192.0.2.7', '--home', 'office'],
      'move',
      { careOfAddress: '192.0.2.7', home: 'office' },
    ],
    [['move', '--interface', 'wlan0'], 'move', { interface: 'wlan0' }],
    [['move', '--release'], 'move', {}],
    [['reregister'], 'reregister', {}],
    [['deregister', '--home', 'office'], 'deregister', { home: 'office' }],
  ])('%j', async (words, command, parameters) => {
    expect((await sojourn('--socket', path, ...words)).code).toBe(ExitCode.ok);
    expect(asked).toEqual([[command, parameters]]);
  });

  it.each([[[]], [['192.0.2.7', '--release']]])('move %j is no wish', async (words) => {
    expect((await sojourn('--socket', path, 'move', ...words)).code).toBe(ExitCode.usage);
    expect(asked).toEqual([]);
  });
});

describe('whether a daemon is registered', () => {
  it.each([
    ['mobile node at home', { homes: [{ phase: 'at-home' }] }, true],
    [
      'mobile node with one of two',
      { homes: [{ phase: 'registered' }, { phase: 'resolving' }] },
      false,
    ],
    ['NTMobile node', { homes: [], ntmobile: { coordinator: 'registered' } }, true],
    [
      'NTMobile node without coordinator',
      { homes: [], ntmobile: { coordinator: 'connecting' } },
      false,
    ],
    ['relay', { role: 'relay', registrations: [{ registered: true }] }, true],
    [
      'relay that no coordinator knows',
      { role: 'relay', registrations: [{ registered: false }] },
      false,
    ],
    [
      'relay that one of two knows',
      { role: 'relay', registrations: [{ registered: false }, { registered: true }] },
      true,
    ],
    ['direction coordinator', { role: 'direction-coordinator', registrations: 0 }, true],
    ['account server', { role: 'account-server' }, true],
  ])('%s', (_, status, expected) => {
    expect(isSettled(status)).toBe(expected);
  });
});

describe('completion', () => {
  const bash = (...words: readonly string[]): string => {
    const script = join(directory, 'completion');
    writeFileSync(script, completion('bash', program(), ['ha', 'mn']));
    const body = `source ${script}; COMP_WORDS=("$@"); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _sojourn; echo "\${COMPREPLY[*]}"`;
    return spawnSync('bash', ['-c', body, 'bash', 'sojourn', ...words], {
      encoding: 'utf8',
    }).stdout.trim();
  };

  it.each([
    [['sta'], 'status stats'],
    [['--daemon', 'ha', 'bin'], 'bindings'],
    [['--json', 'as', ''], 'account device authority fingerprint reload'],
    [['as', 'account', 'dis'], 'disable'],
    [['move', '--in'], '--interface'],
    [['move', '--interface', 'l'], 'lo'],
    [['--timeout', ''], ''],
    [['completion', ''], 'bash zsh'],
    [['check', 'mn'], 'mn'],
  ])('bash: %j', (words, expected) => {
    expect(bash(...words)).toBe(expected);
  });

  it.each([
    [['sta'], 'status:', 'fingerprint:'],
    [['--daemon', 'ha', 'as', 'account', ''], 'disable:no login', 'rotate:'],
    [['move', '-'], '--interface:the best address', '--follow'],
  ])('zsh: %j', (words, expected, unexpected) => {
    const script = join(directory, '_sojourn');
    writeFileSync(script, completion('zsh', program(), ['ha', 'mn']));
    const body = `compdef() { :; }; source ${script}; _describe() { print -r -- "\${(P)2}"; }; words=(sojourn "$@"); CURRENT=$#words; _sojourn`;
    const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', body, 'zsh', ...words], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toContain(expected);
    expect(stdout).not.toContain(unexpected);
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
    expect(await sojourn('check', daemon, file)).toEqual({
      code: 0,
      out: `${file}: ok\n`,
      err: '',
    });
    writeFileSync(file, text.replace('spi: 256', 'spi: 5'));
    const { code, err } = await sojourn('check', daemon, file);
    expect([code, err]).toEqual([
      ExitCode.configuration,
      expect.stringContaining('SPI 5 is reserved'),
    ]);
  });
});

describe('choice of the socket', () => {
  it('takes the only one, a name, or a path', () => {
    expect(chooseSocket({}, directory)).toEqual({ ok: true, path });
    expect(chooseSocket({ daemon: 'ha' }, '/run/sojourn')).toEqual({
      ok: true,
      path: '/run/sojourn/ha.sock',
    });
    expect(chooseSocket({ socket: '/x', daemon: 'ha' }, directory)).toEqual({
      ok: true,
      path: '/x',
    });
  });

  it('finds those of units, each in a directory of its own', () => {
    mkdirSync(join(directory, 'ha'));
    writeFileSync(join(directory, 'ha/ha.sock'), '');
    expect(chooseSocket({ daemon: 'ha' }, directory)).toEqual({
      ok: true,
      path: join(directory, 'ha/ha.sock'),
    });
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
    expect(formatValue(nested)).toBe(
      'home  a\nbindings:\n  SEQUENCE\n         1\n\nhome      b\nbindings  -',
    );
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
