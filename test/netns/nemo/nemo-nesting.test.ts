/**
 * NEMO-HA, nested mobility, with real packets: the traffic of nodes behind a mobile router is
 * payload of its tunnel. RFC 3963 §2, §6.5.
 *
 *   9_1  a node that the home agent does not know is behind the router: a correspondent of others,
 *        or a visiting mobile node or router
 *        (VMN, VMR) whose own home agent is ha2
 *   9_2  a mobile node or router of the same home agent is behind the router, and a host behind
 *        that
 *
 * Each packet is made by hand, sent by the host behind the router (or to it), and captured at its
 * expected exit. The first case of each pair uses implicit mode, the second explicit mode.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import {
  capturedWhile,
  comparable,
  icmp,
  mobility,
  PROTOCOL_IPV6,
  packet,
  sendRaw,
} from '#test/netns/helpers/crafted-packets.ts';
import {
  CORRESPONDENT as CN,
  HOME_AGENT,
  HOSTS,
  NESTED,
  PREFIXES,
  ScriptedRouter,
} from '#test/netns/helpers/scripted-router.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { type MobilityMessage, NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';

const HOST = ipv6(HOSTS[0]);
const OTHER_HOME_AGENT = ipv6(ADDRESSES.otherHomeAgentIpv6);
/** Home addresses of the visiting node, at the other home agent, and of a node elsewhere. */
const VISITOR = ipv6('2001:db8:300::99');
const OTHER_NODE = ipv6('2001:db8:f:2::99');
const NESTED_HOST = ipv6('2001:db8:503::a');
const HOME_TEST_INIT: MobilityMessage = { type: 'home-test-init', homeInitCookie: 7n, options: [] };
const CARE_OF_TEST_INIT: MobilityMessage = {
  type: 'care-of-test-init',
  careOfInitCookie: 8n,
  options: [],
};
const BINDING_UPDATE: MobilityMessage = {
  type: 'binding-update',
  sequence: 5,
  flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true },
  lifetimeUnits: 10,
  options: [],
};
const DATA = new Uint8Array(32).fill(7);
const ECHO: Icmpv6Body = { type: 'echo-request', identifier: 9, sequence: 1, data: DATA };
const DISCOVERY: Icmpv6Body = { type: 'home-agent-address-discovery-request', identifier: 3 };
const SOLICITATION: Icmpv6Body = { type: 'mobile-prefix-solicitation', identifier: 4, options: [] };

let router: ScriptedRouter;

beforeAll(async () => {
  router = await ScriptedRouter.create();
  await router.moveTo('ar6');
});
afterAll(async () => await router?.close());

const inside = (homeAgent: Ipv6Address, inner: Uint8Array) =>
  packet(HOST, homeAgent, PROTOCOL_IPV6, inner);

/** Capture points. */
const CAPTURE_POINTS = {
  'mr-a': { namespace: 'mr-a', device: 'eth0', before: 14 },
  cn: { namespace: 'cn', device: 'wan', before: 14 },
  ha2: { namespace: 'ha2', device: 'wan', before: 14 },
  home: { namespace: 'home', device: 'sojourn-ha', before: 0 },
} as const;

/** One packet: its sender, the sent octets, the capture point, and the expected octets there. */
interface ForwardedPacket {
  readonly from: 'mr-a' | 'cn';
  readonly sent: Uint8Array;
  readonly at: keyof typeof CAPTURE_POINTS;
  readonly seen?: Uint8Array;
}

async function expectForwarded({ from, sent, at, seen = sent }: ForwardedPacket): Promise<void> {
  const { lab } = router;
  const passed = await capturedWhile(lab, CAPTURE_POINTS[at], async () => {
    await sendRaw(lab, from, sent);
    // An answer to a later packet on the same path shows that this packet has had time to arrive.
    expect(await router.reaches('mr-a', CN, HOSTS[0])).toBe(true);
  });
  expect(passed).toContain(comparable(seen));
}

