/**
 * Floods a responder of NTMobile with Tunnel Requests, each with a valid MAC1 and another SPI, none
 * with a cookie.
 *
 *   node handshake-flood.ts REMOTE PORT PUBLIC-KEY-IN-HEX PER-SECOND SECONDS
 *
 * At the end it prints `{ sent, octetsSent, octetsReceived, received: { TYPE: COUNT } }`; TYPE is
 * in the first four bits of an answer.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fromHex } from '#base/bytes.ts';
import { hmacSha256, sha256 } from '#crypto/primitives.ts';

const [remote = '', port = '', publicKey = '', perSecond = '', seconds = ''] =
  process.argv.slice(2);
const label = new TextEncoder().encode('sojourn ntmobile mac1\0');
const key = sha256(label, fromHex(publicKey));
const PAYLOAD = 8 + 240 + 16;

/**
 * docs/reference/ntmobile.md §4.1. The ciphertexts are random: the responder demands a cookie
 * before it decrypts.
 */
function request(index: number): Buffer {
  const datagram = Buffer.concat([randomBytes(96 + PAYLOAD), Buffer.alloc(32)]);
  datagram.writeUInt32BE(((10 << 28) | (index + 1)) >>> 0, 0);
  datagram.set([1, 1, 3, 0], 4);
  datagram.fill(0, 8, 16);
  const mac1At = datagram.length - 32;
  datagram.set(hmacSha256(key, datagram.subarray(0, mac1At)).subarray(0, 16), mac1At);
  return datagram;
}

const socket = createSocket({ type: isIPv6(remote) ? 'udp6' : 'udp4', recvBufferSize: 4 << 20 });
const received: Record<string, number> = {};
let octetsReceived = 0;
socket.on('message', (message) => {
  const type = String((message[0] ?? 0) >> 4);
  received[type] = (received[type] ?? 0) + 1;
  octetsReceived += message.length;
});

const total = Number(perSecond) * Number(seconds);
const started = performance.now();
let sent = 0;
let octetsSent = 0;
while (sent < total) {
  const due = Math.min(
    total,
    Math.floor(((performance.now() - started) / 1000) * Number(perSecond)),
  );
  for (; sent < due; sent += 1) {
    const datagram = request(sent);
    octetsSent += datagram.length;
    socket.send(datagram, Number(port), remote);
  }
  await delay(1);
}
await delay(500);
console.log(JSON.stringify({ sent, octetsSent, octetsReceived, received }));
socket.close();
