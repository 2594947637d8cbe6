/**
 * The account server's SQLite database: schema, prepared statements and transactions. Times are
 * seconds since 1970-01-01.
 */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { type DatabaseFile, openDatabase, transaction, translate } from '#store/database.ts';
import type { Row } from './rows.ts';

/**
 * The `label` of a device is empty if the device has the account's own name. `held_addresses` are
 * those of removed devices whose last credential has not expired. `last_not_after` is the latest
 * expiry among the credentials that an authority signed.
 */
const SCHEMA = `
  CREATE TABLE IF NOT EXISTS accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    fqdn TEXT NOT NULL UNIQUE,
    groups TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    salt BLOB, hash BLOB, cost_log2 INTEGER, block_size INTEGER, parallelization INTEGER
  ) STRICT;
  CREATE TABLE IF NOT EXISTS devices (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    label TEXT NOT NULL,
    public_key BLOB NOT NULL UNIQUE,
    node_id BLOB NOT NULL UNIQUE,
    interface_id BLOB NOT NULL UNIQUE,
    virtual_ipv4 INTEGER NOT NULL UNIQUE,
    enrolled_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    last_proof_ms INTEGER NOT NULL,
    credential_until INTEGER NOT NULL,
    renewal_hash BLOB NOT NULL UNIQUE,
    renewal_until INTEGER NOT NULL,
    former_hash BLOB UNIQUE,
    former_until INTEGER NOT NULL DEFAULT 0,
    UNIQUE (account, label)
  ) STRICT;
  CREATE TABLE IF NOT EXISTS enrolment_tokens (
    hash BLOB PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    used_by BLOB,
    used_at INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS held_addresses (
    virtual_ipv4 INTEGER PRIMARY KEY,
    until INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS authorities (
    public_key BLOB PRIMARY KEY,
    signs_from INTEGER NOT NULL,
    last_not_after INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID`;

export class AccountDatabase {
  readonly #file: DatabaseFile;
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();

  /** Throws `StoreError`, as every method does. */
  constructor(file: string) {
    this.#file = { file, afterLoss: 'accounts and devices have to be added again' };
    // FULL: a power failure must not restore a replaced renewal token or a used enrolment token.
    this.#database = openDatabase(this.#file, { version: 1, schema: SCHEMA, synchronous: 'FULL' });
  }

  /** Commits what `body` did, or rolls it back if `body` throws. */
  transaction<T>(body: () => T): T {
    return transaction(this.#database, this.#file, body);
  }

  one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return translate(this.#file, () => this.#prepared(sql).get(...values));
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return translate(this.#file, () => this.#prepared(sql).all(...values));
  }

  /** The number of rows changed. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return translate(this.#file, () => Number(this.#prepared(sql).run(...values).changes));
  }

  close(): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #prepared(sql: string): ReturnType<DatabaseSync['prepare']> {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
