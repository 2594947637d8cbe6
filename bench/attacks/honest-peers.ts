/**
 * Honest NTMobile nodes of a coordinator or relay, from many networks: half of the attempts are
 * control messages of nodes with a session, half are handshakes of further nodes with their first
 * message. Prints `ready`, then one attempt a line (see {@link HonestClients}).
 */
import { fromHex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { nowMs } from '#lab/shell.ts';
import { PATIENCE_MS } from './attack.ts';
import { identityOf } from './ntmobile-identity.ts';
import { type Server, SessionClient } from './session-client.ts';

interface HonestPeersOptions {
  /** Hexadecimal digits. */
  readonly publicKey: string;
  readonly use: number;
  readonly server: string;
  readonly port: number;
  readonly request: 'registration-request' | 'keep-alive';
  /** Addresses of this host, each in a network of its own. */
  readonly sources: readonly string[];
  readonly known: number;
  readonly perSecond: number;
}

const options: HonestPeersOptions = JSON.parse(process.argv[2] ?? '');
const server: Server = {
  ...{ publicKey: fromHex(options.publicKey), use: options.use },
  ...{ address: ipv6(options.server), port: options.port },
};
const KIND = 'honest';
let made = 0;

function open(): Promise<SessionClient> {
  const node = made;
  made += 1;
  const source = options.sources[node % options.sources.length] ?? '';
  return SessionClient.open(identityOf(KIND, node), server, source);
}

async function ask(client: SessionClient): Promise<boolean> {
  const lifetime = { type: 'lifetime', seconds: 600 } as const;
  const given = options.request === 'registration-request' ? [lifetime] : [];
  return (await client.request(options.request, given))?.status === 0;
}

async function greet(client: SessionClient): Promise<boolean> {
  return (await client.connect()) && (await ask(client));
}

/** False after {@link PATIENCE_MS}. */
function within(action: Promise<boolean>): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), PATIENCE_MS);
  void action.then(resolve);
  return promise.finally(() => clearTimeout(timer));
}

async function attempt(action: () => Promise<boolean>): Promise<void> {
  const at = nowMs();
  const granted = await within(action());
  console.log(JSON.stringify({ at, ms: granted ? nowMs() - at : null }));
}

async function attemptFresh(): Promise<void> {
  const client = await open();
  await attempt(() => greet(client));
  client.close();
}

const known: SessionClient[] = [];
for (let node = 0; node < options.known; node += 1) {
  const client = await open();
  if (!(await greet(client))) throw new Error(`node ${node} got no answer without a flood`);
  known.push(client);
}
console.log('ready');
let turn = 0;
setInterval(() => {
  turn += 1;
  const client = known[(turn >> 1) % known.length];
  if (turn % 2 === 1 || client === undefined) void attemptFresh();
  else void attempt(() => ask(client));
}, 1000 / options.perSecond);
