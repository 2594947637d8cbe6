import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { encode, fromHex, hex } from '#base/bytes.ts';
import { type Ipv4Address, type Ipv6Address, ipv4, ipv6 } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import {
  type BindingUpdateContent,
  buildBindingUpdate,
} from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { NO_ROLE_OPTIONS } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { DaemonProcess, HOME, mobileNodeConfiguration } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect, octetsOf } from '#test/netns/helpers/tshark.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';

/**
 * Attacks by third parties. Each attempt is counted by its reason, and the binding does not change.
 *
 *   mn (registered) ---- ar6 / nat-prc ---- core ---- home (HA)
 *   rogue (another key) ---- ar4 ----------- |
 *                            cn (raw packets with any source) ----
 */

const AGENT6 = ipv6(ADDRESSES.homeAgentIpv6);
const AGENT4 = ipv4(ADDRESSES.homeAgentIpv4);
const ATTACKER_IPV6 = ipv6(ADDRESSES.correspondentIpv6);
const ATTACKER_IPV4 = ipv4(ADDRESSES.correspondentIpv4);
const CORRESPONDENT_OTHER = ipv6(ADDRESSES.correspondentOtherIpv6);
/** In the home prefix, but not assigned. */
const UNASSIGNED = ipv6('2001:db8:100::77');
const PORT = 4191;
const ETHERNET = 14;
const UPDATES = 'mip6.mhtype == 5';

let journey: Journey;
let untouched: JsonObject | undefined;
let coreFile: string;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6', 'ar4', 'nat-prc'],
    nodes: { mn: ['eth0'], rogue: ['eth0'] },
  });
  coreFile = `${journey.lab.logDirectory}/core.pcap`;
  await using _ = await journey.lab.capture('core', 'to-home', coreFile);
  await journey.start('nat-prc');
  await journey.moveTo('ar6');
});
afterAll(async () => await journey?.close());
beforeEach(async () => {
  untouched = await journey.binding();
  expect(untouched).toBeDefined();
});

async function send(
  namespace: string,
  destination: string,
  packets: readonly string[],
): Promise<void> {
  const script = new URL('../helpers/send-raw.pl', import.meta.url).pathname;
  await journey.lab.exec(namespace, ['perl', script, destination], {
    input: `${packets.join('\n')}\n`,
  });
}

/** Runs `attack` and waits until the counter has grown by exactly `times`. */
async function expectCounted(
  read: () => Promise<number>,
  times: number,
  attack: () => Promise<void>,
): Promise<void> {
  const before = await read();
  await attack();
  await waitFor(async () => (await read()) >= before + times, {
    timeoutMs: 5_000,
    what: 'the attempt to be counted',
  });
  expect(await read()).toBe(before + times);
}

const counted = (reason: string) => () => journey.count(journey.homeAgent, reason);
const dropped = (name: string) => () => journey.planeCount(journey.homeAgent, name);

async function expectUntouched(): Promise<void> {
  expect(await journey.binding()).toEqual(untouched);
  await journey.lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.address]);
  await journey.lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', HOME.ipv4Address]);
}

function udpPacket(source: Ipv4Address, sourcePort: number, payload: Uint8Array): string {
  const packet = encode(ipv4Codec, {
    trafficClass: 0,
    identification: 0,
    dontFragment: true,
    moreFragments: false,
    fragmentOffset: 0,
    timeToLive: 64,
    protocol: PROTOCOL_UDP,
    source,
    destination: AGENT4,
    options: new Uint8Array(0),
    payload: encodeUdp(source, AGENT4, { sourcePort, destinationPort: PORT, payload }),
  });
  return hex(packet);
}

function ipv6Packet(
  source: Ipv6Address,
  destination: Ipv6Address,
  protocol: number,
  payload: Uint8Array,
): Uint8Array {
  const fields = { trafficClass: 0, flowLabel: 0, hopLimit: 64, extensions: [] };
  return encode(ipv6Codec, { ...fields, source, destination, protocol, payload });
}

