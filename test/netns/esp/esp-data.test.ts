/**
 * ESP of data in tunnel mode: real daemons against each other, over IPv6 and in UDP over IPv4, as
 * tshark decrypts it, and against scapy in the place of either daemon.
 *
 *   mn (three homes, one for each algorithm) -- ar6, ar4, nat-prc -- core -- home (home agent)
 *                                                                     |
 *                                                                     cn
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encode, fromHex, hex } from '#base/bytes.ts';
import { type Ipv6Address, ipv6, parseIpv6 } from '#base/ip.ts';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { sectionOf } from '#test/netns/esp/associations.ts';
import {
  AHEAD,
  FIRST,
  forged,
  HOMES,
  KEYS,
  keyOf,
  peerArguments,
  SECOND,
} from '#test/netns/esp/data-homes.ts';
import { icmp, PROTOCOL_IPV6, packet, sendRaw } from '#test/netns/helpers/crafted-packets.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { dissect, octetsOf } from '#test/netns/helpers/tshark.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const AGENT4 = ADDRESSES.homeAgentIpv4;
const CORRESPONDENT = ipv6(ADDRESSES.correspondentIpv6);
const ETHERNET = 14;
const OUTER_HEADER = 40;

let journey: Journey;
let coreFile: string;
let captures = 0;

beforeAll(async () => {
  const homes = HOMES.map(({ address, control, data }, at) => ({
    ...{ name: `home${at}`, homeAgent: 'ha.example', homeAddress: address },
    ...(at === 0 ? { ipv4HomeAddress: HOME.virtualIpv4Address } : {}),
    esp: sectionOf(control, data),
  }));
  const mobileNodes = HOMES.map(({ address, control, data }, at) => ({
    homeAddresses: [address],
    ...(at === 0 ? { ipv4HomeAddresses: [HOME.virtualIpv4Address] } : {}),
    esp: sectionOf(control, data),
  }));
  journey = await Journey.create({
    networks: ['ar6', 'ar4', 'nat-prc'],
    daemons: { homeLink: false, mobileNode: { homes }, homeAgent: { mobileNodes } },
  });
  coreFile = `${journey.lab.logDirectory}/core.pcap`;
});
afterAll(async () => await journey?.close());

// --- helpers ---

/** Every home is registered from the same network. */
async function settled(network: 'ar6' | 'ar4' | 'nat-prc'): Promise<void> {
  await journey.settled(network);
  await waitFor(
    async () => {
      const all = objectsOf(objectOf(await journey.mobileNode.request('status'))['homes']);
      const careOf = new Set(all.map(({ careOfAddress }) => careOfAddress));
      return all.every(({ phase }) => phase === 'registered') && careOf.size === 1;
    },
    { timeoutMs: 10_000, what: `every home to be registered from ${network}` },
  );
}

async function move(network: 'ar6' | 'ar4' | 'nat-prc'): Promise<void> {
  await journey.moveTo(network);
  await settled(network);
}

async function ping(from: string, to: string, ...more: readonly string[]): Promise<void> {
  const argv = ['ping', '-n', '-c', '1', '-W', '1', ...more, to];
  await waitFor(
    async () =>
      await journey.lab.exec(from, argv).then(
        () => true,
        () => false,
      ),
    { timeoutMs: 5_000, what: `an answer from ${to} to ${from}` },
  );
}

/** Every home, both directions. */
async function talk(): Promise<void> {
  for (const { address } of HOMES) {
    await ping('mn', CORRESPONDENT, '-I', address);
    await ping('cn', address);
  }
  await ping('cn', HOME.virtualIpv4Address);
}

const drops = (name: string) => () => journey.planeCount(journey.homeAgent, name);

/** The action makes the home agent count one packet, and nothing else is received. */
async function expectDropped(name: string, action: () => Promise<void>): Promise<void> {
  const received = await drops('receive-packets')();
  const before = await drops(name)();
  await action();
  await waitFor(async () => (await drops(name)()) > before, {
    timeoutMs: 5_000,
    what: `${name} to be counted`,
  });
  expect(await drops(name)()).toBe(before + 1);
  expect(await drops('receive-packets')()).toBe(received);
}

async function careOfAddress(): Promise<Ipv6Address> {
  const address = parseIpv6(String((await journey.home())['careOfAddress']));
  if (address === undefined) throw new Error('the node is not on an IPv6 link');
  return address;
}

/** ESP packets of the first home's data over IPv6 in a capture, to the home agent. */
async function sentData(file: string): Promise<readonly Uint8Array[]> {
  const spi = FIRST.data.toHomeAgent[0];
  const filter = `esp.spi == ${spi} && ipv6.dst == ${AGENT} && ipv6.nxt == 50`;
  const frames = await octetsOf(file, filter, 'frame');
  return frames.map((frame) => fromHex(frame).subarray(ETHERNET));
}

