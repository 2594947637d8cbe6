/**
 * A web server of the container lab, on port 80: `/file?octets=N&pace=OCTETS_PER_SECOND` sends N
 * octets of a known pattern at that pace; `/small` sends `ok`.
 */
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const CHUNK_OCTETS = 16 * 1024;
const MOST_OCTETS = 4 * 1024 ** 3;

/** Octet i of the file is the low one of i × 31 + (i >> 8). */
function chunkAt(offset: number, length: number): Buffer {
  const chunk = Buffer.allocUnsafe(length);
  for (let index = 0; index < length; index += 1) {
    const at = offset + index;
    chunk[index] = (at * 31 + Math.floor(at / 256)) & 0xff;
  }
  return chunk;
}

async function send(response: ServerResponse, octets: number, pace: number): Promise<void> {
  const started = performance.now();
  for (let sent = 0; sent < octets && !response.destroyed; ) {
    const allowed = pace === 0 ? octets : ((performance.now() - started) / 1000) * pace;
    if (sent >= allowed) {
      await delay(5);
      continue;
    }
    const length = Math.min(CHUNK_OCTETS, octets - sent);
    sent += length;
    if (response.write(chunkAt(sent - length, length))) continue;
    await new Promise((resolve) => {
      response.once('drain', resolve);
      response.once('close', resolve);
    });
  }
  response.end();
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://lab');
  if (pathname === '/small') {
    response.end('ok\n');
    return;
  }
  const octets = Number(searchParams.get('octets') ?? 1024 * 1024);
  const pace = Number(searchParams.get('pace') ?? 0);
  if (pathname !== '/file' || !(octets >= 0 && octets <= MOST_OCTETS) || !(pace >= 0)) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { 'content-length': octets, 'content-type': 'application/octet-stream' });
  void send(response, octets, pace).catch(() => response.destroy());
});
server.listen({ host: '::', port: 80 }, () => console.log('ready'));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));
