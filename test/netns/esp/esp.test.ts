/**
 * ESP around Binding Updates and Acknowledgements: real daemons against each other, against scapy's
 * implementation in both roles, and as tshark decrypts them.
 *
 *   mn (ESP) -- ar6 / nat-prc -- core -- home (home agent, home link)
 *                                  |
 *                                  cn: scapy, as six mobile nodes or as a home agent
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { ESP_ALGORITHM_NAMES, sealEsp } from '#crypto/esp.ts';
import { DaemonProcess, HOME, mobileNodeConfiguration } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { association, keyPreferences, sectionOf } from '#test/netns/esp/associations.ts';
import { mobility, packet, sendRaw } from '#test/netns/helpers/crafted-packets.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { dissect, octetsOf } from '#test/netns/helpers/tshark.ts';
import { PROTOCOL_ESP } from '#wire/ip/esp.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { type MobilityMessageOf, NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const STRANGER = ipv6(ADDRESSES.correspondentIpv6);
const NODE_HOME = ipv6(HOME.address);
const ETHERNET = 14;
const PEER = new URL('esp-peer.py', import.meta.url).pathname;
const ALGORITHMS = ESP_ALGORITHM_NAMES;

/** One for each algorithm, with and without extended sequence numbers. */
const ASSOCIATIONS = ALGORITHMS.flatMap((algorithm, at) =>
  [true, false].map((esn, kind) => {
    const number = 1 + 2 * at + kind;
    return association(number, `2001:db8:100::e${number}`, algorithm, esn);
  }),
);
const OF_NODE = association(9, HOME.address, 'aes-gcm-16', true);

const peerArguments = (
  role: 'node' | 'agent',
  sequences: readonly number[],
  associations = ASSOCIATIONS,
) => [
  ...['/usr/bin/python3', PEER, role],
  JSON.stringify({ local: STRANGER, peer: AGENT, associations, sequences }),
];

/** What scapy's nodes print when each home address got these statuses. */
const allWith = (statuses: readonly number[], associations = ASSOCIATIONS) =>
  Object.fromEntries(associations.map(({ homeAddress }) => [homeAddress, statuses]));

let journey: Journey;
let coreFile: string;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6', 'nat-prc'],
    daemons: {
      esp: sectionOf(OF_NODE),
      homeAgent: {
        mobileNodes: [
          {
            esp: sectionOf(OF_NODE),
            homeAddresses: [HOME.address],
            ipv4HomeAddresses: [HOME.ipv4Address],
          },
          ...ASSOCIATIONS.map((one) => ({
            esp: sectionOf(one),
            homeAddresses: [one.homeAddress],
          })),
        ],
      },
    },
  });
  coreFile = `${journey.lab.logDirectory}/core.pcap`;
});
afterAll(async () => await journey?.close());

// --- helpers ---

const agentCounts = (reason: string) => () => journey.count(journey.homeAgent, reason);

async function expectCounted(reason: string, action: () => Promise<void>): Promise<void> {
  const binding = await journey.binding();
  const before = await agentCounts(reason)();
  await action();
  await waitFor(async () => (await agentCounts(reason)()) > before, {
    timeoutMs: 5_000,
    what: `${reason} to be counted`,
  });
  expect(await agentCounts(reason)()).toBe(before + 1);
  expect(await journey.binding()).toEqual(binding);
}

const MESSAGE = ['mip6.mhtype', 'esp.spi'];
const KEYS = keyPreferences([OF_NODE, ...ASSOCIATIONS]);

/** ESP packets in the capture that were sent to the home agent over IPv6, whole, in order. */
async function sentUpdates(): Promise<readonly Uint8Array[]> {
  const frames = await octetsOf(coreFile, `esp && ipv6.dst == ${AGENT} && ipv6.nxt == 60`, 'frame');
  return frames.map((frame) => fromHex(frame).subarray(ETHERNET));
}

/** The SPI and sequence number of every ESP packet in the capture. */
async function numbersUsed(): Promise<readonly string[]> {
  const packets = await dissect(coreFile, 'esp', ['esp.spi', 'esp.sequence']);
  return packets.map((field) => `${field('esp.spi')} ${field('esp.sequence')}`);
}

