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
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { packet, sendRaws } from '#test/netns/helpers/crafted-packets.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';

const AGENT = ipv6(ADDRESSES.homeAgentIpv6);

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'] });
  await journey.start('ar6');
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