const MODES = [
  { mode: 'implicit', at: 0, prefixes: undefined },
  { mode: 'explicit', at: 1, prefixes: PREFIXES },
] as const;

type Case = readonly [titles: readonly [string, string], build: () => ForwardedPacket];
const casesOf = (cases: readonly Case[], at: 0 | 1) =>
  cases.map(([titles, build]) => ({ title: titles[at], build }));
const fromHost = (sent: Uint8Array, at: ForwardedPacket['at'], seen = sent): ForwardedPacket => ({
  from: 'mr-a',
  sent,
  at,
  seen,
});
const toHost = (sent: Uint8Array): ForwardedPacket => ({ from: 'cn', sent, at: 'mr-a' });

const ONE_LEVEL: readonly Case[] = [
  [
    ['NEMO-HA_9_1_1 Home Test Init to a host', 'NEMO-HA_9_1_17 Home Test Init to a host'],
    () => toHost(mobility(CN, HOST, HOME_TEST_INIT)),
  ],
  [
    ['NEMO-HA_9_1_2 Care-of Test Init to a host', 'NEMO-HA_9_1_18 Care-of Test Init to a host'],
    () => toHost(mobility(CN, HOST, CARE_OF_TEST_INIT)),
  ],
  [
    ['NEMO-HA_9_1_3 Binding Update to a host', 'NEMO-HA_9_1_19 Binding Update to a host'],
    () => toHost(mobility(CN, HOST, BINDING_UPDATE, OTHER_NODE)),
  ],
  [
    [
      'NEMO-HA_9_1_4 Binding Refresh Request of a host',
      'NEMO-HA_9_1_20 Binding Refresh Request of a host',
    ],
    () => fromHost(mobility(HOST, CN, { type: 'binding-refresh-request', options: [] }), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_1_5 home agent discovery of a node',
      'NEMO-HA_9_1_21 home agent discovery of a node',
    ],
    () => fromHost(icmp(HOST, OTHER_HOME_AGENT, DISCOVERY), 'ha2'),
  ],
  [
    ['NEMO-HA_9_1_6 home registration of a node', 'NEMO-HA_9_1_22 home registration of a node'],
    () => fromHost(homeRegistration(OTHER_HOME_AGENT, VISITOR, false), 'ha2'),
  ],
  [
    ['NEMO-HA_9_1_7 prefix solicitation of a node', 'NEMO-HA_9_1_23 prefix solicitation of a node'],
    () => fromHost(icmp(HOST, OTHER_HOME_AGENT, SOLICITATION, VISITOR), 'ha2'),
  ],
  [
    [
      'NEMO-HA_9_1_8 echo request in a node’s own tunnel',
      'NEMO-HA_9_1_24 echo request in a node’s own tunnel',
    ],
    () => fromHost(inside(OTHER_HOME_AGENT, icmp(VISITOR, CN, ECHO)), 'ha2'),
  ],
  [
    [
      'NEMO-HA_9_1_9 Home Test Init in a node’s own tunnel',
      'NEMO-HA_9_1_25 Home Test Init in a node’s own tunnel',
    ],
    () => fromHost(inside(OTHER_HOME_AGENT, mobility(VISITOR, CN, HOME_TEST_INIT)), 'ha2'),
  ],
  [
    ['NEMO-HA_9_1_10 Care-of Test Init of a node', 'NEMO-HA_9_1_26 Care-of Test Init of a node'],
    () => fromHost(mobility(HOST, CN, CARE_OF_TEST_INIT), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_1_11 Binding Update of a node to its correspondent',
      'NEMO-HA_9_1_27 Binding Update to a correspondent',
    ],
    () => fromHost(mobility(HOST, CN, BINDING_UPDATE, VISITOR), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_1_12 echo request with Home Address option',
      'NEMO-HA_9_1_28 echo request with Home Address option',
    ],
    () => fromHost(icmp(HOST, CN, ECHO, VISITOR), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_1_13 home agent discovery of a router',
      'NEMO-HA_9_1_29 home agent discovery of a router',
    ],
    () => fromHost(icmp(HOST, OTHER_HOME_AGENT, DISCOVERY), 'ha2'),
  ],
  [
    [
      'NEMO-HA_9_1_14 home registration of a router',
      'NEMO-HA_9_1_30 home registration of a router',
    ],
    () => fromHost(homeRegistration(OTHER_HOME_AGENT, VISITOR, true), 'ha2'),
  ],
  [
    [
      'NEMO-HA_9_1_15 prefix solicitation of a router',
      'NEMO-HA_9_1_31 prefix solicitation of a router',
    ],
    () => fromHost(icmp(HOST, OTHER_HOME_AGENT, SOLICITATION, VISITOR), 'ha2'),
  ],
  [
    [
      'NEMO-HA_9_1_16 echo request in a router’s own tunnel',
      'NEMO-HA_9_1_32 echo request in a router’s own tunnel',
    ],
    () => fromHost(inside(OTHER_HOME_AGENT, icmp(VISITOR, CN, ECHO)), 'ha2'),
  ],
];

