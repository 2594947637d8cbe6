/**
 * Attackers of sealed Mobile IPv6 with real packets: each is refused, counted, and changes nothing.
 * docs/reference/sealed-mobile-ipv6.md §3, §4, §8. A stolen enrolment line is in
 * test/netns/operation/enrolment.test.ts.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv4,
  ipv6,
  isIpv6,
} from '#base/ip.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { OTHER_HOME } from '#lab/other-home-agent.ts';
import { waitFor } from '#lab/shell.ts';
import { mobility, PROTOCOL_IPV6, packet, sendRaws } from '#test/netns/helpers/crafted-packets.ts';
import { objectOf } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { type MobilityMessage, NO_BINDING_ACKNOWLEDGEMENT_FLAGS } from '#wire/mobility/message.ts';
import { datagram, forgedUpdate } from '../../../bench/attacks/pools.ts';
import {
  AGENT,
  AGENT_IPV4,
  AttackedLab,
  homeOf,
  NODE_HOME,
  PORT,
  publicKeyOf,
  withMac1,
} from './attacked-lab.ts';

const CORRESPONDENT = ipv6(ADDRESSES.correspondentIpv6);
const STRANGER = ipv6('2001:db8:bad::1');
const PORTS = { sourcePort: 9, destinationPort: 9 };
const REFUSED_INITIATIONS = ['initiation-mac', 'initiation-unreadable', 'drop-handshake-mac'];

let lab: AttackedLab;
/** Datagrams of the sealed node to its home agent, recorded from its start on. */
let recorded: readonly Uint8Array[];

beforeAll(async () => {
  lab = await AttackedLab.create();
  recorded = await lab.start();
});
afterAll(async () => await lab?.close());

const typeOf = ([first = 0]: Uint8Array): number => first >> 4;

/** To the home agent's port from the correspondent, or from a source that is not its own. */
async function toAgent(payloads: readonly Uint8Array[], source: Ipv6Address = CORRESPONDENT) {
  const ends = { source, sourcePort: PORT, destination: AGENT, destinationPort: PORT };
  const datagrams = payloads.map((payload) => datagram(ends, payload));
  await sendRaws(lab.journey.lab, 'cn', AGENT, datagrams);
}

async function careOf(): Promise<IpAddress> {
  const address = String((await lab.journey.home())['careOfAddress']);
  return address.includes(':') ? ipv6(address) : ipv4(address);
}

async function careOfIpv6(): Promise<Ipv6Address> {
  const address = await careOf();
  return isIpv6(address) ? address : expect.fail('the node is in an IPv4 network');
}

/** Runs an attack; nothing may change, and data flows afterwards. */
async function changesNothing(attack: () => Promise<unknown>): Promise<void> {
  const before = await lab.state();
  await attack();
  expect(await lab.state()).toEqual(before);
  await lab.talk();
}

describe('recorded datagrams of a sealed node', () => {
  test('change nothing while the home agent runs, from any source', async () => {
    const { homeAgent } = lab.journey;
    expect(recorded.map(typeOf)).toEqual(expect.arrayContaining([1, 9, 10]));
    const counters = ['initiation-old', 'session-replayed', 'control-replayed', 'drop-replay'];
    const twice = 2 * recorded.length;
    await changesNothing(() =>
      lab.counted(homeAgent, counters, twice, async () => {
        await toAgent(recorded);
        await toAgent(recorded, await careOfIpv6());
      }),
    );
  });

  test('change nothing after a restart of the home agent', async () => {
    const { journey } = lab;
    const { homeAgent } = journey;
    const before = await lab.bindings();
    await journey.lab.unplug('mn');
    await homeAgent.kill();
    await homeAgent.start();
    const requests = recorded.filter((one) => typeOf(one) === 10);
    expect(requests.length).toBeGreaterThan(0);
    const counters = ['session-replayed', 'control-unknown-spi', 'drop-unknown-spi'];
    await lab.counted(homeAgent, counters, recorded.length, () => toAgent(recorded));
    expect(await journey.count(homeAgent, 'session-replayed')).toBe(requests.length);
    expect(await journey.count(homeAgent, 'session-started')).toBe(0);
    expect(await lab.bindings()).toEqual(before);
    await lab.moveTo('ar6');
  });
});

test('a Tunnel Request that was cut, stripped or moved to another suite is refused', async () => {
  const request = recorded.find((one) => typeOf(one) === 10) ?? expect.fail('none was recorded');
  const responderKey = fromHex(publicKeyOf('ha').replace('hex:', ''));
  const with1 = (at: number, value: number) => request.with(at, value);
  const changed = [
    // The suites that the node offers, and the use of the handshake.
    with1(6, 2),
    with1(5, 1),
    ...[1, 16, 40, 100].map((octets) => cut(request, octets)),
    with1(request.length - 40, (request.at(-40) ?? 0) ^ 1),
  ];
  const forged = changed.map((one) => withMac1(one, responderKey));
  await changesNothing(() =>
    lab.counted(
      lab.journey.homeAgent,
      [...REFUSED_INITIATIONS, 'datagram-malformed'],
      changed.length + forged.length,
      () => toAgent([...changed, ...forged]),
    ),
  );
});

