import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DaemonProcess, mobileRouterConfiguration } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { MOBILE_ROUTERS, prefixesOf } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

/**
 * Two routers of one home agent, on visited networks of different kinds:
 *
 *   mr-a --- mr ~~~ IPv6 ~~~ ha ~~~ symmetric NAT ~~~ mr2 --- mr2-a
 *                            |
 *                            cn
 */

let journey: Journey;
let other: DaemonProcess;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6', 'nat-sym'],
    router: 'mr',
    mobileRouters: ['mr', 'mr2'],
  });
  await journey.start('ar6');
  const { lab } = journey;
  other = new DaemonProcess(lab, 'mr', 'mr2', mobileRouterConfiguration('mr2'), 'mr2');
  await lab.move('mr2', 'nat-sym');
  await lab.waitForAddress('mr2', 4);
  await other.start();
  await registered(other);
});
afterAll(async () => await journey?.close());

async function registered(daemon: DaemonProcess): Promise<void> {
  await waitFor(
    async () =>
      objectsOf(objectOf(await daemon.request('status'))['homes']).every(
        (home) => home['phase'] === 'registered',
      ),
    { timeoutMs: 20_000, what: `${daemon.name} to be registered` },
  );
}

async function addressOf(host: string, family: 4 | 6): Promise<string> {
  return (await journey.lab.waitForAddress(host, family)).address;
}

/** Sends echo requests until one is answered; the first may wait for neighbour resolution. */
async function reaches(from: string, to: string, source?: string): Promise<boolean> {
  const bind = source === undefined ? [] : ['-I', source];
  const { code } = await journey.lab.attempt(from, [
    'ping',
    '-n',
    '-c',
    '5',
    '-i',
    '0.2',
    '-W',
    '1',
    ...bind,
    to,
  ]);
  return code === 0;
}

describe('the networks of two routers', () => {
  test.each([6, 4] as const)('reach each other over IPv%d', async (family) => {
    const [near, far] = [await addressOf('mr-a', family), await addressOf('mr2-a', family)];
    expect(await reaches('mr-a', far)).toBe(true);
    expect(await reaches('mr2-a', near)).toBe(true);
  });

  test('appear in the tables of the home agent', async () => {
    expect(await journey.homeAgent.request('prefixes')).toEqual(
      (['mr', 'mr2'] as const).flatMap((name) =>
        prefixesOf(MOBILE_ROUTERS[name]).map((prefix) =>
          expect.objectContaining({
            prefix,
            homeAddress: MOBILE_ROUTERS[name].homeAddress,
            forwarded: true,
          }),
        ),
      ),
    );
  });
});

describe('a spoofed source', () => {
  const spoofed = '2001:db8:501::bad';
  const spoofed4 = '198.51.100.155';

  beforeAll(async () => {
    await journey.lab.exec('mr-a', [
      'ip',
      'address',
      'add',
      `${spoofed}/128`,
      'dev',
      'lo',
      'nodad',
    ]);
    await journey.lab.exec('mr-a', ['ip', 'address', 'add', `${spoofed4}/32`, 'dev', 'lo']);
  });

  /**
   * Sends packets; returns the growth of a plane's counter and the number of packets that reached
   * the correspondent.
   */
  async function send(
    daemon: DaemonProcess,
    counter: string,
    source: string,
  ): Promise<readonly [number, number]> {
    const { lab } = journey;
    const to = source.includes(':') ? ADDRESSES.correspondentIpv6 : ADDRESSES.correspondentIpv4;
    const file = `${LAB_DIRECTORY}/spoofed.pcap`;
    const before = await journey.planeCount(daemon, counter);
    const capture = await lab.capture('cn', 'wan', file);
    expect(await reaches('mr-a', to, source)).toBe(false);
    await capture.stop();
    const field = source.includes(':') ? 'ipv6.src' : 'ip.src';
    const seen = await lab.exec('cn', ['tshark', '-r', file, '-Y', `${field} == ${source}`]);
    const grown = (await journey.planeCount(daemon, counter)) - before;
    return [grown, seen.split('\n').filter((line) => line !== '').length];
  }

  test.each([spoofed, spoofed4])(
    'NEMO-MR-2-2-1-4-013 gets dropped and counted at the router when a host behind it sends: %s',
    async (source) => {
      expect(await send(journey.mobileNode, 'drop-no-route', source)).toEqual([5, 0]);
    },
  );

  test('NEMO-MR-2-2-1-4-014 gets dropped when it is the router’s own', async () => {
    // A host that uses the router's address on its network as source.
    const own = '2001:db8:500::1';
    await journey.lab.exec('mr-a', ['ip', 'address', 'add', `${own}/128`, 'dev', 'lo', 'nodad']);
    const { lab } = journey;
    const arriving = await lab.capture('mr', 'lan0', `${LAB_DIRECTORY}/arriving.pcap`);
    const leaving = await lab.capture('cn', 'wan', `${LAB_DIRECTORY}/leaving.pcap`);
    await reaches('mr-a', ADDRESSES.correspondentIpv6, own);
    await arriving.stop();
    await leaving.stop();
    await lab.exec('mr-a', ['ip', 'address', 'del', `${own}/128`, 'dev', 'lo']);
    const filter = ['-Y', `ipv6.src == ${own} && icmpv6.type == 128`];
    const arrived = await lab.exec('mr', [
      'tshark',
      '-r',
      `${LAB_DIRECTORY}/arriving.pcap`,
      ...filter,
    ]);
    expect(arrived.split('\n').filter((line) => line !== '')).toHaveLength(5);
    expect(await lab.exec('cn', ['tshark', '-r', `${LAB_DIRECTORY}/leaving.pcap`, ...filter])).toBe(
      '',
    );
  });

  test.each([spoofed, spoofed4])(
    'gets dropped and counted at the home agent when the router forwards it: %s',
    async (source) => {
      const { mobileNode } = journey;
      expect(await mobileNode.stop()).toBe(0);
      const [home] = objectsOf(mobileRouterConfiguration('mr')['homes']);
      const mobileNetworkPrefixes = (['mr', 'mr2'] as const).flatMap((name) =>
        prefixesOf(MOBILE_ROUTERS[name]),
      );
      const homes = [{ ...home, mobileNetworkPrefixes, registrationModes: ['implicit'] }];
      mobileNode.configure(mobileRouterConfiguration('mr', { mobileNode: { homes } }));
      await mobileNode.start();
      await registered(mobileNode);
      const [grown, seen] = await send(journey.homeAgent, 'drop-permit', source);
      expect(seen).toBe(0);
      expect(grown).toBe(5);
    },
  );
});