const { homeAddress: HOME } = NESTED;
const throughAgent = (inner: Uint8Array): ForwardedPacket =>
  fromHost(inside(HOME_AGENT, inner), 'cn', inner);

/** RFC 6275 §9.3.1: the home agent has the binding, so the home address becomes the source. */
const solicitation = (seen = icmp(HOME, HOME_AGENT, SOLICITATION)): ForwardedPacket =>
  fromHost(icmp(HOST, HOME_AGENT, SOLICITATION, HOME), 'home', seen);

const SAME_AGENT: readonly Case[] = [
  [
    [
      'NEMO-HA_9_2_1 home agent discovery of a node',
      'NEMO-HA_9_2_15 home agent discovery of a node',
    ],
    () => fromHost(icmp(HOST, HOME_AGENT, DISCOVERY), 'home'),
  ],
  [
    [
      'NEMO-HA_9_2_3 echo request in a node’s own tunnel',
      'NEMO-HA_9_2_17 echo request in a node’s own tunnel',
    ],
    () => throughAgent(icmp(HOME, CN, ECHO)),
  ],
  [
    ['NEMO-HA_9_2_4 prefix solicitation of a node', 'NEMO-HA_9_2_18 prefix solicitation of a node'],
    solicitation,
  ],
  [
    [
      'NEMO-HA_9_2_5 Home Test Init in a node’s own tunnel',
      'NEMO-HA_9_2_19 Home Test Init in a node’s own tunnel',
    ],
    () => throughAgent(mobility(HOME, CN, HOME_TEST_INIT)),
  ],
  [
    ['NEMO-HA_9_2_6 Care-of Test Init of a node', 'NEMO-HA_9_2_20 Care-of Test Init of a node'],
    () => fromHost(mobility(HOST, CN, CARE_OF_TEST_INIT), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_2_7 Binding Update of a node to its correspondent',
      'NEMO-HA_9_2_21 Binding Update to a correspondent',
    ],
    () => fromHost(mobility(HOST, CN, BINDING_UPDATE, HOME), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_2_8 echo request with Home Address option',
      'NEMO-HA_9_2_22 echo request with Home Address option',
    ],
    () => fromHost(icmp(HOST, CN, ECHO, HOME), 'cn'),
  ],
  [
    [
      'NEMO-HA_9_2_9 home agent discovery of a router',
      'NEMO-HA_9_2_23 home agent discovery of a router',
    ],
    () => fromHost(icmp(HOST, HOME_AGENT, DISCOVERY), 'home'),
  ],
  [
    [
      'NEMO-HA_9_2_11 echo request in a router’s own tunnel',
      'NEMO-HA_9_2_25 echo request in a router’s own tunnel',
    ],
    () => throughAgent(icmp(HOME, CN, ECHO)),
  ],
  [
    [
      'NEMO-HA_9_2_12 prefix solicitation of a router',
      'NEMO-HA_9_2_26 prefix solicitation of a router',
    ],
    solicitation,
  ],
  [
    [
      'NEMO-HA_9_2_13 echo request of a host two levels deep',
      'NEMO-HA_9_2_27 echo request of a host two levels deep',
    ],
    () => {
      const inner = icmp(NESTED_HOST, HOME_AGENT, ECHO);
      return fromHost(inside(HOME_AGENT, inner), 'home', inner);
    },
  ],
  [
    ['NEMO-HA_9_2_14 the same to a correspondent', 'NEMO-HA_9_2_28 the same to a correspondent'],
    () => throughAgent(icmp(NESTED_HOST, CN, ECHO)),
  ],
];

