/**
 * Floods of Tunnel Requests and of noise from unknown senders. Without cookies, ten thousand a
 * second get cookies; with a valid one, 8,000 a second get the rate of their address. The effect on
 * other nodes is small.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encode, fromHex, hex } from '#base/bytes.ts';
import { ipv4 } from '#base/ip.ts';
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { flood } from '#test/netns/helpers/flood/flood.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import {
  AUTHORITY,
  Client,
  credentialOf,
  PORTS,
  seed,
} from '#test/netns/helpers/ntmobile/coordinator-clients.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';

const COOKIE_PROGRAM = new URL('../helpers/flood/cookie-handshakes.ts', import.meta.url).pathname;
const FLOOD_PROGRAM = new URL('../helpers/ntmobile/handshake-flood.ts', import.meta.url).pathname;
const PER_SECOND = 10_000;
const SECONDS = 4;

let lab: Lab;
let coordinator: DaemonProcess;
let publicKey: string;
const clients: Client[] = [];

beforeAll(async () => {
  lab = await Lab.create({ networks: ['ar4', 'ar4b'], nodes: { a: ['eth0'], attacker: ['eth0'] } });
  coordinator = new DaemonProcess(lab, 'dc', 'cn', {
    daemon: { stateDirectory: STATE_DIRECTORY },
    zone: 'nodes.example',
    addresses: [ADDRESSES.correspondentIpv4],
    authorities: [`base64:${Buffer.from(AUTHORITY.publicKey).toString('base64')}`],
    systemPrefix: 'fd12:3456:789a::/48',
  });
  await coordinator.start();
  publicKey = String(objectOf(await coordinator.request('status'))['publicKey']).slice(
    'hex:'.length,
  );
  await lab.move('a', 'ar4');
  await lab.move('attacker', 'ar4b');
  await lab.waitForAddress('attacker', 4, { timeoutMs: 15_000 });
});
afterAll(async () => {
  for (const one of clients) await one.close();
  await lab?.close();
});

async function stats(): Promise<Readonly<Record<string, unknown>>> {
  return objectOf(await coordinator.request('stats'));
}

async function client(name: string): Promise<Client> {
  const { address } = await lab.waitForAddress('a', 4, { timeoutMs: 15_000 });
  const made = new Client('a', {
    ...{
      privateKey: hex(seed(name)),
      credential: credentialOf(name),
      coordinatorKey: publicKey,
      ...PORTS,
    },
    ...{ local: address, coordinator: ADDRESSES.correspondentIpv4 },
  });
  clients.push(made);
  return made;
}

describe('a flood of handshakes without cookies', () => {
  it('gets cookies, smaller than the handshakes, while a registered node is served', async () => {
    const node = await client('a');
    await node.ask('connect');
    await node.ask('register');
    const argv = [
      process.execPath,
      FLOOD_PROGRAM,
      ADDRESSES.correspondentIpv4,
      String(PORTS.port),
      publicKey,
    ];
    const flood = lab.attempt('attacker', [...argv, String(PER_SECOND), String(SECONDS)]);
    let over = false;
    void flood.finally(() => {
      over = true;
    });
    let served = 0;
    while (!over) {
      const answer = await node.ask('register');
      expect(answer).toMatchObject({ type: 'registration-response', status: 0 });
      served += 1;
      await nextTurn(() => over);
    }
    const { stdout } = await flood;
    const report: {
      sent: number;
      octetsSent: number;
      octetsReceived: number;
      received: Record<string, number>;
    } = JSON.parse(stdout);
    expect(report.sent).toBe(PER_SECOND * SECONDS);
    expect(served).toBeGreaterThan(1);
    // Only cookie replies (type 12), and no more octets than arrived.
    expect(Object.keys(report.received)).toEqual(['12']);
    expect(report.octetsReceived).toBeLessThan(report.octetsSent / 3);
    const { registered, sessions } = await stats();
    expect({ registered, sessions }).toMatchObject({ registered: served + 1 });
  });

  it('does not keep out a node that returns its cookie', async () => {
    await clients.pop()?.close();
    const argv = [
      process.execPath,
      FLOOD_PROGRAM,
      ADDRESSES.correspondentIpv4,
      String(PORTS.port),
      publicKey,
    ];
    const flood = lab.attempt('attacker', [...argv, String(PER_SECOND), '3']);
    const node = await client('b');
    await node.ask('connect');
    expect(await node.ask('register')).toMatchObject({ status: 0 });
    await flood;
  });
});

describe('a flood with a valid cookie', () => {
  it('gets the rate of its address, while other nodes register', async () => {
    const { address } = await lab.waitForAddress('attacker', 4, { timeoutMs: 15_000 });
    const argv = [process.execPath, COOKIE_PROGRAM, address, ADDRESSES.correspondentIpv4];
    const made = await lab.exec('attacker', [...argv, String(PORTS.port), publicKey, '300']);
    const packets = made
      .trim()
      .split('\n')
      .map((line) => ({ octets: fromHex(line) }));
    const flooding = flood(lab, 'attacker', packets, { rate: 8000, seconds: 4 });
    const answered = await registrationsDuring(flooding);
    expect(answered.slowestMs).toBeLessThan(1000);
    expect(answered.count).toBeGreaterThan(5);
    const { plane, ...engine } = objectOf(await coordinator.request('stats'));
    // Almost all are refused in the data plane, before the engine sees them.
    expect(objectOf(plane)['drop-handshake-rate']).toBeGreaterThan(10_000);
    expect(engine['initiation-old']).toBeLessThan(2000);
  });
});

describe('a flood of noise', () => {
  it('leaves the engine to registered nodes', async () => {
    const { address } = await lab.waitForAddress('attacker', 4, { timeoutMs: 15_000 });
    const [local, remote] = [ipv4(address), ipv4(ADDRESSES.correspondentIpv4)];
    const datagram = { sourcePort: 4000, destinationPort: PORTS.port };
    const payload = Uint8Array.of(0x90, 1, 2, 3, ...new Uint8Array(60));
    const octets = encode(ipv4Codec, {
      ...{ trafficClass: 0, identification: 0, dontFragment: true, moreFragments: false },
      ...{ fragmentOffset: 0, timeToLive: 64, protocol: PROTOCOL_UDP, source: local },
      ...{ destination: remote, options: new Uint8Array(0) },
      payload: encodeUdp(local, remote, { ...datagram, payload }),
    });
    const flooding = flood(lab, 'attacker', [{ octets, checksumAt: 26 }], {
      ...{ rate: 100_000, seconds: 3, vary: [[30, 40]] },
    });
    const answered = await registrationsDuring(flooding);
    expect(answered.slowestMs).toBeLessThan(1000);
    expect(answered.count).toBeGreaterThan(5);
    // None is lost unseen, and none costs the engine anything.
    const { plane, ...engine } = objectOf(await coordinator.request('stats'));
    const dropped = Number(objectOf(plane)['drop-unknown-spi']);
    expect(dropped).toBeGreaterThan(0.9 * (await flooding).sent);
    expect(engine['control-unknown-spi']).toBe(0);
  });
});

/** A node registers less often than the coordinator's rate for one identity. */
async function nextTurn(over: () => boolean): Promise<void> {
  const at = performance.now() + 200;
  await waitFor(() => over() || performance.now() >= at, {
    timeoutMs: 5_000,
    what: 'the next turn',
  });
}

/** Registers one after the other until the flood ends. */
async function registrationsDuring(flooding: Promise<unknown>) {
  const node = clients.at(-1) ?? (await client('b'));
  let over = false;
  void flooding.finally(() => {
    over = true;
  });
  let count = 0;
  let slowestMs = 0;
  while (!over) {
    const began = performance.now();
    expect(await node.ask('register')).toMatchObject({ status: 0 });
    slowestMs = Math.max(slowestMs, performance.now() - began);
    count += 1;
    await nextTurn(() => over);
  }
  await flooding;
  return { count, slowestMs };
}
