/**
 * Packets made by hand from the texts of RFC 6275, RFC 3963 and RFC 4285, and the answers of real
 * daemons as tshark decodes them.
 *
 *   mn (registered) -- ar6 -- core -- home (home agent, home link)
 *                              |
 *                              cn (sends the packets; for some it is a mobile router)
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { HOME } from '#lab/daemons.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { icmp, mobility, packet, sendRaw } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { type RouterKey, routerUpdate } from '#test/netns/helpers/router-update.ts';
import { dissect, type Fields } from '#test/netns/helpers/tshark.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import type { MobilityOption } from '#wire/mobility/options.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const STRANGER = ipv6(ADDRESSES.correspondentIpv6);
const STRANGER_HOME = ipv6('2001:db8:bad::1');
const NODE_HOME = ipv6(HOME.address);
const ROUTER_HOME = ipv6(MOBILE_ROUTERS.mr.homeAddress);
const ROUTER_KEYS: readonly RouterKey[] = [2000, 2001].map((spi) => ({
  spi,
  key: `the key of the router, ${spi}`,
}));

let journey: Journey;
let careOf: Ipv6Address;
let sequence = 100;

beforeAll(async () => {
  const security = ROUTER_KEYS.map(({ spi, key }) => ({ spi, key: `text:${key}` }));
  journey = await Journey.create({
    networks: ['ar6'],
    mobileRouters: [],
    daemons: {
      homeAgent: {
        mobileNodes: [
          {
            identifier: 'mn@example.net',
            security: { spi: 1000, key: 'text:a key for the lab alone' },
            homeAddresses: [HOME.address],
            ipv4HomeAddresses: [HOME.ipv4Address],
          },
          {
            identifier: 'mr@example.net',
            security,
            homeAddresses: [ROUTER_HOME],
            mobileNetworkPrefixes: ['2001:db8:500:2::/64'],
          },
        ],
      },
    },
  });
  await journey.start('ar6');
  careOf = ipv6(String((await journey.home())['careOfAddress']));
});
afterAll(async () => await journey?.close());

// --- helpers ---

const echo = (identifier: number) =>
  ({ type: 'echo-request', identifier, sequence: 1, data: new Uint8Array(8) }) as const;

/**
 * The packets that pass the filter at the correspondent's interface from the action on until an
 * echo of the correspondent itself has come back, after which nothing is on the way.
 */
async function seenWhile(
  filter: string,
  fields: readonly string[],
  action: () => Promise<void>,
  { least = 0, at = ['cn', 'wan'] }: { least?: number; at?: readonly [string, string] } = {},
): Promise<readonly Fields[]> {
  const { lab } = journey;
  const file = `${lab.logDirectory}/hand-made-${performance.now()}.pcap`;
  const capture = await lab.capture(at[0], at[1], file);
  // The correspondent's own kernel does not know the answers, and reports that.
  const seen = async (): Promise<readonly Fields[]> => {
    const all = await dissect(file, filter, [...new Set(['ipv6.src', ...fields])]);
    return all.filter((field) => field('ipv6.src').split(',')[0] !== STRANGER);
  };
  await action();
  if (least > 0)
    await waitFor(async () => (await seen()).length >= least, {
      timeoutMs: 6_000,
      what: `${least} packets of ${filter}`,
    });
  await lab.exec('cn', ['ping', '-n', '-c', '2', '-i', '0.2', '-W', '2', AGENT]);
  await lab.exec('cn', ['ping', '-n', '-c', '2', '-i', '0.2', '-W', '2', careOf]);
  await capture.stop();
  return await seen();
}

async function expectCounted(
  read: () => Promise<number>,
  action: () => Promise<void>,
  times = 1,
): Promise<void> {
  const before = await read();
  await action();
  await waitFor(async () => (await read()) >= before + times, {
    timeoutMs: 5_000,
    what: 'the packet to be counted',
  });
  expect(await read()).toBe(before + times);
}

const agentCounts = (reason: string) => () => journey.count(journey.homeAgent, reason);
const nodeCounts = (reason: string) => () => journey.count(journey.mobileNode, reason);
const fromStranger = (octets: Uint8Array) => sendRaw(journey.lab, 'cn', octets);

/** A Binding Update of the mobile router with the next sequence number. */
const update = (changes: Partial<Parameters<typeof routerUpdate>[0]> = {}) =>
  routerUpdate({ sequence: ++sequence, key: ROUTER_KEYS[0], ...changes });