let sequence = 0;

/**
 * A Binding Update to a home agent from the host behind the router, authentic for the nested
 * router.
 */
function homeRegistration(
  homeAgent: Ipv6Address,
  homeAddress: Ipv6Address,
  mobileRouter: boolean,
  lifetimeUnits = 100,
) {
  sequence += 1;
  const { identifier, association } = NESTED;
  return buildBindingUpdate({
    homeAddress,
    careOfAddress: HOST,
    target: { address: homeAgent, outerAddress: homeAgent },
    sequence,
    lifetimeUnits,
    linkLocalCompatibility: false,
    forceUdp: false,
    ipv4HomeAddress: undefined,
    identifier,
    timestamp: ntpTimestamp(wall(Date.now())),
    registrationKey: association,
    udpPort: 4191,
    roleOptions: { mobileRouter, options: [] },
  }).packet;
}

/** Registers the nested node (or router, in implicit mode) from behind the router again. */
async function registerNested(mobileRouter: boolean): Promise<void> {
  const say = async (update: Uint8Array): Promise<void> =>
    await sendRaw(router.lab, 'mr-a', update);
  const bindings = async () => await router.bindings(HOME);
  if ((await bindings()).length > 0) await say(homeRegistration(HOME_AGENT, HOME, mobileRouter, 0));
  await waitFor(async () => (await bindings()).length === 0, {
    timeoutMs: 5_000,
    what: 'no nested binding',
  });
  await say(homeRegistration(HOME_AGENT, HOME, mobileRouter));
  await waitFor(async () => (await bindings()).length === 1, {
    timeoutMs: 5_000,
    what: 'the nested binding',
  });
  expect(await bindings()).toMatchObject([
    { careOfAddress: HOST, encapsulation: 'ipip', mobileRouter },
  ]);
}

describe.each(MODES)('nested tunnels behind a router in $mode mode', ({ at, prefixes }) => {
  beforeAll(async () => {
    await router.deregisterAll();
    expect(await router.register({ home: 'HNP', prefixes })).toMatchObject({ status: 0 });
    expect(await router.reaches('mr-a', CN, HOSTS[0])).toBe(true);
  });

  it.each(casesOf(ONE_LEVEL, at))('$title', async ({ build }) => await expectForwarded(build()));

  const registrations: readonly (readonly [string, boolean])[] =
    at === 0
      ? [
          ['NEMO-HA_9_2_2 home registration of a node with the same home agent', false],
          ['NEMO-HA_9_2_10 home registration of a router with the same home agent', true],
        ]
      : [
          ['NEMO-HA_9_2_16 home registration of a node with the same home agent', false],
          ['NEMO-HA_9_2_24 home registration of a router with the same home agent', true],
        ];
  it.each(registrations)('%s', async (_title, mobileRouter) => await registerNested(mobileRouter));

  it.each(casesOf(SAME_AGENT, at))('$title', async ({ build }) => await expectForwarded(build()));
});
