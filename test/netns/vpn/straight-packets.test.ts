import { afterEach, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { MOBILE_ROUTERS } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { run, waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';

/**
 * Hosts that write to a home address, or to a mobile network, without the tunnel: the router of the
 * access network, and the node's own containers.
 *
 *   mn or mr ---- ds (router) ---- core ---- home (ha), cn
 *    └─ pod, vm: containers
 */

const VIRTUAL = { homeLink: false } as const;
const OWN_GROUPS = new URL('own-groups.py', import.meta.url).pathname;
const HOMES = [HOME.virtualAddress, HOME.virtualIpv4Address] as const;

let journey: Journey;

afterEach(async () => await journey?.close());

const ping = async (from: string, ...argv: readonly string[]): Promise<number> =>
  (await journey.lab.attempt(from, ['ping', '-n', '-c', '1', '-W', '1', ...argv])).code;

async function answers(from: string, ...argv: readonly string[]): Promise<void> {
  await waitFor(async () => (await ping(from, ...argv)) === 0, {
    timeoutMs: 10_000,
    what: `${argv.at(-1)} to answer ${from}`,
  });
}

/** Echo requests that the kernel of a host accepted, in both families. */
async function accepted(host: string): Promise<number> {
  const text = await journey.lab.exec(host, ['nstat', '-asz', 'Icmp6InEchos', 'IcmpInEchos']);
  return [...text.matchAll(/InEchos +(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Packets that the table dropped. */
async function dropped(node: string): Promise<number> {
  const list = ['nft', 'list', 'chain', 'inet', `sojourn-${node}-inner`, 'foreign'];
  const [, count] = /counter packets (\d+)/.exec(await journey.lab.exec(node, list)) ?? [];
  return Number(count);
}

/** The access router writes to the addresses by the care-of addresses of `node`. */
async function leadStraight(node: string, addresses: readonly string[]): Promise<void> {
  const { address: ipv6 } = await journey.lab.waitForAddress(node, 6);
  const { address: ipv4 } = await journey.lab.waitForAddress(node, 4);
  for (const address of addresses) {
    const via = address.includes(':') ? ipv6 : ipv4;
    const route = ['ip', 'route', 'replace', address, 'via', via, 'dev', 'lan'];
    await journey.lab.exec('ds', route);
  }
}

/**
 * None of the hosts accepts an echo request to these addresses from the access router, with its own
 * source or with forged ones.
 */
async function refusesAll(
  node: string,
  addresses: readonly string[],
  hosts: readonly string[] = [node],
  forged: readonly string[] = [],
): Promise<void> {
  const counts = async () => await Promise.all(hosts.map(accepted));
  const before = [await counts(), await dropped(node)] as const;
  let tries = 0;
  for (const address of addresses) {
    const same = forged.filter((source) => source.includes(':') === address.includes(':'));
    for (const source of [[], ...same.map((one) => ['-I', one])]) {
      tries += 1;
      expect([address, source, await ping('ds', ...source, address)]).not.toContain(0);
    }
  }
  expect(await counts()).toEqual(before[0]);
  expect(await dropped(node)).toBeGreaterThanOrEqual(before[1] + tries);
}

/** A namespace behind an interface of the node. */
async function container(name: string, network: number): Promise<void> {
  const inside = ['ip', '-n', name];
  await run(['ip', 'netns', 'add', name]);
  await run([
    'ip',
    'link',
    'add',
    `${name}0`,
    'netns',
    'mn',
    'type',
    'veth',
    'peer',
    'name',
    'eth0',
    'netns',
    name,
  ]);
  await run(['ip', '-n', 'mn', 'address', 'add', `172.31.${network}.1/24`, 'dev', `${name}0`]);
  await run(['ip', '-n', 'mn', 'link', 'set', `${name}0`, 'up']);
  await run([...inside, 'address', 'add', `172.31.${network}.2/24`, 'dev', 'eth0']);
  await run([...inside, 'link', 'set', 'eth0', 'up']);
  await run([...inside, 'route', 'add', 'default', 'via', `172.31.${network}.1`]);
}

/** At home, processes of the node hear what another one sends to their group, or to the link. */
async function hearsItself(): Promise<void> {
  const { address, ipv4Address } = HOME;
  const argv = ['python3', OWN_GROUPS, 'eth0', address, ipv4Address, '192.0.2.255'];
  expect(JSON.parse(await journey.lab.exec('mn', argv))).toEqual({
    ...{ ipv6: address, ipv4: ipv4Address, broadcast: ipv4Address },
  });
}

test('takes packets for a home address from the tunnel and trusted interfaces alone', async () => {
  journey = await Journey.create({
    networks: ['ds'],
    daemons: { ...VIRTUAL, sealed: true, mobileNode: { trustedInterfaces: ['vm*'] } },
  });
  const { lab, mobileNode } = journey;
  await journey.start('ds');
  await leadStraight('mn', HOMES);
  const [ipv6, ipv4] = [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4];
  await lab.exec('ds', ['ip', 'address', 'add', `${ipv6}/128`, 'dev', 'lan', 'nodad']);
  await lab.exec('ds', ['ip', 'address', 'add', `${ipv4}/32`, 'dev', 'lan']);
  await refusesAll('mn', HOMES, ['mn'], [ipv6, ipv4]);

  // From the home address to the care-of address.
  const { address: careOf } = await lab.waitForAddress('mn', 6);
  await lab.exec('ds', ['ip', 'address', 'add', `${HOMES[0]}/128`, 'dev', 'lo', 'nodad']);
  const before = [await accepted('mn'), await dropped('mn')] as const;
  expect(await ping('ds', '-I', HOMES[0], careOf)).not.toBe(0);
  expect([await accepted('mn'), await dropped('mn')]).toEqual([before[0], before[1] + 1]);
  await lab.exec('ds', ['ip', 'address', 'delete', `${HOMES[0]}/128`, 'dev', 'lo']);

  await container('pod', 1);
  await container('vm', 2);
  expect(await ping('pod', HOMES[1])).not.toBe(0);
  await answers('vm', HOMES[1]);
  await answers('mn', '-I', HOMES[1], '172.31.1.2');

  await lab.exec('mn', ['nft', 'flush', 'ruleset']);
  await refusesAll('mn', HOMES);
  await lab.exec('ds', ['ip', 'address', 'delete', `${ipv6}/128`, 'dev', 'lan']);
  await lab.exec('ds', ['ip', 'address', 'delete', `${ipv4}/32`, 'dev', 'lan']);
  for (const home of HOMES) await answers('cn', home);
  expect(await mobileNode.stop()).toBe(0);
  expect(await lab.exec('mn', ['nft', 'list', 'tables'])).not.toContain('sojourn');
}, 60_000);

test('takes packets for a mobile network from the tunnel and its own hosts alone', async () => {
  journey = await Journey.create({ networks: ['ds'], router: 'mr', daemons: VIRTUAL });
  const { lab, homeAgent } = journey;
  await homeAgent.start();
  await lab.move('mr', 'ds');
  await lab.waitForAddress('mr', 4);
  await journey.startMobileNode();
  await journey.settled('ds');
  const [host6, host4] = await Promise.all([
    lab.waitForAddress('mr-a', 6),
    lab.waitForAddress('mr-a', 4),
  ]);
  const router = MOBILE_ROUTERS.mr;
  const { virtualHomeAddress, virtualIpv4HomeAddress } = router;
  const lan = await lab.exec('mr', [
    'ip',
    '-o',
    'address',
    'show',
    'dev',
    'lan0',
    'scope',
    'global',
  ]);
  const routers = [...lan.matchAll(/inet6? ([^/]+)\//g)].map(([, address = '']) => address);
  expect(routers).toHaveLength(2);
  const inner = [virtualHomeAddress, virtualIpv4HomeAddress, ...routers];
  const targets = [...inner, host6.address, host4.address];
  for (const target of targets) await answers('cn', target);
  await leadStraight('mr', targets);
  await refusesAll('mr', targets, ['mr', 'mr-a']);
  for (const address of inner) await answers('mr-a', address);
}, 60_000);

test('follows the node to its home link and away from it', async () => {
  journey = await Journey.create({ networks: ['ds'] });
  const { lab } = journey;
  await journey.start('home');
  const homes = [HOME.address, HOME.ipv4Address];
  for (const home of homes) await answers('cn', home);
  await journey.moveTo('ds');
  await leadStraight('mn', homes);
  await refusesAll('mn', homes);
  await journey.moveTo('home');
  for (const home of homes) await answers('cn', home);
  expect(await lab.exec('mn', ['nft', 'list', 'tables'])).toContain('inet sojourn-mn-inner');
  await hearsItself();
}, 60_000);

test('finds that another host of the home link has the home address', async () => {
  journey = await Journey.create({
    networks: ['ds'],
    nodes: { mn: ['eth0'], peer: ['eth0'] },
    hosts: 'kernel',
  });
  const { lab, homeAgent } = journey;
  await lab.exec('peer', ['ip', 'address', 'add', `${HOME.address}/64`, 'dev', 'eth0', 'nodad']);
  await lab.move('peer', 'home');
  await homeAgent.start();
  await lab.move('mn', 'home');
  await lab.waitForAddress('mn', 6);
  await journey.startMobileNode();
  const show = ['ip', '-6', '-oneline', 'address', 'show', 'dev', 'eth0', 'dadfailed'];
  await waitFor(async () => (await lab.exec('mn', show)).includes(` ${HOME.address}/`), {
    timeoutMs: 15_000,
    what: 'the kernel to find the duplicate',
  });
}, 60_000);
