/** The schemas of login and renewal requests. */
import { describe, expect, it } from 'vitest';
import { loginSchema, renewalSchema } from '#account-server/login-requests.ts';

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
