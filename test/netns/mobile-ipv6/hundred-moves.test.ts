import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES, ALL_NETWORKS } from '#lab/networks.ts';
import { randomNetworks } from '#lab/random-networks.ts';
import { daemonState } from '#test/netns/helpers/host-state.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';
import { NetworkStates } from '#test/netns/helpers/network-states.ts';
import { Sessions } from '#test/netns/helpers/sessions.ts';

/**
 * Four sessions survive a hundred random moves:
 *
 *   ssh      mn → cn   from the IPv6 home address       (lines there and back)
 *   ssh      cn → mn   to the IPv4 home address         (lines there and back)
 *   HTTP     cn → mn   to the IPv4 home address         (digest compared)
 *   iperf3   mn → cn   from the IPv6 home address
 *
 * SOJOURN_SEED=number repeats a journey.
 */

const MOVES = 100;
const SEED = Number(process.env['SOJOURN_SEED'] ?? randomInt(2 ** 31));
/**
 * The protocol numbers under which the daemons' routes are found; see src/host/kernel/kernel.ts.
 */
const PROTOCOL = { home: 201, mn: 202 } as const;

let journey: Journey;
let sessions: Sessions;

beforeAll(async () => {
  // Without forced UDP, both encapsulations are used on IPv4: ipip where there is no NAT.
  const daemons = { mobileNode: { forceUdp: false } };
  journey = await Journey.create({ networks: ALL_NETWORKS, daemons });
  await journey.start('home');
  const outwards = {
    client: 'mn',
    from: HOME.address,
    server: 'cn',
    to: ADDRESSES.correspondentIpv6,
  };
  sessions = await Sessions.open(journey.lab, {
    conversations: [
      outwards,
      { client: 'cn', from: ADDRESSES.correspondentIpv4, server: 'mn', to: HOME.ipv4Address },
    ],
    downloads: [
      { client: 'mn', from: HOME.ipv4Address, server: 'cn', to: ADDRESSES.correspondentIpv4 },
    ],
    streams: [outwards],
  });
  await sessions.flow('home');
});
afterAll(async () => {
  sessions?.[Symbol.dispose]();
  await journey?.close();
});

test(`sessions survive ${MOVES} random moves (SOJOURN_SEED=${SEED})`, async () => {
  console.log(`SOJOURN_SEED=${SEED}`);
  const { homeAgent, mobileNode } = journey;
  const pids = [homeAgent.pid, mobileNode.pid];
  const networks = randomNetworks(SEED);
  const states = new NetworkStates(journey.lab, 'mn', stateOfDaemons, () => journey.usesBestPath());
  for (let move = 0; move < MOVES; move += 1) {
    const network = networks.next().value;
    await journey.moveTo(network);
    await sessions.flow(network);
    await states.expectSame(network);
  }

  for (const pid of pids) expect(process.kill(pid, 0)).toBe(true);
  expect([homeAgent.pid, mobileNode.pid]).toEqual(pids);
  await expectAgreement();

  await sessions.finish();

  expect(await mobileNode.stop()).toBe(0);
  expect(await homeAgent.stop()).toBe(0);
}, 420_000);

/** The state that both daemons have set on their hosts. */
async function stateOfDaemons(): Promise<readonly string[]> {
  return [
    ...(await daemonState('mn', PROTOCOL.mn, 'sojourn-mn')).map((line) => `mn ${line}`),
    ...(await daemonState('home', PROTOCOL.home, 'sojourn-ha')).map((line) => `home ${line}`),
  ];
}

/**
 * Expects both daemons to have the same binding (or none), and neither host to have refused a
 * change.
 */
async function expectAgreement(): Promise<void> {
  const binding = await journey.binding();
  const home = await journey.home();
  if (home['phase'] === 'at-home') expect(binding).toBeUndefined();
  else {
    expect(binding).toMatchObject({
      homeAddress: home['homeAddress'],
      ipv4HomeAddress: home['ipv4HomeAddress'],
      encapsulation: home['encapsulation'],
      sequence: home['sequence'],
    });
  }
  for (const daemon of [journey.homeAgent, journey.mobileNode]) {
    const host = objectOf(objectOf(await daemon.request('status'))['host']);
    expect(host['pending'], daemon.name).toEqual([]);
  }
}
