import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import { ask, ControlClient, ControlUnavailable } from '#daemon/control/control-client.ts';
import { type ControlOptions, ControlServer } from '#daemon/control/control-socket.ts';
import { EventHistory, fanOut } from '#daemon/control/event-history.ts';
import { createLog } from '#daemon/log.ts';
import type { EngineEvent } from '#engine/contract/output.ts';

let directory = '';
let path = '';
let history = new EventHistory();
const servers: ControlServer[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-control-'));
  path = join(directory, 'run', 'mn.sock');
  history = new EventHistory();
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(directory, { recursive: true });
});

async function open(options: Partial<ControlOptions> = {}): Promise<ControlServer> {
  const server = await ControlServer.open({ path, group: undefined, history, ...options });
  servers.push(server);
  return server;
}

function event(name: EngineEvent['name']): EngineEvent {
  return { name, level: 'info', fields: { n: 1 } };
}

/** Writes `text` to a new connection and returns the first line of the answer. */
function exchange(text: string): Promise<unknown> {
  return new Promise((settle, fail) => {
    const socket = connect(path);
    let received = '';
    socket.on('error', fail);
    socket.on('data', (chunk) => {
      received += String(chunk);
      const end = received.indexOf('\n');
      if (end < 0) return;
      socket.destroy();
      settle(JSON.parse(received.slice(0, end)));
    });
    socket.write(text);
  });
}