/** An inner data packet: UDP (no service listens) from `source` to the correspondent. */
function innerData(source: Ipv6Address): Uint8Array {
  const datagram = {
    sourcePort: 9,
    destinationPort: 9,
    payload: new TextEncoder().encode('spoofed'),
  };
  return ipv6Packet(
    source,
    CORRESPONDENT_OTHER,
    PROTOCOL_UDP,
    encodeUdp(source, CORRESPONDENT_OTHER, datagram),
  );
}

/** A correct Binding Update except for the fields in `changed`. */
function update(changed: Partial<BindingUpdateContent>): Uint8Array {
  return buildBindingUpdate({
    homeAddress: ipv6(HOME.address),
    careOfAddress: ATTACKER_IPV6,
    target: { address: AGENT6, outerAddress: AGENT6 },
    sequence: (Number(untouched?.['sequence']) + 1) & 0xffff,
    lifetimeUnits: 100,
    linkLocalCompatibility: false,
    forceUdp: false,
    ipv4HomeAddress: undefined,
    identifier: 'mn@example.net',
    timestamp: ntpTimestamp(wall(Date.now())),
    registrationKey: {
      spi: 1000,
      algorithm: 'hmac-sha256-128',
      key: new TextEncoder().encode('not the key of the lab'),
    },
    udpPort: PORT,
    roleOptions: NO_ROLE_OPTIONS,
    ...changed,
  }).packet;
}

test('both daemons warn at their start that their traffic is not encrypted', () => {
  for (const { logFile } of [journey.homeAgent, journey.mobileNode])
    expect(readFileSync(logFile, 'utf8')).toMatch(/"event":"config-warning".*not encrypted/);
});

describe('a Binding Update of an attacker', () => {
  test('gets refused with the right identifier and a wrong key', async () => {
    const { lab } = journey;
    const security = { spi: 1000, key: 'text:not the key of the lab' };
    const configuration = mobileNodeConfiguration({ security, daemon: { name: 'rogue' } });
    const rogue = new DaemonProcess(lab, 'mn', 'rogue', configuration, 'rogue');
    await lab.move('rogue', 'ar4');
    await lab.waitForAddress('rogue', 4);
    const before = await journey.count(journey.homeAgent, 'authentication-failed');
    await rogue.start();
    await waitFor(
      async () => (await journey.count(journey.homeAgent, 'authentication-failed')) > before,
      {
        timeoutMs: 10_000,
        what: 'the refusal of the wrong key to be counted',
      },
    );
    await rogue.kill();
    await expectUntouched();
  });

  test('changes nothing: forged over IPv6 and over UDP', async () => {
    await expectCounted(counted('authentication-failed'), 1, () =>
      send('cn', ADDRESSES.homeAgentIpv6, [hex(update({}))]),
    );
    const overUdp = update({
      careOfAddress: ATTACKER_IPV4,
      target: { address: AGENT6, outerAddress: AGENT4 },
    });
    await expectCounted(counted('authentication-failed'), 1, () =>
      send('cn', ADDRESSES.homeAgentIpv4, [udpPacket(ATTACKER_IPV4, PORT, overUdp)]),
    );
    await expectUntouched();
  });

  test('changes nothing: no authentication option', async () => {
    await expectCounted(counted('authentication-missing'), 1, () =>
      send('cn', ADDRESSES.homeAgentIpv6, [
        hex(update({ registrationKey: undefined, timestamp: undefined })),
      ]),
    );
    await expectUntouched();
  });

  test('changes nothing: unknown security parameter index', async () => {
    const key = new TextEncoder().encode('a key for the lab alone');
    const registrationKey = { spi: 2000, algorithm: 'hmac-sha256-128', key } as const;
    await expectCounted(counted('no-security-association'), 1, () =>
      send('cn', ADDRESSES.homeAgentIpv6, [hex(update({ registrationKey }))]),
    );
    await expectUntouched();
  });

  test('changes nothing: replayed from another address over UDP, and over IPv6', async () => {
    const inUdp = await octetsOf(coreFile, `${UPDATES} && udp`, 'frame');
    const overUdp = inUdp.map((frame) =>
      udpPacket(ATTACKER_IPV4, PORT, fromHex(frame).subarray(ETHERNET + 20 + 8)),
    );
    expect(overUdp.length).toBeGreaterThan(0);
    const refused = counted('registration-refused');
    await expectCounted(refused, overUdp.length, () =>
      send('cn', ADDRESSES.homeAgentIpv4, overUdp),
    );
    await expectUntouched();

    const frames = await octetsOf(coreFile, `${UPDATES} && !udp`, 'frame');
    const native = frames.map((frame) => frame.slice(2 * ETHERNET));
    expect(native.length).toBeGreaterThan(0);
    await expectCounted(refused, native.length, () => send('cn', ADDRESSES.homeAgentIpv6, native));
    await expectUntouched();
  });
});

