import { afterAll, afterEach, beforeAll, describe, it } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * Uplinks whose default route is not a plain one of the main table: in a table of its own, for some
 * sources, by nexthop objects, or by several routers.
 */

let journey: Journey;

const inNode = async (line: string): Promise<string> =>
  await journey.lab.exec('mn', line.split(' '));
const attempt = async (line: string): Promise<number> =>
  (await journey.lab.attempt('mn', line.split(' '))).code;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ds', 'nat-prc', 'ar6b'],
    nodes: { mn: ['eth0', 'eth1'] },
  });
  await journey.start('ds');
});
afterAll(async () => await journey?.close());
afterEach(async () => {
  await journey.lab.unplug('mn', 'eth1');
  await attempt('sysctl -qw net.ipv6.conf.eth0.accept_ra_defrtr=1');
  await attempt('sysctl -qw net.ipv6.conf.eth0.accept_ra=2');
  await attempt('sysctl -qw net.ipv6.conf.eth1.accept_ra_defrtr=1');
  for (const family of ['-4', '-6']) {
    await attempt(`ip ${family} rule del priority 500`);
    await attempt(`ip ${family} route flush table 77`);
  }
  await journey.moveTo('ds');
});

async function careOfAddress(): Promise<string> {
  return String((await journey.home())['careOfAddress']);
}

async function reachesHome(): Promise<boolean> {
  return (await journey.lab.attempt('cn', ['ping', '-c1', '-W1', HOME.address])).code === 0;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  await waitFor(async () => (await holds()) || undefined, { timeoutMs: 8_000, what });
}

/** The gateway of the present default route of a device. */
async function gatewayOf(family: 4 | 6, device: string): Promise<string> {
  return await waitFor(
    async () => {
      const text = await inNode(`ip -${family} route show default dev ${device}`);
      return /via (\S+)/.exec(text)?.[1];
    },
    { timeoutMs: 5_000, what: `a router on ${device}` },
  );
}

/** Removes the IPv4 default of eth0; returns the IPv6 router. */
async function onlyIpv6(): Promise<string> {
  await gatewayOf(4, 'eth0');
  await inNode('ip -4 route flush default dev eth0');
  return await gatewayOf(6, 'eth0');
}

describe('a mobile node with an uplink by policy routing', () => {
  it.each([
    ['nat-prc', 4],
    ['ar6b', 6],
  ] as const)(
    'uses %s, whose default route is in a table that a rule finds by source',
    async (network, family) => {
      await journey.lab.move('mn', network, { interface: 'eth1', breakBeforeMake: false });
      const { address } = await journey.lab.waitForAddress('mn', family, { interface: 'eth1' });
      const gateway = await gatewayOf(family, 'eth1');
      await attempt('sysctl -qw net.ipv6.conf.eth1.accept_ra_defrtr=0');
      await inNode(`ip -${family} route add default via ${gateway} dev eth1 table 77`);
      await inNode(`ip -${family} rule add from ${address} lookup 77 priority 500`);
      await inNode(`ip -${family} route flush default dev eth1`);
      await journey.lab.unplug('mn', 'eth0');
      await until('a registration by eth1', async () => (await careOfAddress()) === address);
      await until('an answer of the home address', reachesHome);
    },
  );
});

describe('a mobile node with default routes for some sources', () => {
  it('keeps its care-of address when the route of another source is deleted', async () => {
    const gateway = await onlyIpv6();
    await inNode('sysctl -qw net.ipv6.conf.eth0.accept_ra=0');
    const route = (source: string) => `default from ${source} via ${gateway} dev eth0 metric 99`;
    await inNode(`ip -6 route add ${route('2001:db8:d::/64')}`);
    await inNode(`ip -6 route add ${route('2001:db8:77::/64')}`);
    await inNode('ip -6 route flush default dev eth0 metric 1024');
    await inNode(`ip -6 route del ${route('2001:db8:77::/64')}`);
    await journey.mobileNode.request('reregister');
    // Nothing else, such as a router advertisement, makes the daemon look again.
    await until('a registration', async () => (await careOfAddress()).startsWith('2001:db8:d:'));
    await until('an answer of the home address', reachesHome);
    await inNode(`ip -6 route del ${route('2001:db8:d::/64')}`);
    await until('no care-of address', async () => (await careOfAddress()) === 'null');
  });
});

describe('a mobile node with nexthop objects', () => {
  it.each([0, 1])('follows them while nexthop_compat_mode is %i', async (mode) => {
    const gateway = await onlyIpv6();
    await inNode(`sysctl -qw net.ipv4.nexthop_compat_mode=${mode}`);
    await inNode('sysctl -qw net.ipv6.conf.eth0.accept_ra_defrtr=0');
    await inNode('ip -6 route flush default dev eth0');
    await until('no care-of address', async () => (await careOfAddress()) === 'null');
    await inNode(`ip nexthop add id 7 via ${gateway} dev eth0`);
    await inNode('ip nexthop add id 8 group 7');
    await inNode('ip -6 route add default nhid 8');
    await until('a registration', async () => (await careOfAddress()).startsWith('2001:db8:d:'));
    await until('an answer of the home address', reachesHome);
    await inNode('ip nexthop del id 8');
    await until('no care-of address', async () => (await careOfAddress()) === 'null');
    await inNode('ip nexthop del id 7');
  });
});
