import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NTMOBILE_SERVERS, type NtmobileNode, NtmobileSystem } from '#lab/ntmobile/ntmobile-lab.ts';

import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { answeredPinger, breakPath, repairPath, stallOf } from '#test/netns/helpers/broken-path.ts';

/**
 * A direct path or a leg at a relay dies in silence while data flows. The nodes ask, and data takes
 * the relay, or the other address family of the relay.
 */

/** Three seconds, and a request of the pinger that the new path answers. */
const BACK_WITHIN_MS = 3_200;
const ROUTER = 'ds';
const ONE_WAY = 'table inet oneway { chain in { type filter hook input priority 0; %; }; }';
const REQUESTS = 'icmpv6 type echo-request counter drop';

let lab: Lab;
let mn: NtmobileNode;
let mn2: NtmobileNode;
let target = '';

beforeAll(async () => {
  const nodes = { mn: ['eth0'], mn2: ['eth0'] };
  lab = await Lab.create({ networks: [ROUTER, 'ar4'], nodes, servers: NTMOBILE_SERVERS });
  const system = new NtmobileSystem(lab, { nodes: ['mn', 'mn2'] });
  await system.start();
  [mn, mn2] = [system.node('mn'), system.node('mn2')];
  await lab.move('mn', ROUTER);
  await lab.move('mn2', 'ar4');
  for (const name of ['mn', 'mn2']) await lab.waitForAddress(name, 4, { timeoutMs: 15_000 });
  for (const node of [mn, mn2]) await node.start();
  [target] = await mn2.virtualAddresses();
  const argv = mn.argv(['ping', '-n', '-c', '1', '-w', '10', mn2.domainName]);
  await lab.exec('mn', argv);
});
afterAll(async () => await lab?.close());

/** Drops all between the node's network and that address; resolves with the time of that. */
async function breakTo(address: string): Promise<number> {
  const family = address.includes(':') ? 'ip6' : 'ip';
  const rules = [`${family} daddr ${address}`, `${family} saddr ${address}`];
  return await breakPath(lab, ROUTER, rules);
}

/** Where the node's data to the other node goes. */
async function remoteOf(direct: boolean): Promise<string> {
  return await waitFor(
    async () => {
      const path = await mn.pathTo(mn2);
      return path?.direct === direct ? path.remote : undefined;
    },
    { timeoutMs: 30_000, what: `a path with direct ${direct}` },
  );
}

/** Echo requests that arrived at the other node, which drops them. */
async function arrived(): Promise<number> {
  const list = await lab.exec('mn2', ['nft', 'list', 'table', 'inet', 'oneway']);
  return Number(/ packets (\d+)/.exec(list)?.[1]);
}

describe('a node whose path dies while data flows', () => {
  test('sends through the relay, with traffic in both directions', async () => {
    using pinger = await answeredPinger('mn', target);
    const since = await breakTo(await remoteOf(true));
    const stall = await stallOf(pinger, since);
    console.info(`back after ${Math.round(stall)} ms`);
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
  });

  test('uses the other address family of the relay', async () => {
    const relay = await remoteOf(false);
    await repairPath(lab, ROUTER);
    const direct = await remoteOf(true);
    await breakTo(direct);
    using pinger = await answeredPinger('mn', target);
    expect(await remoteOf(false)).toBe(relay);
    await repairPath(lab, ROUTER);
    const since = await breakPath(lab, ROUTER, [
      ...[`ip daddr ${direct}`, `ip saddr ${direct}`],
      `${relay.includes(':') ? 'ip6' : 'ip'} daddr ${relay}`,
    ]);
    const stall = await stallOf(pinger, since);
    console.info(`back after ${Math.round(stall)} ms`);
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
    expect((await remoteOf(false)).includes(':')).toBe(!relay.includes(':'));
    await repairPath(lab, ROUTER);
  });

  test('sends through the relay, with traffic in one direction only', async () => {
    const remote = await remoteOf(true);
    await lab.exec('mn2', ['nft', ONE_WAY.replace('%', REQUESTS)]);
    const flow = lab.spawn('mn', ['ping', '-n', '-i', '0.1', target]);
    await waitFor(async () => (await arrived()) > 20, { timeoutMs: 10_000, what: 'a flow' });
    const since = await breakTo(remote);
    const before = await arrived();
    const again = async () => (await arrived()) > before;
    await waitFor(again, { timeoutMs: 30_000, what: 'the flow again', intervalMs: 20 });
    const stall = performance.now() - since;
    console.info(`back after ${Math.round(stall)} ms`);
    await flow.stop();
    expect(stall).toBeLessThan(BACK_WITHIN_MS);
  });
});
