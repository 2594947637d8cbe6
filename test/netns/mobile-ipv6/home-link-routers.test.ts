import { afterEach, describe, expect, test } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { ipBatch, waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

/**
 * The home link as a node meets it: routers that come and go without a change of the node's
 * carrier, the return with its Neighbour Discovery, and the routes that a visited network leaves.
 * Nothing removes addresses or routes: the kernel is left alone.
 *
 *   MN --- the link that its cable is in --- routers that the test plugs into that link
 */

let journey: Journey | undefined;
afterEach(async () => await journey?.close());

async function begin(
  at: NetworkName,
  mobileNode: Readonly<Record<string, unknown>> = {},
): Promise<Journey> {
  journey = await Journey.create({
    networks: ['ar6', 'ar6b'],
    hosts: 'kernel',
    daemons: { mobileNode },
  });
  await journey.start(at);
  return journey;
}

/** Plugs a router's cable into the link of a network, or into none. */
async function plugRouter(router: NetworkName, link: NetworkName | undefined): Promise<void> {
  const where = link === undefined ? 'nomaster' : `master br-${link}`;
  await ipBatch([`link set lan-${router} ${where}`], { namespace: 'fabric' });
}

async function reaches(
  { lab }: Journey,
  address: string,
  source: string | undefined,
  timeoutMs: number,
): Promise<void> {
  const from = source === undefined ? [] : ['-I', source];
  const argv = ['ping', '-n', '-c', '1', '-W', '0.3', ...from, address];
  await waitFor(async () => (await lab.attempt('mn', argv)).code === 0, {
    timeoutMs,
    what: `an answer of ${address} to ${source ?? 'the host'}`,
  });
}

const ofNode = async ({ lab }: Journey, ...argv: readonly string[]): Promise<string> =>
  await lab.exec('mn', ['ip', ...argv]);

describe('a node whose link gets other routers while the carrier stays', () => {
  test('leaves home when the home router withdraws itself and another one appears', async () => {
    const node = await begin('home');
    const { lab } = node;
    const file = `${LAB_DIRECTORY}/withdrawn.conf`;
    const prefix = `prefix ${ADDRESSES.homePrefix} {
      AdvOnLink on; AdvAutonomous on; AdvValidLifetime 0; AdvPreferredLifetime 0; };`;
    const text = `interface home0 { AdvSendAdvert on; AdvDefaultLifetime 0;
      MinRtrAdvInterval 0.03; MaxRtrAdvInterval 0.07; MinDelayBetweenRAs 0.03; AdvIntervalOpt on;
      ${prefix} };`;
    const pid = `${LAB_DIRECTORY}/home.radvd.pid`;
    const script = `printf '%s' "$1" > ${file}; kill -KILL $(cat ${pid}); rm ${pid}`;
    await lab.exec('home', ['sh', '-ec', script, 'withdraw', text]);
    lab.spawn('home', ['radvd', '--nodaemon', '-p', `${pid}2`, '-C', file]);
    await waitFor(
      async () => !(await ofNode(node, '-6', 'route', 'show', 'default')).includes('via'),
      {
        timeoutMs: 5_000,
        what: 'the end of the home router',
      },
    );
    await plugRouter('ar6', 'home');
    await node.settled('ar6');
    await reaches(node, ADDRESSES.correspondentIpv6, HOME.address, 3_000);
  });

  test('leaves home when another router takes the place of a silent one, and returns', async () => {
    const node = await begin('home');
    await plugRouter('home', undefined);
    await plugRouter('ar6', 'home');
    await node.settled('ar6');
    await reaches(node, ADDRESSES.correspondentIpv6, HOME.address, 3_000);
    await plugRouter('ar6', undefined);
    await plugRouter('home', 'home');
    await node.settled('home');
    await reaches(node, ADDRESSES.correspondentIpv6, HOME.address, 3_000);
  });

  test('stays at home when a second router with a prefix of its own appears', async () => {
    const node = await begin('home');
    node.events = [];
    await plugRouter('ar6', 'home');
    await waitFor(async () => (await ofNode(node, '-6', 'address')).includes(' 2001:db8:a:'), {
      timeoutMs: 5_000,
      what: 'an address of the second prefix',
    });
    await node.lab.exec('mn', [
      ...['ping', '-n', '-c', '20', '-i', '0.2', '-I', HOME.address],
      ADDRESSES.homeAgentIpv6,
    ]);
    expect(await node.home()).toMatchObject({ phase: 'at-home' });
    expect(node.events.map(({ name }) => name)).not.toContain('handover');
  });
});

const DISCOVERY = [
  ...['frame.time_relative', 'eth.src', 'eth.dst', 'ipv6.src', 'ipv6.dst', 'icmpv6.type'],
  ...['icmpv6.nd.ns.target_address', 'icmpv6.nd.na.target_address', 'icmpv6.nd.na.flag.s'],
  ...['icmpv6.nd.na.flag.o', 'icmpv6.opt.linkaddr', 'mip6.mhtype', 'mip6.bu.lifetime'],
  ...['arp.opcode', 'arp.src.proto_ipv4', 'arp.dst.proto_ipv4', 'ipv6.hlim'],
];
const MAC = '02:00:00:00:01:00';

describe('the return to the home link on the wire', () => {
  test('solicits from the unspecified address and advertises every address', async () => {
    const node = await begin('ar6');
    const { lab } = node;
    const file = `${lab.logDirectory}/return.pcap`;
    {
      await using _capture = await lab.capture('home', 'home0', file);
      await node.moveTo('home');
      await reaches(node, ADDRESSES.homeAgentIpv6, HOME.address, 3_000);
    }
    const packets = await dissect(file, 'icmpv6 or mipv6 or arp', DISCOVERY);
    const at = (found: (typeof packets)[number] | undefined): number =>
      Number(found?.('frame.time_relative'));
    const own = packets.filter((one) => one('eth.src') === MAC);
    const update = own.find((one) => one('mip6.mhtype') === '5');
    const answer = packets.find((one) => one('mip6.mhtype') === '6');
    expect(update?.('mip6.bu.lifetime')).toBe('0');
    expect(update?.('ipv6.src')).toBe(HOME.address);
    const solicitation = own.find(
      (one) => one('icmpv6.nd.ns.target_address') === HOME.address && one('ipv6.src') === '::',
    );
    expect(solicitation?.('ipv6.dst')).toBe('ff02::1:ff00:10');
    expect(solicitation?.('eth.dst')).toBe('33:33:ff:00:00:10');
    expect(at(solicitation)).toBeLessThanOrEqual(at(update));
    const early = own.filter((one) => one('icmpv6.type') === '135' && at(one) <= at(update));
    expect(early.map((one) => one('ipv6.src'))).not.toContain(HOME.address);
    const agent = packets.find((one) => one('ipv6.src') === ADDRESSES.homeAgentIpv6);
    expect(update?.('eth.dst')).toBe(agent?.('eth.src'));
    const linkLocal = 'fe80::ff:fe00:100';
    for (const address of [HOME.address, linkLocal]) {
      const advertisement = own.find(
        (one) =>
          one('icmpv6.nd.na.target_address') === address &&
          one('ipv6.dst') === 'ff02::1' &&
          at(one) >= at(answer),
      );
      expect(
        ['ipv6.src', 'eth.dst', 'icmpv6.opt.linkaddr', 'ipv6.hlim'].map((name) =>
          advertisement?.(name),
        ),
      ).toEqual([address, '33:33:00:00:00:01', MAC, '255']);
      expect(advertisement?.('icmpv6.nd.na.flag.s')).toMatch(/^(0|False)$/);
      expect(advertisement?.('icmpv6.nd.na.flag.o')).toMatch(/^(1|True)$/);
    }
    const announcement = own.find((one) =>
      ['arp.src.proto_ipv4', 'arp.dst.proto_ipv4'].every((name) => one(name) === HOME.ipv4Address),
    );
    expect(announcement?.('eth.dst')).toBe('ff:ff:ff:ff:ff:ff');
  });
});

/** The default routes of the main table, IPv6. */
async function defaults(node: Journey): Promise<readonly string[]> {
  const text = await ofNode(node, '-6', 'route', 'show', 'default', 'table', 'main');
  return text.split('\n').filter((line) => line.startsWith('default'));
}

describe('routes that a network leaves on the host', () => {
  test('do not delay a node that returns home, and stay as they were', async () => {
    const node = await begin('home');
    await node.moveTo('ar6');
    await node.moveTo('home');
    await reaches(node, ADDRESSES.correspondentIpv6, HOME.address, 1_000);
    await reaches(node, ADDRESSES.correspondentIpv6, undefined, 1_000);
    const kept = await defaults(node);
    expect(kept.filter((line) => line.includes('proto ra'))).toHaveLength(2);
    await node.mobileNode.stop();
    expect((await defaults(node)).filter((line) => !line.includes('proto ra'))).toEqual([]);
  });

  test('do not take packets of a host that keeps its own traffic out of the tunnel', async () => {
    const node = await begin('ar6', { defaultRoute: false });
    await node.moveTo('ar6b');
    await reaches(node, ADDRESSES.correspondentIpv6, HOME.address, 3_000);
    await reaches(node, ADDRESSES.correspondentIpv6, undefined, 2_000);
  });
});
