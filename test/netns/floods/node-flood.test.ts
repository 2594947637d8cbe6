/**
 * Floods at a mobile node with the source address of its home agent, and floods of Neighbour
 * Solicitations on the home link.
 *
 *   mn (registered) -- ar6 -- core -- home (home agent) == home link == intruder
 *                              |
 *                              cn (sends packets with any source)
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6, solicitedNodeMulticast } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { signMobility } from '#crypto/mobility-auth.ts';
import { mobilityPacket } from '#engine/mobile-ipv6/common/mobility-packet.ts';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { icmp, mobility } from '#test/netns/helpers/crafted-packets.ts';
import { flood } from '#test/netns/helpers/flood/flood.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const NODE_HOME = ipv6(HOME.address);
const RATE = 50_000;

let journey: Journey;
let careOf: Ipv6Address;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6'],
    nodes: { mn: ['eth0'], intruder: ['eth0'] },
  });
  await journey.start('ar6');
  careOf = ipv6(String((await journey.home())['careOfAddress']));
  await journey.lab.move('intruder', 'home');
});
afterAll(async () => await journey?.close());

/** Rejects a Binding Update, and is signed with another key than the home agent's. */
function forgedAcknowledgement(sequence: number): Uint8Array {
  const flags = NO_BINDING_ACKNOWLEDGEMENT_FLAGS;
  const payload = signMobility(
    {
      ...{ type: 'binding-acknowledgement', status: 129, flags, sequence, lifetimeUnits: 0 },
      options: [],
    },
    { spi: 1000, algorithm: 'hmac-sha256-128', key: new Uint8Array(32) },
    { careOfAddress: careOf, homeAddress: NODE_HOME, source: AGENT, destination: NODE_HOME },
  );
  return mobilityPacket(AGENT, careOf, NODE_HOME, payload);
}

/** The home agent knows no binding, it says. */
function forgedError(): Uint8Array {
  const error = { type: 'binding-error', status: 1, homeAddress: NODE_HOME, options: [] } as const;
  return mobility(AGENT, careOf, error);
}

async function counters(daemon: Journey['mobileNode']): Promise<(name: string) => number> {
  const { plane, ...engine } = objectOf(await daemon.request('stats'));
  const all = { ...engine, ...objectOf(plane) };
  return (name) => Number(all[name] ?? 0);
}

async function binding(): Promise<JsonObject> {
  return objectsOf(await journey.mobileNode.request('bindings'))[0] ?? {};
}

/** How often the node registers again until `flooding` ends. */
async function registrationsDuring(flooding: Promise<unknown>): Promise<number> {
  let over = false;
  void flooding.finally(() => {
    over = true;
  });
  let times = 0;
  while (!over) {
    const { sequence: before } = await binding();
    await journey.mobileNode.request('reregister');
    const registered = async () => {
      const { sequence, acknowledged } = await binding();
      return acknowledged === true && sequence !== before;
    };
    await waitFor(registered, { timeoutMs: 5_000, what: 'the registration to be renewed' });
    times += 1;
  }
  return times;
}

describe('a registered mobile node', () => {
  it.each([
    ['Binding Acknowledgements', () => [1, 2, 3, 4].map(forgedAcknowledgement), 0],
    ['Binding Errors', () => [forgedError()], 20],
  ] as const)('renews its binding while forged %s arrive', async (_, forgeries, mostUpdates) => {
    const packets = forgeries().map((octets) => ({ octets }));
    const before = await counters(journey.mobileNode);
    const sending = flood(journey.lab, 'cn', packets, { rate: RATE, seconds: 2 });
    const times = await registrationsDuring(sending);
    expect(times).toBeGreaterThan(1);
    const after = await counters(journey.mobileNode);
    expect((await binding())['acknowledged']).toBe(true);
    const { sent } = await sending;
    const punted = after('punts') - before('punts') + after('drop-punt-full');
    expect(punted).toBeGreaterThan(0.9 * sent);
    // Each hint of a Binding Error leads to one Binding Update at most, and soon to none.
    const updates = after('binding-update-sent') - before('binding-update-sent');
    expect(updates).toBeLessThanOrEqual(2 * times + mostUpdates);
  });
});

describe('a home agent on its home link', () => {
  it('sends few multicasts for a flood of probes, and registers the node meanwhile', async () => {
    const { lab } = journey;
    const group = solicitedNodeMulticast(NODE_HOME);
    const probe = icmp(ipv6('::'), group, {
      ...{ type: 'neighbour-solicitation', target: NODE_HOME, options: [] },
    });
    // RFC 4861 §7.1.1: the hop limit of Neighbour Discovery.
    probe[7] = 255;
    const file = `${lab.logDirectory}/probes.pcap`;
    const before = await counters(journey.homeAgent);
    await using capture = await lab.capture('home', 'home0', file);
    const options = { rate: RATE, seconds: 2, device: 'eth0' };
    const sending = flood(lab, 'intruder', [{ octets: probe }], options);
    expect(await registrationsDuring(sending)).toBeGreaterThan(1);
    await sending;
    await capture.stop();
    const answers = await dissect(file, 'icmpv6.type == 136', ['frame.number']);
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.length).toBeLessThan(10);
    const after = await counters(journey.homeAgent);
    expect(after('defence-limited') - before('defence-limited')).toBeGreaterThan(1000);
  });
});