describe('the home agent’s data plane under attack', () => {
  /** Expects that no inner packet of the attack reaches the correspondent. */
  async function expectNotForwarded(attack: () => Promise<void>): Promise<void> {
    const file = `${journey.lab.logDirectory}/forwarded-${performance.now()}.pcap`;
    const capture = await journey.lab.capture('core', 'to-cn', file);
    await attack();
    await expectUntouched();
    await capture.stop();
    expect((await dissect(file, 'icmpv6.type == 129', ['frame.number'])).length).toBeGreaterThan(0);
    // Excludes the attempts themselves, whose outer header is IPv4 or IPv6.
    const outside = `ipv6.dst == ${CORRESPONDENT_OTHER} && udp && !ip && !(ipv6.nxt == 41)`;
    expect(await dissect(file, outside, ['frame.number'])).toHaveLength(0);
  }

  test('drops and counts a spoofed inner source in the node’s own tunnel over IPv6', async () => {
    const careOf = ipv6(String(untouched?.['careOfAddress']));
    await expectNotForwarded(() =>
      expectCounted(dropped('drop-permit'), 2, () =>
        send('mn', ADDRESSES.homeAgentIpv6, [
          hex(ipv6Packet(careOf, AGENT6, 41, innerData(UNASSIGNED))),
          hex(ipv6Packet(careOf, AGENT6, 41, innerData(ATTACKER_IPV6))),
        ]),
      ),
    );
  });

  test('drops and counts a spoofed inner source in the node’s own tunnel over UDP', async () => {
    await journey.moveTo('nat-prc');
    untouched = await journey.binding();
    const careOf = ipv4(String((await journey.home())['careOfAddress']));
    await expectNotForwarded(() =>
      expectCounted(dropped('drop-permit'), 1, () =>
        send('mn', ADDRESSES.homeAgentIpv4, [udpPacket(careOf, PORT, innerData(UNASSIGNED))]),
      ),
    );
  });

  test('drops packets from an endpoint without a tunnel', async () => {
    await expectNotForwarded(async () => {
      await expectCounted(dropped('drop-unknown-endpoint'), 2, () =>
        send('cn', ADDRESSES.homeAgentIpv4, [
          udpPacket(ATTACKER_IPV4, PORT, innerData(UNASSIGNED)),
          udpPacket(ATTACKER_IPV4, 5000, innerData(ATTACKER_IPV6)),
        ]),
      );
      await expectCounted(dropped('drop-unknown-endpoint'), 1, () =>
        send('cn', ADDRESSES.homeAgentIpv6, [
          hex(ipv6Packet(ATTACKER_IPV6, AGENT6, 41, innerData(UNASSIGNED))),
        ]),
      );
    });
  });

  test('holds, then drops, data with the node’s home address from another endpoint', async () => {
    await expectNotForwarded(() =>
      expectCounted(dropped('drop-hold-expired'), 1, () =>
        send('cn', ADDRESSES.homeAgentIpv4, [
          udpPacket(ATTACKER_IPV4, PORT, innerData(ipv6(HOME.address))),
        ]),
      ),
    );
  });
});