/** Without the last octets of its payload. */
function cut(request: Uint8Array, octets: number): Uint8Array {
  const payloadEnd = request.length - 32;
  return Buffer.concat([request.subarray(0, payloadEnd - octets), request.subarray(payloadEnd)]);
}

describe('a thief with a key of its own', () => {
  test.each([
    ['pins another key than the home agent’s', 'thief', () => ({ publicKey: publicKeyOf('mn') })],
    ['has a key that the home agent does not list', 'crook', () => ({})],
  ] as const)('gets no answer if it %s', async (_what, name, home) => {
    const refused = [...REFUSED_INITIATIONS, 'initiation-refused'];
    await changesNothing(async () => {
      const thief = await lab.thief({ name, home: home() });
      // It tries again for as long as it runs.
      await lab.counted(lab.journey.homeAgent, refused, 1, async () => {});
      expect(await homeOf(thief)).not.toMatchObject({ phase: 'registered' });
      await thief.kill();
    });
  });

  test.each([
    ['sealed under its own key', () => ({})],
    [
      'unsealed, with the right authenticator of another node',
      () => ({
        ...{ publicKey: undefined, identifier: 'plain@example.net' },
        security: { spi: 1100, key: 'text:a key of the plain node' },
      }),
    ],
  ] as const)('gets status 129 for another node’s home address, %s', async (_what, home) => {
    const before = await lab.bindings();
    const thief = await lab.thief({ home: { homeAddress: NODE_HOME, ...home() } });
    const statuses = async () =>
      objectOf(objectOf(await thief.request('stats'))['acknowledgements']);
    await expect
      .poll(async () => (await statuses())['administratively-prohibited'], { timeout: 10_000 })
      .toBeGreaterThan(0);
    await thief.kill();
    expect(await lab.bindings()).toEqual(before);
    await lab.talk();
  });
});

describe('messages of Mobile IPv6 without a seal', () => {
  test('give a sealed node no binding and get no answer from the home agent', async () => {
    const { homeAgent, lab: hosts } = lab.journey;
    const update = { homeAgent: AGENT, homeAddress: NODE_HOME, identifier: 'mn@example.net' };
    const overIpv6 = [1000, 1100].map((spi) =>
      forgedUpdate({
        ...{ ...update, outerHomeAgent: AGENT, careOfAddress: CORRESPONDENT, spi, sequence: 7 },
      }),
    );
    const careOfAddress = ipv4(ADDRESSES.correspondentIpv4);
    const inner = forgedUpdate({
      ...{ ...update, outerHomeAgent: AGENT_IPV4, careOfAddress, spi: 1000, sequence: 8 },
    });
    const ends = { source: careOfAddress, sourcePort: PORT, destinationPort: PORT };
    const overIpv4 = datagram({ ...ends, destination: AGENT_IPV4 }, inner);
    const file = `${hosts.logDirectory}/answers.pcap`;
    await using capture = await hosts.capture('cn', 'wan', file);
    await changesNothing(() =>
      lab.counted(homeAgent, ['unsealed-update'], 3, async () => {
        await sendRaws(hosts, 'cn', AGENT, overIpv6);
        await sendRaws(hosts, 'cn', AGENT_IPV4, [overIpv4]);
      }),
    );
    await capture.stop();
    const answers = `(ipv6.src == ${AGENT} && mipv6) || (ip.src == ${AGENT_IPV4} && udp)`;
    expect(await dissect(file, answers, ['frame.number'])).toEqual([]);
  });

  test('do not reach a sealed node, whatever they say', async () => {
    const { mobileNode, lab: hosts } = lab.journey;
    const to = await careOfIpv6();
    const toHome = [{ type: 'type-2-routing', homeAddress: NODE_HOME }] as const;
    const messages: readonly MobilityMessage[] = [
      {
        ...{ type: 'binding-acknowledgement' as const, status: 0, sequence: 1, lifetimeUnits: 1 },
        ...{ flags: NO_BINDING_ACKNOWLEDGEMENT_FLAGS, options: [] },
      },
      { type: 'binding-refresh-request', options: [] },
      { type: 'binding-error', status: 1, homeAddress: NODE_HOME, options: [] },
    ];
    const forged = messages.map((message) =>
      packet(AGENT, to, PROTOCOL_MOBILITY, encodeMobility(message, AGENT, NODE_HOME), toHome),
    );
    await changesNothing(() =>
      lab.counted(mobileNode, ['unsealed-message'], messages.length, () =>
        sendRaws(hosts, 'cn', to, forged),
      ),
    );
  });

  test('do not reach a sealed home through the plain tunnel of another home', async () => {
    const { mobileNode, lab: hosts } = lab.journey;
    const to = await careOfIpv6();
    const other = ipv6(ADDRESSES.otherHomeAgentIpv6);
    const request = { type: 'binding-refresh-request', options: [] } as const;
    const inner = packet(
      ...([AGENT, ipv6(OTHER_HOME.address), PROTOCOL_MOBILITY] as const),
      encodeMobility(request, AGENT, NODE_HOME),
      [{ type: 'type-2-routing', homeAddress: NODE_HOME }],
    );
    const asked = await lab.sum(mobileNode, ['refresh-requested', 'request-rate-limited']);
    await changesNothing(() =>
      lab.counted(mobileNode, ['not-our-home-address'], 1, () =>
        sendRaws(hosts, 'cn', to, [packet(other, to, PROTOCOL_IPV6, inner)]),
      ),
    );
    const now = await lab.sum(mobileNode, ['refresh-requested', 'request-rate-limited']);
    expect(now).toBe(asked);
    // Its own messages arrive there.
    const own = mobility(other, ipv6(OTHER_HOME.address), request);
    await lab.counted(mobileNode, ['refresh-requested'], 1, () =>
      sendRaws(hosts, 'cn', to, [packet(other, to, PROTOCOL_IPV6, own)]),
    );
  });
});

