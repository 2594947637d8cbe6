/**
 * An account server that is told by its operator to allow or give something else, between two
 * requests.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PasswordHasher } from '#account-server/password-hashing.ts';
import { RateLimiter } from '#account-server/rate-limiter.ts';
import { monotonic } from '#base/time.ts';
import { AccountScene, granted, PASSWORD, refused, START } from './account-server-scene.ts';
import { NodeKey } from './node-key.ts';

let scene: AccountScene;
beforeEach(async () => {
  scene = new AccountScene();
  await scene.request('account-add', { name: 'alice', password: PASSWORD });
});
afterEach(() => scene[Symbol.dispose]());

const cost = (costLog2: number) => ({ costLog2, blockSize: 8, parallelization: 1 });

describe('credentials', () => {
  it('are good for another time from the next one on', async () => {
    const laptop = new NodeKey();
    const first = granted(await scene.login(laptop, 'alice'));
    scene.service.reconfigure({ ...scene.configuration, credentialSeconds: 3600 });
    expect(first.notAfter).toBe(START + 86_400);
    expect(granted(await scene.login(laptop, 'alice')).notAfter).toBe(START + 3600);
  });

  it('are given to fewer devices, and those that there are stay', async () => {
    const [laptop, phone] = [new NodeKey(), new NodeKey()];
    granted(await scene.login(laptop, 'alice'));
    scene.service.reconfigure({ ...scene.configuration, devicesPerAccount: 1 });
    expect(
      refused(await scene.login(phone, 'alice', { password: PASSWORD, device: 'phone' })),
    ).toBe('too-many-devices');
    granted(await scene.login(laptop, 'alice'));
  });
});

describe('passwords', () => {
  it('that cost more now are hashed anew with the next login', async () => {
    const laptop = new NodeKey();
    scene.service.reconfigure({
      ...scene.configuration,
      hashing: { cost: cost(13), concurrency: 1 },
    });
    granted(await scene.login(laptop, 'alice'));
    const hash = await scene.service.hashPassword('x'.repeat(12));
    expect(hash.costLog2).toBe(13);
    granted(await scene.login(laptop, 'alice'));
  });

  it('are hashed more at a time, and fewer, without one being lost', async () => {
    const hasher = new PasswordHasher(cost(12), 1);
    let done = 0;
    const all = Array.from({ length: 12 }, () => hasher.hash('password').then(() => (done += 1)));
    hasher.reconfigure(cost(12), 4);
    await all[1];
    hasher.reconfigure(cost(12), 1);
    await Promise.all(all);
    expect(done).toBe(12);
    // Nobody keeps a place that there is none of any more.
    await Promise.all([hasher.hash('one'), hasher.hash('two')]);
    expect(hasher.ready).toBe(true);
  });
});

describe('limits', () => {
  it('hold from now on, for who came often before as well', () => {
    const limiter = new RateLimiter({ perMinute: 60, burst: 2 });
    const now = monotonic(1000);
    expect([1, 2, 3].map(() => limiter.take('a', now))).toEqual([undefined, undefined, 1000]);
    limiter.setLimit({ perMinute: 60, burst: 5 });
    expect([1, 2, 3, 4].map(() => limiter.take('a', now))).toEqual([
      undefined,
      undefined,
      undefined,
      1000,
    ]);
    limiter.setLimit({ perMinute: 60, burst: 1 });
    expect(limiter.take('a', now)).toBe(5000);
  });

  it('of the service are the new ones', async () => {
    const account = { perMinute: 1, burst: 1 };
    const { limits } = scene.configuration;
    scene.service.reconfigure({ ...scene.configuration, limits: { ...limits, account } });
    const laptop = new NodeKey();
    granted(await scene.login(laptop, 'alice'));
    expect(refused(await scene.login(laptop, 'alice'))).toBe('rate-limited-account');
  });
});
