/** Answers of the HTTPS interface to internal failures. */
import { request } from 'node:https';
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
});
