/**
 * Requests of nodes to an account server, made with `curl`, `openssl` and `node:crypto`,
 * independently of the project's client.
 */
import { createPublicKey, verify } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { isJsonObject, parseObject } from '#daemon/control/json-lines.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { run } from '#lab/shell.ts';
import type { NodeKey } from '#test/unit/account-server/node-key.ts';

export const CERTIFICATE = `${LAB_DIRECTORY}/as-seen.pem`;
export const PASSWORD = 'correct horse battery staple';

/** Every secret that was sent or received. */
export const secrets = new Set<string>([PASSWORD]);

export interface Answered {
  readonly status: number;
  readonly retryAfter: string;
  readonly body: JsonObject;
}

/**
 * Makes one request with curl. The body goes through a pipe because other processes can see
 * arguments.
 */
export async function ask(
  path: string,
  body?: JsonObject | string,
  ...options: readonly string[]
): Promise<Answered> {
  const data =
    body === undefined ? [] : ['--header', 'content-type: application/json', '--data-binary', '@-'];
  const url = path.startsWith('https:') ? path : `https://[::1]:4501${path}`;
  const stdout = await run(
    [
      ...[
        'curl',
        '--silent',
        '--show-error',
        '--cacert',
        CERTIFICATE,
        '--max-time',
        '30',
        ...data,
        ...options,
      ],
      ...['--write-out', '\n%{http_code} %header{retry-after}', url],
    ],
    { input: typeof body === 'string' ? body : JSON.stringify(body ?? '') },
  );
  const at = stdout.lastIndexOf('\n');
  const [status = '', retryAfter = ''] = stdout.slice(at + 1).split(' ');
  return { status: Number(status), retryAfter, body: parseObject(stdout.slice(0, at)) ?? {} };
}

export async function system(): Promise<JsonObject> {
  return (await ask('/v1/system')).body;
}

export async function serverKey(): Promise<Uint8Array> {
  return new Uint8Array(Buffer.from(String((await system())['publicKey']), 'base64'));
}

export const base64 = (octets: Uint8Array): string => Buffer.from(octets).toString('base64');

/** Timestamps of a key must increase, and several requests fit into a millisecond. */
let lastTime = 0;
function nextTime(): number {
  lastTime = Math.max(lastTime + 1, Date.now());
  return lastTime;
}

export async function loginBody(
  key: NodeKey,
  account: string,
  words: JsonObject,
): Promise<JsonObject> {
  const timestamp = nextTime();
  const proof = base64(key.proof('login', await serverKey(), account, timestamp));
  return { account, publicKey: base64(key.publicKey), timestamp, proof, ...words };
}

export async function login(
  key: NodeKey,
  account: string,
  words: JsonObject = { password: PASSWORD },
): Promise<Answered> {
  return remembered(await ask('/v1/login', await loginBody(key, account, words)));
}

export async function renew(key: NodeKey, { body }: Pick<Answered, 'body'>): Promise<Answered> {
  const renewalToken = String(body['renewalToken']);
  const timestamp = nextTime();
  const proof = base64(key.proof('renewal', await serverKey(), renewalToken, timestamp));
  return remembered(
    await ask('/v1/renew', { renewalToken, publicKey: base64(key.publicKey), timestamp, proof }),
  );
}

export function remembered(answered: Answered): Answered {
  const { renewalToken } = answered.body;
  if (typeof renewalToken === 'string') secrets.add(renewalToken);
  return answered;
}

/** The server's key, as any client gets it. */
export async function fetchCertificate(): Promise<string> {
  const shown = await run(['openssl', 's_client', '-connect', '[::1]:4501', '-showcerts'], {
    input: '',
  });
  const [pem = ''] =
    /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/.exec(shown) ?? [];
  writeFileSync(CERTIFICATE, `${pem}\n`);
  return pem;
}

/**
 * Reads a credential at the offsets of docs/reference/ntmobile.md §2.1, and verifies its signature
 * with OpenSSL.
 */
export async function readCredential({ body }: Answered) {
  const octets = Buffer.from(String(body['credential']), 'base64');
  const keyId = octets.subarray(4, 12).toString('hex');
  const keys = (await system())['authorityKeys'];
  const listed = Array.isArray(keys)
    ? keys.find((key: JsonValue) => isJsonObject(key) && key['keyId'] === keyId)
    : null;
  const x = Buffer.from(isJsonObject(listed) ? String(listed['publicKey']) : '', 'base64').toString(
    'base64url',
  );
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  const signed = Buffer.concat([
    Buffer.from('sojourn node credential v1\0'),
    octets.subarray(0, -64),
  ]);
  const nameEnd = 97 + octets.readUInt8(96);
  return {
    good:
      verify(null, signed, key, octets.subarray(-64)) && octets.readUInt16BE(2) === octets.length,
    nodeId: octets.subarray(12, 28).toString('hex'),
    publicKey: octets.subarray(28, 60).toString('hex'),
    virtualIpv6: octets.subarray(60, 76).toString('hex'),
    virtualIpv4: [...octets.subarray(76, 80)].join('.'),
    lifeSeconds: Number(octets.readBigUInt64BE(88)) - Math.floor(Date.now() / 1000),
    notAfter: Number(octets.readBigUInt64BE(88)),
    name: octets.toString('latin1', 97, nameEnd),
    groups: octets.readUInt8(nameEnd),
  };
}
