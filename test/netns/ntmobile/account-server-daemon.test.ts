/**
 * The account server as a daemon, with clients that use only `curl`, `openssl` and `node:crypto`
 * and none of Sojourn's code. It listens on the loopback interface of this lab.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '#base/json.ts';
import { isJsonObject } from '#daemon/control/json-lines.ts';
import type { DaemonProcess } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { attempt, Background, run, waitFor } from '#lab/shell.ts';
import {
  ask,
  base64,
  CERTIFICATE,
  fetchCertificate,
  login,
  loginBody,
  PASSWORD,
  readCredential,
  remembered,
  renew,
  secrets,
  serverKey,
  system,
} from '#test/netns/helpers/ntmobile/account-client.ts';
import {
  CONFIGURATION,
  COORDINATOR,
  enrolmentToken,
  expectNoSecrets,
  operate,
  startAccountServer,
  statsOf,
} from '#test/netns/helpers/ntmobile/account-lab.ts';
import { NodeKey } from '#test/unit/account-server/node-key.ts';

/** A client that sends nothing until the server closes the connection. */
const SILENT =
  "my $s = IO::Socket::IP->new(PeerAddr => '::1', PeerPort => 4501) or die; sysread $s, my $b, 1";
const MANY =
  "my @all = map { IO::Socket::IP->new(PeerAddr => '127.0.0.1', PeerPort => 4501) } 1 .. 80; " +
  'sleep 60';
const WRONG_PASSWORD = 'incorrect zebra';
secrets.add(WRONG_PASSWORD);

let server: DaemonProcess;
beforeAll(async () => {
  server = await startAccountServer();
});
afterAll(async () => {
  await server?.stop();
});

describe('TLS of the account server', () => {
  it('presents the certificate whose fingerprint the log shows', async () => {
    const seen = await run([
      'openssl',
      'x509',
      '-in',
      CERTIFICATE,
      '-noout',
      '-fingerprint',
      '-sha256',
    ]);
    const shown = await operate(['as', 'fingerprint']);
    expect(seen.trim()).toBe(
      `sha256 Fingerprint=${isJsonObject(shown) ? shown['fingerprint'] : ''}`,
    );
    expect(readFileSync(server.logFile, 'utf8')).toContain(seen.trim().split('=')[1]);
  });

  it('accepts version 1.3 only', async () => {
    const before = Number((await statsOf(server))['tls-failed']);
    const old = await attempt([
      'curl',
      '--silent',
      '--cacert',
      CERTIFICATE,
      '--tls-max',
      '1.2',
      'https://[::1]:4501/v1/system',
    ]);
    expect([old.code, old.stdout]).toEqual([35, '']);
    expect((await statsOf(server))['tls-failed']).toBe(before + 1);
    const brief = await attempt(['openssl', 's_client', '-connect', '[::1]:4501', '-brief']);
    expect(brief.stderr).toContain('Protocol version: TLSv1.3');
    expect((await ask('/v1/system', undefined, '--tlsv1.3')).status).toBe(200);
  });

  it('serves both families', async () => {
    expect((await ask('https://127.0.0.1:4501/v1/system')).status).toBe(200);
  });

  it('keeps serving when a client sends no TLS', async () => {
    await attempt(['curl', '--silent', '--max-time', '5', 'http://[::1]:4501/v1/system']);
    expect((await ask('/v1/system')).status).toBe(200);
  });
});

