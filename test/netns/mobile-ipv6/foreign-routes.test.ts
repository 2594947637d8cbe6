import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { OtherVpn } from '#test/netns/helpers/other-vpn.ts';

/**
 * Routes in the main table that would take the packets of the care-of address: another VPN's, for
 * everything or for the home agent.
 */

const BOTH_HALVES = ['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'];
const TO_HOME_AGENT = ['192.0.2.0/24', '192.0.2.1/32', '2001:db8:100::/64', '2001:db8:100::1/128'];

let journey: Journey;
let vpn: OtherVpn;
let careOf = '';

const inNode = async (line: string): Promise<string> =>
  await journey.lab.exec('mn', line.split(' '));

beforeAll(async () => {
  journey = await Journey.create({ networks: ['ds', 'dsb', 'nat-prc', 'ar4'] });
  vpn = await OtherVpn.open(journey.lab, 'mn', 'vpn0', ['10.99.0.2/24', 'fd99::2/64']);
  await journey.start('ds');
});
afterAll(async () => await journey?.close());

beforeEach(async () => await vpn.removeRoutes());

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

async function moves(network: 'ds' | 'dsb' | 'nat-prc' | 'ar4'): Promise<void> {
  await moveTo(network);
  careOf = String((await journey.home())['careOfAddress']);
}

/** The correspondent reaches both home addresses, and the node it from them. */
async function expectTraffic(): Promise<void> {
  for (const [address, peer] of [
    [HOME.address, ADDRESSES.correspondentIpv6],
    [HOME.ipv4Address, ADDRESSES.correspondentIpv4],
  ] as const) {
    await waitFor(
      async () =>
        (await journey.lab.attempt('cn', ['ping', '-c1', '-W1', address])).code === 0 || undefined,
      { timeoutMs: 5_000, what: `an answer of ${address}` },
    );
    await inNode(`ping -c1 -W2 -I ${address} ${peer}`);
  }
}

describe('a mobile node beside routes of other software', () => {
  it.each(['dsb', 'nat-prc', 'ar4', 'ds'] as const)(
    'registers and carries data in %s although a VPN has both halves of the address space',
    async (network) => {
      await vpn.route(BOTH_HALVES);
      const before = await vpn.strayed();
      await moves(network);
      await expectTraffic();
      const target = careOf.includes(':') ? ADDRESSES.homeAgentIpv6 : ADDRESSES.homeAgentIpv4;
      expect(await inNode(`ip route get ${target} from ${careOf}`)).toContain(' dev eth0 ');
      expect(await vpn.strayed()).toBe(before);
    },
  );

  it('keeps its registration when such a VPN starts', async () => {
    await moves('dsb');
    await vpn.route(BOTH_HALVES);
    const before = await vpn.strayed();
    await journey.mobileNode.request('reregister');
    await expectTraffic();
    expect(await vpn.strayed()).toBe(before);
  });

  it.each(['ds', 'nat-prc'] as const)(
    'registers in %s although more specific routes lead to the home agent elsewhere',
    async (network) => {
      await vpn.route(TO_HOME_AGENT);
      const before = await vpn.strayed();
      await moves(network);
      await expectTraffic();
      expect(await vpn.strayed()).toBe(before);
    },
  );

  it('reaches the visited link’s hosts without a router, and others by its own', async () => {
    await moves('ds');
    await vpn.route(BOTH_HALVES);
    const router = await inNode(`ip -6 route get 2001:db8:d:0::77 from ${careOf}`);
    expect(router).toContain(' dev eth0 ');
    expect(router).not.toContain(' via ');
    const peer = await inNode(`ip -6 route get ${ADDRESSES.correspondentIpv6} from ${careOf}`);
    expect(peer).toMatch(/ via fe80::\S+ dev eth0 /);
  });

  it('receives with strict reverse path filtering', async () => {
    await inNode('sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.eth0.rp_filter=1');
    await vpn.route([...BOTH_HALVES, ...TO_HOME_AGENT]);
    await moves('nat-prc');
    await expectTraffic();
    await inNode('sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=2');
  });
});
