import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { chooseSocket } from '#cli/control-socket-paths.ts';

let directory = '';
let path = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-sockets-'));
  path = join(directory, 'mn.sock');
  writeFileSync(path, '');
});

afterEach(() => rmSync(directory, { recursive: true }));

describe('chooseSocket', () => {
  it('takes the only socket, that of a named daemon, or a path', () => {
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

  it('finds sockets in the directories of units', () => {
    mkdirSync(join(directory, 'ha'));
    writeFileSync(join(directory, 'ha/ha.sock'), '');
    expect(chooseSocket({ daemon: 'ha' }, directory)).toEqual({
      ok: true,
      path: join(directory, 'ha/ha.sock'),
    });
    expect(chooseSocket({ daemon: 'mn' }, directory)).toEqual({ ok: true, path });
    expect(chooseSocket({}, directory)).toMatchObject({ reason: 'several' });
  });

  it('fails if there are several sockets or none', () => {
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