describe('a mobile node and a home agent with ESP', () => {
  test('register over IPv6, over UDP behind a NAT, and end the registration at home', async () => {
    await using _ = await journey.lab.capture('core', 'to-home', coreFile);
    await journey.start('ar6');
    await journey.moveTo('nat-prc');
    await journey.moveTo('home');
    await waitFor(async () => (await journey.binding()) === undefined, {
      timeoutMs: 5_000,
      what: 'the binding to end',
    });
    await journey.moveTo('ar6');
    await journey.lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.address]);
    await journey.mobileNode.kill();
    await journey.startMobileNode();
    await journey.mobileNode.request('reregister');
    await journey.settled('ar6');
    await journey.homeAgent.kill();
    await journey.homeAgent.start();
    const before = await agentCounts('esp-received')();
    await journey.mobileNode.request('reregister');
    await waitFor(async () => (await agentCounts('esp-received')()) > before, {
      timeoutMs: 10_000,
      what: 'the restarted home agent to get a Binding Update',
    });
  });

  test('send nothing about the registration in clear, and no sequence number twice', async () => {
    expect(await dissect(coreFile, 'mip6.mhtype', ['mip6.mhtype'])).toEqual([]);
    const used = await numbersUsed();
    expect(used.length).toBeGreaterThanOrEqual(8);
    expect(new Set(used).size).toBe(used.length);
  });

  test('send Binding Updates and Acknowledgements that tshark decrypts', async () => {
    const messages = await dissect(coreFile, 'mip6.mhtype', [...MESSAGE, 'udp.port'], KEYS);
    const kinds = messages.map((field) =>
      [...MESSAGE.map(field), field('udp.port') === '' ? 'over IPv6' : 'over UDP'].join(' '),
    );
    expect([...new Set(kinds)].sort()).toEqual([
      ...['5 0x00001009 over IPv6', '5 0x00001009 over UDP'],
      ...['6 0x00002009 over IPv6', '6 0x00002009 over UDP'],
    ]);
  });

  test('show the protection to the operator, and the messages in clear', async () => {
    const protection = 'ESP (aes-gcm-16)';
    expect(await journey.home()).toMatchObject({ registrationProtection: protection });
    expect(await journey.binding()).toMatchObject({ registrationProtection: protection });
  });

  test('refuse a Binding Update without ESP, forged, replayed, and of another node', async () => {
    const [first] = await sentUpdates();
    if (first === undefined) throw new Error('no Binding Update was captured');
    const { lab } = journey;
    await expectCounted('esp-replayed', () => sendRaw(lab, 'cn', first));
    const forged = first.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    // Beyond the window, or the sequence number alone would tell.
    forged[64 + 5] = 0x7f;
    await expectCounted('esp-forged', () => sendRaw(lab, 'cn', forged));
    const update = {
      type: 'binding-update',
      sequence: 60_000,
      flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, homeRegistration: true },
      lifetimeUnits: 100,
      options: [{ type: 'alternate-care-of-address', address: STRANGER }],
    } as const;
    await expectCounted('esp-missing', () =>
      sendRaw(lab, 'cn', mobility(STRANGER, AGENT, update, NODE_HOME)),
    );
    const [one] = ASSOCIATIONS;
    if (one === undefined) throw new Error('no association');
    const [spi, key] = one.toHomeAgent;
    const { algorithm, esn: extendedSequenceNumbers } = one;
    const ownKey = { spi, algorithm, key: fromHex(key), extendedSequenceNumbers };
    const sealed = (options: MobilityMessageOf<'binding-update'>['options'], home: Ipv6Address) => {
      sequence++;
      const payload = encodeMobility({ ...update, options }, home, AGENT);
      const iv = new Uint8Array(8).fill(sequence);
      const esp = sealEsp(ownKey, sequence, iv, { nextHeader: PROTOCOL_MOBILITY, payload });
      return packet(STRANGER, AGENT, PROTOCOL_ESP, esp, [homeAddressExtension(home)]);
    };
    let sequence = 900;
    await expectCounted('esp-selector-mismatch', () =>
      sendRaw(lab, 'cn', sealed(update.options, NODE_HOME)),
    );
    await expectCounted('alternate-care-of-address-missing', () =>
      sendRaw(lab, 'cn', sealed([], ipv6(one.homeAddress))),
    );
  });
});

describe('scapy as six mobile nodes', () => {
  test('registers with every algorithm, and across the end of 32 bits', async () => {
    const low = await journey.lab.exec('cn', peerArguments('node', [1000, 1004]));
    expect(JSON.parse(low)).toEqual(allWith([0, 0]));
  });

  test('registers with sequence numbers of more than 32 bits', async () => {
    const extended = ASSOCIATIONS.filter(({ esn }) => esn);
    const sequences = [2 ** 32 - 20, 2 ** 32 + 3];
    const text = await journey.lab.exec('cn', peerArguments('node', sequences, extended));
    expect(JSON.parse(text)).toEqual(allWith([0, 0], extended));
  });
});

describe('scapy as a home agent', () => {
  test('accepts the registrations of a mobile node with every algorithm', async () => {
    await journey.mobileNode.stop();
    const homes = ASSOCIATIONS.map((one) => ({
      homeAgent: STRANGER,
      homeAddress: one.homeAddress.replace('100::', '200::'),
      esp: sectionOf(one),
    }));
    const agents = ASSOCIATIONS.map((one, at) => ({
      ...one,
      homeAddress: homes[at]?.homeAddress ?? '',
    }));
    const configuration = mobileNodeConfiguration({ mobileNode: { homes } });
    const node = new DaemonProcess(journey.lab, 'mn', 'mn', configuration, 'mn');
    await journey.lab.spawn('cn', peerArguments('agent', [], agents)).ready('ready');
    await node.start();
    await waitFor(
      async () => {
        const all = objectsOf(objectOf(await node.request('status'))['homes']);
        return all.filter(({ phase }) => phase === 'registered').length === homes.length;
      },
      { timeoutMs: 20_000, what: 'every home to be registered at scapy' },
    );
    await node.stop();
  });
});
