import { afterEach, describe, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * A node that leaves a home link on which the home agent is, with a kernel that is left alone:
 * addresses and routes of the home link remain on the host, on the same interface or on one whose
 * cable was pulled.
 *
 *   peer ---.
 *           +--- home link --- home (HA) --- core --- ar6, nat-prc, ds
 *   MN -----'    eth0 leaves it; eth0 or eth1 is plugged into a visited network
 */

const PEER = { ipv6: '2001:db8:100::77', ipv4: '192.0.2.77' } as const;
const NETWORKS = ['ar6', 'nat-prc', 'ds'] as const;

let journey: Journey | undefined;
afterEach(async () => await journey?.close());

async function atHome(): Promise<Journey> {
  journey = await Journey.create({
    networks: NETWORKS,
    nodes: { mn: ['eth0', 'eth1'], peer: ['eth0'] },
    hosts: 'kernel',
  });
  const { lab } = journey;
  await lab.exec('peer', ['ip', 'address', 'add', `${PEER.ipv6}/64`, 'dev', 'eth0', 'nodad']);
  await lab.exec('peer', ['ip', 'address', 'add', `${PEER.ipv4}/24`, 'dev', 'eth0']);
  await lab.move('peer', 'home');
  await journey.start('home');
  await reaches(journey, PEER.ipv6);
  await reaches(journey, PEER.ipv4);
  return journey;
}

/** A ping from whatever source the host chooses, or from `source`. */
async function reaches({ lab }: Journey, address: string, source?: string): Promise<void> {
  const from = source === undefined ? [] : ['-I', source];
  const argv = ['ping', '-n', '-c', '1', '-W', '1', ...from, address];
  await waitFor(async () => (await lab.attempt('mn', argv)).code === 0, {
    timeoutMs: 6_000,
    what: `an answer of ${address} to ${source ?? 'any address'} of mn`,
  });
}

async function reachesEverybody(from: Journey): Promise<void> {
  await reaches(from, ADDRESSES.correspondentIpv6, HOME.address);
  await reaches(from, ADDRESSES.correspondentIpv4, HOME.ipv4Address);
  await reaches(from, PEER.ipv6);
  await reaches(from, PEER.ipv4);
  await reaches(from, ADDRESSES.homeAgentIpv6);
  await reaches(from, ADDRESSES.homeAgentIpv4);
}

/** Plugs eth1 in, without a change of eth0. */
async function plugSecond(from: Journey, network: NetworkName): Promise<void> {
  from.events = [];
  await from.lab.move('mn', network, { interface: 'eth1', breakBeforeMake: false });
  await from.settled(network);
}

describe('a node that leaves its home link while the kernel keeps its routes', () => {
  test.each(NETWORKS)(
    'registers from %s on the same interface and reaches hosts of the home link',
    async (network) => {
      const left = await atHome();
      await left.moveTo(network);
      const kept = await left.lab.exec('mn', ['ip', '-6', 'route', 'show', ADDRESSES.homePrefix]);
      expect(kept).toContain('dev eth0');
      await reachesEverybody(left);
    },
  );

  test('registers by another interface after the cable at home was pulled', async () => {
    const left = await atHome();
    await left.lab.unplug('mn', 'eth0');
    await plugSecond(left, 'ar6');
    const kept = await left.lab.exec('mn', ['ip', '-6', 'route', 'show', ADDRESSES.homePrefix]);
    expect(kept).toContain('linkdown');
    await reachesEverybody(left);
  });

  test('registers by another interface after the one at home was taken down', async () => {
    const left = await atHome();
    await left.lab.exec('mn', ['ip', 'link', 'set', 'eth0', 'down']);
    await plugSecond(left, 'nat-prc');
    await reachesEverybody(left);
  });
});
