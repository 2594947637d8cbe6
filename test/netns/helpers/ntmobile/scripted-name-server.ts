/**
 * A name server on 127.0.0.54 that answers from the present content of a JSON file, `{ name:
 * [address, …] }`, with a TTL of one second. Other names are NXDOMAIN.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { type Answer, decode, encode } from 'dns-packet';

const [file = ''] = process.argv.slice(2);
const socket = createSocket('udp4');
socket.on('message', (bytes, from) => {
  const { id = 0, questions = [] } = decode(bytes);
  const [{ name = '', type } = {}] = questions;
  const names: Readonly<Record<string, readonly string[] | undefined>> = JSON.parse(
    readFileSync(file, 'utf8'),
  );
  const found = names[name.toLowerCase()];
  const family = (found ?? []).filter((address) => address.includes(':') === (type === 'AAAA'));
  const answers: Answer[] = family.map((data) => ({
    type: type === 'AAAA' ? 'AAAA' : 'A',
    name,
    data,
    ttl: 1,
  }));
  const flags = found === undefined ? 3 : 0;
  socket.send(encode({ type: 'response', id, flags, questions, answers }), from.port, from.address);
});
socket.bind(53, '127.0.0.54', () => console.log('ready'));
