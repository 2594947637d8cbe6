/**
 * A home agent whose host gets its address and default route from router advertisements, as many
 * rented servers do.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DaemonProcess } from '#lab/daemons.ts';
import { STATE_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { Lab } from '#lab/topology.ts';

let lab: Lab;
let homeAgent: DaemonProcess;

const settings = async (): Promise<string> =>
  await lab.exec('a', [
    'sh',
    '-c',
    'grep -H . /proc/sys/net/ipv6/conf/*/forwarding /proc/sys/net/ipv6/conf/*/accept_ra',
  ]);
const defaultRoute = async (): Promise<string> =>
  await lab.exec('a', ['ip', '-6', 'route', 'show', 'default', 'proto', 'ra']);

beforeAll(async () => {
  lab = await Lab.create({ networks: ['ar6'], nodes: { a: ['eth0'] } });
  await lab.move('a', 'ar6');
  const { address } = await lab.waitForAddress('a', 6, { timeoutMs: 30_000 });
  // The lab's hosts accept advertisements even while they forward; an ordinary host does not.
  await lab.exec('a', ['sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/eth0/accept_ra']);
  homeAgent = new DaemonProcess(lab, 'ha', 'a', {
    addresses: [address],
    homePrefixes: ['2001:db8:77::/64'],
    mobileNodes: [
      {
        homeAddresses: ['2001:db8:77::10'],
        security: { spi: 1000, key: `hex:${'17'.repeat(32)}` },
      },
    ],
    daemon: { stateDirectory: STATE_DIRECTORY },
  });
}, 60_000);
afterAll(async () => {
  await lab?.close();
});

describe('a home agent behind a router that advertises', () => {
  it.each(['it stops', 'kill -9 and a new start'])(
    'keeps its own default route while it forwards, until %s',
    async (end) => {
      const before = await settings();
      expect(before).toContain('/eth0/accept_ra:1');
      expect(await defaultRoute()).toMatch(/^default via fe80/m);
      await homeAgent.start();
      if (end !== 'its end') {
        await homeAgent.kill();
        await homeAgent.start();
      }
      expect(await settings()).toContain('/eth0/forwarding:1');
      expect(await defaultRoute()).toMatch(/^default via fe80/m);
      await lab.exec('a', ['ping', '-c', '1', '-W', '5', ADDRESSES.correspondentIpv6]);
      expect(await homeAgent.stop()).toBe(0);
      expect(await settings()).toBe(before);
      expect(await defaultRoute()).toMatch(/^default via fe80/m);
    },
    60_000,
  );
});
