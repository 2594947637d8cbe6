/**
 * Floods of Tunnel Requests and of noise at every responder of handshakes, with the source address
 * of the node that starts meanwhile. Sender, responders and nodes share the processors.
 *
 *   mn (ar6), a (ds), b (ar4) ---- core ---- home (ha), as, dc, rsn
 *                                   |
 *                                  cn (the attacker: packets with any source)
 */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode } from '#base/bytes.ts';
import { type IpAddress, ipv4, ipv6, isIpv6 } from '#base/ip.ts';
import { daemonKey } from '#composition/daemon-key.ts';
import { initiate } from '#crypto/handshake.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import type { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { NTMOBILE, NTMOBILE_SERVERS, NtmobileSystem } from '#lab/ntmobile/ntmobile-lab.ts';
import { waitFor } from '#lab/shell.ts';
import { packet } from '#test/netns/helpers/crafted-packets.ts';
import { type FloodPacket, floodDuring } from '#test/netns/helpers/flood/flood.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';

const RATE = 20_000;
const SECONDS = 30;
const REQUESTS = 256;

let journey: Journey;
let system: NtmobileSystem;

beforeAll(async () => {
  journey = await Journey.create({
    ...{ networks: ['ar6', 'ar4', 'ds'], nodes: { mn: ['eth0'], a: ['eth0'], b: ['eth0'] } },
    ...{ servers: NTMOBILE_SERVERS, daemons: { sealed: true, homeLink: false } },
  });
  await journey.start('ar6');
  system = new NtmobileSystem(journey.lab, { nodes: ['a', 'b'] });
  await system.start();
  for (const [name, network] of [
    ['a', 'ds'],
    ['b', 'ar4'],
  ] as const) {
    await journey.lab.move(name, network);
    await journey.lab.waitForAddress(name, 4, { timeoutMs: 15_000 });
    await system.node(name).start();
  }
});
afterAll(async () => await journey?.close());

interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

function datagram(from: Endpoint, to: Endpoint, payload: Uint8Array): FloodPacket {
  const ports = { sourcePort: from.port, destinationPort: to.port, payload };
  const [source, destination] = [from.address, to.address];
  if (isIpv6(source) && isIpv6(destination)) {
    const octets = packet(source, destination, PROTOCOL_UDP, encodeUdp(source, destination, ports));
    return { octets, checksumAt: 46 };
  }
  if (isIpv6(source) || isIpv6(destination)) throw new Error('one family');
  const octets = encode(ipv4Codec, {
    ...{ trafficClass: 0, identification: 0, dontFragment: true, moreFragments: false },
    ...{ fragmentOffset: 0, timeToLive: 64, protocol: PROTOCOL_UDP, options: new Uint8Array(0) },
    ...{ source, destination, payload: encodeUdp(source, destination, ports) },
  });
  return { octets, checksumAt: 26 };
}

interface Responder {
  readonly daemon: DaemonProcess;
  readonly use: number;
  readonly at: Endpoint;
  /** Where the honest node is, or what carries its handshakes. */
  readonly victims: readonly Endpoint[];
  /** A node shakes hands with the responder, for which it has no key yet. */
  readonly served: () => Promise<void>;
}

const addressOf = async (node: string, family: 4 | 6): Promise<string> =>
  (await journey.lab.waitForAddress(node, family)).address;

const sealedAt = (text: string): Endpoint => ({ address: ipv4(text), port: NTMOBILE.port });

async function restart(node: 'a' | 'b'): Promise<void> {
  await system.node(node).stop();
  await system.node(node).start();
}

async function relayRegisteredBy(node: 'b'): Promise<boolean> {
  const argv = ['ping', '-6', '-c', '1', '-W', '2', system.node('a').domainName];
  return (await journey.lab.attempt(node, system.node(node).argv(argv))).code === 0;
}

