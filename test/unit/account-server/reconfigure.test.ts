/** Changes of the account server's configuration between two requests. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PasswordHasher } from '#account-server/password-hashing.ts';
import { RateLimiter } from '#base/rate-limiter.ts';
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

describe('AccountService', () => {
  it('issues the next credential with the new lifetime', async () => {
    const laptop = new NodeKey();
    const first = granted(await scene.login(laptop, 'alice'));
    scene.service.reconfigure({ ...scene.configuration, credentialSeconds: 3600 });
    expect(first.notAfter).toBe(START + 86_400);
    expect(granted(await scene.login(laptop, 'alice')).notAfter).toBe(START + 3600);
  });

  it('keeps existing devices when the maximum number of devices shrinks', async () => {
    const [laptop, phone] = [new NodeKey(), new NodeKey()];
    granted(await scene.login(laptop, 'alice'));
    scene.service.reconfigure({ ...scene.configuration, devicesPerAccount: 1 });
    expect(
      refused(await scene.login(phone, 'alice', { password: PASSWORD, device: 'phone' })),
    ).toBe('too-many-devices');
    granted(await scene.login(laptop, 'alice'));
  });
});

describe('PasswordHasher', () => {
  it('rehashes a password at the next login when the cost has grown', async () => {
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

  it('completes every hash when the concurrency grows and shrinks', async () => {
    const hasher = new PasswordHasher(cost(12), 1);
    let done = 0;
    const all = Array.from({ length: 12 }, () => hasher.hash('password').then(() => (done += 1)));
    hasher.reconfigure(cost(12), 4);
    await all[1];
    hasher.reconfigure(cost(12), 1);
    await Promise.all(all);
    expect(done).toBe(12);
    // No slot of the earlier concurrency stays taken.
    await Promise.all([hasher.hash('one'), hasher.hash('two')]);
    expect(hasher.ready).toBe(true);
  });
});

describe('RateLimiter', () => {
  it('applies a new limit to callers that are already known', () => {
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

  it('limits logins at the new rate once the service is reconfigured', async () => {
    const account = { perMinute: 1, burst: 1 };
    const { limits } = scene.configuration;
    scene.service.reconfigure({ ...scene.configuration, limits: { ...limits, account } });
    const laptop = new NodeKey();
    granted(await scene.login(laptop, 'alice'));
    expect(refused(await scene.login(laptop, 'alice'))).toBe('rate-limited-account');
  });
});
