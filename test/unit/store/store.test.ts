import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { StorePort } from '#runtime/ports.ts';
import { openLastingStore } from '#store/lasting-store.ts';
import { MemoryStore } from '#store/memory.ts';
import { openSqliteStore } from '#store/sqlite.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-store-'));
afterAll(() => rmSync(directory, { recursive: true }));

const stores: readonly [string, () => StorePort][] = [
  ['memory', () => new MemoryStore()],
  ['sqlite', () => openSqliteStore(join(directory, `${Math.random()}`, 'state.sqlite'))],
];

describe.each(stores)('the %s store', (_name, open) => {
  it('keeps the latest value of each record and deletes undefined ones', () => {
    const store = open();
    store.apply([
      { table: 'a', key: '1', value: { text: 'ü', list: [1, null, true] } },
      { table: 'a', key: '2', value: 1 },
      { table: 'b', key: '1', value: 'other table' },
    ]);
    store.apply([
      { table: 'a', key: '2', value: 2 },
      { table: 'b', key: '1', value: undefined },
    ]);
    expect([...store.load()]).toEqual([
      { table: 'a', key: '1', value: { text: 'ü', list: [1, null, true] } },
      { table: 'a', key: '2', value: 2 },
    ]);
    store.close();
    store.close();
  });
});

describe('the sqlite file', () => {
  it('survives closing and opening, and is readable by its owner only', () => {
    const file = join(directory, 'reopen.sqlite');
    const store = openSqliteStore(file);
    store.apply([{ table: 't', key: 'k', value: 7 }]);
    store.close();
    expect(statSync(file).mode & 0o077).toBe(0);
    const again = openSqliteStore(file);
    expect([...again.load()]).toEqual([{ table: 't', key: 'k', value: 7 }]);
    again.close();
  });

  it('waits for the disk when a record has to survive a power failure, and only then', () => {
    const execute = vi.spyOn(DatabaseSync.prototype, 'exec');
    const store = openSqliteStore(join(directory, 'durable.sqlite'));
    const record = { table: 't', key: 'k', value: 7 };
    const statements = (...changes: Parameters<StorePort['apply']>[0]) => {
      execute.mockClear();
      store.apply(changes);
      return execute.mock.calls.map(([sql]) => sql);
    };
    const written = ['BEGIN IMMEDIATE', 'COMMIT'];
    expect(statements(record)).toEqual(written);
    expect(statements(record, { ...record, key: 'l', isDurable: true })).toEqual([
      'PRAGMA synchronous = FULL',
      ...written,
      'PRAGMA synchronous = NORMAL',
    ]);
    expect(statements(record)).toEqual(written);
    execute.mockRestore();
    store.close();
  });

  it('refuses a file that is no database, and names file and remedy', () => {
    const file = join(directory, 'garbage.sqlite');
    writeFileSync(
      file,
      'this is not a database, but long enough to look like one at first sight'.repeat(100),
    );
    expect(() => openSqliteStore(file)).toThrow(
      expect.objectContaining({
        code: 'STORE_CORRUPT',
        file,
        message: expect.stringContaining('move'),
      }),
    );
  });

  it('refuses a file of a newer version', () => {
    const file = join(directory, 'newer.sqlite');
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(() => openSqliteStore(file)).toThrow(expect.objectContaining({ code: 'STORE_VERSION' }));
  });

  it('refuses a directory that is not writable', () => {
    expect(() => openSqliteStore('/proc/sojourn/state.sqlite')).toThrow(
      expect.objectContaining({ code: 'STORE_IO' }),
    );
  });

  it('gives up soon when another process holds the write lock', () => {
    const file = join(directory, 'locked.sqlite');
    const store = openSqliteStore(file);
    const other = new DatabaseSync(file);
    other.exec('BEGIN IMMEDIATE');
    const before = performance.now();
    expect(() => store.apply([{ table: 't', key: 'k', value: 1 }])).toThrow(
      expect.objectContaining({ code: 'STORE_LOCKED' }),
    );
    expect(performance.now() - before).toBeLessThan(1000);
    other.exec('ROLLBACK');
    other.close();
    store.apply([{ table: 't', key: 'k', value: 2 }]);
    expect([...store.load()]).toEqual([{ table: 't', key: 'k', value: 2 }]);
    store.close();
  });

  it('keeps whole and all acknowledged transactions after kill -9 during writes', async () => {
    const file = join(directory, 'killed.sqlite');
    for (let round = 0; round < 3; round++) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'store-writer.ts'), file]);
      let said = '';
      child.stdout.on('data', (chunk) => {
        said += chunk;
        if (said.length > 2000) child.kill('SIGKILL');
      });
      await once(child, 'close');
      const acknowledged = Number(said.slice(0, said.lastIndexOf('\n')).split('\n').at(-1));
      expect(acknowledged).toBeGreaterThan(100);
      const store = openSqliteStore(file);
      const records = [...store.load()];
      store.close();
      const value = (table: string) => records.find((record) => record.table === table)?.value;
      expect(value('left')).toBe(value('right'));
      expect(Number(value('left'))).toBeGreaterThanOrEqual(acknowledged);
    }
  });
});

describe('the lasting store', () => {
  const scratch = mkdtempSync(join(directory, 'scratch-'));
  let nowMs = 0;
  const open = (file: string): StorePort => openLastingStore(file, scratch, () => nowMs);
  const change = (key: string, value: number | undefined) => ({ table: 't', key, value });
  const valuesOf = (store: StorePort): unknown =>
    [...store.load()].map(({ key, value }) => [key, value]);

  it('keeps the state in memory until its directory can be made, and writes all of it then', () => {
    const parent = join(directory, 'parent');
    const file = join(parent, 'state', 'it.sqlite');
    const store = open(file);
    expect(store.fault).toContain('cannot make its directory');
    expect(() => store.apply([change('a', 1), change('b', 2)])).toThrow(/cannot make/);
    mkdirSync(parent);
    expect(() => store.apply([change('b', undefined)])).toThrow(/cannot make/);
    nowMs += 1_000;
    store.apply([change('c', 3)]);
    expect(store.fault).toBeUndefined();
    store.close();
    const reopened = open(file);
    expect(valuesOf(reopened)).toEqual([
      ['a', 1],
      ['c', 3],
    ]);
    reopened.close();
  });

  it('sets a damaged file aside and continues with the records before the damage', () => {
    const file = join(directory, 'damaged.sqlite');
    const former = open(file);
    const keys = Array.from({ length: 500 }, (_, at) => `key ${String(at).padStart(4, '0')}`);
    former.apply(keys.map((key, at) => change(key, at)));
    former.close();
    const octets = readFileSync(file);
    octets.fill(0x55, octets.length / 2, octets.length / 2 + 4096);
    writeFileSync(file, octets);
    const store = open(file);
    const found = [...store.load()].length;
    expect(found).toBeLessThan(500);
    expect(existsSync(`${file}.damaged`)).toBe(true);
    store.apply([change('new', 1)]);
    expect(store.fault).toBeUndefined();
    expect([...store.load()]).toHaveLength(found + 1);
    store.close();
  });

  it('leaves the file of a newer version alone', () => {
    const file = join(directory, 'future.sqlite');
    const database = new DatabaseSync(file);
    database.exec('PRAGMA user_version = 99');
    database.close();
    const before = readFileSync(file);
    const store = open(file);
    expect(store.fault).toContain('written by a newer version');
    nowMs += 5_000;
    expect(() => store.apply([change('a', 1)])).toThrow(/newer version/);
    store.close();
    expect(readFileSync(file)).toEqual(before);
  });
});
