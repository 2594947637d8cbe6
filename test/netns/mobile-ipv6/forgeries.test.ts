/**
 * Forged packets against plain tunnels and the home link. Each is refused, counted, and changes
 * nothing.
 *
 *   mn (registered) -- ar6 -- core -- home (home agent) == home link
 *                              |
 *                              cn (sends packets with any source)
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { signMobility } from '#crypto/mobility-auth.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { PROTOCOL_IPV6, packet, sendRaws } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);
const NODE_HOME = ipv6(HOME.address);
const STRANGER = ipv6('2001:db8:bad::1');
/** Of the discard port; no service listens. */
const PORTS = { sourcePort: 9, destinationPort: 9 };

let journey: Journey;
let careOf: Ipv6Address;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'] });
  await journey.start('ar6');
  careOf = ipv6(String((await journey.home())['careOfAddress']));
});
afterAll(async () => await journey?.close());

const agentCounts = (reason: string) => journey.count(journey.homeAgent, reason);

describe('forged Binding Updates from addresses of the home link', () => {
  const FORGERIES = 500;

  /** Names the mobile node, and is signed with another key. */
  function forgedUpdate(sequence: number): Uint8Array {
    const source: Ipv6Address = ipv6(`2001:db8:100::f:${sequence.toString(16)}`);
    const identifier = new TextEncoder().encode('mn@example.net');
    const header = signMobility(
      {
        type: 'binding-update',
        sequence,
        flags: { ...NO_BINDING_UPDATE_FLAGS, acknowledge: true, homeRegistration: true },
        lifetimeUnits: 100,
        options: [
          { type: 'mobile-node-identifier', subtype: 1, identifier },
          { type: 'replay-protection', timestamp: ntpTimestamp(wall(Date.now())) },
        ],
      },
      { spi: 1000, algorithm: 'hmac-sha256-128', key: new Uint8Array(32) },
      { careOfAddress: source, homeAddress: source, source, destination: AGENT },
    );
    return packet(source, AGENT, PROTOCOL_MOBILITY, header);
  }

  /** Whether the kernel still resolves addresses on the home link. */
  async function isResolving(): Promise<boolean> {
    const neighbours = await journey.lab.exec('home', [
      'ip',
      '-6',
      'neigh',
      'show',
      'dev',
      'home0',
    ]);
    return neighbours.includes('INCOMPLETE');
  }

  test('cause at most eight multicasts there', async () => {
    const { lab } = journey;
    const file = `${lab.logDirectory}/home-link.pcap`;
    const solicitations = async () =>
      (
        await dissect(file, 'icmpv6.nd.ns.target_address == 2001:db8:100::f:0/112', [
          'frame.number',
        ])
      ).length;
    const refused = await agentCounts('authentication-failed');
    await using capture = await lab.capture('home', 'home0', file);
    const forged = Array.from({ length: FORGERIES }, (_, at) => forgedUpdate(at + 1));
    await sendRaws(lab, 'cn', AGENT, forged);
    await waitFor(async () => (await agentCounts('authentication-failed')) >= refused + FORGERIES, {
      timeoutMs: 10_000,
      what: 'all forgeries to be counted',
    });
    // The answers leave a second after the home agent's own solicitation.
    await waitFor(async () => (await solicitations()) > 2 && !(await isResolving()), {
      timeoutMs: 15_000,
      what: 'the last address resolution to end',
    });
    await capture.stop();
    const multicasts = await solicitations();
    process.stdout.write(`${FORGERIES} forgeries: ${multicasts} multicasts\n`);
    expect(multicasts).toBeLessThanOrEqual(8);
    expect(await agentCounts('home-link-limited')).toBe(FORGERIES - 2);
  });
});

describe('a packet that is forged into the tunnel to the mobile node', () => {
  const data = (source: Ipv6Address, destination = NODE_HOME): Uint8Array =>
    packet(
      source,
      destination,
      PROTOCOL_UDP,
      encodeUdp(source, destination, { ...PORTS, payload: new TextEncoder().encode('forged') }),
    );
  /** As if the home agent had sent it. */
  const tunnelled = (inner: Uint8Array): Uint8Array => packet(AGENT, careOf, PROTOCOL_IPV6, inner);
  const nodeDrops = (name: string) => journey.planeCount(journey.mobileNode, name);

  /** Whether the packet comes out of the tunnel. */
  async function comesOut(inner: Uint8Array): Promise<boolean> {
    const [received, dropped] = [await nodeDrops('receive-packets'), await inwardDrops()];
    await sendRaws(journey.lab, 'cn', careOf, [tunnelled(inner)]);
    await waitFor(
      async () =>
        (await nodeDrops('receive-packets')) > received || (await inwardDrops()) > dropped,
      { timeoutMs: 5_000, what: 'the packet to be counted' },
    );
    return (await inwardDrops()) === dropped;
  }
  const inwardDrops = () => nodeDrops('drop-inner-address');

  test.each([
    ['the home address', () => NODE_HOME],
    ['the care-of address', () => careOf],
    ['a link-local address, as a router advertisement has', () => ipv6('fe80::1')],
    ['the loopback address', () => ipv6('::1')],
    ['a multicast address', () => ipv6('ff02::1')],
  ])('gets dropped with the inner source %s', async (_what, source) => {
    expect(await comesOut(data(source()))).toBe(false);
  });

  test('gets dropped if it claims to be a second tunnel of the home agent', async () => {
    const second = packet(AGENT, NODE_HOME, PROTOCOL_IPV6, data(STRANGER));
    expect(await comesOut(second)).toBe(false);
  });

  test('passes with any other inner source, as the documents say', async () => {
    expect(await comesOut(data(STRANGER))).toBe(true);
    // The home agent itself sends errors and pings.
    expect(await comesOut(data(AGENT))).toBe(true);
    await journey.lab.exec('home', ['ping', '-n', '-c', '1', '-W', '2', '-I', AGENT, HOME.address]);
  });
});

test('A packet forged into the home agent’s tunnel leads to no link-local address', async () => {
  const before = await journey.planeCount(journey.homeAgent, 'drop-inner-address');
  const destination = ipv6('fe80::1');
  const payload = encodeUdp(NODE_HOME, destination, { ...PORTS, payload: new Uint8Array(8) });
  const inner = packet(NODE_HOME, destination, PROTOCOL_UDP, payload);
  await sendRaws(journey.lab, 'cn', AGENT, [packet(careOf, AGENT, PROTOCOL_IPV6, inner)]);
  await waitFor(
    async () => (await journey.planeCount(journey.homeAgent, 'drop-inner-address')) > before,
    { timeoutMs: 5_000, what: 'the packet to be counted' },
  );
});
