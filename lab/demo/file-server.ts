/**
 * The demo's web server: one file, over HTTP, on every address of its namespace.
 *
 *   node lab/demo/file-server.ts FILE PORT OCTETS_PER_SECOND
 *
 * It sends at the given rate, so that the download lasts while the node moves; SIGUSR1 removes the
 * limit for the rest. Prints `ready` when it listens.
 */

import { type FileHandle, open, stat } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

const MOST_CHUNK_OCTETS = 32 * 1024;
/** A slow server sends small chunks often: a pause between chunks must not look like a stall. */
const CHUNKS_PER_SECOND = 100;

const [file = '', port = '80', pace = '0'] = process.argv.slice(2);
let octetsPerSecond = Number(pace);
process.on('SIGUSR1', () => {
  octetsPerSecond = Number.POSITIVE_INFINITY;
});

function chunkOctets(): number {
  return Math.max(1, Math.min(MOST_CHUNK_OCTETS, Math.floor(octetsPerSecond / CHUNKS_PER_SECOND)));
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once('drain', resolve);
    response.once('close', () => reject(new Error('client went away')));
  });
}

async function send(handle: FileHandle, size: number, response: ServerResponse): Promise<void> {
  let sent = 0;
  let allowance = 0;
  let last = performance.now();
  while (sent < size) {
    const now = performance.now();
    const chunk = chunkOctets();
    allowance = Math.min(allowance + ((now - last) / 1000) * octetsPerSecond, 4 * chunk);
    last = now;
    if (allowance < chunk && octetsPerSecond !== Number.POSITIVE_INFINITY) {
      await delay(2);
      continue;
    }
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(chunk), 0, chunk, sent);
    if (bytesRead === 0) throw new Error(`${file} became shorter`);
    allowance -= bytesRead;
    sent += bytesRead;
    if (!response.write(buffer.subarray(0, bytesRead))) await drained(response);
  }
  response.end();
}

const server = createServer((request, response) => {
  void (async () => {
    if (request.url !== '/file') {
      response.writeHead(404).end();
      return;
    }
    const { size } = await stat(file);
    response.writeHead(200, { 'content-length': size, 'content-type': 'application/octet-stream' });
    await using handle = await open(file);
    await send(handle, size, response);
  })().catch(() => response.destroy());
});
server.listen({ host: '::', port: Number(port) }, () => console.log('ready'));
