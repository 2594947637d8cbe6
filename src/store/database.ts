/** Opens SQLite files, with error messages for operators. */
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** The former run may not have ended yet. */
const BUSY_AT_START_MS = 2_000;
/** A write blocks the event loop, and control packets with it. A refused write is retried. */
const BUSY_MS = 20;

/** The database is not usable; `message` names the file and the remedy. */
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

/** A database file, and the consequence of its loss for operators. */
export interface DatabaseFile {
  readonly file: string;
  /**
   * The consequence of a start with an empty file, such as `nodes register again by themselves`.
   */
  readonly afterLoss: string;
}

export interface DatabaseFormat {
  /** Grows with each change of `schema`. */
  readonly version: number;
  /** SQL that creates missing tables and indexes. */
  readonly schema: string;
  /**
   * NORMAL: a power failure may lose the last transactions; FULL: it loses no committed one. In
   * both modes the file stays consistent, and a crash of the daemon loses nothing.
   */
  readonly synchronous: 'NORMAL' | 'FULL';
}

/**
 * Opens the database in write-ahead mode; creates a missing file, readable by its owner only.
 * Throws `StoreError`.
 */
export function openDatabase(location: DatabaseFile, form: DatabaseFormat): DatabaseSync {
  const former = process.umask(0o077);
  try {
    makeDirectory(location.file);
    return translate(location, () => {
      const database = new DatabaseSync(location.file);
      try {
        prepareDatabase(database, location, form);
        return database;
      } catch (thrown) {
        database.close();
        throw thrown;
      }
    });
  } finally {
    process.umask(former);
  }
}

/**
 * One level only: `recursive` never returns for a path below /proc (Node 20 to 26), and the parent
 * directory is the operator's.
 */
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

function prepareDatabase(
  database: DatabaseSync,
  location: DatabaseFile,
  { version, schema, synchronous }: DatabaseFormat,
): void {
  database.exec(`PRAGMA busy_timeout = ${BUSY_AT_START_MS}`);
  const { user_version: found } = database.prepare('PRAGMA user_version').get() ?? {};
  if (typeof found === 'number' && found > version) {
    throw new StoreError(
      'STORE_VERSION',
      location.file,
      `written by a newer version (schema ${found}, this one knows ${version}); ` +
        'run that version, or move the file away to start empty',
    );
  }
  database.exec(
    'PRAGMA journal_mode = WAL; ' + `PRAGMA synchronous = ${synchronous}; PRAGMA foreign_keys = ON`,
  );
  database.exec(`${schema}; PRAGMA user_version = ${version}`);
  const { quick_check: check } = database.prepare('PRAGMA quick_check(1)').get() ?? {};
  if (check !== 'ok') throw corrupt(location, check);
  database.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
}

/**
 * Opens a copy, for reading only, of a file whose disk may be full or read-only: SQLite writes
 * beside each file that it opens. The copy's name is gone at once. Throws what copying and SQLite
 * throw.
 */
export function openReadOnlyCopy(file: string, scratch: string): DatabaseSync {
  const copy = join(scratch, `${basename(file)}.copy`);
  const former = process.umask(0o077);
  try {
    copyFileSync(file, copy);
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
    const database = new DatabaseSync(copy);
    // Takes over what is in the write-ahead file.
    database.exec('PRAGMA journal_mode = DELETE; PRAGMA query_only = ON');
    return database;
  } finally {
    process.umask(former);
    for (const part of ['', '-wal', '-shm']) rmSync(`${copy}${part}`, { force: true });
  }
}

/** All of `body` or nothing. Throws `StoreError`. */
export function transaction<T>(database: DatabaseSync, location: DatabaseFile, body: () => T): T {
  return translate(location, () => {
    database.exec('BEGIN IMMEDIATE');
    try {
      const result = body();
      database.exec('COMMIT');
      return result;
    } catch (thrown) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw thrown;
    }
  });
}

export function corrupt({ file, afterLoss }: DatabaseFile, cause: unknown): StoreError {
  return new StoreError(
    'STORE_CORRUPT',
    file,
    `not a usable database; stop the daemon, move ${file}, ${file}-wal and ${file}-shm away ` +
      `and start again (${afterLoss}), or restore a backup`,
    cause,
  );
}

/** Primary result codes of SQLite. */
const SQLITE = { busy: 5, locked: 6, corrupt: 11, notADatabase: 26 } as const;

/** Turns errors of SQLite into `StoreError`. */
export function translate<T>(location: DatabaseFile, body: () => T): T {
  try {
    return body();
  } catch (thrown) {
    if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number')
      throw thrown;
    const { file } = location;
    const primary = thrown.errcode & 255;
    if (primary === SQLITE.corrupt || primary === SQLITE.notADatabase)
      throw corrupt(location, thrown);
    if (primary === SQLITE.busy || primary === SQLITE.locked) {
      throw new StoreError(
        'STORE_LOCKED',
        file,
        'in use by another process; is the daemon already running?',
        thrown,
      );
    }
    throw new StoreError(
      'STORE_IO',
      file,
      `${thrown.message}; check free space and permissions`,
      thrown,
    );
  }
}
