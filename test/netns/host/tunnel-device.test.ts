import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import {
  type Flow,
  TUNNEL_OWNERS,
  TunnelHosts,
  type TunnelOwner,
} from '#test/netns/helpers/tunnel-hosts.ts';

/** Another program changes or removes what a daemon set on its host. */

const CN = [ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4] as const;

let hosts: TunnelHosts;
beforeAll(async () => {
  hosts = await TunnelHosts.create();
});
afterAll(async () => await hosts?.close());

const HARMS: Readonly<Record<string, string>> = {
  'are set down': 'ip link set $tun down',
  'are deleted': 'ip link delete $tun',
  'get a smaller MTU': 'ip link set $tun mtu 1300',
  'get an MTU without IPv6': 'ip link set $tun mtu 1000',
  // Linux before 6.2 renames only a device that is down, and its daemon sets it up again at once.
  'are renamed':
    'for _ in $(seq 50); do ' +
    'printf "link set $tun down\\nlink set $tun name other\\n" | ip -batch - && break; done; ' +
    'ip link set other up',
  'move to another network namespace': 'ip link set $tun netns core',
  'lose IPv6': 'sysctl -qw net.ipv6.conf.$tun.disable_ipv6=1',
  'lose their addresses and routes':
    'ip -6 address flush dev $tun; ip -4 address flush dev $tun; ' +
    'ip -6 route flush dev $tun; ip -4 route flush dev $tun',
};

/** One end of each tunnel at a time. */
const ENDS: readonly (readonly [string, readonly TunnelOwner[]])[] = [
  ['home agent, relay and an NTMobile node', ['ha', 'rsn', 'b']],
  ['mobile router and mobile node with NTMobile', ['mr', 'a']],
];

describe.each(ENDS)('the tunnel devices of %s', (_, owners) => {
  test.each(Object.entries(HARMS))('work again after they %s', async (_harm, script) => {
    await hosts.besideEach(owners, script);
    await hosts.works();
    await hosts.areWhole(owners);
  });
});

/** The kernel's answer to a lookup, with the reason if there is no route. */
async function lookup(owner: TunnelOwner, question: string): Promise<string> {
  return await hosts.beside(owner, `ip route get ${question} 2>&1 || true`);
}

const NO_ROUTE = /No route to host|Network is unreachable/;

/** Destination Unreachable comes back, and no packet went round until its hop limit was used up. */
async function expectUnreachable({ from, to }: Flow): Promise<void> {
  const { stdout } = await hosts.lab.attempt(from, ['ping', '-n', '-c', '1', '-W', '2', to]);
  expect(stdout, to).toMatch(/unreachable/i);
  expect(stdout, to).not.toMatch(/time to live|hop limit|time exceeded/i);
}

describe('while their tunnel devices are down', () => {
  test('a home agent and a mobile router answer with Destination Unreachable', async () => {
    await hosts.whileStopped(['ha', 'mr'], async () => {
      await hosts.besideEach(['ha', 'mr'], 'ip link set $tun down');
      for (const flow of hosts.flowsOf('ha')) await expectUnreachable(flow);
      for (const to of CN) await expectUnreachable({ from: 'mr-a', to });
    });
    await hosts.works();
  });

  test('packets from home and virtual addresses stay on their host', async () => {
    const virtual = hosts.flowsOf('b').map(({ to }) => to);
    await hosts.whileStopped(['a', 'b'], async () => {
      await hosts.besideEach(['a', 'b'], 'ip link set $tun down');
      for (const [owner, addresses] of [
        ['a', [HOME.virtualAddress, HOME.virtualIpv4Address]],
        ['b', virtual],
      ] as const)
        for (const [index, address] of addresses.entries()) {
          await hosts.beside(owner, `ip address add ${address} dev lo`);
          expect(await lookup(owner, `${CN[index]} from ${address}`)).toMatch(NO_ROUTE);
          await hosts.beside(owner, `ip address del ${address} dev lo`);
        }
      for (const to of virtual) expect(await lookup('a', to)).toMatch(NO_ROUTE);
    });
    await hosts.works();
  });

  test('a relay does not send packets for virtual addresses to its router', async () => {
    await hosts.whileStopped(['rsn'], async () => {
      await hosts.beside('rsn', 'ip link set $tun down');
      for (const [index, { to }] of [...hosts.flowsOf('b'), ...hosts.flowsOf('rsn')].entries())
        expect(await lookup('rsn', `${to} from ${CN[index % 2]} iif wan`)).toMatch(NO_ROUTE);
    });
    await hosts.works();
  });
});

test('rules that another program flushes are added again', async () => {
  const flush = (family: 4 | 6): string =>
    `ip -${family} rule flush; ip -${family} rule add priority 32766 table main`;
  await hosts.besideEach(TUNNEL_OWNERS, `${flush(6)}; ${flush(4)}`);
  await hosts.works();
});

test('the packet filters survive a flush of the whole ruleset', async () => {
  for (const [owner, table] of [
    ['ha', 'ip6 sojourn-ha'],
    ['a', 'ip6 sojourn-a'],
    ['mr', 'ip6 sojourn-mr'],
    ['rsn', 'inet sojourn-rsn'],
  ] as const) {
    await hosts.beside(owner, 'nft flush ruleset');
    expect(await hosts.beside(owner, 'nft list tables')).toContain(`table ${table}`);
  }
  await hosts.works();
});

describe('a name that is taken before the start', () => {
  test.each([
    ['a', 'a TUN device', 'ip tuntap add dev $tun mode tun'],
    ['mr', 'a bridge', 'ip link add $tun type bridge'],
    ['rsn', 'another device by its second name', 'ip link property add dev lo altname $tun'],
  ] as const)(
    'ends the start of %s with a remedy if it is that of %s',
    async (owner, _, script) => {
      const daemon = hosts.daemon(owner);
      expect(await daemon.stop()).toBe(0);
      await hosts.beside(owner, script);
      const device = `sojourn-${owner}`;
      await expect(daemon.start()).rejects.toThrow(
        new RegExp(
          `${owner} ended \\(69\\).*device ${device}.*ip link show ${device}.*daemon\\.device`,
          's',
        ),
      );
      await hosts.beside(
        owner,
        'ip link delete $tun 2>/dev/null || ip link property del dev lo altname $tun',
      );
      await hosts.restarted(owner);
    },
  );
});

test('the devices are created again when their taken names are free', async () => {
  await hosts.whileStopped(TUNNEL_OWNERS, async () => {
    await hosts.besideEach(TUNNEL_OWNERS, 'ip link delete $tun; ip link add $tun type bridge');
  });
  for (const owner of TUNNEL_OWNERS) {
    const daemon = hosts.daemon(owner);
    await waitFor(
      async () => JSON.stringify(await daemon.request('status')).includes('"tunnel-device"'),
      { timeoutMs: 5_000, what: `the missing device in the status of ${owner}` },
    );
    const main = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
    const argv = [process.execPath, main, '--socket', daemon.socket, 'status'];
    const shown = await hosts.lab.attempt('home', argv, { directory: LAB_DIRECTORY });
    expect(shown.code, owner).toBe(1);
    expect(shown.stdout, owner).toMatch(/refused\s+tunnel-device: .*daemon\.device/);
  }
  await hosts.besideEach(TUNNEL_OWNERS, 'ip link delete $tun');
  await hosts.works(15_000);
  await hosts.areWhole(TUNNEL_OWNERS);
});