/** The highest sequence number of each SPI while every home talks. */
async function usedNumbers(): Promise<(association: readonly [number, string]) => number> {
  const file = `${coreFile}.${++captures}`;
  {
    await using _ = await journey.lab.capture('core', 'to-home', file);
    await talk();
  }
  const highest = new Map<number, number>();
  for (const field of await dissect(file, 'esp', ['esp.spi', 'esp.sequence'])) {
    const [spi, number] = [Number(field('esp.spi')), Number(field('esp.sequence'))];
    highest.set(spi, Math.max(number, highest.get(spi) ?? 0));
  }
  return ([spi]) => highest.get(spi) ?? 0;
}

// --- moves ---

test('data of three homes flow in ESP over IPv6, IPv4 and behind a NAT', async () => {
  await using _ = await journey.lab.capture('core', 'to-home', coreFile);
  await journey.start('ar6');
  await settled('ar6');
  await talk();
  for (const network of ['ar4', 'nat-prc', 'ar6'] as const) {
    await move(network);
    await talk();
  }
  await journey.mobileNode.kill();
  await journey.startMobileNode();
  await settled('ar6');
  await talk();
  await journey.homeAgent.kill();
  await journey.homeAgent.start();
  await talk();
  await move('nat-prc');
  await talk();
  await journey.homeAgent.kill();
  await journey.homeAgent.start();
  // The port of the NAT is in the store: the home agent speaks first.
  await ping('cn', FIRST.address);
  await talk();
});

test('the operator sees that data are encrypted, and where they are not', async () => {
  const rows = objectsOf(await journey.homeAgent.request('bindings'));
  const shown = rows.map(({ homeAddress, encapsulation, encrypted }) => [
    ...[homeAddress, encapsulation, encrypted],
  ]);
  expect(shown.sort()).toEqual(HOMES.map(({ address }, at) => [address, 'esp', at !== 2]).sort());
  expect(await journey.home()).toMatchObject({
    ...{ encapsulation: 'esp', encrypted: true, cipher: 'ESP aes-gcm-16' },
  });
});

test('nothing leaves in clear, and no sequence number leaves twice after kill -9', async () => {
  const clear = await dissect(
    coreFile,
    `(ipv6.addr == ${AGENT} || ip.addr == ${AGENT4}) && ` +
      '(ipv6.nxt == 41 || ipv6.nxt == 4 || ip.proto == 41 || ip.proto == 4 || mip6.mhtype)',
    ['frame.number'],
  );
  expect(clear).toEqual([]);
  const udp = await dissect(coreFile, 'udp.port == 4191 && !esp', ['frame.number']);
  expect(udp).toEqual([]);
  // Errors about packets to a host without its daemon quote them.
  const packets = await dissect(coreFile, 'esp && !icmp && !icmpv6', ['esp.spi', 'esp.sequence']);
  const used = packets.map((field) => `${field('esp.spi')} ${field('esp.sequence')}`);
  expect(used.length).toBeGreaterThan(80);
  expect(new Set(used).size).toBe(used.length);
});

test('tshark decrypts the data of every algorithm in both directions', async () => {
  const packets = await dissect(
    coreFile,
    'esp && (icmpv6.type == 128 || icmpv6.type == 129)',
    ['esp.spi', 'udp.dstport'],
    KEYS,
  );
  const kinds = packets.map(
    (field) => `${Number(field('esp.spi'))} ${field('udp.dstport') === '' ? 'IPv6' : 'UDP'}`,
  );
  const spis = HOMES.flatMap(({ data }) => [data.toHomeAgent[0], data.toMobileNode[0]]);
  expect([...new Set(kinds)].sort()).toEqual(
    spis.flatMap((spi) => [`${spi} IPv6`, `${spi} UDP`]).sort(),
  );
});

test('a node behind a NAT keeps the mapping of ESP, and dummies show its port', async () => {
  // A dummy of AES-GCM has 28 octets around its trailer of 4, and the UDP header.
  const spi = FIRST.data.toHomeAgent[0];
  const filter = `udp.dstport == 4500 && esp.spi == ${spi} && udp.length == 44`;
  const dummies = await dissect(coreFile, filter, ['esp.spi']);
  expect(dummies.length).toBeGreaterThan(0);
  await waitFor(async () => (await drops('nat-keepalives')()) > 0, {
    timeoutMs: 25_000,
    what: 'a NAT keepalive',
  });
});

// --- the MTU ---

test('a full packet fills the link, and the next octet is too big', async () => {
  await move('ar6');
  await using _ = await journey.lab.capture('core', 'to-home', `${coreFile}.mtu`);
  // 1500 less 72 octets around the largest text of AES-GCM, less its trailer.
  for (const [{ address }, largest] of [
    [FIRST, 1426],
    [SECOND, 1406],
  ] as const) {
    const size = (octets: number) => ['-M', 'do', '-s', String(octets - 48), '-I', address];
    await ping('mn', CORRESPONDENT, ...size(largest));
    await expect(
      journey.lab.exec('mn', [
        ...['ping', '-n', '-c', '2', '-i', '0.2', '-W', '1', ...size(largest + 1), CORRESPONDENT],
      ]),
    ).rejects.toThrow();
  }
  const outer = await dissect(`${coreFile}.mtu`, `esp && ipv6.dst == ${AGENT}`, ['ipv6.plen']);
  const lengths = outer.map((field) => Number(field('ipv6.plen')));
  expect(Math.max(...lengths)).toBe(1500 - OUTER_HEADER);
});

