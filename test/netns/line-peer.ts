/**
 * One end of TCP connections that last. `serve PORT`: answers each line by the addresses of both ends. `connect HOST PORT SOURCE`: sends the lines of
 * its standard input and prints the answers.
 */
import { createConnection, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'serve') {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    createInterface(socket)
      .on('line', () => socket.write(`${socket.remoteAddress} ${socket.localAddress}\n`.replaceAll('::ffff:', '')))
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
