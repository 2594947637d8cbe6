import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { OtherVpn } from '#test/netns/helpers/other-vpn.ts';

/**
 * Policy rules of other software: overlays with tables of their own, VPNs that want everything, and
 * container networks. The rules are those that Tailscale, wg-quick and Docker make.
 */

const FAMILIES = ['-4', '-6'] as const;
const PROTOCOL = '202';
const WIREGUARD_MARK = '51820';

let journey: Journey;
let vpn: OtherVpn;
let undo: (readonly string[])[] = [];

const inNode = async (line: string): Promise<string> =>
  await journey.lab.exec('mn', line.split(' '));

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ds', 'dsb', 'nat-prc'],
    servers: ['server4'],
    daemons: { mobileNode: { trustedInterfaces: ['docker0'] } },
  });
  vpn = await OtherVpn.open(journey.lab, 'mn', 'vpn0', ['100.100.1.1/32', 'fd7a:115c::1/128']);
  await journey.start('ds');
});
afterAll(async () => await journey?.close());

beforeEach(() => {
  undo = [];
});
afterEach(async () => {
  await vpn.removeRoutes();
  for (const line of undo.toReversed()) await journey.lab.attempt('mn', line);
});

/** Moves; in a dual-stack network until the care-of address is the IPv6 one. */
async function moveTo(network: 'ds' | 'dsb' | 'nat-prc' | 'ar4'): Promise<void> {
  await journey.moveTo(network);
  if (!network.startsWith('ds')) return;
  await waitFor(async () => String((await journey.home())['careOfAddress']).includes(':'), {
    timeoutMs: 10_000,
    what: `an IPv6 care-of address in ${network}`,
  });
  await journey.settled(network);
}

/** Adds a rule for both families until the end of the test. */
async function rule(words: string): Promise<void> {
  for (const family of FAMILIES) {
    await inNode(`ip ${family} rule add ${words}`);
    undo.push(['ip', family, 'rule', 'del', ...words.split(' ')]);
  }
}

async function vpnRoutes(destinations: readonly string[], table: string): Promise<void> {
  await vpn.route(destinations, table);
  for (const family of FAMILIES) undo.push(['ip', family, 'route', 'flush', 'table', table]);
}

/** Device and source that the kernel chooses for a packet of an application. */
async function path(destination: string, options = ''): Promise<string> {
  const text = await inNode(`ip route get ${destination}${options === '' ? '' : ` ${options}`}`);
  return /dev (\S+)/.exec(text)?.[1] ?? text;
}

async function expectHome(): Promise<void> {
  await waitFor(
    async () =>
      (await journey.lab.attempt('cn', ['ping', '-c1', '-W1', HOME.address])).code === 0 ||
      undefined,
    { timeoutMs: 5_000, what: 'an answer of the home address' },
  );
  await inNode(`ping -c1 -W2 -I ${HOME.ipv4Address} ${ADDRESSES.correspondentIpv4}`);
}

/** Both families’ default of applications; the daemon’s own packets keep their path. */
async function expectDefaultBy(device: string): Promise<void> {
  expect(await path(ADDRESSES.correspondentIpv4)).toBe(device);
  expect(await path(ADDRESSES.correspondentIpv6)).toBe(device);
  expect(await path(ADDRESSES.homeAgentIpv6, 'mark 0x4191')).toBe('eth0');
}

