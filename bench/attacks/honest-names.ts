/**
 * Honest resolvers of many networks that ask the zone's name server over UDP, and again after a
 * second. Prints `ready`, then one attempt a line (see {@link HonestClients}).
 */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { nowMs } from '#lab/shell.ts';
import { PATIENCE_MS } from './attack.ts';
import { query } from './pools.ts';

interface HonestNamesOptions {
  readonly server: string;
  readonly namePort: number;
  readonly zone: string;
  /** Addresses of this host, each in a network of its own. */
  readonly sources: readonly string[];
  readonly perSecond: number;
}

const RETRANSMISSION_MS = 1_000;
/** NS records: the names of the zone's servers. */
const TYPE_NS = 2;

const options: HonestNamesOptions = JSON.parse(process.argv[2] ?? '');
const sockets: Socket[] = [];
for (const source of options.sources) {
  const socket = createSocket('udp6');
  socket.bind(0, source);
  await once(socket, 'listening');
  sockets.push(socket);
}

const waiting = new Map<number, () => void>();
for (const socket of sockets)
  socket.on('message', (answer) => {
    // Bit 15 of the flags: an answer; the last four: no error.
    if ((answer.readUInt16BE(2) & 0x800f) === 0x8000) waiting.get(answer.readUInt16BE(0))?.();
  });

function ask(turn: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const id = turn & 0xffff;
  const octets = query(options.zone, id, { name: [], type: TYPE_NS });
  const socket = sockets[turn % sockets.length];
  const send = (): void => socket?.send(octets, options.namePort, options.server);
  const again = setInterval(send, RETRANSMISSION_MS);
  const end = setTimeout(() => resolve(false), PATIENCE_MS);
  waiting.set(id, () => resolve(true));
  send();
  return promise.finally(() => {
    clearInterval(again);
    clearTimeout(end);
    waiting.delete(id);
  });
}

async function attempt(turn: number): Promise<void> {
  const at = nowMs();
  const answered = await ask(turn);
  console.log(JSON.stringify({ at, ms: answered ? nowMs() - at : null }));
}

if (!(await ask(0))) throw new Error('no answer without a flood');
console.log('ready');
let turn = 0;
setInterval(() => {
  turn += 1;
  void attempt(turn);
}, 1000 / options.perSecond);
