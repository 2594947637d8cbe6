/** A node's login against the account server's own code, over TLS on the loopback. */
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Certificate, ownCertificate } from '#account-server/certificate.ts';
import { AccountHttpsServer } from '#account-server/https.ts';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { monotonic, wall } from '#base/time.ts';
import { verifyCredential } from '#crypto/node-credential.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { LoginInput } from '#engine/contract/ntmobile.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import { LoginClient, type LoginClientOptions } from '#host/login/login-client.ts';
import { AccountScene, PASSWORD, START } from '#test/unit/account-server/account-server-scene.ts';

const own = keyPairOf(new Uint8Array(32).fill(0x21));
const LOOPBACK = ipv4('127.0.0.1');

let scene: AccountScene;
let face: AccountHttpsServer;
let certificate: Certificate;
let port = 0;
let notes: EngineEvent[] = [];
const servers: { close(): void }[] = [];

beforeEach(async () => {
  scene = new AccountScene();
  notes = [];
  certificate = await ownCertificate(`${scene.directory}/tls.pem`, ['as.example'], Date.now());
  face = new AccountHttpsServer({
    ...{
      service: scene.service,
      authorities: scene.authorities,
      configuration: scene.configuration,
      certificate,
    },
    publicKey: scene.exchange.publicKey,
    clock: { now: () => monotonic(scene.nowMs), wall: () => wall(scene.nowMs) },
    fatal: (error) => expect.unreachable(String(error)),
  });
  port = await face.listen(LOOPBACK, 0);
  await scene.request('account-add', { name: 'alice', password: PASSWORD });
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await face.close();
  scene[Symbol.dispose]();
});

function secretFile(text: string): string {
  const file = `${scene.directory}/secret`;
  writeFileSync(file, text, { mode: 0o600 });
  return file;
}

interface TestClientOptions extends Partial<Omit<LoginClientOptions, 'server'>> {
  readonly server?: Partial<LoginClientOptions['server']>;
  readonly addresses?: readonly IpAddress[];
}

const OTHER_FINGERPRINT = 'AB'.repeat(32).replaceAll(/..(?!$)/g, '$&:');

function client({
  server,
  addresses = [LOOPBACK],
  ...options
}: TestClientOptions = {}): LoginClient {
  return new LoginClient({
    server: {
      host: 'as.example',
      port,
      trust: { fingerprints: [OTHER_FINGERPRINT, certificate.fingerprint] },
      ...server,
    },
    ...{ account: 'alice', device: undefined, own, sources: () => [] },
    secret: options.secret ?? { kind: 'password', file: secretFile(`${PASSWORD}\n`) },
    resolver: { resolve: async () => ({ addresses }) },
    wallMs: () => {
      scene.nowMs += 1;
      return scene.nowMs;
    },
    note: (event) => notes.push(event),
    ...options,
  });
}

type Granted = Extract<LoginInput['outcome'], { readonly granted: true }>;

function granted(outcome: LoginInput['outcome']): Granted {
  if (!outcome.granted) throw new Error(`${outcome.reason}: ${outcome.message}`);
  return outcome;
}