describe('the control socket', () => {
  it('passes requests to the engine and its own commands to their handlers', async () => {
    const server = await open();
    server.onRequest((command, parameters, respond) =>
      respond(command !== 'refuse', { command, parameters }),
    );
    server.command('stats', (_, respond) => respond(true, { packets: 7 }));
    expect(await ask(path, 'status', { verbose: true })).toEqual({
      ok: true,
      value: { command: 'status', parameters: { verbose: true } },
    });
    expect(await ask(path, 'refuse')).toMatchObject({ ok: false });
    expect(await ask(path, 'stats')).toEqual({ ok: true, value: { packets: 7 } });
  });

  it('answers out of order by id on one connection', async () => {
    const server = await open();
    const held: (() => void)[] = [];
    server.onRequest((command, _, respond) => {
      const answer = () => respond(true, command);
      if (command === 'slow') held.push(answer);
      else {
        answer();
        for (const late of held) late();
      }
    });
    using client = await ControlClient.connect(path);
    const answers = await Promise.all([client.request('slow'), client.request('fast')]);
    expect(answers.map((answer) => answer.value)).toEqual(['slow', 'fast']);
  });

  it('gets mode 0660 when it is created', async () => {
    await open();
    expect(statSync(path).mode & 0o777).toBe(0o660);
  });

  it('answers that the daemon is starting until the engine runs', async () => {
    await open();
    expect(await ask(path, 'status')).toEqual({
      ok: false,
      value: { error: 'the daemon is still starting' },
    });
  });

  it.each([
    ['no JSON', 'hello\n', 'not a JSON object'],
    ['a list', '[1]\n', 'not a JSON object'],
    ['no id', '{"command":"status"}\n', 'id must be a whole number'],
    ['no command', '{"id":1}\n', 'command must be text'],
    [
      'wrong parameters',
      '{"id":1,"command":"status","parameters":[]}\n',
      'parameters must be an object',
    ],
    ['an endless line', 'x'.repeat(70_000), 'line too long'],
  ])('answers %s with an error and continues', async (_, text, error) => {
    const server = await open();
    server.onRequest((_command, _parameters, respond) => respond(true, 'alive'));
    expect(await exchange(text)).toEqual({ id: null, ok: false, value: { error } });
    expect(await ask(path, 'status')).toEqual({ ok: true, value: 'alive' });
  });

  it('reads a request octet by octet and two requests in one write', async () => {
    const server = await open();
    server.onRequest((command, _, respond) => respond(true, command));
    const lines: string[] = [];
    await new Promise<void>((settle) => {
      const socket = connect(path);
      socket.on('data', (chunk) => {
        lines.push(...String(chunk).trim().split('\n'));
        if (lines.length === 3) socket.end(settle);
      });
      for (const octet of '{"id":1,"command":"ä"}\n') socket.write(octet);
      socket.write('{"id":2,"command":"b"}\n{"id":3,"command":"c"}\n');
    });
    expect(lines.map((line) => JSON.parse(line).value)).toEqual(['ä', 'b', 'c']);
  });

  it('bounds clients and requests in flight', async () => {
    const server = await open({ limits: { clients: 2, requestsInFlight: 2 } });
    server.onRequest(() => {});
    using first = await ControlClient.connect(path);
    using second = await ControlClient.connect(path);
    second.request('status', {}, 60_000).catch(() => {});
    const refused = [1, 2, 3].map(() =>
      first.request('status', {}, 60_000).catch((error: Error) => error.message),
    );
    expect(await refused[2]).toEqual({
      ok: false,
      value: { error: 'too many requests in flight' },
    });
    await expect(ask(path, 'status')).rejects.toThrow('too many clients');
    second.close();
  });

  it('closes the oldest client without a request to make room for another one', async () => {
    const server = await open({ limits: { clients: 3 } });
    server.onRequest((command, _parameters, respond) => respond(true, command));
    using follower = await ControlClient.connect(path);
    const seen: unknown[] = [];
    follower.events({ follow: true, last: 0 }, (one) => seen.push(one)).catch(() => {});
    const silent = [1, 2, 3].map(() => connect(path));
    await Promise.all(silent.map((socket) => once(socket, 'connect')));
    const [oldest] = silent;
    if (oldest?.closed === false) await once(oldest, 'close');
    for (let turn = 0; turn < 4; turn += 1)
      expect(await ask(path, 'status')).toEqual({ ok: true, value: 'status' });
    fanOut(history).event(event('started'), 0);
    await expect.poll(() => seen.length).toBe(1);
    for (const socket of silent) socket.destroy();
  });

  it('continues when a refused client is gone before its answer', async () => {
    const server = await open({ limits: { clients: 1 } });
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    server.onRequest(() => resolve());
    using busy = await ControlClient.connect(path);
    busy.request('status', {}, 60_000).catch(() => {});
    await asked;
    for (let turn = 0; turn < 50; turn += 1) {
      const socket = connect(path);
      socket.on('error', () => {});
      await once(socket, 'connect');
      socket.write('x');
      socket.destroy();
    }
    await expect(ask(path, 'status')).rejects.toThrow('too many clients');
  });

  it('sends past events, then new ones, to each follower', async () => {
    await open();
    history.event(event('handover'), 0);
    history.event(event('registered'), 1000);
    using client = await ControlClient.connect(path);
    const past: JsonObject[] = [];
    await client.events({ follow: false, last: 1 }, (recorded) => past.push(recorded));
    expect(past).toEqual([
      {
        number: 2,
        at: '1970-01-01T00:00:01.000Z',
        name: 'registered',
        level: 'info',
        fields: { n: 1 },
      },
    ]);
    const names: unknown[] = [];
    await new Promise<void>((settle, fail) => {
      client
        .events({ follow: true, last: 2 }, (recorded) => {
          names.push(recorded['name']);
          if (names.length === 2) history.event(event('deregistered'), 2000);
          if (names.length === 3) settle();
        })
        .catch(fail);
    });
    expect(names).toEqual(['handover', 'registered', 'deregistered']);
  });

  it('disconnects a follower that does not read and keeps the others', async () => {
    const server = await open({ limits: { unreadOctets: 10_000 } });
    server.onRequest((_command, _parameters, respond) => respond(true, 'alive'));
    const deaf = connect(path);
    const closed = new Promise((settle) => deaf.on('close', settle));
    deaf.write('{"id":1,"command":"events","parameters":{"follow":true}}\n');
    deaf.pause();
    expect(await ask(path, 'status')).toMatchObject({ ok: true });
    const filler = 'x'.repeat(100_000);
    for (let n = 0; n < 100; n++)
      history.event({ name: 'handover', level: 'info', fields: { filler } }, 0);
    deaf.resume();
    await closed;
    expect(await ask(path, 'status')).toMatchObject({ ok: true });
  });

  it('replaces the socket of a dead daemon', async () => {
    await open();
    servers.splice(0)[0]?.close();
    // A killed process leaves exactly this file.
    const script =
      `require('net').createServer().listen(${JSON.stringify(path)}, () => ` +
      `process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(existsSync(path)).toBe(true);
    const server = await open();
    server.onRequest((_command, _parameters, respond) => respond(true, 'new'));
    expect(await ask(path, 'status')).toEqual({ ok: true, value: 'new' });
  });

  it('refuses the socket of a running daemon', async () => {
    await open();
    await expect(open()).rejects.toThrow(`a daemon already serves ${path}`);
  });

  it('refuses a group that does not exist', async () => {
    await expect(open({ group: 'no-such-group' })).rejects.toThrow(
      'groupadd --system no-such-group',
    );
  });

  it('removes its socket when it closes', async () => {
    const server = await open();
    expect(existsSync(path)).toBe(true);
    server.close();
    expect(existsSync(path)).toBe(false);
  });
});

describe('the control client', () => {
  it('names the remedy if no daemon listens', async () => {
    await expect(ask(path, 'status')).rejects.toThrow(
      `no daemon at ${path}: check it with systemctl status sojourn-mn`,
    );
  });

  it('rejects after the timeout if the daemon does not answer', async () => {
    const server = await open();
    server.onRequest(() => {});
    const failure = await ask(path, 'status', {}, 50).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ControlUnavailable);
    expect(String(failure)).toContain(`${path} did not answer within 50 ms`);
  });

  it('rejects if the daemon closes the connection', async () => {
    const server = await open();
    server.onRequest(() => server.close());
    await expect(ask(path, 'status')).rejects.toThrow('closed the connection');
  });

  it('rejects answers that are not of a daemon', async () => {
    const other = join(directory, 'other.sock');
    const server = createServer((socket) => socket.end('220 hello\n'));
    await new Promise<void>((settle) => server.listen(other, settle));
    await expect(ask(other, 'status', {}, 1000)).rejects.toBeInstanceOf(ControlUnavailable);
    server.close();
    writeFileSync(join(directory, 'file'), '');
    chmodSync(join(directory, 'file'), 0o666);
    await expect(ask(join(directory, 'file'), 'status')).rejects.toBeInstanceOf(ControlUnavailable);
  });
});

describe('the event history', () => {
  it('keeps the last events with their numbers', () => {
    const small = new EventHistory(3);
    for (let n = 0; n < 20; n++) small.event({ ...event('refreshed'), fields: { n } }, n);
    expect(small.last(100).map(({ number, fields }) => [number, fields['n']])).toEqual([
      [18, 17],
      [19, 18],
      [20, 19],
    ]);
    expect(small.last(0)).toEqual([]);
  });
});

describe('the log', () => {
  function linesOf(write: (log: ReturnType<typeof createLog>) => void): readonly string[] {
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    write(createLog({ name: 'mn', level: 'info', format: 'json', destination }));
    return lines;
  }

  it('writes JSON lines with stable event ids at or above its level', () => {
    const lines = linesOf((log) => {
      log.debug('refreshed');
      fanOut(log).event(
        { name: 'binding-created', level: 'info', fields: { lifetimeSeconds: 60 } },
        0,
      );
    });
    expect(lines.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({
        level: 'info',
        name: 'mn',
        event: 'binding-created',
        lifetimeSeconds: 60,
      }),
    ]);
  });

  it('stamps an engine event with its own time and other lines with the current time', () => {
    const before = Date.now();
    const [happened = '', written = ''] = linesOf((log) => {
      log.event(event('registered'), Date.UTC(2001, 1, 3, 4, 5, 6, 789));
      log.info('started');
    });
    expect(JSON.parse(happened).time).toBe('2001-02-03T04:05:06.789Z');
    expect(happened.match(/2001-02-03|9811731067/g)).toHaveLength(1);
    expect(Date.parse(JSON.parse(written).time)).toBeGreaterThanOrEqual(before);
  });

  it('redacts keys in any field', () => {
    const key = new Uint8Array([0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4]);
    const association = { spi: 1000, algorithm: 'hmac-sha256-128', key };
    const smuggled: JsonObject = JSON.parse('{}');
    Object.assign(smuggled, {
      association,
      list: [association, key],
      octets: key,
      keyText: 1,
      sharedKey: 'hex:deadbeef',
    });
    const [line = ''] = linesOf((log) => log.warn('login-failed', smuggled));
    const { time: _, ...written } = JSON.parse(line);
    const redacted = { spi: 1000, algorithm: 'hmac-sha256-128', key: '[redacted]' };
    expect(written).toMatchObject({
      association: redacted,
      list: [redacted, '[redacted]'],
      octets: '[redacted]',
      sharedKey: '[redacted]',
    });
    for (const form of ['dead', '3q2+7', '222', '173'])
      expect(JSON.stringify(written)).not.toContain(form);
  });
});