// --- attackers ---

test('the home agent drops data outside of ESP, forged, replayed, cut, of others', async () => {
  const { lab } = journey;
  const careOf = await careOfAddress();
  const used = await usedNumbers();
  const echo = icmp(FIRST.address, CORRESPONDENT, {
    ...{ type: 'echo-request', identifier: 1, sequence: 1, data: new Uint8Array(8) },
  });
  await expectDropped('drop-unknown-endpoint', () =>
    sendRaw(lab, 'cn', packet(careOf, AGENT, PROTOCOL_IPV6, echo)),
  );
  const [before] = await sentData(coreFile);
  const last = (await sentData(`${coreFile}.${captures}`)).at(-1);
  if (before === undefined || last === undefined) throw new Error('no data were captured');
  await expectDropped('drop-replay', () => sendRaw(lab, 'cn', last));
  // From before the restarts: its number is taken for one of the next 2^32.
  await expectDropped('drop-forged', () => sendRaw(lab, 'cn', before));
  const key = keyOf(FIRST.data, 'toHomeAgent');
  const far = 2 ** 31;
  const genuine = forged(key, careOf, FIRST.address, far);
  const changed = genuine.slice();
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  await expectDropped('drop-forged', () => sendRaw(lab, 'cn', changed));
  const fields = ipv6Codec.parse(genuine);
  if (!('payload' in fields)) throw new Error('no IPv6 packet');
  const cut = encode(ipv6Codec, { ...fields, payload: fields.payload.subarray(0, 30) });
  await expectDropped('drop-malformed', () => sendRaw(lab, 'cn', cut));
  const foreign = keyOf(SECOND.data, 'toHomeAgent');
  const gcm = { ...key, spi: foreign.spi };
  await expectDropped('drop-malformed', () =>
    sendRaw(lab, 'cn', forged(gcm, careOf, FIRST.address, far)),
  );
  // Authentic, with the home address of another node.
  await expectDropped('drop-permit', () =>
    sendRaw(lab, 'cn', forged(key, careOf, SECOND.address, used(FIRST.data.toHomeAgent) + AHEAD)),
  );
});

test('the home agent drops data in UDP outside of ESP, and unknown SPIs there', async () => {
  await move('nat-prc');
  const echo = icmp(FIRST.address, CORRESPONDENT, {
    ...{ type: 'echo-request', identifier: 1, sequence: 1, data: new Uint8Array(8) },
  });
  const datagram = (octets: Uint8Array, port: number) => {
    const program =
      'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM)' +
      `.sendto(bytes.fromhex('${hex(octets)}'), ('${AGENT4}', ${port}))`;
    return async () => void (await journey.lab.exec('cn', ['python3', '-c', program]));
  };
  await expectDropped('drop-unknown-endpoint', datagram(echo, 4191));
  await expectDropped('drop-unknown-spi', datagram(new Uint8Array(64).fill(7), 4500));
  await expectDropped('drop-malformed', datagram(new Uint8Array(3), 4500));
  // The non-ESP marker, in front of a message of IKE.
  await expectDropped('drop-datagram-type', datagram(new Uint8Array(40), 4500));
});

// --- scapy ---

test.each([
  ['ar6', 6],
  ['nat-prc', 4],
] as const)('scapy speaks to both daemons with every algorithm in %s', async (network, family) => {
  const { lab, mobileNode, homeAgent } = journey;
  await move(network);
  const used = await usedNumbers();
  const local = String((await journey.home())['careOfAddress']);
  const agent = family === 6 ? AGENT : AGENT4;
  const spis = (name: 'toHomeAgent' | 'toMobileNode') => HOMES.map(({ data }) => data[name][0]);
  await mobileNode.kill();
  const text = await lab.exec('mn', peerArguments('ask', used, family, local, agent));
  expect(JSON.parse(text)).toEqual(spis('toMobileNode'));
  await journey.startMobileNode();
  await settled(network);
  const usedNow = await usedNumbers();
  await homeAgent.kill();
  const end = peerArguments('answer', usedNow, family, agent, local);
  const scapy = lab.spawn('home', end);
  await scapy.ready('ready');
  for (const { address } of HOMES) await ping('mn', CORRESPONDENT, '-I', address);
  const answered = () => spis('toHomeAgent').every((spi) => scapy.output().includes(`${spi}\n`));
  await waitFor(async () => answered(), { timeoutMs: 5_000, what: 'scapy to have seen every SPI' });
  await scapy.stop('SIGTERM');
  await homeAgent.start();
  await talk();
});
