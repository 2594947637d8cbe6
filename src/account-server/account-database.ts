/**
 * The account server's SQLite database: schema, prepared statements and transactions. Times are
 * seconds since 1970-01-01.
 */
import { existsSync } from 'node:fs';
import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import {
  type DatabaseFile,
  openDatabase,
  openReadOnlyCopy,
  StoreError,
  transaction,
  translate,
} from '#store/database.ts';
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

// FULL: a power failure must not restore a replaced renewal token or a used enrolment token.
const FORMAT = { version: 1, schema: SCHEMA, synchronous: 'FULL' } as const;

function isDiskFault(thrown: unknown): thrown is StoreError {
  return (
    thrown instanceof StoreError && (thrown.code === 'STORE_IO' || thrown.code === 'STORE_LOCKED')
  );
}

/** Between two attempts to open a file whose disk was full or read-only. */
const ATTEMPT_INTERVAL_MS = 1_000;

interface AccountDatabaseOptions {
  /** A directory in memory, for a copy of a file that cannot be opened where it is. */
  readonly scratch?: string;
  /** Called when writing begins to fail, with the reason, and when it works again. */
  readonly changed?: (fault: string | undefined) => void;
}

/**
 * While the disk is full or read-only, accounts can be read but not changed: every change throws. A
 * login is a change, because a used token and a renewal must survive a power failure.
 */
export class AccountDatabase {
  readonly #file: DatabaseFile;
  readonly #changed: (fault: string | undefined) => void;
  #database: DatabaseSync;
  #readOnly = false;
  #fault: string | undefined;
  #attemptAtMs = 0;
  readonly #statements = new Map<string, ReturnType<DatabaseSync['prepare']>>();

  /**
   * Throws `StoreError`, as every method does; with `scratch` only for a file that is damaged, of a
   * newer version, or missing.
   */
  constructor(file: string, { scratch, changed = () => {} }: AccountDatabaseOptions = {}) {
    this.#file = { file, afterLoss: 'accounts and devices have to be added again' };
    this.#changed = changed;
    try {
      this.#database = openDatabase(this.#file, FORMAT);
    } catch (thrown) {
      if (scratch === undefined || !isDiskFault(thrown) || !existsSync(file)) throw thrown;
      this.#database = openReadOnlyCopy(file, scratch);
      this.#readOnly = true;
      this.#report(thrown.message);
    }
  }

  /** Why accounts cannot be changed; undefined while they can. */
  get fault(): string | undefined {
    return this.#fault;
  }

  /** Commits what `body` did, or rolls it back if `body` throws. */
  transaction<T>(body: () => T): T {
    return this.#change(() => transaction(this.#database, this.#file, body));
  }

  one(sql: string, ...values: readonly SQLInputValue[]): Row | undefined {
    return translate(this.#file, () => this.#prepared(sql).get(...values));
  }

  all(sql: string, ...values: readonly SQLInputValue[]): readonly Row[] {
    return translate(this.#file, () => this.#prepared(sql).all(...values));
  }

  /** The number of rows changed. */
  run(sql: string, ...values: readonly SQLInputValue[]): number {
    return this.#change(() =>
      translate(this.#file, () => Number(this.#prepared(sql).run(...values).changes)),
    );
  }

  #change<T>(body: () => T): T {
    try {
      if (this.#readOnly) this.#reopen();
      const result = body();
      if (!this.#database.isTransaction) this.#report(undefined);
      return result;
    } catch (thrown) {
      if (isDiskFault(thrown)) this.#report(thrown.message);
      throw thrown;
    }
  }

  #reopen(): void {
    const now = performance.now();
    if (now < this.#attemptAtMs)
      throw new StoreError('STORE_IO', this.#file.file, 'not writable yet');
    this.#attemptAtMs = now + ATTEMPT_INTERVAL_MS;
    const database = openDatabase(this.#file, FORMAT);
    this.#statements.clear();
    this.#database.close();
    this.#database = database;
    this.#readOnly = false;
  }

  #report(fault: string | undefined): void {
    const before = this.#fault;
    if (before !== undefined && fault !== undefined) return;
    this.#fault = fault;
    if (before !== fault) this.#changed(fault);
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
