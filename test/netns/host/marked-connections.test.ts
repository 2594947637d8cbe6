/** TLS connections whose packets have a firewall mark, as behind a kill switch, on the loopback. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Certificate, ownCertificate } from '#account-server/certificate.ts';
import { ipv4, ipv6 } from '#base/ip.ts';
import { ConnectionFailure, connectSecurely } from '#host/login/secure-connection.ts';

const MARK = 0x4191;
const SERVER = ipv4('127.0.0.1');
/** Documentation addresses, which no interface has. */
const VANISHED = ipv6('2001:db8:dead::1');
const VANISHED_IPV4 = ipv4('192.0.2.99');

let directory: string;
let certificate: Certificate;
let ofAnother: Certificate;
const servers: Server[] = [];
const open: Socket[] = [];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sojourn-marked-'));
  const now = Date.now();
  certificate = await ownCertificate(join(directory, 'own.pem'), [SERVER], now);
  ofAnother = await ownCertificate(join(directory, 'other.pem'), ['127.0.0.2', 'localhost'], now);
});
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

async function listening(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((ready) => server.listen(0, SERVER, ready));
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

const secureServer = ({ cert, key }: Certificate) =>
  listening(createTlsServer({ cert, key }, (socket) => socket.on('error', () => {})));

/** Accepts connections and says nothing. */
const silentServer = () =>
  listening(createTcpServer((socket) => open.push(socket.on('error', () => {}))));

interface Attempt {
  readonly port: number;
  readonly trusted: Certificate;
  readonly mark?: number | undefined;
  readonly sources?: Parameters<typeof connectSecurely>[0]['sources'];
}

/** The reason of the failure; undefined if the server authenticated itself. */
async function failure({ port, trusted, sources = [], ...more }: Attempt) {
  const mark = 'mark' in more ? more.mark : MARK;
  const trust = { authorities: trusted.cert };
  try {
    const socket = await connectSecurely({
      server: { host: SERVER, port, trust },
      ...{ addresses: [ipv6('::1'), SERVER], sources, mark, timeoutMs: 300, staggerMs: 20 },
    });
    socket.destroy();
    return undefined;
  } catch (thrown) {
    if (thrown instanceof ConnectionFailure) return thrown;
    throw thrown;
  }
}

describe('a marked connection', () => {
  it('uses the next source address when the host has lost the first one', async () => {
    const port = await secureServer(certificate);
    const sources = [VANISHED, VANISHED_IPV4, SERVER];
    expect(await failure({ port, trusted: certificate, sources })).toBeUndefined();
  });

  it('fails as unreachable when the host has lost every source address', async () => {
    const port = await secureServer(certificate);
    const sources = [VANISHED, VANISHED_IPV4];
    expect(await failure({ port, trusted: certificate, sources })).toMatchObject({
      reason: 'unreachable',
      message: expect.stringMatching(/::1 port \d+: .*assign.*; 127\.0\.0\.1 port \d+: .*assign/),
    });
  });

  it('survives a lost source address that is tried while a server is silent', async () => {
    const sources = [SERVER, VANISHED_IPV4];
    const port = await silentServer();
    expect(await failure({ port, trusted: certificate, sources })).toMatchObject({
      reason: 'unreachable',
      message: expect.stringMatching(/assign.*no answer in time/),
    });
  });

  it('makes no further attempt once a server has authenticated itself', async () => {
    const { cert, key } = certificate;
    const secure = createTlsServer({ cert, key }, (socket) => socket.on('error', () => {}));
    const first = Promise.withResolvers<Socket>();
    let connections = 0;
    const port = await listening(
      createTcpServer((socket) => {
        connections += 1;
        if (connections > 1) secure.emit('connection', socket);
        else first.resolve(socket.on('error', () => {}).resume());
      }),
    );
    const sources = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map(ipv4);
    expect(await failure({ port, trusted: certificate, sources })).toBeUndefined();
    const silent = await first.promise;
    if (!silent.closed) await once(silent, 'close');
    expect(await failure({ port, trusted: certificate, sources: [SERVER] })).toBeUndefined();
    expect(connections).toBe(3);
  });

  it.each([
    ['a mark', MARK],
    ['no mark', undefined],
  ])('authenticates a server that has an address as its name, with %s', async (_what, mark) => {
    const right = await secureServer(certificate);
    expect(await failure({ port: right, trusted: certificate, mark })).toBeUndefined();
    const wrong = await secureServer(ofAnother);
    expect(await failure({ port: wrong, trusted: ofAnother, mark })).toMatchObject({
      reason: 'certificate',
      message: expect.stringContaining('ERR_TLS_CERT_ALTNAME_INVALID'),
    });
  });
});
