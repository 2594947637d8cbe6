import { afterAll, beforeAll, expect, test } from 'vitest';
import type { JsonValue } from '#base/json.ts';
import { ControlClient } from '#daemon/control/control-client.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { openSqliteStore } from '#store/sqlite.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';

/**
 * The home agent's address changed while the mobile node was off. The mobile node resolves the home
 * agent's name outside the tunnel to the former address.
 */

/** No host answers there. */
const STALE = ['2001:db8:100::dead', '192.0.2.222'];
const REGISTERED_WITHIN_MS = 3_000;

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6', 'ar4', 'nat-prc', 'ds'] });
  await journey.start('ar6');
});
afterAll(async () => await journey?.close());

/** Changes the home agent's addresses in the node's stored registration. */
function alterStoredAddresses(homeAgentAddresses: readonly string[]): void {
  const store = openSqliteStore(`${LAB_DIRECTORY}/state/mn.sqlite`);
  try {
    const records = [...store.load()];
    expect(records.length).toBeGreaterThan(0);
    store.apply(
      records.map(({ value, ...name }) => ({
        ...name,
        value: { ...objectOf(value), homeAgentAddresses },
      })),
    );
  } finally {
    store.close();
  }
}

function memory(): readonly JsonValue[] {
  const store = openSqliteStore(`${LAB_DIRECTORY}/state/mn.sqlite`);
  try {
    return [...store.load()].map(({ value }) => objectOf(value)['homeAgentAddresses'] ?? null);
  } finally {
    store.close();
  }
}

/**
 * The time of the first event of each kind, by the node's clock, so that the start time of its
 * process does not matter.
 */
async function eventTimes(): Promise<ReadonlyMap<string, number>> {
  using client = await ControlClient.connect(journey.mobileNode.socket);
  const times = new Map<string, number>();
  await client.events({ follow: false, last: 50 }, ({ name, at }) => {
    if (!times.has(String(name))) times.set(String(name), Date.parse(String(at)));
  });
  return times;
}

test.each<NetworkName>(['ar6', 'ar4', 'nat-prc', 'ds'])(
  'registers in %s when the home agent’s name leads to stale addresses first',
  async (network) => {
    await journey.moveTo(network);
    await journey.mobileNode.stop();
    alterStoredAddresses(STALE);
    expect(memory()).toEqual([STALE]);
    await journey.startMobileNode();
    const home = await journey.settled(network);
    expect(home).toMatchObject({
      homeAgentAddresses: [ADDRESSES.homeAgentIpv6, ADDRESSES.homeAgentIpv4],
    });
    const times = await eventTimes();
    const tookMs = (times.get('registered') ?? Number.NaN) - (times.get('handover') ?? Number.NaN);
    expect(tookMs).toBeLessThan(REGISTERED_WITHIN_MS);
  },
);
