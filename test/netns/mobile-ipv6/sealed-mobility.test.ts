/**
 * Sealed registrations and tunnels between real daemons, and what attackers try against them.
 *
 *   mn -- ar6, ar4, nat-prc, home -- core -- home (home agent) == home link
 *                                     |
 *                                     cn (sends packets with any source)
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type IpAddress, type Ipv6Address, ipv6 } from '#base/ip.ts';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { PROTOCOL_IPV6, packet, sendRaws } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const NODE_HOME = ipv6(HOME.address);
const STRANGER = ipv6('2001:db8:bad::1');
const NETWORKS = ['ar6', 'ar4', 'nat-prc'] as const;
const PORT = 4191;

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({ networks: NETWORKS, daemons: { sealed: true } });
  await journey.start('ar6');
});
afterAll(async () => await journey?.close());

const nodeCount = (reason: string) => journey.count(journey.mobileNode, reason);
const agentCount = (reason: string) => journey.count(journey.homeAgent, reason);

async function ping(from: string, to: IpAddress | string, source?: string): Promise<void> {
  const bind = source === undefined ? [] : ['-I', source];
  const argv = ['ping', '-n', '-c', '1', '-W', '1', ...bind, to];
  await waitFor(
    async () =>
      await journey.lab.exec(from, argv).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 10_000, what: `an answer from ${to} to ${from}` },
  );
}

/** Both directions, both families. */
async function talk(): Promise<void> {
  await ping('mn', ADDRESSES.correspondentIpv6, HOME.address);
  await ping('cn', HOME.address);
  await ping('cn', HOME.ipv4Address);
}

test('a node registers by one handshake, and moves by sealed Binding Updates alone', async () => {
  await talk();
  expect(await journey.binding()).toMatchObject({ encapsulation: 'sealed', encrypted: true });
  expect(await journey.home()).toMatchObject({ encapsulation: 'sealed', encrypted: true });
  for (const network of ['ar4', 'nat-prc', 'ar6', 'nat-prc', 'ar4', 'ar6'] as const) {
    await journey.moveTo(network);
    await talk();
  }
  expect(await nodeCount('handshake-started')).toBe(1);
  expect(await agentCount('session-started')).toBe(1);
  expect(await nodeCount('registration-refused')).toBe(0);
});

test('a capture of every access network shows no inner address and no payload', async () => {
  const secret = 'a text that is not for observers';
  const pattern = Buffer.from(secret).toString('hex').slice(0, 32);
  for (const network of ['ar4', 'ar6'] as const) {
    await journey.moveTo(network);
    const file = `${journey.lab.logDirectory}/sealed-${network}.pcap`;
    const capture = await journey.lab.capture('mn', 'eth0', file);
    await journey.lab.exec('mn', [
      ...['ping', '-n', '-c', '3', '-i', '0.2', '-p', pattern],
      ...['-I', HOME.address, ADDRESSES.correspondentIpv6],
    ]);
    await journey.mobileNode.request('reregister');
    await journey.settled(network);
    await capture.stop();
    const octets = readFileSync(file);
    const bytesOf = (text: string) => Buffer.from(text, 'hex');
    const inner = ['20010db8010000000000000000000010', pattern];
    for (const one of inner) expect(octets.includes(bytesOf(one)), one).toBe(false);
    const sealed = await dissect(file, `udp.port == ${PORT}`, ['udp.payload']);
    const types = new Set(sealed.map((fields) => fields('udp.payload').slice(0, 1)));
    expect([...types].sort()).toEqual(['1', '8']);
    const plain = 'ipv6.nxt == 41 || ip.proto == 41 || ip.proto == 4';
    expect(await dissect(file, plain, ['frame.number'])).toEqual([]);
  }
});

describe('an attacker that spoofs outer addresses', () => {
  const PORTS = { sourcePort: 9, destinationPort: 9 };
  const data = (source: Ipv6Address, destination: Ipv6Address): Uint8Array =>
    packet(
      source,
      destination,
      PROTOCOL_UDP,
      encodeUdp(source, destination, { ...PORTS, payload: new TextEncoder().encode('forged') }),
    );
  const overUdp = (from: Ipv6Address, to: Ipv6Address, inner: Uint8Array): Uint8Array =>
    packet(
      from,
      to,
      PROTOCOL_UDP,
      encodeUdp(from, to, { sourcePort: PORT, destinationPort: PORT, payload: inner }),
    );

  test('gets nothing in, in either direction, in any encapsulation', async () => {
    await journey.moveTo('ar6');
    const careOf = ipv6(String((await journey.home())['careOfAddress']));
    const received = () => journey.planeCount(journey.mobileNode, 'receive-packets');
    const arrived = () => journey.planeCount(journey.homeAgent, 'receive-packets');
    await talk();
    const [before, beforeAtAgent] = [await received(), await arrived()];
    const inwards = data(STRANGER, NODE_HOME);
    const outwards = data(NODE_HOME, ipv6(ADDRESSES.correspondentIpv6));
    await sendRaws(journey.lab, 'cn', careOf, [
      packet(AGENT, careOf, PROTOCOL_IPV6, inwards),
      overUdp(AGENT, careOf, inwards),
      overUdp(AGENT, careOf, Uint8Array.of(0x10, 0, 0, 1, 0, 0, 0, 1, ...new Uint8Array(64))),
    ]);
    await sendRaws(journey.lab, 'cn', AGENT, [
      packet(careOf, AGENT, PROTOCOL_IPV6, outwards),
      overUdp(careOf, AGENT, outwards),
      overUdp(careOf, AGENT, Uint8Array.of(0x10, 0, 0, 1, 0, 0, 0, 1, ...new Uint8Array(64))),
    ]);
    const drops = async (daemon: typeof journey.homeAgent) =>
      (await journey.planeCount(daemon, 'drop-unknown-spi')) +
      (await journey.planeCount(daemon, 'drop-unknown-endpoint')) +
      (await journey.planeCount(daemon, 'drop-permit')) +
      (await journey.planeCount(daemon, 'drop-datagram-type'));
    const what = 'the forgeries to be counted';
    await waitFor(async () => (await drops(journey.mobileNode)) >= 2, { timeoutMs: 5000, what });
    await waitFor(async () => (await drops(journey.homeAgent)) >= 2, { timeoutMs: 5000, what });
    expect(await received()).toBe(before);
    expect(await arrived()).toBe(beforeAtAgent);
  });
});

test('a node comes home, and leaves again by a new handshake', async () => {
  await journey.moveTo('home');
  expect(await journey.binding()).toBeUndefined();
  const handshakes = await nodeCount('handshake-started');
  await journey.moveTo('ar6');
  await talk();
  expect(await nodeCount('handshake-started')).toBe(handshakes + 1);
});

test('a home agent that was killed calls its nodes, which make new keys at once', async () => {
  await journey.moveTo('ar4');
  await journey.homeAgent.kill();
  await journey.homeAgent.start();
  const called = async () => (await nodeCount('home-agent-called')) > 0;
  await waitFor(called, { timeoutMs: 10_000, what: 'the call' });
  await ping('cn', HOME.address);
});

test('revoking a binding ends it, and the node registers again', async () => {
  await journey.homeAgent.request('revoke', { homeAddress: HOME.address });
  expect(await journey.binding()).toBeUndefined();
  await journey.mobileNode.request('reregister');
  await ping('cn', HOME.address);
  expect(await journey.binding()).toMatchObject({ encapsulation: 'sealed' });
});
