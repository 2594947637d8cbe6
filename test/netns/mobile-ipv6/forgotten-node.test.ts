import { rmSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import {
  type DaemonPairOptions,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { attempt, nowMs, waitFor } from '#lab/shell.ts';
import { Journey, objectsOf } from '#test/netns/helpers/journey.ts';

/**
 * Data from a node that the home agent has no binding for: it lost its store, or the node's NAT
 * gave it another port. The home agent tells the node, which registers at once.
 */

/** One round trip of the lab, and the second that the node may take. */
const BACK_WITHIN_MS = 1_000;

let journey: Journey;

afterEach(async () => await journey?.close());

async function arrive(network: NetworkName, daemons: DaemonPairOptions = {}): Promise<void> {
  journey = await Journey.create({
    networks: [network],
    daemons: { homeLink: false, ...daemons },
  });
  await journey.start(network);
  await untilAnswered(4);
  await untilAnswered(6);
}

/** Whether an echo request of the node, from its home address, is answered within 200 ms. */
async function pingOnce(family: 4 | 6): Promise<boolean> {
  const [source, target] =
    family === 6
      ? [HOME.virtualAddress, ADDRESSES.correspondentIpv6]
      : [HOME.virtualIpv4Address, ADDRESSES.correspondentIpv4];
  const ping = ['ping', '-n', '-c', '1', '-W', '0.2', '-I', source, target];
  const { code } = await attempt(ping, { namespace: 'mn' });
  return code === 0;
}

/** Milliseconds from the first packet of the node until one is answered. */
async function untilAnswered(family: 4 | 6): Promise<number> {
  const began = nowMs();
  await waitFor(() => pingOnce(family), { timeoutMs: 20_000, what: 'an answered echo request' });
  return nowMs() - began;
}

/** Refreshes that unauthenticated messages caused. */
const followed = () => journey.count(journey.mobileNode, 'binding-error-followed');
const told = () => journey.count(journey.homeAgent, 'unknown-endpoint-answered');

/** The node gets its IPv4 home address, the first of the pool, from the home agent. */
function fromPool(): DaemonPairOptions {
  const virtual = { homeLink: false };
  const [node] = objectsOf(homeAgentConfiguration(virtual)['mobileNodes']);
  const [home] = objectsOf(mobileNodeConfiguration(virtual)['homes']);
  const { ipv4HomeAddresses: _, ...granted } = node ?? {};
  const ipv4Pool = `${HOME.virtualIpv4Address}/31`;
  return {
    homeAgent: { mobileNodes: [granted], ipv4Pool },
    mobileNode: { homes: [{ ...home, ipv4HomeAddress: 'dynamic' }] },
  };
}

async function loseStore(): Promise<void> {
  await journey.homeAgent.kill();
  rmSync(`${STATE_DIRECTORY}/ha.sqlite`);
  await journey.homeAgent.start();
  expect(await journey.binding()).toBeUndefined();
}

describe('data for a home agent that lost its store', () => {
  test.each<readonly [NetworkName, 4 | 6]>([
    ['ar6', 6],
    ['ar6', 4],
    ['ar4', 6],
    ['ar4', 4],
    ['nat-prc', 4],
  ])('flows again within a second: %s, IPv%i inside', async (network, family) => {
    await arrive(network);
    await loseStore();
    expect(await untilAnswered(family)).toBeLessThan(BACK_WITHIN_MS);
    expect(await followed()).toBe(1);
    expect(await told()).toBeGreaterThan(0);
    expect(await journey.binding()).toBeDefined();
  });

  test('flows again within a second from an IPv4 home address of the pool', async () => {
    await arrive('nat-prc', fromPool());
    await loseStore();
    expect(await untilAnswered(4)).toBeLessThan(BACK_WITHIN_MS);
    expect(await followed()).toBe(1);
    expect(await journey.binding()).toMatchObject({ ipv4HomeAddress: HOME.virtualIpv4Address });
  });
});

describe('data from behind a NAT that rebooted and gave another port', () => {
  test.each([6, 4] as const)('flows again within a second: IPv%i inside', async (family) => {
    await arrive('nat-sym');
    const before = await journey.binding();
    await journey.lab.forgetMappings('nat-sym');
    expect(await untilAnswered(family)).toBeLessThan(BACK_WITHIN_MS);
    expect(await followed()).toBe(1);
    const after = await journey.binding();
    expect(after?.['remotePort']).not.toBe(before?.['remotePort']);
  });
});
