/** Logins and renewals: docs/reference/ntmobile.md §2.2. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { ipv4 } from '#base/ip.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import {
  AccountScene,
  CONFIGURATION,
  granted,
  PASSWORD,
  refused,
  SOURCE,
  START,
  source,
} from './account-server-scene.ts';
import { NodeKey } from './node-key.ts';

let scene: AccountScene;
let laptop: NodeKey;
let phone: NodeKey;

beforeEach(async () => {
  scene = new AccountScene();
  laptop = new NodeKey();
  phone = new NodeKey();
  await scene.request('account-add', {
    name: 'alice',
    password: PASSWORD,
    groups: ['staff', 'größe'],
  });
  await scene.request('account-add', { name: 'bob', password: 'another password' });
});
afterEach(() => scene[Symbol.dispose]());

describe('AccountService.login', () => {
  it('issues a credential that describes the device', async () => {
    const issued = granted(await scene.login(laptop, 'alice'));
    expect(scene.verify(issued, laptop)).toMatchObject({
      name: 'alice.nodes.example',
      groups: ['staff', 'größe'],
      publicKey: laptop.publicKey,
      virtualIpv4: '198.18.0.1',
      virtualIpv6: expect.stringMatching(/^fd12:3456:789a:/),
      notBefore: BigInt(START - 300),
      notAfter: BigInt(START + 86_400),
    });
  });

  it('accepts an enrolment token once', async () => {
    const enrolmentToken = await scene.token('alice');
    granted(await scene.login(laptop, 'alice', { enrolmentToken }));
    expect(refused(await scene.login(phone, 'alice', { enrolmentToken }))).toBe(
      'wrong-enrolment-token',
    );
  });

  it('accepts a used token again from the same key during the grace period', async () => {
    const enrolmentToken = await scene.token('alice');
    granted(await scene.login(laptop, 'alice', { enrolmentToken }));
    scene.pass(3000);
    granted(await scene.login(laptop, 'alice', { enrolmentToken }));
    scene.pass(700);
    expect(refused(await scene.login(laptop, 'alice', { enrolmentToken }))).toBe(
      'wrong-enrolment-token',
    );
  });

  it('refuses a token that is expired or of another account', async () => {
    const enrolmentToken = await scene.token('alice', 60);
    expect(refused(await scene.login(laptop, 'bob', { enrolmentToken }))).toBe(
      'wrong-enrolment-token',
    );
    scene.pass(61);
    expect(refused(await scene.login(laptop, 'alice', { enrolmentToken }))).toBe(
      'wrong-enrolment-token',
    );
  });

  it.each([
    ['a wrong password', 'alice', { password: 'wrong' }, 'wrong-password'],
    ['an unknown account', 'mallory', { password: PASSWORD }, 'unknown-account'],
    [
      'an early timestamp',
      'alice',
      { password: PASSWORD, timestamp: START * 1000 - 300_001 },
      'wrong-time',
    ],
    [
      'a late timestamp',
      'alice',
      { password: PASSWORD, timestamp: START * 1000 + 300_002 },
      'wrong-time',
    ],
  ])('refuses %s', async (_what, account, words, reason) => {
    expect(refused(await scene.login(laptop, account, words))).toBe(reason);
    expect(scene.service.counters.counters[reason]).toBe(1);
    expect(scene.events.at(-1)).toMatchObject({
      name: 'login-refused',
      level: 'warn',
      fields: { reason, account },
    });
  });

  it('refuses a proof of another key, account or time', async () => {
    const timestamp = scene.nowMs;
    const made = (key: NodeKey, account: string, at: number) =>
      scene.service.login(
        {
          ...{ account: 'alice', password: PASSWORD, publicKey: laptop.publicKey, timestamp },
          proof: key.proof('login', scene.exchange.publicKey, account, at),
        },
        SOURCE,
      );
    expect(refused(await made(phone, 'alice', timestamp))).toBe('wrong-proof');
    expect(refused(await made(laptop, 'bob', timestamp))).toBe('wrong-proof');
    expect(refused(await made(laptop, 'alice', timestamp + 1))).toBe('wrong-proof');
    expect(refused(await made(laptop, 'alice', timestamp))).toBe('granted');
    expect(refused(await made(laptop, 'alice', timestamp))).toBe('replayed-proof');
  });

  it('refuses a public key that yields no shared secret', async () => {
    const publicKey = new Uint8Array(32);
    const request = {
      account: 'alice',
      password: PASSWORD,
      publicKey,
      timestamp: scene.nowMs,
      proof: publicKey,
    };
    expect(refused(await scene.service.login(request, SOURCE))).toBe('wrong-proof');
  });

  it('spends as much work on an unknown account as on a wrong password', async () => {
    scene.restart({
      hashing: { cost: { costLog2: 14, blockSize: 8, parallelization: 1 }, concurrency: 1 },
    });
    const timed = async (account: string): Promise<number> => {
      const before = process.cpuUsage();
      await scene.login(laptop, account, { password: 'wrong' });
      const { user, system } = process.cpuUsage(before);
      return user + system;
    };
    await scene.request('account-add', { name: 'carol', password: PASSWORD });
    // CPU time, because other tests run in parallel. Without hashing it would be a hundredth.
    const known = [await timed('carol'), await timed('carol'), await timed('carol')];
    const unknown = [await timed('mallory'), await timed('mallory'), await timed('mallory')];
    expect(Math.min(...unknown)).toBeGreaterThan(Math.min(...known) / 3);
  });

  it('rehashes a correct password when the cost has changed', async () => {
    granted(await scene.login(laptop, 'alice'));
    scene.restart({
      hashing: { cost: { costLog2: 6, blockSize: 8, parallelization: 1 }, concurrency: 1 },
    });
    const cost = () =>
      scene.database.one("SELECT cost_log2 FROM accounts WHERE name = 'alice'")?.['cost_log2'];
    expect(refused(await scene.login(laptop, 'alice', { password: 'wrong' }))).toBe(
      'wrong-password',
    );
    expect(cost()).toBe(4);
    granted(await scene.login(laptop, 'alice'));
    expect(cost()).toBe(6);
    granted(await scene.login(laptop, 'alice'));
  });
});

describe('the devices of an account', () => {
  const nameOf = (key: NodeKey, issued: Parameters<AccountScene['verify']>[0]) => {
    const credential = scene.verify(issued, key);
    return typeof credential === 'string' ? credential : credential.name;
  };

  it('get their names from the account, their login or their key', async () => {
    expect(nameOf(laptop, granted(await scene.login(laptop, 'alice')))).toBe('alice.nodes.example');
    const second = `d${hex(nodeIdOf(phone.publicKey)).slice(0, 12)}.alice.nodes.example`;
    expect(nameOf(phone, granted(await scene.login(phone, 'alice')))).toBe(second);
    const named = { password: PASSWORD, device: 'phone' };
    expect(nameOf(phone, granted(await scene.login(phone, 'alice', named)))).toBe(
      'phone.alice.nodes.example',
    );
    expect(nameOf(phone, granted(await scene.login(phone, 'alice')))).toBe(
      'phone.alice.nodes.example',
    );
    const taken = await scene.login(new NodeKey(), 'alice', named);
    expect(refused(taken)).toBe('device-name-taken');
  });

  it('keep distinct addresses over a restart', async () => {
    const first = granted(await scene.login(laptop, 'alice')).device.virtualIpv4;
    const second = granted(await scene.login(phone, 'bob', { password: 'another password' })).device
      .virtualIpv4;
    expect(first).not.toBe(second);
    expect(granted(await scene.login(laptop, 'alice')).device.virtualIpv4).toBe(first);
    scene.restart();
    expect(granted(await scene.login(laptop, 'alice')).device.virtualIpv4).toBe(first);
  });

  it('get a new address when the prefix has changed', async () => {
    granted(await scene.login(laptop, 'alice'));
    scene.restart({ nodeIpv4Prefix: { address: ipv4('198.18.128.0'), length: 17 } });
    expect(granted(await scene.login(laptop, 'alice')).device.virtualIpv4).toBe('198.18.128.1');
    expect(granted(await scene.login(phone, 'alice')).device.virtualIpv4).toBe('198.18.128.2');
    // The former prefix again: the address in the unexpired credential is still held.
    scene.restart({ nodeIpv4Prefix: { address: ipv4('198.18.0.0'), length: 17 } });
    expect(granted(await scene.login(phone, 'alice')).device.virtualIpv4).toBe('198.18.0.2');
  });

  it('reach a maximum number, and a refused login creates none', async () => {
    const enrolmentToken = await scene.token('alice');
    for (let count = 0; count < 4; count++) granted(await scene.login(new NodeKey(), 'alice'));
    expect(refused(await scene.login(laptop, 'alice', { enrolmentToken }))).toBe(
      'too-many-devices',
    );
    await scene.request('device-remove', { device: 'alice.nodes.example' });
    // The refusal did not use the token.
    granted(await scene.login(laptop, 'alice', { enrolmentToken }));
  });

  it('belong to one account', async () => {
    granted(await scene.login(laptop, 'alice'));
    const other = await scene.login(laptop, 'bob', { password: 'another password' });
    expect(refused(other)).toBe('key-of-another-account');
  });
});

describe('AccountService.renew', () => {
  it('issues a new credential and a new token', async () => {
    const first = granted(await scene.login(laptop, 'alice'));
    scene.pass(40_000);
    const second = granted(scene.renew(laptop, first.renewalToken));
    expect(second.renewalToken).not.toBe(first.renewalToken);
    expect(scene.verify(second, laptop)).toMatchObject({
      notAfter: BigInt(scene.seconds + 86_400),
    });
  });

  it('accepts the former token during the grace period, which is not extended', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    granted(scene.renew(laptop, renewalToken));
    scene.pass(2000);
    granted(scene.renew(laptop, renewalToken));
    scene.pass(1500);
    const last = granted(scene.renew(laptop, renewalToken));
    scene.pass(200);
    expect(refused(scene.renew(laptop, renewalToken))).toBe('wrong-renewal-token');
    granted(scene.renew(laptop, last.renewalToken));
  });

  it('invalidates the former token when the new one is used', async () => {
    const first = granted(await scene.login(laptop, 'alice'));
    const second = granted(scene.renew(laptop, first.renewalToken));
    granted(scene.renew(laptop, second.renewalToken));
    expect(refused(scene.renew(laptop, first.renewalToken))).toBe('wrong-renewal-token');
    granted(scene.renew(laptop, second.renewalToken));
  });

  it('refuses a token of another key and an unknown token', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    expect(refused(scene.renew(phone, renewalToken))).toBe('wrong-renewal-token');
    expect(refused(scene.renew(laptop, 'A'.repeat(43)))).toBe('wrong-renewal-token');
  });

  it('refuses an expired token', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    scene.pass(30 * 86_400);
    expect(refused(scene.renew(laptop, renewalToken))).toBe('wrong-renewal-token');
  });

  it('refuses the proof of a login, and a replayed proof', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    const timestamp = scene.nowMs + 1;
    const renew = (kind: 'login' | 'renewal') => {
      const proof = laptop.proof(kind, scene.exchange.publicKey, renewalToken, timestamp);
      return refused(
        scene.service.renew(
          { renewalToken, publicKey: laptop.publicKey, timestamp, proof },
          SOURCE,
        ),
      );
    };
    expect([renew('login'), renew('renewal'), renew('renewal')]).toEqual([
      'wrong-proof',
      'granted',
      'replayed-proof',
    ]);
  });

  it('works after a restart and applies changed groups', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    await scene.request('account-groups', { name: 'alice', groups: ['other'] });
    scene.restart();
    expect(scene.verify(granted(scene.renew(laptop, renewalToken)), laptop)).toMatchObject({
      groups: ['other'],
    });
  });
});

describe('an account', () => {
  it('refuses login and renewal while it is disabled', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    const enrolmentToken = await scene.token('alice');
    await scene.request('account-disable', { name: 'alice' });
    expect(refused(await scene.login(laptop, 'alice'))).toBe('account-disabled');
    expect(refused(await scene.login(laptop, 'alice', { password: 'wrong' }))).toBe(
      'wrong-password',
    );
    expect(refused(await scene.login(laptop, 'alice', { enrolmentToken }))).toBe(
      'account-disabled',
    );
    expect(refused(scene.renew(laptop, renewalToken))).toBe('account-disabled');
    await scene.request('account-enable', { name: 'alice' });
    granted(scene.renew(laptop, renewalToken));
    granted(await scene.login(phone, 'alice', { enrolmentToken }));
  });

  it('loses its devices when it is removed', async () => {
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    await scene.request('account-remove', { name: 'alice' });
    expect(refused(scene.renew(laptop, renewalToken))).toBe('wrong-renewal-token');
    expect(refused(await scene.login(laptop, 'alice'))).toBe('unknown-account');
    expect(await scene.request('device-list')).toEqual([]);
  });
});

describe('rate limits', () => {
  it('apply to password attempts of an account, not to renewals of its devices', async () => {
    scene.restart({ limits: { ...CONFIGURATION.limits, account: { perMinute: 6, burst: 3 } } });
    const { renewalToken } = granted(await scene.login(laptop, 'alice'));
    const tries = [];
    for (let count = 0; count < 3; count++)
      tries.push(await scene.login(phone, 'alice', { password: 'wrong' }));
    expect(tries.map(refused)).toEqual([
      'wrong-password',
      'wrong-password',
      'rate-limited-account',
    ]);
    expect(tries.at(-1)).toMatchObject({ retryAfterMs: expect.closeTo(10_000, -2) });
    expect(refused(await scene.login(laptop, 'alice'))).toBe('rate-limited-account');
    expect(refused(await scene.login(laptop, 'mallory'))).toBe('unknown-account');
    granted(scene.renew(laptop, renewalToken));
    scene.pass(10);
    granted(await scene.login(laptop, 'alice'));
  });

  it('apply to the requests of an IPv4 address or an IPv6 /64', () => {
    scene.restart({ limits: { ...CONFIGURATION.limits, source: { perMinute: 60, burst: 2 } } });
    const admit = (text: string) => scene.service.admit(source(text))?.refused ?? 'admitted';
    expect(['192.0.2.1', '192.0.2.1', '192.0.2.1', '192.0.2.2'].map(admit)).toEqual([
      ...['admitted', 'admitted', 'rate-limited-source', 'admitted'],
    ]);
    expect(['2001:db8::1', '2001:db8::2', '2001:db8::3', '2001:db8:0:1::1'].map(admit)).toEqual([
      ...['admitted', 'admitted', 'rate-limited-source', 'admitted'],
    ]);
  });
});
