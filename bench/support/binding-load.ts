/**
 * Registers many mobile nodes at a home agent, over UDP as from behind a NAT, each from an endpoint
 * of its own. Prints the number of Binding Acknowledgements that accept.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { isMalformed } from '#base/bytes.ts';
import { type Ipv6Address, ipv4, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { PORT_DSMIPV6 } from '#wire/ip/udp.ts';
import { mobilityCodec } from '#wire/mobility/header.ts';
import { homeAddressOf, identifierOf, registrationKeyOf } from '../attacks/population.ts';

export interface BindingLoad {
  readonly count: number;
  readonly source: string;
  readonly homeAgent: string;
  readonly homeAgentIpv4: string;
  readonly homePrefix: string;
}

const CONCURRENT = 64;
const ATTEMPTS = 5;
const PATIENCE_MS = 2_000;
const FIRST_PORT = 10_000;

const load: BindingLoad = JSON.parse(process.argv[2] ?? '');

function accepts(octets: Uint8Array): boolean {
  const packet = ipv6Codec.parse(octets);
  if (isMalformed(packet)) return false;
  const header = mobilityCodec.parse(packet.payload);
  if (isMalformed(header) || header.message.type !== 'binding-acknowledgement') return false;
  return header.message.status === 0;
}

function updateOf(node: number, homeAddress: Ipv6Address, sequence: number): Uint8Array {
  return buildBindingUpdate({
    ...{ homeAddress, careOfAddress: ipv4('192.168.77.1'), sequence, lifetimeUnits: 900 },
    target: { address: ipv6(load.homeAgent), outerAddress: ipv4(load.homeAgentIpv4) },
    ...{ linkLocalCompatibility: false, forceUdp: false, ipv4HomeAddress: undefined },
    ...{ identifier: identifierOf(node), registrationKey: registrationKeyOf(node) },
    timestamp: ntpTimestamp(wall(Date.now())),
    ...{ udpPort: PORT_DSMIPV6, roleOptions: { mobileRouter: false, options: [] } },
  }).packet;
}

async function register(node: number): Promise<boolean> {
  const socket = createSocket('udp4');
  socket.bind(FIRST_PORT + node, load.source);
  await once(socket, 'listening');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.on('message', (octets) => {
    if (accepts(new Uint8Array(octets))) resolve(true);
  });
  let attempts = 0;
  const attempt = (): void => {
    attempts += 1;
    if (attempts > ATTEMPTS) resolve(false);
    else
      socket.send(
        updateOf(node, homeAddressOf(load.homePrefix, node), attempts),
        PORT_DSMIPV6,
        load.homeAgentIpv4,
      );
  };
  attempt();
  const timer = setInterval(attempt, PATIENCE_MS);
  return await promise.finally(() => {
    clearInterval(timer);
    socket.close();
  });
}

let next = 0;
let accepted = 0;
async function work(): Promise<void> {
  while (next < load.count) {
    const node = next;
    next += 1;
    if (await register(node)) accepted += 1;
  }
}
await Promise.all(Array.from({ length: CONCURRENT }, work));
console.log(accepted);
