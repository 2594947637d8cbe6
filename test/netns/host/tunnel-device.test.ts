import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DaemonProcess, HOME } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf } from '#test/netns/helpers/journey.ts';

/**
 * Another program changes or removes what a daemon set on its host:
 *
 *   mn ~~~ ar6 ~~~ core ~~~ home (ha, virtual home network)
 *                   |
 *                   cn
 */

const HOME_ADDRESSES = [HOME.virtualAddress, HOME.virtualIpv4Address] as const;
/** One change is repaired at once; the next one within a second waits, longer each time. */
const REPAIRED_WITHIN_MS = 12_000;

let journey: Journey;

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ar6'], daemons: { homeLink: false } });
  await journey.homeAgent.start();
  await journey.lab.move('mn', 'ar6');
  await journey.lab.waitForAddress('mn', 6);
  await journey.startMobileNode();
  await journey.settled('ar6');
  await everythingWorks();
});
afterAll(async () => await journey?.close());

async function answers(address: string): Promise<boolean> {
  const argv = ['ping', '-n', '-c', '1', '-W', '1', address];
  return (await journey.lab.attempt('cn', argv)).code === 0;
}

/** Waits until the correspondent reaches the node at both home addresses. */
async function everythingWorks(): Promise<void> {
  for (const address of HOME_ADDRESSES)
    await waitFor(() => answers(address), {
      timeoutMs: REPAIRED_WITHIN_MS,
      what: `an answer from ${address}`,
      intervalMs: 50,
    });
}

const daemonOf = (role: 'ha' | 'mn'): DaemonProcess =>
  role === 'ha' ? journey.homeAgent : journey.mobileNode;

/** Runs a script beside the daemon of that role; `$tun` is its device. */
async function beside(role: 'ha' | 'mn', script: string): Promise<string> {
  const { namespace } = daemonOf(role);
  return await journey.lab.exec(namespace, ['sh', '-ec', `tun=sojourn-${role}; ${script}`]);
}

/** Stops the process meanwhile, so that it cannot repair anything. */
async function whileStopped(daemon: DaemonProcess, body: () => Promise<void>): Promise<void> {
  process.kill(daemon.pid, 'SIGSTOP');
  try {
    await body();
  } finally {
    process.kill(daemon.pid, 'SIGCONT');
  }
}

const HARMS: Readonly<Record<string, string>> = {
  'is set down': 'ip link set $tun down',
  'is deleted': 'ip link delete $tun',
  'gets a smaller MTU': 'ip link set $tun mtu 1300',
  'gets an MTU without IPv6': 'ip link set $tun mtu 1000',
  'is renamed': 'ip link set $tun down; ip link set $tun name other; ip link set other up',
  'moves to another network namespace': 'ip link set $tun netns core',
  'loses IPv6': 'sysctl -qw net.ipv6.conf.$tun.disable_ipv6=1',
  'loses its addresses and routes':
    'ip -6 address flush dev $tun; ip -4 address flush dev $tun; ' +
    'ip -6 route flush dev $tun; ip -4 route flush dev $tun',
};

describe.each(['ha', 'mn'] as const)('the tunnel device of %s', (role) => {
  test.each(Object.entries(HARMS))('works again after it %s', async (_, script) => {
    await beside(role, script);
    await everythingWorks();
    await waitFor(
      async () => /[<,]UP,.* mtu 1460 /.test(await beside(role, 'ip link show $tun || true')),
      { timeoutMs: REPAIRED_WITHIN_MS, what: 'the device as it was', intervalMs: 50 },
    );
    expect(objectOf(objectOf(await daemonOf(role).request('status'))['host'])['pending']).toEqual(
      [],
    );
  });
});

test('the home agent answers with Destination Unreachable while its device is down', async () => {
  await whileStopped(journey.homeAgent, async () => {
    await beside('ha', 'ip link set $tun down');
    for (const address of HOME_ADDRESSES) {
      const argv = ['ping', '-n', '-c', '1', '-W', '2', address];
      const { stdout } = await journey.lab.attempt('cn', argv);
      expect(stdout).toMatch(/unreachable/i);
      expect(stdout).not.toMatch(/time to live|hop limit|time exceeded/i);
    }
  });
  await everythingWorks();
});

test('packets from a home address stay on the host while the device is down', async () => {
  await whileStopped(journey.mobileNode, async () => {
    await beside('mn', 'ip link set $tun down; ip address add 203.0.113.10/32 dev lo');
    await beside('mn', `ip address add ${HOME.virtualAddress}/128 dev lo nodad`);
    for (const [address, to] of [
      [HOME.virtualAddress, '2001:db8:f::1'],
      [HOME.virtualIpv4Address, '198.51.100.1'],
    ] as const) {
      const route = await journey.lab.attempt('mn', ['ip', 'route', 'get', to, 'from', address]);
      expect(`${route.stdout}${route.stderr}`).toMatch(/No route to host/);
    }
    await beside('mn', 'ip address del 203.0.113.10/32 dev lo');
    await beside('mn', `ip address del ${HOME.virtualAddress}/128 dev lo`);
  });
  await everythingWorks();
});

test('rules that another program flushes are added again', async () => {
  await beside('mn', 'ip -6 rule flush; ip -6 rule add priority 32766 table main');
  await beside('mn', 'ip -4 rule flush; ip -4 rule add priority 32766 table main');
  await everythingWorks();
});

test('the packet filter survives a flush of the whole ruleset', async () => {
  for (const role of ['ha', 'mn'] as const) {
    await beside(role, 'nft flush ruleset');
    expect(await beside(role, 'nft list tables')).toContain(`table ip6 sojourn-${role}`);
  }
  await everythingWorks();
});

describe('a name that is taken before the start', () => {
  test.each([
    ['a TUN device', 'ip tuntap add dev $tun mode tun'],
    ['a bridge', 'ip link add $tun type bridge'],
    ['another device by its second name', 'ip link property add dev lo altname $tun'],
  ])('ends the start with a remedy if it is that of %s', async (_, script) => {
    expect(await journey.mobileNode.stop()).toBe(0);
    await beside('mn', script);
    await expect(journey.mobileNode.start()).rejects.toThrow(
      /mn ended \(69\).*device sojourn-mn.*ip link show sojourn-mn.*daemon\.device/s,
    );
    await beside(
      'mn',
      'ip link delete $tun 2>/dev/null || ip link property del dev lo altname $tun',
    );
    await journey.startMobileNode();
    await journey.settled('ar6');
    await everythingWorks();
  });
});

test('the home agent creates its device again when a taken name is free', async () => {
  const { homeAgent } = journey;
  await whileStopped(homeAgent, async () => {
    await beside('ha', 'ip link delete $tun; ip link add $tun type bridge');
  });
  await waitFor(
    async () => JSON.stringify(await homeAgent.request('status')).includes('"tunnel-device"'),
    { timeoutMs: 5_000, what: 'the missing device in the status' },
  );
  const main = new URL('../../../src/cli/cli.ts', import.meta.url).pathname;
  const argv = [process.execPath, main, '--socket', homeAgent.socket, 'status'];
  const shown = await journey.lab.attempt('home', argv, { directory: LAB_DIRECTORY });
  expect(shown.code).toBe(1);
  expect(shown.stdout).toMatch(/refused\s+tunnel-device: .*daemon\.device/);
  await beside('ha', 'ip link delete $tun');
  await waitFor(() => answers(HOME.virtualAddress), { timeoutMs: 15_000, what: 'a repair' });
  await everythingWorks();
});