describe('a mobile node beside rules of other software', () => {
  it('sends other traffic home by a rule right before the kernel’s main table', async () => {
    await moveTo('dsb');
    const rules = await inNode('ip -6 rule show');
    const priorities = [...rules.matchAll(/^(\d+):/gm)].map(([, number]) => Number(number));
    expect([...new Set(priorities)]).toEqual([
      ...[0, 1000, 1001, 1002, 1003, 32_765, 32_766],
      ...[33_000, 33_002, 33_003, 33_004],
    ]);
    await expectDefaultBy('sojourn-mn');
  });

  it('leaves an overlay its networks and addresses: the rules of Tailscale', async () => {
    await vpnRoutes(['100.64.0.0/10', 'fd7a:115c::/48'], '52');
    await rule('fwmark 0x80000/0xff0000 lookup main priority 5210');
    await rule('fwmark 0x80000/0xff0000 lookup default priority 5230');
    await rule('fwmark 0x80000/0xff0000 unreachable priority 5250');
    await rule('lookup 52 priority 5270');
    await moveTo('ds');
    expect(await path('100.101.102.103')).toBe('vpn0');
    expect(await path('100.101.102.103', 'from 100.100.1.1')).toBe('vpn0');
    expect(await path('fd7a:115c::77')).toBe('vpn0');
    expect(await path(ADDRESSES.correspondentIpv6, 'mark 0x80000')).toBe('eth0');
    await expectDefaultBy('sojourn-mn');
    await expectHome();
  });

  it('leaves an overlay everything that it wants: an exit node', async () => {
    await vpnRoutes(['0.0.0.0/0', '::/0'], '52');
    await rule('lookup 52 priority 5270');
    const before = await vpn.strayed();
    await moveTo('dsb');
    await expectDefaultBy('vpn0');
    await expectHome();
    expect(await vpn.strayed()).toBe(before);
  });

  it.each([
    ['before', true],
    ['after', false],
  ] as const)(
    'carries a VPN that wants everything and came %s the registration: the rules of wg-quick',
    async (_, early) => {
      if (!early) await moveTo('nat-prc');
      await vpnRoutes(['0.0.0.0/0', '::/0'], WIREGUARD_MARK);
      await rule(`not fwmark ${WIREGUARD_MARK} lookup ${WIREGUARD_MARK} priority 32765`);
      await rule('lookup main suppress_prefixlength 0 priority 32764');
      const before = await vpn.strayed();
      if (early) await moveTo('ds');
      await waitFor(async () => (await path(ADDRESSES.correspondentIpv4)) === 'vpn0', {
        timeoutMs: 2_000,
        what: 'the default of the VPN',
      });
      expect(await path(ADDRESSES.correspondentIpv4, `mark ${WIREGUARD_MARK}`)).toBe('sojourn-mn');
      await journey.mobileNode.request('reregister');
      await expectHome();
      expect(await vpn.strayed()).toBe(before);
    },
  );

  it('keeps its own packets out of a VPN whose rules come before all others', async () => {
    await moveTo('ds');
    await vpnRoutes(['0.0.0.0/0', '::/0'], WIREGUARD_MARK);
    const before = await vpn.strayed();
    // Without a priority the kernel puts a rule before every other one but its own.
    await rule(`not fwmark ${WIREGUARD_MARK} lookup ${WIREGUARD_MARK}`);
    await rule('lookup main suppress_prefixlength 0');
    const first = async (family: string): Promise<string> =>
      (await inNode(`ip ${family} rule show`)).split('\n')[1] ?? '';
    for (const family of FAMILIES)
      await waitFor(async () => (await first(family)).includes(`proto ${PROTOCOL}`), {
        timeoutMs: 2_000,
        what: 'the daemon’s rules in front',
      });
    await expectDefaultBy('vpn0');
    expect(await path(ADDRESSES.correspondentIpv6, `mark ${WIREGUARD_MARK}`)).toBe('sojourn-mn');
    await moveTo('dsb');
    await expectHome();
    expect(await vpn.strayed()).toBe(before);
  });

  it('answers a container at the care-of address, and carries its traffic home', async () => {
    await container();
    await moveTo('ds');
    const careOf = String((await journey.home())['careOfAddress']);
    const { address: ipv4 } = await journey.lab.waitForAddress('mn', 4);
    for (const address of [careOf, ipv4, HOME.ipv4Address, ADDRESSES.correspondentIpv4])
      await journey.lab.exec('server4', ['ping', '-c1', '-W2', ...fromContainer(address), address]);
  });
});

const fromContainer = (address: string): readonly string[] =>
  address.includes(':') ? ['-I', 'fd17::2'] : ['-I', '172.17.0.2'];

/** A bridge as Docker makes it, with a container that has its default by it. */
async function container(): Promise<void> {
  await inNode('ip link add docker0 type bridge');
  await inNode('ip link add c0 type veth peer name ce0 netns server4');
  await inNode('ip link set c0 master docker0 up');
  await inNode('ip address add 172.17.0.1/16 dev docker0');
  await inNode('ip address add fd17::1/64 dev docker0 nodad');
  await inNode('ip link set docker0 up');
  await inNode('sysctl -qw net.ipv4.ip_forward=1');
  await journey.lab.exec('mn', ['nft', '-f', '-'], {
    input: `table ip docker {
      chain post {
        type nat hook postrouting priority srcnat
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
      }
    }`,
  });
  const inContainer = async (line: string) => await journey.lab.exec('server4', line.split(' '));
  await inContainer('ip link set ce0 up');
  await inContainer('ip address add 172.17.0.2/16 dev ce0');
  await inContainer('ip address add fd17::2/64 dev ce0 nodad');
  await inContainer('ip route replace default via 172.17.0.1 dev ce0');
  await inContainer('ip -6 route replace default via fd17::1 dev ce0');
}