describe('a node at the account server', () => {
  it('learns the parameters of the system', async () => {
    expect(await system()).toMatchObject({
      zone: 'nodes.example',
      systemPrefix: 'fd12:3456:789a::/48',
      credentialSeconds: 86_400,
      authorityKeys: [{ keyId: expect.stringMatching(/^[0-9a-f]{16}$/) }],
      directionCoordinators: [
        {
          name: 'dc.example',
          publicKey: COORDINATOR,
          endpoints: ['192.0.2.1:7890', '[2001:db8::1]:7891'],
        },
      ],
    });
  });

  it('logs in by password and gets a credential that an independent reader verifies', async () => {
    const key = new NodeKey();
    const answered = await login(key, 'alice');
    expect(answered.status).toBe(200);
    const credential = await readCredential(answered);
    const nodeId = createHash('sha256').update(key.publicKey).digest('hex').slice(0, 32);
    expect(credential).toMatchObject({
      ...{ good: true, nodeId, publicKey: Buffer.from(key.publicKey).toString('hex') },
      virtualIpv6: `fd123456789a0000${nodeId.slice(0, 16)}`,
      virtualIpv4: expect.stringMatching(/^198\.18\.0\.\d+$/),
      ...{ name: 'alice.nodes.example', groups: 2, notAfter: answered.body['notAfter'] },
    });
    expect(credential.lifeSeconds).toBeGreaterThan(86_390);
    expect(credential.lifeSeconds).toBeLessThanOrEqual(86_400);
  });

  it('logs in by a token only once', async () => {
    const token = await enrolmentToken('bob');
    expect(
      (await login(new NodeKey(), 'bob', { enrolmentToken: token, device: 'van' })).status,
    ).toBe(200);
    const again = await login(new NodeKey(), 'bob', { enrolmentToken: token });
    expect([again.status, again.body['error']]).toEqual([401, 'refused']);
    expect(await operate(['as', 'device', 'list', 'bob'])).toMatchObject([
      { device: 'van.bob.nodes.example' },
    ]);
  });

  it('gets the same refusal for a wrong password, no password, and no account', async () => {
    const answers = [];
    for (const account of ['alice', 'bob', 'nobody']) {
      const { status, body } = await login(new NodeKey(), account, { password: WRONG_PASSWORD });
      answers.push([status, body['error'], body['message']]);
    }
    expect(answers).toEqual(
      answers.map(() => [401, 'refused', 'account, password or token is wrong']),
    );
    expect(await statsOf(server)).toMatchObject({ 'wrong-password': 2, 'unknown-account': 1 });
  });

  it('gets refused with a forged, an old or a used proof', async () => {
    const key = new NodeKey();
    const body = await loginBody(key, 'alice', { password: PASSWORD, device: 'tablet' });
    const forged = await ask('/v1/login', { ...body, proof: base64(new Uint8Array(32).fill(5)) });
    expect([forged.status, forged.body['error']]).toEqual([401, 'wrong-proof']);
    const stolen = await ask('/v1/login', { ...body, publicKey: base64(new NodeKey().publicKey) });
    expect([stolen.status, stolen.body['error']]).toEqual([401, 'wrong-proof']);
    const timestamp = Date.now() - 301_000;
    const proof = base64(key.proof('login', await serverKey(), 'alice', timestamp));
    const old = await ask('/v1/login', { ...body, timestamp, proof });
    expect([old.status, old.body['error']]).toEqual([403, 'wrong-time']);
    expect(Math.abs(Number(old.body['time']) - Date.now())).toBeLessThan(60_000);
    expect(remembered(await ask('/v1/login', body)).status).toBe(200);
    const replayed = await ask('/v1/login', body);
    expect([replayed.status, replayed.body['error']]).toEqual([403, 'replayed-proof']);
  });

  it.each<readonly [string, string, string | JsonObject | undefined, number]>([
    ['that is no JSON', '/v1/login', '{"account":', 400],
    ['without members', '/v1/login', {}, 400],
    ['with prototypes', '/v1/login', '{"__proto__":{"account":"alice"}}', 400],
    ['of 5000 octets', '/v1/login', { account: 'x'.repeat(5000) }, 413],
    ['to another path', '/v1/other', {}, 404],
    ['that would be a page', '/', undefined, 404],
    ['to renew with nothing', '/v1/renew', {}, 400],
  ])('gets an error for a request %s', async (_what, path, body, status) => {
    const before = Number((await statsOf(server))['malformed-request']);
    const answered = await ask(path, body);
    expect([answered.status, answered.body['error']]).toEqual([status, 'malformed-request']);
    expect((await statsOf(server))['malformed-request']).toBe(before + 1);
  });
});

