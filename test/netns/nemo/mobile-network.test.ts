import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ADDRESSES, ALL_NETWORKS } from '#lab/networks.ts';
import { randomNetworks } from '#lab/random-networks.ts';
import { daemonState } from '#test/netns/helpers/host-state.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';
import { NetworkStates } from '#test/netns/helpers/network-states.ts';
import { Sessions } from '#test/netns/helpers/sessions.ts';

/**
 * A mobile router and its network move at random; the hosts in it are ordinary Linux hosts (SLAAC,
 * DHCP) without mobility software. All of these sessions survive every move:
 *
 *   ssh      mr-a → cn   IPv6       ssh      cn → mr-b   IPv4
 *   HTTP     mr-b → cn   IPv4       HTTP     cn → mr-a   IPv6
 *   iperf3   mr-a → cn   IPv4       iperf3   cn → mr-b   IPv6
 *
 * SOJOURN_SEED=number repeats a journey.
 */

const MOVES = 60;
const SEED = Number(process.env['SOJOURN_SEED'] ?? randomInt(2 ** 31));
/**
 * The protocol numbers under which the daemons' routes are found; see src/host/kernel/kernel.ts.
 */
const PROTOCOL = { home: 201, mr: 203 } as const;

let journey: Journey;
let sessions: Sessions;

beforeAll(async () => {
  // Without forced UDP, both encapsulations are used on IPv4: ipip where there is no NAT.
  journey = await Journey.create({
    networks: ALL_NETWORKS,
    router: 'mr',
    daemons: { mobileNode: { forceUdp: false } },
  });
  await journey.start('home');
  sessions = await openSessions();
  await sessions.flow('home');
});
afterAll(async () => {
  sessions?.[Symbol.dispose]();
  await journey?.close();
});

async function openSessions(): Promise<Sessions> {
  const { lab } = journey;
  const address = async (host: string, family: 4 | 6): Promise<string> =>
    (await lab.waitForAddress(host, family)).address;
  const [a6, a4, b6, b4] = await Promise.all([
    address('mr-a', 6),
    address('mr-a', 4),
    address('mr-b', 6),
    address('mr-b', 4),
  ]);
  const { correspondentIpv6: cn6, correspondentIpv4: cn4 } = ADDRESSES;
  return await Sessions.open(lab, {
    conversations: [
      { client: 'mr-a', from: a6, server: 'cn', to: cn6 },
      { client: 'cn', from: cn4, server: 'mr-b', to: b4 },
    ],
    downloads: [
      { client: 'mr-b', from: b4, server: 'cn', to: cn4 },
      { client: 'cn', from: cn6, server: 'mr-a', to: a6 },
    ],
    streams: [
      { client: 'mr-a', from: a4, server: 'cn', to: cn4 },
      { client: 'cn', from: cn6, server: 'mr-b', to: b6 },
    ],
  });
}

test(`sessions of the hosts survive ${MOVES} random moves (SOJOURN_SEED=${SEED})`, async () => {
  console.log(`SOJOURN_SEED=${SEED}`);
  const networks = randomNetworks(SEED);
  const states = new NetworkStates(journey.lab, 'mr', stateOfDaemons, () => journey.usesBestPath());
  for (let move = 0; move < MOVES; move += 1) {
    const network = networks.next().value;
    await journey.moveTo(network);
    await sessions.flow(network);
    await states.expectSame(network);
  }
  await sessions.finish();
  for (const daemon of [journey.homeAgent, journey.mobileNode]) {
    const host = objectOf(objectOf(await daemon.request('status'))['host']);
    expect(host['pending'], daemon.name).toEqual([]);
  }
  expect(await journey.mobileNode.stop()).toBe(0);
  expect(await journey.homeAgent.stop()).toBe(0);
}, 420_000);

/** The state that both daemons have set on their hosts. */
async function stateOfDaemons(): Promise<readonly string[]> {
  return [
    ...(await daemonState('mr', PROTOCOL.mr, 'sojourn-mr')).map((line) => `mr ${line}`),
    ...(await daemonState('home', PROTOCOL.home, 'sojourn-ha')).map((line) => `home ${line}`),
  ];
}
