import type { DatabaseSync } from 'node:sqlite';
import type { JsonValue } from '#base/json.ts';
import type { StorePort } from '#runtime/ports.ts';
import {
  corrupt,
  type DatabaseFile,
  type DatabaseFormat,
  openDatabase,
  transaction,
  translate,
} from './database.ts';

const FORM: DatabaseFormat = {
  version: 1,
  schema:
    'CREATE TABLE IF NOT EXISTS records (tbl TEXT NOT NULL, key TEXT NOT NULL, ' +
    'value TEXT NOT NULL, PRIMARY KEY (tbl, key)) WITHOUT ROWID',
  synchronous: 'NORMAL',
};

type Changes = Parameters<StorePort['apply']>[0];

/**
 * Records in one SQLite file, in write-ahead mode (see `DatabaseFormat`). A transaction waits for
 * the disk if one of its records has to survive a power failure: it takes 20 times as long, so that
 * it is not for every binding. Creates a missing file, readable by its owner only. Throws
 * `StoreError`.
 */
export function openSqliteStore(file: string): StorePort {
  return new SqliteStore(file);
}

interface StoredRecord {
  readonly table: string;
  readonly key: string;
  readonly value: JsonValue;
}

/** In order of table and key. Throws SQLite's errors, and `SyntaxError` for a damaged value. */
export function* recordsOf(database: DatabaseSync): Iterable<StoredRecord> {
  const rows = database.prepare('SELECT tbl, key, value FROM records ORDER BY tbl, key').iterate();
  for (const { tbl, key, value } of rows)
    yield { table: String(tbl), key: String(key), value: JSON.parse(String(value)) };
}

class SqliteStore implements StorePort {
  readonly #location: DatabaseFile;
  readonly #database: DatabaseSync;
  readonly #put;
  readonly #drop;

  constructor(file: string) {
    this.#location = { file, afterLoss: 'nodes register again by themselves' };
    this.#database = openDatabase(this.#location, FORM);
    this.#put = this.#database.prepare(
      'INSERT OR REPLACE INTO records (tbl, key, value) VALUES (?, ?, ?)',
    );
    this.#drop = this.#database.prepare('DELETE FROM records WHERE tbl = ? AND key = ?');
  }

  *load(): Iterable<StoredRecord> {
    const iterator = recordsOf(this.#database)[Symbol.iterator]();
    for (;;) {
      const next = translate(this.#location, () => this.#next(iterator));
      if (next.done === true) return;
      yield next.value;
    }
  }

  apply(changes: Changes): void {
    const isDurable = changes.some((change) => change.isDurable === true);
    if (isDurable) this.#synchronous('FULL');
    try {
      this.#write(changes);
    } finally {
      if (isDurable) this.#synchronous(FORM.synchronous);
    }
  }

  #synchronous(level: DatabaseFormat['synchronous']): void {
    translate(this.#location, () => this.#database.exec(`PRAGMA synchronous = ${level}`));
  }

  #write(changes: Changes): void {
    transaction(this.#database, this.#location, () => {
      for (const { table, key, value } of changes) {
        if (value === undefined) this.#drop.run(table, key);
        else this.#put.run(table, key, JSON.stringify(value));
      }
    });
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #next(iterator: Iterator<StoredRecord>): IteratorResult<StoredRecord> {
    try {
      return iterator.next();
    } catch (cause) {
      if (cause instanceof SyntaxError) throw corrupt(this.#location, cause);
      throw cause;
    }
  }
}
