/** Answers of the HTTPS interface to internal failures. */
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { get, request } from 'node:https';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Certificate, ownCertificate } from '#account-server/certificate.ts';
import { AccountHttpsServer } from '#account-server/https.ts';
import { ipv4 } from '#base/ip.ts';
import { monotonic, wall } from '#base/time.ts';
import { isJsonObject, parseObject } from '#daemon/control/json-lines.ts';
import { AccountScene, PASSWORD } from './account-server-scene.ts';
import { NodeKey } from './node-key.ts';

let scene: AccountScene;
let server: AccountHttpsServer;
let certificate: Certificate;
let port = 0;
let defects: unknown[] = [];

beforeEach(async () => {
  scene = new AccountScene();
  defects = [];
  certificate = await ownCertificate(`${scene.directory}/tls.pem`, ['127.0.0.1'], Date.now());
  server = new AccountHttpsServer({
    ...{
      service: scene.service,
      authorities: scene.authorities,
      configuration: scene.configuration,
      certificate,
    },
    publicKey: scene.exchange.publicKey,
    clock: { now: () => monotonic(scene.nowMs), wall: () => wall(scene.nowMs) },
    fatal: (error) => defects.push(error),
  });
  port = await server.listen(ipv4('127.0.0.1'), 0);
  await scene.request('account-add', { name: 'alice', password: PASSWORD });
});
afterEach(async () => {
  await server.close();
  scene[Symbol.dispose]();
});

interface LoginResponse {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
  readonly error: unknown;
}

async function login(): Promise<LoginResponse> {
  const key = new NodeKey();
  const timestamp = scene.nowMs;
  const base64 = (octets: Uint8Array) => Buffer.from(octets).toString('base64');
  const proof = base64(key.proof('login', scene.exchange.publicKey, 'alice', timestamp));
  const body = {
    account: 'alice',
    password: PASSWORD,
    publicKey: base64(key.publicKey),
    timestamp,
    proof,
  };
  const { promise, resolve, reject } = Promise.withResolvers<LoginResponse>();
  const options = {
    port,
    ca: certificate.cert,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
  };
  request('https://127.0.0.1/v1/login', options, async (response) => {
    let text = '';
    for await (const chunk of response.setEncoding('utf8')) text += String(chunk);
    const answer = parseObject(text);
    const error = isJsonObject(answer) ? answer['error'] : undefined;
    resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'], error });
  })
    .on('error', reject)
    .end(JSON.stringify(body));
  return await promise;
}

async function statusOf(path: string): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
  const answered = (response: IncomingMessage): void => {
    response.resume();
    response.on('end', () => resolve(response.statusCode));
  };
  get(`https://127.0.0.1${path}`, { port, ca: certificate.cert }, answered).on('error', reject);
  return await promise;
}

describe('AccountHttpsServer', () => {
  it('answers a login with 503 while the store is read-only', async () => {
    scene.database.all('PRAGMA query_only = ON');
    expect(await login()).toEqual({ status: 503, retryAfter: '10', error: 'unavailable' });
    expect(scene.service.counters.counters['store-failed']).toBe(1);
    scene.database.all('PRAGMA query_only = OFF');
    expect((await login()).status).toBe(200);
    expect(defects).toEqual([]);
  });

  it('answers a login with 500 on an internal error, and reports the error as fatal', async () => {
    scene.database.close();
    expect(await login()).toEqual({ status: 500, retryAfter: undefined, error: 'internal' });
    expect(defects).toHaveLength(1);
  });

  it('closes the oldest silent connection for a new one', async () => {
    const { total, perSource, reserved } = scene.configuration.limits.connections;
    expect(total - reserved).toBeGreaterThan(perSource);
    const silent = Array.from({ length: 2 * total }, () => connect(port, '127.0.0.1'));
    for (const socket of silent) socket.on('error', () => {});
    await Promise.all(silent.slice(-perSource).map((socket) => once(socket, 'connect')));
    expect((await login()).status).toBe(200);
    const { counters } = scene.service.counters;
    expect(counters['connection-shed']).toBeGreaterThan(total);
    expect(counters['too-many-connections']).toBe(0);
    for (const socket of silent) socket.destroy();
  });

  it('closes connections with a slow handshake, a slow header or a slow body', async () => {
    const handshake = connect(port, '127.0.0.1');
    handshake.write(Buffer.from([22, 3, 1, 64, 0]));
    const tls = () => connectTls({ port, host: '127.0.0.1', ca: certificate.cert });
    const header = tls();
    header.write('GET /v1/system HTTP/1.1\r\nhost: as\r\n');
    const body = tls();
    body.write(
      'POST /v1/login HTTP/1.1\r\nhost: as\r\ncontent-type: application/json\r\n' +
        'content-length: 100\r\n\r\n{',
    );
    const drip = setInterval(() => {
      for (const socket of [handshake, header, body]) socket.write(' ');
    }, 200);
    for (const socket of [handshake, header, body]) socket.on('error', () => {}).resume();
    await Promise.all([handshake, header, body].map((socket) => once(socket, 'close')));
    clearInterval(drip);
  }, 20_000);

  it('limits requests for the system description of one source', async () => {
    const { limits } = scene.configuration;
    const system = { perMinute: 60, burst: 2 };
    scene.service.reconfigure({ ...scene.configuration, limits: { ...limits, system } });
    const ask = async () => await statusOf('/v1/system');
    expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 429]);
    expect(scene.service.counters.counters['rate-limited-source']).toBe(1);
    expect((await login()).status).toBe(200);
  });
});
