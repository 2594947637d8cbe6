import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dynamicAddresses } from '#lab/hosts/dynamic-addresses.ts';
import {
  MOBILE_ROUTER_NAMES,
  MOBILE_ROUTERS,
  prefixesOf,
  routerAddressesOf,
} from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { checkMobileNetwork } from '#lab/self-test.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';
import { commandLines } from '#test/netns/helpers/processes.ts';

/**
 * The lab's services for networks behind mobile routers, without a daemon: the tests do the work of
 * a mobile router's daemon by hand.
 */

describe('networks behind mobile routers in the lab', () => {
  const { mr } = MOBILE_ROUTERS;
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.create({
      networks: ['ar6'],
      mobileRouters: MOBILE_ROUTER_NAMES,
      servers: ['ha2'],
    });
  });
  afterAll(async () => await lab.close());

  async function setAddresses(command: 'add' | 'delete'): Promise<void> {
    for (const address of routerAddressesOf(mr)) {
      await lab.exec('mr', ['ip', 'address', command, address, 'dev', 'lan0']);
    }
  }

  test('assign no address while the router has none, and keep their services running', async () => {
    for (const host of [...mr.hosts, ...MOBILE_ROUTERS.mr2.hosts])
      expect(await dynamicAddresses(host)).toEqual([]);
    const running = [...commandLines().values()];
    for (const service of ['mr.radvd', 'mr.dnsmasq', 'mr2.radvd', 'mr2.dnsmasq']) {
      expect(running).toContainEqual(expect.stringContaining(`/${service}.conf`));
    }
  });

  test.each(MOBILE_ROUTER_NAMES)(
    '%s: assigns addresses to hosts once the router has its own, and connects the hosts',
    async (name) => {
      const report = await checkMobileNetwork(lab, name);
      expect(report.wrong).toEqual([]);
      const [six] = prefixesOf(MOBILE_ROUTERS[name]);
      const { first, last } = MOBILE_ROUTERS[name].ipv4;
      const expected = MOBILE_ROUTERS[name].hosts.flatMap(() => [
        expect.stringContaining(six.replace('::/64', '::')),
        expect.toSatisfy((address: string) => between(address, first, last)),
      ]);
      expect(report.addresses).toEqual(expected);
      expect(new Set(report.addresses).size).toBe(expected.length);
    },
  );

  test('accept a node’s cable', async () => {
    await setAddresses('add');
    await lab.move('mn', 'mr-lan');
    const [ipv6, ipv4] = [await lab.waitForAddress('mn', 6), await lab.waitForAddress('mn', 4)];
    expect(ipv6.address).toMatch(/^2001:db8:500::/);
    expect(ipv4.address).toMatch(/^198\.51\.100\.1[34]\d$/);
    await lab.exec('mn', ['ping', '-n', '-c', '1', '-W', '2', mr.ipv4.router]);
    await lab.unplug('mn');
    await setAddresses('delete');
  });

  test('reach the correspondent through the home network by static routes', async () => {
    await setAddresses('add');
    await lab.move('mr', 'home');
    const commands: readonly (readonly [string, string])[] = [
      [
        'mr',
        'echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
      ],
      [
        'mr',
        `ip address add ${mr.homeAddress}/64 dev eth0 nodad; ip address add ` +
          `${mr.ipv4HomeAddress}/24 dev eth0`,
      ],
      ['mr', `ip route replace default via ${ADDRESSES.homeAgentIpv6}`],
      ['mr', `ip route replace default via ${ADDRESSES.homeAgentIpv4}`],
      ['home', `ip route add ${prefixesOf(mr)[0]} via ${mr.homeAddress}`],
      ['home', `ip route add ${prefixesOf(mr)[1]} via ${mr.ipv4HomeAddress}`],
    ];
    for (const [namespace, command] of commands) await lab.exec(namespace, ['sh', '-ec', command]);
    for (const family of [6, 4] as const) {
      const { address } = await lab.waitForAddress('mr-a', family, { timeoutMs: 15_000 });
      const reaches = async (): Promise<boolean> =>
        (await lab.attempt('cn', ['ping', '-n', '-c', '1', '-W', '1', address])).code === 0;
      await waitFor(reaches, { timeoutMs: 15_000, what: `an answer of mr-a at ${address}` });
    }
    await setAddresses('delete');
  });

  test('route the other home agent’s networks to its host', async () => {
    await lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', ADDRESSES.otherHomeAgentIpv6]);
    await lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', ADDRESSES.otherHomeAgentIpv4]);
    const known = await lab.exec('cn', ['getent', 'ahosts', 'ha2.example']);
    expect(known).toContain(ADDRESSES.otherHomeAgentIpv6);
    expect(known).toContain(ADDRESSES.otherHomeAgentIpv4);
    for (const address of [
      '2001:db8:300::10',
      '2001:db8:502::7',
      '198.51.100.170',
      '198.51.100.177',
    ]) {
      expect(await lab.exec('core', ['ip', 'route', 'get', address])).toContain('dev to-ha2');
    }
  });
});

test('the core has no static route to networks that a routing daemon announces', async () => {
  await using lab = await Lab.create({
    networks: [],
    nodes: {},
    mobileRouters: ['mr'],
    mobileNetworksAnnounced: true,
  });
  for (const prefix of prefixesOf(MOBILE_ROUTERS.mr)) {
    const { stderr } = await lab.attempt('core', [
      'ip',
      'route',
      'get',
      prefix.replace(/\/.*/, ''),
    ]);
    expect(stderr).toContain('unreachable');
  }
});

/** Whether an IPv4 address is between two others of the same /24. */
function between(address: string, first: string, last: string): boolean {
  const [one, low, high] = [address, first, last].map((each) => {
    const at = each.lastIndexOf('.');
    return { network: each.slice(0, at), host: Number(each.slice(at + 1)) };
  });
  if (one === undefined || low === undefined || high === undefined) return false;
  return one.network === low.network && one.host >= low.host && one.host <= high.host;
}
