/**
 * Gets a cookie of a responder at the address and port of this process, as an attacker at its own
 * address can. Prints `{ port, cookie }`, the cookie in hexadecimal digits, or fails after 5 s: a
 * responder sends cookies only under load, which the initiations of this program make.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fromHex, hex, isMalformed } from '#base/bytes.ts';
import { openCookieReply } from '#crypto/handshake.ts';
import { MAC_OCTETS, ntmobileDatagramCodec } from '#wire/ntmobile/datagram.ts';
import { forgedInitiation } from './pools.ts';

const [publicKey = '', use = '', source = '', server = '', port = ''] = process.argv.slice(2);
const INITIATIONS = 800;
const PATIENCE_MS = 5_000;
const responderKey = fromHex(publicKey);
const socket = createSocket('udp6');
socket.bind(0, source);
await once(socket, 'listening');
const sent = new Map<number, Uint8Array>();
socket.on('message', (message) => {
  const reply = ntmobileDatagramCodec.parse(new Uint8Array(message));
  if (isMalformed(reply) || reply.type !== 'cookie-reply') return;
  const mac1 = sent.get(reply.spi);
  const cookie = mac1 === undefined ? undefined : openCookieReply(responderKey, mac1, reply);
  if (cookie === undefined) return;
  console.log(JSON.stringify({ port: socket.address().port, cookie: hex(cookie) }));
  process.exit(0);
});
let spi = 0;
function initiate(): void {
  for (let times = 0; times < INITIATIONS; times += 1) {
    const octets = forgedInitiation({ responderKey, use: Number(use), spi });
    spi += 1;
    sent.set(spi, octets.slice(-2 * MAC_OCTETS, -MAC_OCTETS));
    socket.send(octets, Number(port), server);
  }
}
initiate();
// The responder may still count what came from this network before.
setInterval(initiate, 1_000);
setTimeout(() => process.exit(1), PATIENCE_MS);
