import { afterEach, describe, expect, test } from 'vitest';
import type { DaemonPairOptions } from '#lab/daemons.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { renameHost } from '#lab/services.ts';
import { waitFor } from '#lab/shell.ts';
import { answeredPinger, breakPath, stallOf } from '#test/netns/helpers/broken-path.ts';
import { Journey, objectsOf } from '#test/netns/helpers/journey.ts';

/**
 * The path or the home agent dies in silence while the node sends. The node asks, and takes the
 * next path: the other family, another address of the home agent, the address that its name has
 * now, or another local port.
 */

/** Three seconds, and a request of the pinger that the new path answers. */
const BACK_WITHIN_MS = 3_200;
const OTHER_IPV6 = '2001:db8:100::2';

let journey: Journey;

afterEach(async () => await journey?.close());

async function arrive(
  network: NetworkName,
  daemons: DaemonPairOptions = {},
  names: Readonly<Record<string, readonly string[]>> = {},
): Promise<void> {
  journey = await Journey.create({
    networks: [network],
    daemons: { homeLink: false, ...daemons },
  });
  await journey.lab.exec('home', [
    'ip',
    'address',
    'add',
    `${OTHER_IPV6}/64`,
    'dev',
    'home0',
    'nodad',
  ]);
  for (const [name, addresses] of Object.entries(names)) renameHost(name, addresses);
  await journey.start(network);
}

/** The far end of the node's tunnel. */
async function homeAgentInUse(): Promise<string> {
  const [tunnel] = objectsOf(await journey.mobileNode.request('tunnels'));
  return String(tunnel?.['remote']);
}

describe('a node whose path dies while it sends', () => {
  test.each([4, 6] as const)('uses the other family, IPv%i inside', async (family) => {
    await arrive('ds');
    const target = family === 6 ? ADDRESSES.correspondentIpv6 : ADDRESSES.correspondentIpv4;
    expect(await journey.home()).toMatchObject({ encapsulation: 'ipip' });
    using pinger = await answeredPinger('mn', target);
    const since = await breakPath(journey.lab, 'ds', ['meta nfproto ipv6']);
    const stall = await stallOf(pinger, since);
    console.info(`back after ${Math.round(stall)} ms`);
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
    expect(await journey.home()).toMatchObject({
      phase: 'registered',
      encapsulation: 'udp',
      silentPaths: [{ family: 6 }],
    });
    expect(await journey.count(journey.mobileNode, 'path-dead')).toBe(1);
  });

  test('uses another address of the home agent', async () => {
    const names = { 'two.example': [ADDRESSES.homeAgentIpv6, OTHER_IPV6] };
    const homeAgent = { addresses: [ADDRESSES.homeAgentIpv6, OTHER_IPV6] };
    await arrive('ar6', { homeAgent, mobileNode: { homes: [home('two.example')] } }, names);
    using pinger = await answeredPinger('mn', ADDRESSES.correspondentIpv6);
    const since = await breakPath(journey.lab, 'core', [`ip6 daddr ${await homeAgentInUse()}`]);
    const stall = await stallOf(pinger, since);
    console.info(`back after ${Math.round(stall)} ms`);
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
  });

  test('uses the address that the home agent’s name has now', async () => {
    const names = { 'moving.example': [ADDRESSES.homeAgentIpv6] };
    const homeAgent = { addresses: [ADDRESSES.homeAgentIpv6, OTHER_IPV6] };
    await arrive('ar6', { homeAgent, mobileNode: { homes: [home('moving.example')] } }, names);
    using pinger = await answeredPinger('mn', ADDRESSES.correspondentIpv6);
    const since = await breakPath(journey.lab, 'core', [`ip6 daddr ${await homeAgentInUse()}`]);
    renameHost('moving.example', [OTHER_IPV6]);
    const stall = await stallOf(pinger, since);
    console.info(`back after ${Math.round(stall)} ms`);
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
  });

  test('uses another local port where a NAT keeps a dead mapping of the former one', async () => {
    await arrive('nat-prc');
    using pinger = await answeredPinger('mn', ADDRESSES.correspondentIpv4);
    const since = await breakPath(journey.lab, 'nat-prc', ['oifname "wan" udp sport 4191']);
    const stall = await stallOf(pinger, since);
    console.info(`back after ${Math.round(stall)} ms`);
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
    await waitFor(async () => (await journey.home())['phase'] === 'registered', {
      timeoutMs: 5_000,
      what: 'the acknowledgement by the other port',
    });
    expect((await journey.home())['encapsulation']).toBe('udp');
    expect(await journey.count(journey.mobileNode, 'udp-port-renewed')).toBe(1);
  });
});

const home = (homeAgent: string) => ({
  name: 'home',
  homeAgent,
  homeAddress: '2001:db8:200::10',
  ipv4HomeAddress: '203.0.113.10',
  identifier: 'mn@example.net',
  security: { spi: 1000, key: 'text:a key for the lab alone' },
});