const RESPONDERS: Readonly<Record<string, () => Promise<Responder>>> = {
  'a home agent': async () => ({
    ...{ daemon: journey.homeAgent, use: HandshakeUse.homeAgent },
    at: { address: ipv6(ADDRESSES.homeAgentIpv6), port: 4191 },
    victims: [{ address: ipv6(await addressOf('mn', 6)), port: 4191 }],
    served: async () => {
      await journey.mobileNode.stop();
      await journey.startMobileNode();
      await journey.settled('ar6');
    },
  }),
  'a direction coordinator': async () => ({
    ...{ daemon: system.coordinator, use: HandshakeUse.coordinator },
    at: sealedAt(ADDRESSES.coordinatorIpv4),
    victims: [sealedAt(await addressOf('b', 4))],
    served: async () => await restart('b'),
  }),
  'a relay': async () => ({
    ...{ daemon: system.relay, use: HandshakeUse.relay },
    at: sealedAt(ADDRESSES.relayIpv4),
    victims: [sealedAt(await addressOf('b', 4))],
    served: async () => {
      await restart('b');
      const up = async () => {
        const { relays } = await system.node('b').status();
        return objectsOf(relays).some((relay) => relay['up'] === true);
      };
      await waitFor(up, { timeoutMs: 20_000, what: 'a session with the relay' });
    },
  }),
  'a node': async () => ({
    ...{ daemon: system.node('a').daemon, use: HandshakeUse.node },
    at: sealedAt(await addressOf('a', 4)),
    victims: [sealedAt(await addressOf('b', 4)), sealedAt(ADDRESSES.relayIpv4)],
    served: async () => await reaches(),
  }),
};

/** Node b starts and reaches node a, through the relay first. */
async function reaches(): Promise<void> {
  await restart('b');
  await waitFor(() => relayRegisteredBy('b'), { timeoutMs: 20_000, what: 'node a to answer' });
}

async function counters(daemon: DaemonProcess): Promise<(name: string) => number> {
  const { plane, ntmobile, ...engine } = objectOf(await daemon.request('stats'));
  const all = { ...engine, ...objectOf(ntmobile), ...objectOf(plane) };
  return (name) => Number(all[name] ?? 0);
}

/** Tunnel Requests of unknown nodes with the victims' addresses; half of them have its port. */
function spoofedRequests({ daemon, use, at, victims }: Responder): readonly FloodPacket[] {
  const { publicKey: responder } = daemonKey({
    stateDirectory: STATE_DIRECTORY,
    name: daemon.name,
  });
  const own = keyPairOf(randomBytes(32));
  return Array.from({ length: REQUESTS }, (_, index) => {
    const payload = { timestamp: BigInt(index), credential: undefined, options: [] };
    const made = initiate(own, keyPairOf(randomBytes(32)), responder, {
      ...{ spi: index + 1, use, suites: 3, pathId: new Uint8Array(8), payload, cookie: undefined },
    });
    const victim = victims[(index >> 1) % victims.length];
    if (made === undefined || victim === undefined) throw new Error('no shared secret');
    const port = index % 2 === 0 ? victim.port : 1024 + index;
    return datagram({ ...victim, port }, at, made.datagram);
  });
}

describe.each(Object.entries(RESPONDERS))('%s', (_, responderOf) => {
  it('shakes hands with a node whose address a flood of Tunnel Requests has', async () => {
    const responder = await responderOf();
    const before = await counters(responder.daemon);
    const packets = spoofedRequests(responder);
    const options = { rate: RATE, seconds: SECONDS };
    const { sent } = await floodDuring(journey.lab, 'cn', packets, options, responder.served);
    const after = await counters(responder.daemon);
    const grown = (name: string) => after(name) - before(name);
    // The data plane answers what it reads; the rest stays in the kernel's buffer.
    expect(grown('cookie-replies')).toBeGreaterThan(1000);
    expect(grown('initiation-refused') + grown('cookie-sent')).toBeLessThan(0.1 * sent);
  });

  it('shakes hands with a node whose address a flood of noise has', async () => {
    const responder = await responderOf();
    const before = await counters(responder.daemon);
    const payload = Uint8Array.of(0x90, 1, 2, 3, ...new Uint8Array(60));
    const packets = responder.victims.map((victim) => datagram(victim, responder.at, payload));
    const at = isIpv6(responder.at.address) ? 50 : 30;
    const options = { rate: RATE, seconds: SECONDS, vary: [[at, 40]] } as const;
    const { sent } = await floodDuring(journey.lab, 'cn', packets, options, responder.served);
    const after = await counters(responder.daemon);
    const grown = (name: string) => after(name) - before(name);
    // The data plane drops them before they cost the engine anything.
    expect(grown('drop-unknown-spi')).toBeGreaterThan(0.2 * sent);
    expect(grown('control-unknown-spi')).toBe(0);
  });
});
