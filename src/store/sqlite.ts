import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '#engine/contract.ts';
import type { StorePort } from '#runtime/ports.ts';

const SCHEMA_VERSION = 1;
/** An earlier run may still be ending. */
const BUSY_AT_START_MS = 2_000;
/** The only loop waits, and with it every packet; what was not taken is kept and tried again. */
const BUSY_MS = 20;

/** The database cannot be used; `message` names the file and what the operator can do. */
export class StoreError extends Error {
  readonly code: string;
  readonly file: string;

  constructor(
    code: 'STORE_CORRUPT' | 'STORE_VERSION' | 'STORE_IO' | 'STORE_LOCKED',
    file: string,
    message: string,
    cause?: unknown,
  ) {
    super(`${file}: ${message}`, { cause });
    this.name = 'StoreError';
    this.code = code;
    this.file = file;
  }
}

/**
 * Records in one SQLite file (write-ahead log, synchronous=NORMAL: a crash of the daemon loses nothing, a power cut at most the last
 * transactions, never consistency). Made when missing, readable by its owner only. Throws `StoreError`.
 */
export function openSqliteStore(file: string): StorePort {
  const former = process.umask(0o077);
  try {
    makeDirectory(file);
    return translate(file, () => new SqliteStore(file));
  } finally {
    process.umask(former);
  }
}

/** One level only: `recursive` never returns for a path below /proc (Node 20 to 26), and what is above is the operator's. */
function makeDirectory(file: string): void {
  try {
    mkdirSync(dirname(file));
  } catch (thrown) {
    if (!(thrown instanceof Error) || !('code' in thrown)) throw thrown;
    if (thrown.code !== 'EEXIST') {
      throw new StoreError(
        'STORE_IO',
        file,
        `cannot make its directory (${thrown.message}); make it, or name another`,
        thrown,
      );
    }
  }
}

class SqliteStore implements StorePort {
  readonly #file: string;
  readonly #database: DatabaseSync;
  readonly #put;
  readonly #drop;

  constructor(file: string) {
    this.#file = file;
    this.#database = new DatabaseSync(file);
    try {
      prepareDatabase(this.#database, file);
      this.#put = this.#database.prepare('INSERT OR REPLACE INTO records (tbl, key, value) VALUES (?, ?, ?)');
      this.#drop = this.#database.prepare('DELETE FROM records WHERE tbl = ? AND key = ?');
    } catch (thrown) {
      this.#database.close();
      throw thrown;
    }
  }

  *load(): Iterable<{ readonly table: string; readonly key: string; readonly value: JsonValue }> {
    const rows = this.#database.prepare('SELECT tbl, key, value FROM records ORDER BY tbl, key').iterate();
    const iterator = rows[Symbol.iterator]();
    for (;;) {
      const next = translate(this.#file, () => iterator.next());
      if (next.done === true) return;
      const { tbl, key, value } = next.value;
      yield { table: String(tbl), key: String(key), value: this.#parse(String(value)) };
    }
  }

  apply(
    changes: readonly { readonly table: string; readonly key: string; readonly value: JsonValue | undefined }[],
  ): void {
    translate(this.#file, () => {
      this.#database.exec('BEGIN IMMEDIATE');
      try {
        for (const { table, key, value } of changes) {
          if (value === undefined) this.#drop.run(table, key);
          else this.#put.run(table, key, JSON.stringify(value));
        }
        this.#database.exec('COMMIT');
      } catch (thrown) {
        if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
        throw thrown;
      }
    });
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #parse(text: string): JsonValue {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw corrupt(this.#file, cause);
    }
  }
}

function prepareDatabase(database: DatabaseSync, file: string): void {
  database.exec(`PRAGMA busy_timeout = ${BUSY_AT_START_MS}; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL`);
  const { user_version: version } = database.prepare('PRAGMA user_version').get() ?? {};
  if (typeof version === 'number' && version > SCHEMA_VERSION) {
    throw new StoreError(
      'STORE_VERSION',
      file,
      `written by a newer version (schema ${version}, this one knows ${SCHEMA_VERSION}); run that version, or move the file away to start empty`,
    );
  }
  database.exec(
    `CREATE TABLE IF NOT EXISTS records (tbl TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (tbl, key)) WITHOUT ROWID;
     PRAGMA user_version = ${SCHEMA_VERSION}`,
  );
  const { quick_check: check } = database.prepare('PRAGMA quick_check(1)').get() ?? {};
  if (check !== 'ok') throw corrupt(file, check);
  database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
}

function corrupt(file: string, cause: unknown): StoreError {
  return new StoreError(
    'STORE_CORRUPT',
    file,
    `not a usable database; stop the daemon, move ${file}, ${file}-wal and ${file}-shm away and start again (nodes register anew by themselves), or restore a backup`,
    cause,
  );
}

/** Primary result codes of SQLite. */
const SQLITE = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 } as const;

function translate<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number') throw thrown;
    const primary = thrown.errcode & 255;
    if (primary === SQLITE.corrupt || primary === SQLITE.notADatabase) throw corrupt(file, thrown);
    if (primary === SQLITE.busy || primary === SQLITE.locked) {
      throw new StoreError('STORE_LOCKED', file, 'in use by another process; is the daemon already running?', thrown);
    }
    throw new StoreError('STORE_IO', file, `${thrown.message}; check free space and permissions`, thrown);
  }
}
