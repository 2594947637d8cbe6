/**
 * Solicitations for defended addresses on the home link, made by hand: who answers, and how.
 *
 *   mn (registered) -- ar6 -- core -- home (home agent) == home link == peer
 *                              cn (a mobile router made by hand)
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encode } from '#base/bytes.ts';
import { type Ipv6Address, ipv6, solicitedNodeMulticast } from '#base/ip.ts';
import { HOME } from '#lab/daemons.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { sendRaw } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { routerUpdate } from '#test/netns/helpers/router-update.ts';
import { dissect, type Fields } from '#test/netns/helpers/tshark.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const NODE_HOME = ipv6(HOME.address);
const ROUTER_HOME = ipv6(MOBILE_ROUTERS.mr.homeAddress);

let journey: Journey;
let peer: Ipv6Address;
let agentLinkAddress: string;
let peerLinkAddress: string;

async function linkAddressOf(namespace: string, device: string): Promise<string> {
  const text = await journey.lab.exec(namespace, ['ip', '-o', 'link', 'show', 'dev', device]);
  return /link\/ether ([0-9a-f:]+)/.exec(text)?.[1] ?? '';
}

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6'],
    nodes: { mn: ['eth0'], peer: ['eth0'] },
    daemons: { mobileRouters: ['mr'] },
  });
  const { lab } = journey;
  // The kernel's own proxy waits up to 0.8 s: without that a test sees its answer at once.
  for (const family of ['ipv4', 'ipv6'])
    await lab.exec('home', ['sysctl', '-qw', `net.${family}.neigh.home0.proxy_delay=0`]);
  await lab.move('peer', 'home');
  await lab.waitForAddress('peer', 6);
  await lab.waitForAddress('peer', 4);
  await journey.start('ar6');
  const key = { spi: 2000, key: 'the key of mr alone' };
  const announced = `${lab.logDirectory}/announced.pcap`;
  await using _ = await lab.capture('peer', 'eth0', announced);
  await sendRaw(lab, 'cn', routerUpdate({ sequence: 1, key }));
  await waitFor(
    async () => JSON.stringify(await journey.homeAgent.request('bindings')).includes(ROUTER_HOME),
    { timeoutMs: 5_000, what: 'the binding of the mobile router' },
  );
  const unsolicited = `icmpv6.nd.na.target_address == ${ROUTER_HOME}`;
  await waitFor(async () => (await dissect(announced, unsolicited, ['frame.number'])).length >= 3, {
    timeoutMs: 5_000,
    what: 'the last unsolicited advertisement',
  });
  const text = await lab.exec('peer', ['ip', '-6', '-o', 'address', 'show', 'scope', 'global']);
  peer = ipv6(/inet6 ([0-9a-f:]+)\//.exec(text)?.[1] ?? '');
  agentLinkAddress = await linkAddressOf('home', 'home0');
  peerLinkAddress = await linkAddressOf('peer', 'eth0');
});
afterAll(async () => await journey?.close());

const octetsOfLinkAddress = (text: string) =>
  Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16));

/** A Neighbour Solicitation for `target`. */
function solicitation(source: Ipv6Address, destination: Ipv6Address, target: Ipv6Address) {
  const address = octetsOfLinkAddress(peerLinkAddress);
  const own = { type: 'source-link-layer-address', address } as const;
  const options = source === '::' ? [] : [own];
  const payload = encodeIcmpv6(
    { type: 'neighbour-solicitation', target, options },
    0,
    source,
    destination,
  );
  return encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 255,
    source,
    destination,
    extensions: [],
    protocol: PROTOCOL_ICMPV6,
    payload,
  });
}

/** The packets that pass the filter at the peer, from the action until echoes have come back. */
async function seenWhile(
  filter: string,
  fields: readonly string[],
  action: () => Promise<void>,
): Promise<readonly Fields[]> {
  const { lab } = journey;
  const file = `${lab.logDirectory}/defended-${performance.now()}.pcap`;
  const capture = await lab.capture('peer', 'eth0', file);
  await action();
  await waitFor(async () => (await dissect(file, filter, ['frame.number'])).length > 0, {
    timeoutMs: 3_000,
    what: filter,
  });
  await lab.exec('peer', ['ping', '-n', '-c', '2', '-i', '0.2', '-W', '2', AGENT]);
  await capture.stop();
  return await dissect(file, filter, fields);
}

describe.each([
  ['a mobile node', NODE_HOME, '0'],
  ['a mobile router', ROUTER_HOME, '1'],
])('a solicitation for the address of %s', (_, target, router) => {
  const multicast = solicitedNodeMulticast(target);
  test.each([
    ['an address resolution', () => peer, multicast, '1'],
    ['an unreachability detection', () => peer, target, '1'],
    ['a duplicate address detection', () => ipv6('::'), multicast, '0'],
  ])(
    '%s gets one answer, with O = 0, from the home link',
    async (_kind, source, destination, solicited) => {
      const { lab } = journey;
      // A unicast solicitation goes to the link-layer address of the home agent.
      const known = [
        'ip',
        'neighbour',
        'replace',
        target,
        'lladdr',
        agentLinkAddress,
        'dev',
        'eth0',
      ];
      await lab.exec('peer', known);
      const answers = await seenWhile(
        `icmpv6.type == 136 && icmpv6.nd.na.target_address == ${target}`,
        [
          'icmpv6.nd.na.flag.r',
          'icmpv6.nd.na.flag.s',
          'icmpv6.nd.na.flag.o',
          'ipv6.src',
          'icmpv6.opt.linkaddr',
        ],
        () => sendRaw(lab, 'peer', solicitation(source(), destination, target)),
      );
      const flag = (value: string) => (value === 'True' || value === '1' ? '1' : '0');
      expect(
        answers.map((field) => [
          flag(field('icmpv6.nd.na.flag.r')),
          flag(field('icmpv6.nd.na.flag.s')),
          flag(field('icmpv6.nd.na.flag.o')),
          field('ipv6.src'),
          field('icmpv6.opt.linkaddr'),
        ]),
      ).toEqual([[router, solicited, '0', AGENT, agentLinkAddress]]);
    },
  );
});

test('An ARP request for an IPv4 home address gets one answer', async () => {
  const { lab } = journey;
  const answers = await seenWhile(
    `arp.opcode == 2 && arp.src.proto_ipv4 == ${HOME.ipv4Address}`,
    ['arp.src.hw_mac'],
    async () => {
      await lab.exec('peer', ['ip', 'neighbour', 'flush', 'dev', 'eth0']);
      await lab.exec('peer', ['ping', '-n', '-c', '1', '-W', '2', HOME.ipv4Address]);
    },
  );
  expect(answers.map((field) => field('arp.src.hw_mac'))).toEqual([agentLinkAddress]);
});
