/**
 * One end of long TCP connections. `serve PORT`: answers each line with the addresses of both ends,
 * and repeats the answer to `go on` until the connection ends. `connect HOST PORT SOURCE`: sends
 * the lines of its standard input and prints the answers.
 */
import { createConnection, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const AGAIN_MS = 50;

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'serve') {
  const server = createServer((socket) => {
    const answer = `${socket.remoteAddress} ${socket.localAddress}\n`.replaceAll('::ffff:', '');
    let again: NodeJS.Timeout | undefined;
    socket.on('error', () => {});
    socket.on('close', () => clearInterval(again));
    createInterface(socket)
      .on('line', (line) => {
        if (line === 'go on') again ??= setInterval(() => socket.write(answer), AGAIN_MS);
        else socket.write(answer);
      })
      .on('error', () => {});
  });
  server.listen(Number(rest[0]), '::', () => console.log('ready'));
} else {
  const [host = '', port, localAddress = ''] = rest;
  const socket = createConnection({ host, port: Number(port), localAddress });
  socket.on('connect', () => console.log('connected'));
  socket.on('error', (error) => console.log(`failed ${error.message}`));
  createInterface(socket)
    .on('line', (line) => console.log(line))
    .on('error', () => {});
  for await (const line of createInterface(process.stdin)) socket.write(`${line}\n`);
  socket.destroy();
}
