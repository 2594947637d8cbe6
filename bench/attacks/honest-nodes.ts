/**
 * Honest mobile nodes of a home agent, all in one process and namespace: half of the attempts are
 * refreshes of registered nodes, half are registrations of nodes without binding; half use IPv6,
 * half UDP behind a NAT. Prints `ready`, then one attempt a line (see {@link HonestClients}).
 */
import { createSocket, type Socket } from 'node:dgram';
import { isMalformed } from '#base/bytes.ts';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { NO_ROLE_OPTIONS } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { openPlane } from '#host/plane/plane.ts';
import { nowMs } from '#lab/shell.ts';
import { ipv6Codec, upperLayerDestination } from '#wire/ip/ipv6.ts';
import { PORT_DSMIPV6 } from '#wire/ip/udp.ts';
import { mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { PATIENCE_MS } from './attack.ts';
import { homeAddressOf, identifierOf, registrationKeyOf } from './population.ts';

interface HonestNodesOptions {
  readonly homeAgent: string;
  readonly homeAgentIpv4: string;
  /** A /64, its first four groups. The host has the addresses `…::1:NODE`. */
  readonly prefix: string;
  readonly homePrefix: string;
  /** Nodes that are registered all the time, and further nodes that come and go. */
  readonly known: number;
  readonly fresh: number;
  readonly perSecond: number;
}

const KNOWN_LIFETIME_UNITS = 100;
const FRESH_LIFETIME_UNITS = 1;
const RETRANSMISSION_MS = 1_000;

const options: HonestNodesOptions = JSON.parse(process.argv[2] ?? '');

interface Pending {
  readonly sequence: number;
  readonly done: (granted: boolean) => void;
}

const pending = new Map<string, Pending>();
const sockets = new Map<number, Socket>();
const sequences = new Map<number, number>();
const isBehindNat = (node: number): boolean => node % 2 === 1;
const homeOf = (node: number) => homeAddressOf(options.homePrefix, node);
const careOfIpv6 = (node: number) => ipv6(`${options.prefix}::1:${(node + 1).toString(16)}`);

const plane = openPlane({
  ...{ device: 'honest', lookup: 'inner-source', deviceMtu: 1400, udpPort: 0, threads: 1, mark: 0 },
  ...{ raw: true, linkDevices: [], holdMs: 0 },
});
const everyNode = Array.from({ length: options.known + options.fresh }, (_, node) => node);
plane.setLocalAddresses(everyNode.flatMap((node) => [homeOf(node), careOfIpv6(node)]));
plane.onPunt(({ packet }) => receive(packet));

function receive(octets: Uint8Array): void {
  const packet = ipv6Codec.parse(octets);
  if (isMalformed(packet) || packet.protocol !== PROTOCOL_MOBILITY) return;
  const header = mobilityCodec.parse(packet.payload);
  if (isMalformed(header) || header.message.type !== 'binding-acknowledgement') return;
  const { sequence, status } = header.message;
  const waiting = pending.get(upperLayerDestination(packet));
  if (waiting?.sequence === sequence) waiting.done(status < 128);
}

function socketOf(node: number): Socket {
  let socket = sockets.get(node);
  if (socket === undefined) {
    socket = createSocket('udp4');
    socket.on('message', (message) => receive(new Uint8Array(message)));
    sockets.set(node, socket);
  }
  return socket;
}

function send(node: number, sequence: number, lifetimeUnits: number): void {
  const natted = isBehindNat(node);
  const careOfAddress: IpAddress = natted ? ipv4(`192.168.77.${node + 1}`) : careOfIpv6(node);
  const homeAgent = ipv6(options.homeAgent);
  const outerAddress = natted ? ipv4(options.homeAgentIpv4) : homeAgent;
  const { packet } = buildBindingUpdate({
    ...{ homeAddress: homeOf(node), careOfAddress, target: { address: homeAgent, outerAddress } },
    ...{ sequence, lifetimeUnits, linkLocalCompatibility: false, forceUdp: false },
    ...{ ipv4HomeAddress: undefined, identifier: identifierOf(node) },
    timestamp: ntpTimestamp(wall(Date.now()), Math.random()),
    ...{ registrationKey: registrationKeyOf(node), udpPort: PORT_DSMIPV6 },
    roleOptions: NO_ROLE_OPTIONS,
  });
  if (natted) socketOf(node).send(packet, PORT_DSMIPV6, options.homeAgentIpv4);
  else plane.inject({ kind: 'ipv6' }, packet);
}

/** Registers; retransmits once a second. Resolves with whether the home agent granted it. */
function register(node: number, lifetimeUnits: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const sequence = ((sequences.get(node) ?? 0) + 1) & 0xffff;
  sequences.set(node, sequence);
  const home = homeOf(node);
  const timer = setInterval(() => send(node, sequence, lifetimeUnits), RETRANSMISSION_MS);
  const end = setTimeout(() => done(false), PATIENCE_MS);
  const done = (granted: boolean): void => {
    clearInterval(timer);
    clearTimeout(end);
    if (pending.get(home)?.sequence === sequence) pending.delete(home);
    resolve(granted);
  };
  pending.set(home, { sequence, done });
  send(node, sequence, lifetimeUnits);
  return promise;
}

async function attempt(node: number, lifetimeUnits: number): Promise<void> {
  const at = nowMs();
  const granted = await register(node, lifetimeUnits);
  console.log(JSON.stringify({ at, ms: granted ? nowMs() - at : null }));
}

const known = everyNode.slice(0, options.known);
const granted = await Promise.all(known.map((node) => register(node, KNOWN_LIFETIME_UNITS)));
if (granted.includes(false)) throw new Error('a node could not register without a flood');
console.log('ready');
let turn = 0;
setInterval(() => {
  const index = turn >> 1;
  const fresh = turn % 2 === 1 && options.fresh > 0;
  turn += 1;
  if (fresh) void attempt(options.known + (index % options.fresh), FRESH_LIFETIME_UNITS);
  else void attempt(index % options.known, KNOWN_LIFETIME_UNITS);
}, 1000 / options.perSecond);
