/**
 * Sends one DNS query many times over UDP from the addresses of this namespace, and counts what
 * comes back.
 *
 *   node query-flood.ts SERVER QUERY-IN-HEX COUNT
 *
 * It prints `{ sent, octetsSent, answers, truncated, octetsReceived, largest }`.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as delay } from 'node:timers/promises';

const [server = '', query = '', count = ''] = process.argv.slice(2);
const octets = Buffer.from(query, 'hex');
const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
const result = { sent: 0, octetsSent: 0, answers: 0, truncated: 0, octetsReceived: 0, largest: 0 };
let heardAt = performance.now();
socket.on('message', (answer) => {
  heardAt = performance.now();
  result.answers += 1;
  if (((answer[2] ?? 0) & 2) !== 0) result.truncated += 1;
  result.octetsReceived += answer.length;
  result.largest = Math.max(result.largest, answer.length);
});
for (; result.sent < Number(count); result.sent += 1) {
  socket.send(octets, 53, server);
  result.octetsSent += octets.length;
  if (result.sent % 50 === 49) await delay(5);
}
heardAt = performance.now();
while (performance.now() - heardAt < 300) await delay(20);
console.log(JSON.stringify(result));
socket.close();
