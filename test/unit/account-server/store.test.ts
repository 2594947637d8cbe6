/** The account server's store, password hashing, rate limits, certificate and request schemas. */
import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { AccountDatabase } from '#account-server/account-database.ts';
import { Accounts } from '#account-server/accounts.ts';
import { ownCertificate, readCertificate } from '#account-server/certificate.ts';
import { type Device, Devices } from '#account-server/devices.ts';
import { loginSchema, renewalSchema } from '#account-server/login-requests.ts';
import { PasswordHasher } from '#account-server/password-hashing.ts';
import { RateLimiter } from '#account-server/rate-limiter.ts';
import { fromHex } from '#base/bytes.ts';
import { ipv4, type Prefix } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';

const directory = mkdtempSync(join(tmpdir(), 'sojourn-accounts-'));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function openDatabase(): AccountDatabase {
  return new AccountDatabase(join(directory, `${files++}.sqlite`));
}

describe('Devices.freeAddress', () => {
  const PREFIX: Prefix = { address: ipv4('198.18.0.0'), length: 29 };
  const NOW = 1000;

  function open() {
    const database = openDatabase();
    const accounts = new Accounts(database);
    accounts.add({ name: 'a', fqdn: 'a.example', groups: [], createdAt: 0, password: undefined });
    const devices = new Devices(database);
    let keys = 0;
    const add = (): Device => {
      const virtualIpv4 = devices.freeAddress(PREFIX, NOW);
      if (virtualIpv4 === undefined) throw new Error('none is free');
      const publicKey = new Uint8Array(32).fill(++keys);
      devices.add({ account: 1, label: `l${keys}`, publicKey, virtualIpv4, enrolledAt: NOW });
      const made = devices.findByPublicKey(publicKey);
      if (made === undefined) throw new Error('not stored');
      return made;
    };
    return { database, devices, add };
  }

  it('allocates in order, without the first and the last address of the prefix', () => {
    const scene = open();
    const given = Array.from({ length: 6 }, () => scene.add().virtualIpv4);
    expect(given).toEqual([1, 2, 3, 4, 5, 6].map((last) => `198.18.0.${last}`));
    expect(scene.devices.freeAddress(PREFIX, NOW)).toBeUndefined();
    scene.database.close();
  });

  it('holds the address of a removed device until its credential expires', () => {
    const { database, devices, add } = open();
    const all = Array.from({ length: 6 }, add);
    const [, second] = all;
    if (second === undefined) throw new Error('no second');
    devices.update({ ...second, credentialUntil: NOW + 10 });
    devices.remove({ ...second, credentialUntil: NOW + 10 });
    expect(devices.freeAddress(PREFIX, NOW + 9)).toBeUndefined();
    expect(devices.freeAddress(PREFIX, NOW + 10)).toBe(second.virtualIpv4);
    database.close();
  });

  it('reuses a released address as late as possible', () => {
    const { database, devices, add } = open();
    const first = add();
    add();
    devices.remove(first);
    expect(devices.freeAddress(PREFIX, NOW)).toBe('198.18.0.3');
    database.close();
  });

  it('never allocates an address twice in random sequences of adding and removing', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(7), { maxLength: 40 }), (steps) => {
        const { database, devices, add } = open();
        for (const step of steps) {
          const all = devices.list();
          const gone = all[step];
          if (gone !== undefined) devices.remove(gone);
          else if (devices.freeAddress(PREFIX, NOW) !== undefined) add();
        }
        const addresses = devices.list().map(({ virtualIpv4 }) => virtualIpv4);
        database.close();
        expect(new Set(addresses).size).toBe(addresses.length);
        expect(addresses.every((address) => /^198\.18\.0\.[1-6]$/.test(address))).toBe(true);
      }),
      { numRuns: 30 },
    );
  });
});

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
    const database = openDatabase();
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

describe('PasswordHasher', () => {
  const COST = { costLog2: 4, blockSize: 8, parallelization: 1 };

  it('verifies the test vector of RFC 7914 §12', async () => {
    const cost = { costLog2: 14, blockSize: 8, parallelization: 1 };
    const salt = new TextEncoder().encode('SodiumChloride');
    const hash = fromHex('7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2');
    const hasher = new PasswordHasher(COST, 1);
    expect(await hasher.verify('pleaseletmein', { ...cost, salt, hash })).toBe(true);
    expect(await hasher.verify('pleaseletmeout', { ...cost, salt, hash })).toBe(false);
  });

  it('normalizes passwords, and uses a new salt for each hash', async () => {
    const hasher = new PasswordHasher(COST, 1);
    const [one, other] = [await hasher.hash('größe1234'), await hasher.hash('größe1234')];
    expect(await hasher.verify('größe1234'.normalize('NFD'), one)).toBe(true);
    expect(one.salt).not.toEqual(other.salt);
    expect(await hasher.verify('', undefined)).toBe(false);
  });

  it('limits concurrent hashes, and is not ready while its queue is full', async () => {
    const hasher = new PasswordHasher({ ...COST, costLog2: 10 }, 2);
    const all = Array.from({ length: 40 }, () => hasher.verify('x', undefined));
    expect(hasher.ready).toBe(false);
    expect(await Promise.all(all)).toEqual(all.map(() => false));
    expect(hasher.ready).toBe(true);
  });
});

