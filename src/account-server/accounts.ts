/** The stored accounts and their enrolment tokens. */
import type { AccountDatabase } from './account-database.ts';
import type { PasswordHash } from './password-hashing.ts';
import { integer, isNull, octets, type Row, text } from './rows.ts';

/** Without a `password`, the account's devices can enrol only with an enrolment token. */
export interface Account {
  readonly id: number;
  readonly name: string;
  readonly fqdn: string;
  readonly groups: readonly string[];
  readonly disabled: boolean;
  readonly createdAt: number;
  readonly password: PasswordHash | undefined;
}

type NewAccount = Omit<Account, 'id' | 'disabled'>;

/** `usedBy` is the public key of the device that the token enrolled. */
interface EnrolmentToken {
  readonly account: number;
  readonly expiresAt: number;
  readonly usedBy: Uint8Array | undefined;
  readonly usedAt: number;
}

export class Accounts {
  readonly #database: AccountDatabase;

  constructor(database: AccountDatabase) {
    this.#database = database;
  }

  list(): readonly Account[] {
    return this.#database.all('SELECT * FROM accounts ORDER BY name').map(accountFromRow);
  }

  count(): { readonly accounts: number; readonly disabledAccounts: number } {
    const row = this.#database.one(
      'SELECT count(*) AS accounts, coalesce(sum(disabled), 0) AS disabled FROM accounts',
    );
    if (row === undefined) return { accounts: 0, disabledAccounts: 0 };
    return { accounts: integer(row, 'accounts'), disabledAccounts: integer(row, 'disabled') };
  }

  findByName(name: string): Account | undefined {
    const row = this.#database.one('SELECT * FROM accounts WHERE name = ?', name);
    return row === undefined ? undefined : accountFromRow(row);
  }

  findById(id: number): Account | undefined {
    const row = this.#database.one('SELECT * FROM accounts WHERE id = ?', id);
    return row === undefined ? undefined : accountFromRow(row);
  }

  /**
   * The name of an account whose domain contains `fqdn` or lies below it. Such accounts overlap,
   * because device names are below the account's name.
   */
  nameOfOverlapping(fqdn: string): string | undefined {
    const row = this.#database.one(
      `SELECT name FROM accounts
       WHERE fqdn = ?1 OR ?1 LIKE '%.' || fqdn OR fqdn LIKE '%.' || ?1 LIMIT 1`,
      fqdn,
    );
    return row === undefined ? undefined : text(row, 'name');
  }

  add({ name, fqdn, groups, createdAt, password }: NewAccount): void {
    this.#database.run(
      'INSERT INTO accounts (name, fqdn, groups, created_at) VALUES (?, ?, ?, ?)',
      name,
      fqdn,
      JSON.stringify(groups),
      createdAt,
    );
    if (password !== undefined) this.setPassword(name, password);
  }

  setPassword(name: string, password: PasswordHash): void {
    const { salt, hash, costLog2, blockSize, parallelization } = password;
    this.#database.run(
      `UPDATE accounts SET salt = ?, hash = ?, cost_log2 = ?, block_size = ?, parallelization = ?
       WHERE name = ?`,
      ...[salt, hash, costLog2, blockSize, parallelization, name],
    );
  }

  setDisabled(name: string, disabled: boolean): void {
    this.#database.run('UPDATE accounts SET disabled = ? WHERE name = ?', disabled ? 1 : 0, name);
  }

  setGroups(name: string, groups: readonly string[]): void {
    this.#database.run(
      'UPDATE accounts SET groups = ? WHERE name = ?',
      JSON.stringify(groups),
      name,
    );
  }

  /** Removes tokens and devices too. Call `Devices.removeAll` first, which holds the addresses. */
  remove(name: string): void {
    this.#database.run('DELETE FROM accounts WHERE name = ?', name);
  }

  addEnrolmentToken(hash: Uint8Array, account: number, expiresAt: number, now: number): void {
    this.#database.run('DELETE FROM enrolment_tokens WHERE expires_at <= ?', now);
    this.#database.run(
      'INSERT INTO enrolment_tokens (hash, account, expires_at) VALUES (?, ?, ?)',
      hash,
      account,
      expiresAt,
    );
  }

  enrolmentToken(hash: Uint8Array): EnrolmentToken | undefined {
    const row = this.#database.one('SELECT * FROM enrolment_tokens WHERE hash = ?', hash);
    if (row === undefined) return undefined;
    return {
      account: integer(row, 'account'),
      expiresAt: integer(row, 'expires_at'),
      usedBy: isNull(row, 'used_by') ? undefined : octets(row, 'used_by'),
      usedAt: integer(row, 'used_at'),
    };
  }

  useEnrolmentToken(hash: Uint8Array, publicKey: Uint8Array, now: number): void {
    this.#database.run(
      'UPDATE enrolment_tokens SET used_by = ?, used_at = ? WHERE hash = ? AND used_by IS NULL',
      publicKey,
      now,
      hash,
    );
  }

  /** The number of tokens that are neither used nor expired, by account. */
  countUnusedTokens(now: number): ReadonlyMap<number, number> {
    const rows = this.#database.all(
      `SELECT account, count(*) AS tokens FROM enrolment_tokens
       WHERE used_by IS NULL AND expires_at > ? GROUP BY account`,
      now,
    );
    return new Map(rows.map((row) => [integer(row, 'account'), integer(row, 'tokens')]));
  }
}

function accountFromRow(row: Row): Account {
  const groups: unknown = JSON.parse(text(row, 'groups'));
  return {
    id: integer(row, 'id'),
    name: text(row, 'name'),
    fqdn: text(row, 'fqdn'),
    groups: Array.isArray(groups) ? groups.map(String) : [],
    disabled: integer(row, 'disabled') !== 0,
    createdAt: integer(row, 'created_at'),
    password: isNull(row, 'hash') ? undefined : passwordFromRow(row),
  };
}

function passwordFromRow(row: Row): PasswordHash {
  return {
    salt: octets(row, 'salt'),
    hash: octets(row, 'hash'),
    costLog2: integer(row, 'cost_log2'),
    blockSize: integer(row, 'block_size'),
    parallelization: integer(row, 'parallelization'),
  };
}