describe('a login', () => {
  it('returns everything that a node needs, with a password', async () => {
    const outcome = granted(await client({ device: 'laptop' }).login(undefined));
    expect(outcome).toMatchObject({
      ...{ zone: 'nodes.example', systemPrefix: scene.configuration.systemPrefix },
      notAfter: (Math.floor(scene.nowMs / 1000) + scene.configuration.credentialSeconds) * 1000,
      coordinators: scene.configuration.directionCoordinators,
      authorities: scene.authorities.list(scene.seconds).map((authority) => authority.publicKey),
    });
    const credential = verifyCredential(
      outcome.credential,
      outcome.authorities,
      own.publicKey,
      BigInt(START + 5),
    );
    expect(credential).toMatchObject({ name: 'laptop.alice.nodes.example' });
    expect(notes).toEqual([]);
  });

  it('uses the enrolment token once, and then the renewal token', async () => {
    const file = secretFile(`${await scene.token('alice')}\n`);
    const bySecret = client({ secret: { kind: 'enrolment-token', file } });
    const first = granted(await bySecret.login(undefined));
    const second = granted(await bySecret.login(first.renewalToken));
    expect(second.renewalToken).not.toBe(first.renewalToken);
    granted(await bySecret.login(second.renewalToken));
    expect(await bySecret.login(first.renewalToken)).toMatchObject({
      granted: false,
      reason: 'refused',
      final: true,
    });
  });

  it('accepts a certificate that an authority signed for the server’s name', async () => {
    granted(
      await client({ server: { trust: { authorities: certificate.cert } } }).login(undefined),
    );
    const other = client({
      server: { host: 'other.example', trust: { authorities: certificate.cert } },
    });
    expect(await other.login(undefined)).toMatchObject({
      reason: 'certificate',
      final: false,
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
  });

  it('sends nothing to a server with another certificate', async () => {
    const asked = scene.service.counters.counters['system-asked'];
    const wrong = client({
      server: { trust: { fingerprints: [OTHER_FINGERPRINT] } },
    });
    expect(await wrong.login(undefined)).toMatchObject({
      reason: 'certificate',
      final: false,
      message: expect.stringContaining(
        `has the fingerprint ${certificate.fingerprint}, not the configured one`,
      ),
    });
    expect(
      await client({ server: { trust: { authorities: undefined } } }).login(undefined),
    ).toMatchObject({
      reason: 'certificate',
      message: expect.stringContaining('configure its fingerprint'),
    });
    expect(scene.service.counters.counters['system-asked']).toBe(asked);
  });

  it('finds the server at any of its addresses', async () => {
    const addresses = [ipv6('::1'), ipv4('127.0.0.9'), LOOPBACK];
    granted(await client({ addresses, sources: () => [LOOPBACK] }).login(undefined));
    expect(
      await client({ addresses: [ipv6('::1'), ipv4('127.0.0.9')] }).login(undefined),
    ).toMatchObject({
      reason: 'unreachable',
      final: false,
      message: expect.stringMatching(
        /as\.example: .*::1 port \d+: .*ECONNREFUSED.*127\.0\.0\.9 port/,
      ),
    });
  });

  it('connects from an address of the host of the same family', async () => {
    const sources = [ipv6('::1'), ipv4('127.0.0.77')];
    granted(await client({ sources: () => sources }).login(undefined));
    expect(scene.events.find(({ name }) => name === 'login-granted')?.fields).toMatchObject({
      source: '127.0.0.77',
    });
  });
});

describe('a refused login', () => {
  it('ends finally after a wrong password, which appears in no message', async () => {
    const secret = { kind: 'password', file: secretFile('incorrect zebra') } as const;
    const outcome = await client({ secret }).login(undefined);
    expect(outcome).toMatchObject({ granted: false, reason: 'refused', final: true });
    expect(JSON.stringify(outcome)).not.toContain('zebra');
  });

  it('ends finally with a disabled account’s password, not with its renewal token', async () => {
    const { renewalToken } = granted(await client().login(undefined));
    await scene.request('account-disable', { name: 'alice' });
    expect(await client().login(undefined)).toMatchObject({
      reason: 'account-disabled',
      final: true,
    });
    expect(await client().login(renewalToken)).toMatchObject({
      ...{ reason: 'account-disabled', final: false, retryAfterMs: 300_000 },
    });
  });

  it('names a time to retry after too many attempts', async () => {
    scene.restart({
      limits: { ...scene.configuration.limits, account: { perMinute: 6, burst: 1 } },
    });
    await face.close();
    face = new AccountHttpsServer({
      ...{
        service: scene.service,
        authorities: scene.authorities,
        configuration: scene.configuration,
        certificate,
      },
      publicKey: scene.exchange.publicKey,
      clock: { now: () => monotonic(scene.nowMs), wall: () => wall(scene.nowMs) },
      fatal: () => {},
    });
    port = await face.listen(LOOPBACK, 0);
    granted(await client().login(undefined));
    expect(await client().login(undefined)).toMatchObject({
      reason: 'rate-limited',
      final: false,
      retryAfterMs: 10_000,
    });
  });

  it.each([
    ['is missing', undefined, /cannot be read: ENOENT/],
    ['is empty', '\n', /the first line is empty/],
  ])('names the file that %s', async (_what, text, message) => {
    const file = text === undefined ? `${scene.directory}/none` : secretFile(text);
    const outcome = await client({ secret: { kind: 'password', file } }).login(undefined);
    expect(outcome).toMatchObject({
      reason: 'no-secret',
      final: true,
      message: expect.stringMatching(message),
    });
    expect(outcome).toMatchObject({ message: expect.stringContaining(file) });
  });

  it('recognizes a file that has more than the enrolment token', async () => {
    const file = secretFile(`account  alice\ntoken  ${'A'.repeat(43)}\n`);
    const outcome = await client({ secret: { kind: 'enrolment-token', file } }).login(undefined);
    expect(outcome).toMatchObject({
      ...{ reason: 'no-secret', final: true },
      message:
        `the enrolment token in ${file} is no token: ` +
        'write only what "sojourn as account token" shows as token',
    });
  });

  it('refuses a secret in a file that others can read', async () => {
    const file = secretFile(PASSWORD);
    chmodSync(file, 0o644);
    expect(await client({ secret: { kind: 'password', file } }).login(undefined)).toMatchObject({
      message: expect.stringContaining(`chmod o= ${file}`),
    });
  });
});

describe('a login with a wrong clock', () => {
  it('succeeds ahead of the server, with the server’s time', async () => {
    granted(await client({ wallMs: () => scene.nowMs + 600_000 }).login(undefined));
    expect(notes).toMatchObject([
      { name: 'clock-skew', level: 'warn', fields: { aheadSeconds: 600 } },
    ]);
    expect(scene.service.counters.counters['wrong-time']).toBe(1);
  });

  it('fails behind the server, and names the clock', async () => {
    expect(await client({ wallMs: () => scene.nowMs - 4_000_000 }).login(undefined)).toMatchObject({
      ...{ granted: false, reason: 'wrong-clock', final: false },
      message: "this host's clock is 4000 s behind the account server's: set it",
    });
  });

  it('succeeds with the server’s time after the clock was set back', async () => {
    granted(await client({ wallMs: () => scene.nowMs }).login(undefined));
    scene.pass(10);
    granted(await client({ wallMs: () => scene.nowMs - 60_000 }).login(undefined));
    expect(notes).toMatchObject([{ name: 'clock-skew', fields: { aheadSeconds: -60 } }]);
  });
});

describe('a host that is no account server', () => {
  async function serve(
    handler: (send: (status: number, text: string) => void) => void,
  ): Promise<void> {
    const { cert, key } = certificate;
    const server = createHttpsServer({ cert, key }, (_request, response) =>
      handler((status, text) => {
        response.writeHead(status, { location: 'https://as.example/elsewhere' }).end(text);
      }),
    );
    servers.push(server);
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    port = portOf(server.address());
  }
  const portOf = (address: AddressInfo | string | null): number =>
    typeof address === 'object' && address !== null ? address.port : 0;

  it.each<readonly [string, number, string]>([
    ['another page', 200, '<html></html>'],
    ['a redirection', 302, '{}'],
    ['an answer without members', 200, '{"zone":"nodes.example"}'],
    ['an error of its own', 500, 'internal'],
  ])('results in a failure for %s, which is not final', async (_what, status, text) => {
    await serve((send) => send(status, text));
    expect(await client().login(undefined)).toMatchObject({
      granted: false,
      reason: 'answer-unusable',
      final: false,
    });
  });

  it('results in a failure if its answer does not end', async () => {
    await serve((send) => send(200, 'x'.repeat(300_000)));
    expect(await client().login(undefined)).toMatchObject({
      reason: 'unreachable',
      message: 'as.example: the answer is too long',
    });
  });

  it('results in a failure after a timeout without an answer', async () => {
    await serve(() => {});
    expect(await client({ answerMs: 100 }).login(undefined)).toMatchObject({
      reason: 'unreachable',
      message: 'as.example: no answer in time',
    });
  });

  it('results in a failure after a timeout without a TLS handshake', async () => {
    const silent = createServer((socket) => servers.push({ close: () => socket.destroy() }));
    servers.push(silent);
    await new Promise<void>((ready) => silent.listen(0, '127.0.0.1', ready));
    port = portOf(silent.address());
    expect(await client({ connectMs: 100 }).login(undefined)).toMatchObject({
      reason: 'unreachable',
      message: expect.stringContaining('no answer in time'),
    });
  });
});

it('reports a server name that does not exist', async () => {
  const resolver = { resolve: async () => ({ addresses: [], failure: 'NXDOMAIN' }) };
  expect(await client({ resolver }).login(undefined)).toMatchObject({
    ...{ granted: false, reason: 'unresolved', message: 'as.example: NXDOMAIN', final: false },
  });
});
