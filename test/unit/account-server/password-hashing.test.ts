/** Password hashing with scrypt: RFC 7914. */
import { describe, expect, it } from 'vitest';
import { PasswordHasher } from '#account-server/password-hashing.ts';
import { fromHex } from '#base/bytes.ts';

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