/** Sends Binding Updates of the mobile router; gives the statuses of the acknowledgements. */
async function statusesOf(...updates: readonly Uint8Array[]): Promise<readonly string[]> {
  const answers = await seenWhile(
    'mip6.mhtype == 6',
    ['mip6.ba.status'],
    async () => {
      for (const update of updates) await fromStranger(update);
    },
    { least: updates.length },
  );
  return answers.map((field) => field('mip6.ba.status'));
}

// --- tests ---

describe('a correspondent without binding', () => {
  const TESTS: readonly MobilityMessage[] = [
    { type: 'home-test-init', homeInitCookie: 1n, options: [] },
    { type: 'care-of-test-init', careOfInitCookie: 1n, options: [] },
  ];

  test('gets Parameter Problem 1 for Home and Care-of Test Init, from every address', async () => {
    const to = [AGENT, careOf, NODE_HOME];
    const answers = await seenWhile(
      'icmpv6.type == 4',
      ['icmpv6.code', 'icmpv6.pointer', 'ipv6.src'],
      async () => {
        for (const destination of to)
          for (const message of TESTS) await fromStranger(mobility(STRANGER, destination, message));
      },
      { least: 6 },
    );
    expect(answers.map((field) => field('ipv6.src').split(',')[0]).sort()).toEqual(
      [...to, ...to].sort(),
    );
    for (const field of answers)
      expect([field('icmpv6.code'), Number(field('icmpv6.pointer'))]).toEqual(['1', 6]);
  });

  test('gets no answer to a Home Test Init with Home Address option', async () => {
    const answers = await seenWhile('icmpv6.type == 4 || mip6.mhtype == 7', [], async () => {
      for (const message of TESTS) {
        await expectCounted(agentCounts('correspondent-role-not-served'), () =>
          fromStranger(mobility(STRANGER, AGENT, message, STRANGER_HOME)),
        );
        await expectCounted(nodeCounts('correspondent-role-not-served'), () =>
          fromStranger(mobility(STRANGER, careOf, message, STRANGER_HOME)),
        );
      }
    });
    expect(answers).toHaveLength(0);
  });

  test('gets one Binding Error 1 for data with a Home Address option, not for ESP', async () => {
    const extensions = [homeAddressExtension(STRANGER_HOME)];
    const to = [AGENT, careOf, NODE_HOME];
    const answers = await seenWhile(
      'mip6.mhtype == 7 || icmpv6.type == 4',
      ['mip6.be.status', 'mip6.be.haddr', 'ipv6.src'],
      async () => {
        for (const destination of to) {
          await fromStranger(icmp(STRANGER, destination, echo(1), STRANGER_HOME));
          await fromStranger(packet(STRANGER, destination, 50, new Uint8Array(24), extensions));
        }
      },
      { least: 3 },
    );
    expect(answers.map((field) => field('ipv6.src').split(',')[0]).sort()).toEqual([...to].sort());
    for (const field of answers)
      expect([field('mip6.be.status'), field('mip6.be.haddr')]).toEqual(['1', STRANGER_HOME]);
    expect(await journey.count(journey.homeAgent, 'home-address-option-with-ipsec')).toBe(1);
    expect(await journey.count(journey.mobileNode, 'home-address-option-with-ipsec')).toBe(2);
  });
});

