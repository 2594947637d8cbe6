/** The SQLite file of the account server: permissions, corruption and transactions. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { AccountDatabase } from '#account-server/account-database.ts';
import { Accounts } from '#account-server/accounts.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-accounts-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('AccountDatabase', () => {
  it('creates a file that only its owner can read, and that persists accounts', () => {
    const file = join(directory, 'kept.sqlite');
    const database = new AccountDatabase(file);
    const account = {
      name: 'a',
      fqdn: 'a.example',
      groups: ['ü'],
      createdAt: 5,
      password: undefined,
    };
    new Accounts(database).add(account);
    database.close();
    expect(statSync(file).mode & 0o077).toBe(0);
    const again = new AccountDatabase(file);
    expect(new Accounts(again).list()).toEqual([{ ...account, id: 1, disabled: false }]);
    again.close();
  });

  it('refuses a file that is not a database, and states the effect of losing it', () => {
    const file = join(directory, 'garbage.sqlite');
    writeFileSync(
      file,
      'this is not a database, but long enough to look like one at first sight'.repeat(100),
    );
    expect(() => new AccountDatabase(file)).toThrow(
      expect.objectContaining({
        code: 'STORE_CORRUPT',
        message: expect.stringContaining('accounts and devices'),
      }),
    );
  });

  it('rolls back a transaction that throws', () => {
    const database = new AccountDatabase(join(directory, 'transaction.sqlite'));
    const accounts = new Accounts(database);
    expect(() =>
      database.transaction(() => {
        accounts.add({
          name: 'a',
          fqdn: 'a.example',
          groups: [],
          createdAt: 0,
          password: undefined,
        });
        throw new Error('on purpose');
      }),
    ).toThrow('on purpose');
    expect(accounts.list()).toEqual([]);
    database.close();
  });
});
