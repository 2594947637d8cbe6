/**
 * Opens TCP connections from several addresses of this host and keeps each as long as the server
 * does: `silent` sends nothing, `slow` an octet of a TLS record a second, `tls` finishes the TLS
 * handshake and says nothing more. Prints `passed` when it has opened as many as may be open at the
 * same time, and at the end `{ sent, seconds, open }`; `open` are those still open then.
 */
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';

export type ConnectionKind = 'silent' | 'slow' | 'tls';

interface Options {
  readonly kind: ConnectionKind;
  readonly server: string;
  readonly port: number;
  readonly sources: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
  /** Most connections that are open at the same time. */
  readonly most: number;
}

const OCTET_INTERVAL_MS = 1_000;
const { kind, server, port, sources, perSecond, seconds, most }: Options = JSON.parse(
  process.argv[2] ?? '',
);
const open = new Set<Socket>();

function start(localAddress: string): void {
  const to = { host: server, port, localAddress };
  const socket =
    kind === 'tls' ? connectTls({ ...to, rejectUnauthorized: false }) : connect({ ...to });
  open.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => open.delete(socket));
  socket.resume();
  if (kind !== 'slow') return;
  // The header of a TLS record of 16,384 octets, then its octets one by one.
  socket.write(Buffer.from([22, 3, 1, 64, 0]));
  const timer = setInterval(() => socket.write(Buffer.of(1)), OCTET_INTERVAL_MS);
  socket.on('close', () => clearInterval(timer));
}

const beganMs = performance.now();
const elapsedSeconds = (): number => (performance.now() - beganMs) / 1000;
let sent = 0;
while (elapsedSeconds() < seconds) {
  const due = Math.min(perSecond * elapsedSeconds(), perSecond * seconds);
  for (; sent < due && open.size < most; sent += 1) {
    start(sources[sent % sources.length] ?? '');
    if (sent + 1 === most) console.log('passed');
  }
  await delay(2);
}
console.log(JSON.stringify({ sent, seconds: elapsedSeconds(), open: open.size }));
process.exit(0);
