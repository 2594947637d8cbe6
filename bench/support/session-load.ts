/**
 * Gives a coordinator or relay many nodes with sessions, which a coordinator registers. Prints the
 * number of nodes that it granted their first request.
 */
import { fromHex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { identityOf } from '../attacks/ntmobile-identity.ts';
import { SessionClient } from '../attacks/session-client.ts';

export interface SessionLoad {
  readonly count: number;
  /** Hexadecimal digits. */
  readonly publicKey: string;
  readonly use: number;
  readonly server: string;
  readonly port: number;
  readonly source: string;
  readonly request: 'registration-request' | 'keep-alive';
}

const CONCURRENT = 32;

const load: SessionLoad = JSON.parse(process.argv[2] ?? '');
const server = {
  ...{ publicKey: fromHex(load.publicKey), use: load.use },
  ...{ address: ipv6(load.server), port: load.port },
};

async function serve(node: number): Promise<boolean> {
  const client = await SessionClient.open(identityOf('load', node), server, load.source);
  const lifetime = { type: 'lifetime', seconds: 3600 } as const;
  const options = load.request === 'registration-request' ? [lifetime] : [];
  const granted =
    (await client.connect()) && (await client.request(load.request, options))?.status === 0;
  client.close();
  return granted;
}

let next = 0;
let granted = 0;
async function work(): Promise<void> {
  while (next < load.count) {
    const node = next;
    next += 1;
    if (await serve(node)) granted += 1;
  }
}
await Promise.all(Array.from({ length: CONCURRENT }, work));
console.log(granted);
