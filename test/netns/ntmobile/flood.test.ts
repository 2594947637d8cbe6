/**
 * Ten thousand Tunnel Requests a second from unknown senders: the coordinator answers with cookies,
 * and the effect on registered nodes is small.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hex } from '#base/bytes.ts';
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { Lab } from '#lab/topology.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import {
  AUTHORITY,
  Client,
  credentialOf,
  PORTS,
  seed,
} from '#test/netns/helpers/ntmobile/coordinator-clients.ts';

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