describe('RateLimiter', () => {
  it('grants a burst, then one call for each interval, and returns the wait', () => {
    const limiter = new RateLimiter({ perMinute: 60, burst: 3 });
    const take = (atMs: number) => limiter.take('a', monotonic(atMs));
    expect([take(0), take(0), take(0), take(0), take(400)]).toEqual([
      undefined,
      undefined,
      undefined,
      1000,
      600,
    ]);
    expect([take(1000), take(1000)]).toEqual([undefined, 1000]);
    expect([take(10_000), take(10_000), take(10_000), take(10_000)]).toEqual([
      undefined,
      undefined,
      undefined,
      1000,
    ]);
  });

  it('never exceeds burst and rate', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2000), { minLength: 1, maxLength: 200 }), (gaps) => {
        const limiter = new RateLimiter({ perMinute: 60, burst: 5 });
        let nowMs = 0;
        let count = 0;
        for (const gap of gaps) {
          nowMs += gap;
          if (limiter.take('a', monotonic(nowMs)) === undefined) count += 1;
        }
        expect(count).toBeLessThanOrEqual(5 + nowMs / 1000);
      }),
    );
  });

  it('limits each caller separately, and evicts the least recently seen', () => {
    const limiter = new RateLimiter({ perMinute: 60, burst: 1 }, 3);
    for (const caller of ['a', 'b', 'c', 'd', 'e'])
      expect(limiter.take(caller, monotonic(0))).toBeUndefined();
    expect(limiter.size).toBe(3);
    expect(limiter.take('e', monotonic(0))).toBe(1000);
    expect(limiter.take('f', monotonic(1000))).toBeUndefined();
    expect(limiter.size).toBe(1);
  });
});

describe('ownCertificate and readCertificate', () => {
  const NOW_MS = Date.now();

  it('create a self-signed certificate once, in a file that only its owner can read', async () => {
    const file = join(directory, 'own.pem');
    const made = await ownCertificate(file, ['as.example', '2001:db8::1'], NOW_MS);
    const certificate = new X509Certificate(made.cert);
    expect(certificate.subjectAltName).toBe('DNS:as.example, IP Address:2001:DB8:0:0:0:0:0:1');
    expect([certificate.verify(certificate.publicKey), made.selfSigned]).toEqual([true, true]);
    expect(made.notAfterWallMs).toBeGreaterThan(NOW_MS + 10 * 365 * 86_400_000);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect((await ownCertificate(file, ['other.example'], NOW_MS)).fingerprint).toBe(
      made.fingerprint,
    );
  });

  it('name the file that is invalid or that others can read', async () => {
    const file = join(directory, 'open.pem');
    await ownCertificate(file, ['as.example'], NOW_MS);
    chmodSync(file, 0o644);
    await expect(ownCertificate(file, ['as.example'], NOW_MS)).rejects.toThrow(`chmod 600 ${file}`);
    writeFileSync(join(directory, 'none.pem'), 'nothing', { mode: 0o600 });
    await expect(ownCertificate(join(directory, 'none.pem'), ['x'], NOW_MS)).rejects.toThrow(
      'none.pem',
    );
  });

  it('accept a certificate of the operator only with its key', async () => {
    const [one, other] = [join(directory, 'one.pem'), join(directory, 'other.pem')];
    const made = await ownCertificate(one, ['as.example'], NOW_MS);
    await ownCertificate(other, ['as.example'], NOW_MS);
    expect(readCertificate(one, one)).toMatchObject({
      fingerprint: made.fingerprint,
      selfSigned: false,
    });
    expect(() => readCertificate(one, other)).toThrow('the key is not that of the certificate');
    expect(() => readCertificate(join(directory, 'absent.pem'), one)).toThrow(
      'absent.pem cannot be read',
    );
    const exposed = join(directory, 'exposed.pem');
    writeFileSync(exposed, readFileSync(one));
    chmodSync(exposed, 0o644);
    expect(() => readCertificate(one, exposed)).toThrow('chmod 600');
  });
});

describe('the request schemas', () => {
  const KEY = Buffer.alloc(32, 1).toString('base64');
  const TOKEN = 'A'.repeat(43);
  const LOGIN = { account: 'alice', password: 'x', publicKey: KEY, timestamp: 1, proof: KEY };
  const without = (name: string) =>
    Object.fromEntries(Object.entries(LOGIN).filter(([key]) => key !== name));

  it('accept a login and a renewal', () => {
    expect(loginSchema.parse(LOGIN)).toMatchObject({
      account: 'alice',
      publicKey: new Uint8Array(32).fill(1),
    });
    expect(
      loginSchema.safeParse({ ...without('password'), enrolmentToken: TOKEN, device: 'a' }).success,
    ).toBe(true);
    expect(
      renewalSchema.safeParse({ renewalToken: TOKEN, publicKey: KEY, timestamp: 1, proof: KEY })
        .success,
    ).toBe(true);
  });

  it.each([
    ['neither password nor token', without('password')],
    ['both password and token', { ...LOGIN, enrolmentToken: TOKEN }],
    ['no proof', without('proof')],
    ['an account that is not a label', { ...LOGIN, account: 'a.b' }],
    ['an account of 64 characters', { ...LOGIN, account: 'a'.repeat(64) }],
    ['a key of 31 octets', { ...LOGIN, publicKey: Buffer.alloc(31).toString('base64') }],
    ['a key in hex', { ...LOGIN, publicKey: '00'.repeat(32) }],
    ['a timestamp that is not an integer', { ...LOGIN, timestamp: 1.5 }],
    ['a timestamp before 1970', { ...LOGIN, timestamp: -1 }],
    ['a timestamp beyond the safe integers', { ...LOGIN, timestamp: 2 ** 60 }],
    ['a password of 513 characters', { ...LOGIN, password: 'x'.repeat(513) }],
    ['an unknown member', { ...LOGIN, admin: true }],
    ['an array', [LOGIN]],
    ['no body', undefined],
  ])('refuse %s', (_what, body) => {
    expect(loginSchema.safeParse(body).success).toBe(false);
  });
});
