/**
 * Post-quantum keys of sealed tunnels between real daemons, and an attacker on the path that drops
 * their messages. docs/reference/sealed-mobile-ipv6.md §3.1.
 *
 *   mn -- ar6 -- core -- home (home agent)
 *   nft at mn drops datagrams with an ML-KEM key
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { ipv6 } from '#base/ip.ts';
import { HOME, homeAgentConfiguration, mobileNodeConfiguration } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { packet, sendRaws } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const PORT = 4191;
/** Of the UDP datagrams with key and ciphertext. */
const REQUEST_OCTETS = 1231;
const RESPONSE_OCTETS = 1151;
const IPV6_HEADER = 40;
const DROP =
  'table inet exchange { chain out { type filter hook output priority 0; ' +
  `udp dport ${PORT} udp length ${REQUEST_OCTETS} drop; }; }`;

type Mode = 'off' | 'preferred' | 'required';

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6'],
    daemons: { sealed: true, homeAgent: { postQuantum: 'required' } },
  });
  await drop();
  await journey.start('ar6');
});
afterAll(async () => await journey?.close());

const drop = () => journey.lab.exec('mn', ['nft', DROP]);
const pass = () => journey.lab.exec('mn', ['nft', 'delete table inet exchange']);
const agentCount = (reason: string) => journey.count(journey.homeAgent, reason);

async function shown(): Promise<readonly unknown[]> {
  return [(await journey.home())['postQuantum'], (await journey.binding())?.['postQuantum']];
}

/** A Binding Update shows that the home agent answers: the exchange is repeated at once. */
async function untilPostQuantum(): Promise<void> {
  await journey.mobileNode.request('reregister');
  const what = 'post-quantum keys at both ends';
  await waitFor(async () => (await shown()).every((one) => one === true), {
    timeoutMs: 10_000,
    what,
  });
}

const PING = ['ping', '-n', '-W', '1'];

async function answered(from: string, argv: readonly string[]): Promise<boolean> {
  return (await journey.lab.attempt(from, [...PING, '-c', '1', ...argv])).code === 0;
}

async function talk(): Promise<void> {
  const limit = { timeoutMs: 10_000, what: 'answers in both directions' };
  await waitFor(
    async () =>
      (await answered('cn', [HOME.address])) &&
      (await answered('mn', ['-I', HOME.address, ADDRESSES.correspondentIpv6])),
    limit,
  );
}

/** Both daemons start again with these modes. */
async function restart(node: Mode, agent: Mode): Promise<void> {
  await journey.mobileNode.stop();
  await journey.homeAgent.stop();
  const sealed = { sealed: true };
  journey.homeAgent.configure(
    homeAgentConfiguration({ ...sealed, homeAgent: { postQuantum: agent } }),
  );
  journey.mobileNode.configure(mobileNodeConfiguration({ ...sealed, postQuantum: node }));
  await journey.homeAgent.start();
  await journey.startMobileNode();
}

test('no data leaves with required while the messages are dropped', async () => {
  const file = `${journey.lab.logDirectory}/post-quantum.pcap`;
  const capture = await journey.lab.capture('mn', 'eth0', file);
  expect(await journey.binding()).toMatchObject({ encrypted: true, postQuantum: null });
  expect(await journey.home()).toMatchObject({ cipher: null, postQuantum: null });
  expect(await answered('cn', [HOME.address])).toBe(false);
  expect(await answered('mn', ['-I', HOME.address, ADDRESSES.correspondentIpv6])).toBe(false);
  await capture.stop();
  const sealed = await dissect(file, `udp.port == ${PORT}`, ['udp.payload']);
  const types = new Set(sealed.map((fields) => fields('udp.payload').slice(0, 1)));
  expect(types.has('1')).toBe(false);
  await pass();
  await untilPostQuantum();
  await talk();
  expect(await agentCount('post-quantum-established')).toBe(1);
});

test('a killed home agent gets post-quantum keys again, by two short datagrams', async () => {
  const file = `${journey.lab.logDirectory}/exchange.pcap`;
  const capture = await journey.lab.capture('mn', 'eth0', file);
  await journey.homeAgent.kill();
  await journey.homeAgent.start();
  await untilPostQuantum();
  await talk();
  await capture.stop();
  const seen = await dissect(file, `udp.port == ${PORT}`, ['udp.length', 'udp.payload']);
  const control = seen.filter((fields) => fields('udp.payload').startsWith('9'));
  const lengths = control.map((fields) => Number(fields('udp.length')));
  const exchange = lengths.filter((length) => length > 1000);
  expect(exchange).toEqual([REQUEST_OCTETS, RESPONSE_OCTETS]);
  expect(Math.max(...exchange) + IPV6_HEADER).toBeLessThanOrEqual(1280);
  await replay(control.map((fields) => fields('udp.payload')));
});

/** A spoofer sends recorded messages again, whole and changed: nothing happens. */
async function replay(payloads: readonly string[]): Promise<void> {
  const request = payloads.find((text) => text.length / 2 === REQUEST_OCTETS - 8) ?? '';
  const octets = fromHex(request);
  const careOf = ipv6(String((await journey.home())['careOfAddress']));
  const ends = { sourcePort: PORT, destinationPort: PORT };
  const changed = octets.slice();
  changed[700] = (changed[700] ?? 0) ^ 1;
  const forgeries = [octets, octets.subarray(0, 900), Uint8Array.of(...octets, 1), changed];
  const counters = ['control-replayed', 'control-forged', 'control-unknown-spi'];
  const refused = async () =>
    (await Promise.all(counters.map(agentCount))).reduce(
      (sum, one) => sum + one,
      await journey.planeCount(journey.homeAgent, 'drop-unknown-spi'),
    );
  const before = await refused();
  const established = await agentCount('post-quantum-established');
  await sendRaws(
    journey.lab,
    'cn',
    AGENT,
    forgeries.map((payload) =>
      packet(careOf, AGENT, PROTOCOL_UDP, encodeUdp(careOf, AGENT, { ...ends, payload })),
    ),
  );
  const what = 'the forgeries to be counted';
  await waitFor(async () => (await refused()) >= before + forgeries.length, {
    ...{ timeoutMs: 5000, what },
  });
  expect(await agentCount('post-quantum-established')).toBe(established);
  expect(await shown()).toEqual([true, true]);
  await talk();
}

test('data flows with preferred while the messages are dropped, and loses none', async () => {
  await drop();
  await restart('preferred', 'preferred');
  await journey.settled('ar6');
  await talk();
  expect(await shown()).toEqual([false, false]);
  const stream = ['-q', '-i', '0.01', '-c', '300'];
  const streams = Promise.all([
    journey.lab.exec('cn', [...PING, ...stream, HOME.address]),
    journey.lab.exec('mn', [
      ...[...PING, ...stream],
      ...['-I', HOME.address, ADDRESSES.correspondentIpv6],
    ]),
  ]);
  await pass();
  await untilPostQuantum();
  for (const text of await streams) expect(text).toContain(' 0% packet loss');
  expect(await shown()).toEqual([true, true]);
});

test('data flows to an end without them only if none requires them', async () => {
  await restart('preferred', 'off');
  await journey.settled('ar6');
  await talk();
  expect(await shown()).toEqual([false, false]);
  await restart('off', 'required');
  const refused = async () => (await agentCount('post-quantum-missing')) > 0;
  await waitFor(refused, { timeoutMs: 10_000, what: 'a refused registration' });
  expect(await answered('cn', [HOME.address])).toBe(false);
});
