import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonValue } from '#base/json.ts';
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

/** Runs `sojourn` as a user does; the server of this process answers. */
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
  it('prints a table by default', async () => {
    const { code, out } = await sojourn('--socket', path, 'bindings');
    expect([code, out]).toEqual([
      0,
      'HOME ADDRESS        SEQUENCE\n2001:db8:1:100::10         7\n',
    ]);
  });

  it('names the help of the command after a wrong command line', async () => {
    expect(await sojourn('as', 'authority', 'rotate', '--after', 'soon')).toMatchObject({
      code: ExitCode.usage,
      err: expect.stringContaining('(sojourn as authority rotate --help shows the usage)'),
    });
    const { out } = await sojourn('as', 'authority', 'rotate', '--help');
    expect(out).toMatch(/--after <seconds> .*default one hour[\s\S]*--daemon <name>/);
  });

  it('prints JSON with --json', async () => {
    const { code, out } = await sojourn('bindings', '--json', '--socket', path);
    expect([code, JSON.parse(out)]).toEqual([0, ANSWERS['bindings']]);
  });

  it('exits with 1 from status unless every home is registered', async () => {
    expect((await sojourn('--socket', path, 'status')).code).toBe(ExitCode.ok);
    server?.command('status', (_, respond) =>
      respond(true, { homes: [{ name: 'office', phase: 'registering' }] }),
    );
    const { code, out } = await sojourn('--socket', path, 'status');
    expect([code, out]).toEqual([ExitCode.negative, expect.stringContaining('registering')]);
  });

  it('sends any command with JSON parameters', async () => {
    const { out } = await sojourn('--socket', path, '--json', 'request', 'echo', '{"a":[1,2]}');
    expect(JSON.parse(out)).toEqual({ a: [1, 2] });
    expect((await sojourn('--socket', path, 'request', 'echo', '[1]')).code).toBe(ExitCode.usage);
  });

  it('prints the reason of a refused command and exits with 1', async () => {
    const { code, err } = await sojourn('--socket', path, 'request', 'fly');
    expect([code, err]).toEqual([ExitCode.negative, 'sojourn: fly: unknown command "fly"\n']);
  });

  it('prints past events and follows new ones until the daemon closes the connection', async () => {
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

  it('exits with 69 and a remedy if no daemon listens', async () => {
    const absent = join(directory, 'ha.sock');
    const { code, err } = await sojourn('--socket', absent, 'status');
    expect(code).toBe(ExitCode.unavailable);
    expect(err).toBe(
      `sojourn: no daemon at ${absent}: check it with systemctl status sojourn-ha, start it ` +
        `with systemctl start sojourn-ha\n`,
    );
  });

  it('exits with 77 and a remedy if the user may not open the socket', async () => {
    const root = process.getuid?.() === 0;
    chmodSync(path, 0);
    // Root without capabilities cannot open files of other users.
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
      /^sojourn: not permitted to use \S+: be .*(sudo usermod -aG \S+ \S+, then log|controlGroup)/,
    );
  });

  it('exits with 69 if the daemon does not answer within the timeout', async () => {
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
  ])('exits for %j with %i', async (parameters, expected) => {
    expect((await sojourn(...parameters)).code).toBe(expected);
  });

  it('runs as an executable through a link', () => {
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

describe('continuous output', () => {
  it('--watch repeats the query and reports an unreachable daemon', async () => {
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

  it.each(['0', 'soon', '-1'])('--watch rejects the interval %s', async (interval) => {
    expect((await sojourn('--socket', path, 'bindings', `--watch=${interval}`)).code).toBe(
      ExitCode.usage,
    );
  });

  it('trace prints messages of the chosen name and ends after --count of them', async () => {
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

  it('trace exits with 1 for a daemon without control messages', async () => {
    expect(await sojourn('--socket', path, 'trace')).toMatchObject({
      code: ExitCode.negative,
      err: expect.stringContaining('unknown command "trace"'),
    });
  });
});

describe('commands that change state', () => {
  const requests: (readonly [string, JsonValue])[] = [];

  beforeEach(() => {
    requests.length = 0;
    for (const name of ['revoke', 'move', 'reregister', 'deregister']) {
      server?.command(name, (parameters, respond) => {
        requests.push([name, parameters]);
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
  ])('%j sends one request', async (words, command, parameters) => {
    expect((await sojourn('--socket', path, ...words)).code).toBe(ExitCode.ok);
    expect(requests).toEqual([[command, parameters]]);
  });

  it.each([[[]], [['192.0.2.7', '--release']]])('move rejects the arguments %j', async (words) => {
    expect((await sojourn('--socket', path, 'move', ...words)).code).toBe(ExitCode.usage);
    expect(requests).toEqual([]);
  });
});

describe('sojourn check', () => {
  const key = "'text:sixteen octets or more'";

  it.each([
    [
      'ha',
      `addresses: [2001:db8::1]\nhomePrefixes: [2001:db8:1::/64]\nmobileNodes:\n  - ` +
        `homeAddresses: [2001:db8:1::9]\n    security: { spi: 256, key: ${key} }\n`,
    ],
    [
      'mn',
      `homes:\n  - homeAgent: ha.example.net\n    homeAddress: 2001:db8:1::9\n    security: ` +
        `{ spi: 256, key: ${key} }\n`,
    ],
  ])('accepts a good file of %s and exits with 78 for a wrong one', async (daemon, text) => {
    const file = join(directory, `${daemon}.yaml`);
    writeFileSync(file, text);
    chmodSync(file, 0o600);
    expect(await sojourn('check', daemon, file)).toEqual({
      code: 0,
      out: `${file}: ok\n`,
      err: expect.stringContaining('not encrypted'),
    });
    writeFileSync(file, text.replace('spi: 256', 'spi: 5'));
    const { code, err } = await sojourn('check', daemon, file);
    expect([code, err]).toEqual([
      ExitCode.configuration,
      expect.stringContaining('SPI 5 is reserved'),
    ]);
  });

  it.each([
    [
      'ha',
      'addresses: [2001:db8::1]\nhomePrefixes: [2001:db8:1::/64]\nsecurity: none\n',
      'security: none: any host may register any home address',
    ],
    [
      'mn',
      'homes:\n  - homeAgent: ha.example.net\n    homeAddress: 2001:db8:1::9\n    security: none\n',
      'has security: none: registrations are not authenticated, and traffic is not encrypted',
    ],
  ])('warns about security: none of %s', async (daemon, text, warning) => {
    const file = join(directory, `${daemon}-none.yaml`);
    writeFileSync(file, text);
    const { code, err } = await sojourn('check', daemon, file);
    expect([code, err]).toEqual([0, expect.stringContaining(warning)]);
  });
});
