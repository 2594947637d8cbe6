/**
 * Honest clients of an account server, from many networks: each attempt is a connection with a TLS
 * handshake and `GET /v1/system`. Prints `ready`, then one attempt a line (see {@link
 * HonestClients}).
 */
import { get } from 'node:https';
import { nowMs } from '#lab/shell.ts';
import { PATIENCE_MS } from './attack.ts';

interface HonestTlsOptions {
  readonly server: string;
  readonly port: number;
  readonly sources: readonly string[];
  readonly perSecond: number;
}

const options: HonestTlsOptions = JSON.parse(process.argv[2] ?? '');

function ask(localAddress: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { server: host, port } = options;
  const request = get(
    // The certificate is self-signed; nodes know its fingerprint.
    { host, port, localAddress, path: '/v1/system', agent: false, rejectUnauthorized: false },
    (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200));
    },
  );
  request.on('error', () => resolve(false));
  const timer = setTimeout(() => request.destroy(), PATIENCE_MS);
  return promise.finally(() => clearTimeout(timer));
}

async function attempt(source: string): Promise<void> {
  const at = nowMs();
  const granted = await ask(source);
  console.log(JSON.stringify({ at, ms: granted ? nowMs() - at : null }));
}

if (!(await ask(options.sources[0] ?? ''))) throw new Error('no answer without a flood');
console.log('ready');
let turn = 0;
setInterval(() => {
  turn += 1;
  void attempt(options.sources[turn % options.sources.length] ?? '');
}, 1000 / options.perSecond);