test('a path that carries no sealed datagrams leads to no plain registration', async () => {
  const { mobileNode, lab: hosts } = lab.journey;
  const rules = `table inet cut { chain cut { type filter hook forward priority 0;
    udp dport ${PORT} drop; udp sport ${PORT} drop; }; }`;
  await hosts.exec('core', ['nft', '-f', '-'], { input: rules });
  const file = `${hosts.logDirectory}/cut.pcap`;
  await mobileNode.kill();
  const capture = await hosts.capture('mn', 'eth0', file);
  await lab.journey.startMobileNode();
  const tried = async () => (await lab.sum(mobileNode, ['handshake-started'])) >= 3;
  await waitFor(tried, { timeoutMs: 15_000, what: 'three Tunnel Requests' });
  await capture.stop();
  await hosts.exec('core', ['nft', 'delete', 'table', 'inet', 'cut']);
  await mobileNode.request('reregister');
  const sent = await dissect(file, `ipv6.dst == ${AGENT}`, ['udp.payload']);
  expect(new Set(sent.map((fields) => fields('udp.payload').slice(0, 1)))).toEqual(new Set(['a']));
  await lab.journey.settled('ar6');
  await lab.talk();
});

describe('an attacker that spoofs outer sources', () => {
  const data = (source: Ipv6Address, destination: Ipv6Address): Uint8Array =>
    packet(
      ...([source, destination, PROTOCOL_UDP] as const),
      encodeUdp(source, destination, { ...PORTS, payload: new TextEncoder().encode('forged') }),
    );
  const DROPS = [
    ...['drop-unknown-endpoint', 'drop-unknown-spi', 'drop-permit', 'drop-datagram-type'],
    'drop-inner-address',
  ];

  /** The inner packet in the encapsulations that the two ends might take for each other's. */
  function encapsulations(source: IpAddress, destination: IpAddress, inner: Uint8Array) {
    const ends = { source, sourcePort: PORT, destination, destinationPort: PORT };
    const sealedFrame = Uint8Array.of(0x10, 0, 0, 1, 0, 0, 0, 1, ...inner);
    const inUdp = [inner, sealedFrame].map((payload) => datagram(ends, payload));
    return isIpv6(source) && isIpv6(destination)
      ? [packet(source, destination, PROTOCOL_IPV6, inner), ...inUdp]
      : inUdp;
  }

  /** Both directions: to the node with the given home address, and to its home agent. */
  async function attack(
    home: Ipv6Address,
    node: IpAddress,
    agent: Ipv4Address | Ipv6Address,
  ): Promise<void> {
    const { lab: hosts } = lab.journey;
    const inwards = encapsulations(agent, node, data(STRANGER, home));
    const outwards = encapsulations(node, agent, data(home, CORRESPONDENT));
    await sendRaws(hosts, 'cn', node, inwards);
    await sendRaws(hosts, 'cn', agent, outwards);
  }

  test.each([
    ['ar6', AGENT, 3],
    ['ar4', AGENT_IPV4, 2],
  ] as const)(
    'gets into plain tunnels and into no sealed one from %s',
    async (network, agent, forms) => {
      await lab.moveTo(network);
      const { homeAgent, mobileNode } = lab.journey;
      const plainHome = await homeOf(lab.plain);
      const plainCareOf = String(plainHome['careOfAddress']);
      const node = network === 'ar6' ? ipv6(plainCareOf) : ipv4(plainCareOf);
      // Plain: the forged packets come out at both ends.
      await lab.counted(lab.plain, ['receive-packets'], 1, () =>
        lab.counted(homeAgent, ['receive-packets'], 1, () =>
          attack(ipv6(String(plainHome['homeAddress'])), node, agent),
        ),
      );
      const received = () =>
        Promise.all([mobileNode, homeAgent].map((one) => lab.sum(one, ['receive-packets'])));
      const before = await received();
      const sealed = await careOf();
      await lab.counted(mobileNode, DROPS, forms, () =>
        lab.counted(homeAgent, DROPS, forms, () => attack(NODE_HOME, sealed, agent)),
      );
      expect(await received()).toEqual(before);
      await lab.talk();
    },
  );
});