describe('data between home address and its correspondents', () => {
  const routed = (source: Ipv6Address, homeAddress: Ipv6Address, identifier: number) =>
    packet(
      source,
      careOf,
      PROTOCOL_ICMPV6,
      encodeIcmpv6(echo(identifier), 0, source, homeAddress),
      [{ type: 'type-2-routing', homeAddress }],
    );
  const nodePlane = (name: string) => () => journey.planeCount(journey.mobileNode, name);
  const agentPlane = (name: string) => () => journey.planeCount(journey.homeAgent, name);

  test('arrives at the node with a type 2 routing header, and is answered', async () => {
    const answers = await seenWhile(
      `icmpv6.type == 129 && icmpv6.echo.identifier == 77 && ipv6.src == ${NODE_HOME}`,
      ['ipv6.dst'],
      () =>
        expectCounted(nodePlane('home-address-packets'), () =>
          fromStranger(routed(STRANGER, NODE_HOME, 77)),
        ),
      { least: 1 },
    );
    expect(answers).toHaveLength(1);
  });

  test('gets dropped and counted with the address of another node in the header', async () => {
    await expectCounted(nodePlane('drop-home-address'), () =>
      fromStranger(routed(STRANGER, STRANGER_HOME, 78)),
    );
    const twice = packet(
      STRANGER,
      careOf,
      PROTOCOL_ICMPV6,
      encodeIcmpv6(echo(79), 0, STRANGER, NODE_HOME),
      [
        { type: 'type-2-routing', homeAddress: NODE_HOME },
        { type: 'type-2-routing', homeAddress: NODE_HOME },
      ],
    );
    await expectCounted(nodePlane('drop-home-address'), () => fromStranger(twice));
  });

  test('arrives at the home agent with a Home Address option, and is answered', async () => {
    const answers = await seenWhile(
      `icmpv6.type == 129 && icmpv6.echo.identifier == 80`,
      ['ipv6.src', 'ipv6.dst'],
      () =>
        expectCounted(agentPlane('home-address-packets'), () =>
          sendRaw(journey.lab, 'mn', icmp(careOf, AGENT, echo(80), NODE_HOME)),
        ),
      { least: 1, at: ['core', 'to-home'] },
    );
    expect(answers).toHaveLength(1);
    expect(answers[0]?.('ipv6.dst').split(',').at(-1)).toBe(NODE_HOME);
  });

  test('arrives at the node with a type 2 routing header of the home agent', async () => {
    const answers = await seenWhile(
      `icmpv6.type == 129 && icmpv6.echo.identifier == 81`,
      ['ipv6.src', 'ipv6.dst'],
      () => sendRaw(journey.lab, 'home', routed(AGENT, NODE_HOME, 81)),
      { least: 1, at: ['core', 'to-home'] },
    );
    expect(answers).toHaveLength(1);
    expect(answers[0]?.('ipv6.src').split(',').at(-1)).toBe(NODE_HOME);
  });

  test('gets a Binding Error 1 if the Home Address option comes from another address', async () => {
    const answers = await seenWhile(
      'mip6.mhtype == 7 || icmpv6.type == 129 && icmpv6.echo.identifier == 82',
      ['mip6.be.haddr'],
      () => fromStranger(icmp(STRANGER, AGENT, echo(82), NODE_HOME)),
      { least: 1 },
    );
    expect(answers.map((field) => field('mip6.be.haddr'))).toEqual([NODE_HOME]);
  });
});

describe('a registration', () => {
  const prefixOption = (text: string, prefixLength: number): MobilityOption => ({
    type: 'mobile-network-prefix',
    prefixLength,
    prefix: ipv6(text),
  });
  const unreadable = (length: number): MobilityOption => ({
    type: 'unknown',
    optionType: 6,
    data: new Uint8Array(length),
  });

  test('gets 142 for prefixes around and inside its own, 141 for an unreadable one', async () => {
    expect(
      await statusesOf(
        update({ options: [prefixOption('2001:db8:500:2::', 63)] }),
        update({ options: [prefixOption('2001:db8:500:2::', 65)] }),
        update({ options: [unreadable(17)] }),
        update({ options: [unreadable(19)] }),
        update({ options: [prefixOption('2001:db8:500:2::', 64)] }),
      ),
    ).toEqual(['142', '142', '141', '141', '0']);
  });

  test('gets 144 for an authentic replay', async () => {
    const replayed = update();
    expect(await statusesOf(replayed, replayed)).toEqual(['0', '144']);
  });

  test('gets its timestamp judged by the security association alone', async () => {
    const [first, second] = ROUTER_KEYS;
    expect(
      await statusesOf(
        update({ key: first, offsetMs: 3000 }),
        update({ key: second, offsetMs: -3000 }),
        update({ key: first, offsetMs: 1000 }),
        update({ key: second, offsetMs: -4000 }),
      ),
    ).toEqual(['0', '0', '144', '144']);
  });

  test('counts as malformed if Binding Authorization Data is not its last option', async () => {
    const options = [
      { type: 'binding-authorization-data', authenticator: new Uint8Array(12) },
    ] as const;
    const answers = await seenWhile('mip6.mhtype == 6 || icmpv6.type == 4', [], () =>
      expectCounted(agentCounts('malformed-mobility-header'), () =>
        fromStranger(update({ key: ROUTER_KEYS[1], options })),
      ),
    );
    expect(answers).toHaveLength(0);
  });

  test('gets asked for a refresh through its tunnel, without routing header', async () => {
    const key = ROUTER_KEYS[1];
    const requests = await seenWhile(
      'mip6.mhtype == 0',
      ['ipv6.dst', 'ipv6.routing.type', 'ipv6.nxt'],
      () => fromStranger(update({ key, lifetimeUnits: 1 })),
      { least: 1 },
    );
    expect(requests).toHaveLength(1);
    expect(requests[0]?.('ipv6.dst')).toBe(`${STRANGER},${ROUTER_HOME}`);
    expect(requests[0]?.('ipv6.routing.type')).toBe('');
  });
});