describe('a renewal', () => {
  it('returns a new token and keeps the former one valid until the new one is used', async () => {
    const key = new NodeKey();
    const first = await login(key, 'alice', { password: PASSWORD, device: 'renewing' });
    const second = await renew(key, first);
    expect([second.status, (await readCredential(second)).good]).toEqual([200, true]);
    // The case of a lost answer.
    const third = await renew(key, first);
    expect(third.status).toBe(200);
    expect((await renew(key, second)).status).toBe(401);
    expect((await renew(key, third)).status).toBe(200);
    expect((await renew(key, first)).status).toBe(401);
    expect((await renew(new NodeKey(), third)).status).toBe(401);
  });

  it('fails for a disabled account, as a login does', async () => {
    const key = new NodeKey();
    const first = await login(key, 'alice', { password: PASSWORD, device: 'disabled' });
    await operate(['as', 'account', 'disable', 'alice']);
    const refused = [await renew(key, first), await login(key, 'alice')];
    expect(refused.map(({ status, body }) => [status, body['error']])).toEqual([
      [403, 'account-disabled'],
      [403, 'account-disabled'],
    ]);
    expect((await login(key, 'alice', { password: WRONG_PASSWORD })).body['error']).toBe('refused');
    await operate(['as', 'account', 'enable', 'alice']);
    expect((await renew(key, first)).status).toBe(200);
  });
});

describe('idle connections', () => {
  it('get closed before and after TLS and do not block other clients', async () => {
    const logFile = (name: string) => ({ logFile: `${LAB_DIRECTORY}/${name}.log` });
    const silent = [
      new Background(
        ['openssl', 's_client', '-connect', '[::1]:4501', '-quiet'],
        logFile('silent-tls'),
      ),
      new Background(['perl', '-MIO::Socket::IP', '-e', SILENT], logFile('silent')),
    ];
    const idle = new Background(['perl', '-MIO::Socket::IP', '-e', MANY], logFile('many'));
    const cut = async () => Number((await statsOf(server))['connection-shed']) > 0;
    await waitFor(cut, { timeoutMs: 20_000, what: 'connections to be cut' });
    expect(
      (await ask('https://127.0.0.1:4501/v1/system', undefined, '--interface', '127.0.0.2')).status,
    ).toBe(200);
    await idle.stop('SIGKILL');
    for (const one of silent) {
      await waitFor(() => one.finished, {
        timeoutMs: 30_000,
        what: `${one.argv[0]} to be disconnected`,
      });
    }
  });
});

describe('rate limits', () => {
  beforeAll(async () => {
    await server.stop();
    const limits = { source: { perMinute: 60, burst: 12 }, account: { perMinute: 2, burst: 3 } };
    server.configure({ ...CONFIGURATION, limits });
    await server.start();
    await fetchCertificate();
  });

  it('stop password guessing and floods of a source, with a Retry-After time', async () => {
    const guesses = [];
    for (let count = 0; count < 4; count++) {
      guesses.push(await login(new NodeKey(), 'alice', { password: WRONG_PASSWORD }));
    }
    expect(guesses.map(({ status }) => status)).toEqual([401, 401, 401, 429]);
    expect(Number(guesses.at(-1)?.retryAfter)).toBeGreaterThan(20);
    const flood = await Promise.all(Array.from({ length: 20 }, () => ask('/v1/login', {})));
    const late = flood.filter(({ status }) => status === 429);
    expect(late.length).toBeGreaterThan(5);
    expect(
      late.every(
        ({ retryAfter, body }) => Number(retryAfter) >= 1 && body['error'] === 'rate-limited',
      ),
    ).toBe(true);
    expect(await statsOf(server)).toMatchObject({
      'rate-limited-account': 1,
      'rate-limited-source': late.length,
    });
    // Clients with another address can still connect.
    expect((await ask('https://127.0.0.1:4501/v1/login', {}, '--insecure')).status).toBe(400);
  });
});

describe('secrets of the account server', () => {
  it('appear in no log; the store holds neither tokens nor passwords', expectNoSecrets);
});
