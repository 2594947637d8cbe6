/**
 * The Mobile IPv6 of a stock kernel (CONFIG_IPV6_MIP6, its states set by `ip xfrm`) as the other
 * implementation of RFC 6275 §6.3 and §6.4: it writes and reads the Home Address option and the
 * type 2 routing header of data between a mobile node and its home agent's own address.
 *
 *   mn --- ar6 --- core -*- home (HA)          (*) capture
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HOME } from '#lab/daemons.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey } from '#test/netns/helpers/journey.ts';
import { dissect, type Fields } from '#test/netns/helpers/tshark.ts';

const HOME_AGENT = ADDRESSES.homeAgentIpv6;
const PINGS = 3;
const HOME_ADDRESS_OPTION = 'ipv6.opt.mipv6.home_address';
const ROUTING_TYPE = 'ipv6.routing.type';
const ROUTING_HOME_ADDRESS = 'ipv6.routing.mipv6.home_address';
const FIELDS = [
  'icmpv6.type',
  'ipv6.src',
  'ipv6.dst',
  HOME_ADDRESS_OPTION,
  ROUTING_TYPE,
  ROUTING_HOME_ADDRESS,
];

let journey: Journey;
let careOf: string;
beforeEach(async () => {
  journey = await Journey.create({ networks: ['ar6'] });
  await journey.start('ar6');
  careOf = String((await journey.home())['careOfAddress']);
});
afterEach(() => journey.close());

/** A state of the kernel's Mobile IPv6 and the policy that applies it to a direction. */
async function setState(
  namespace: string,
  kind: 'hao' | 'route2',
  direction: 'in' | 'out',
): Promise<void> {
  const ends =
    kind === 'hao'
      ? ['src', HOME.address, 'dst', HOME_AGENT]
      : ['src', HOME_AGENT, 'dst', HOME.address];
  const state = [...ends, 'proto', kind, 'mode', 'ro', 'coa', careOf];
  await journey.lab.exec(namespace, ['ip', 'xfrm', 'state', 'add', ...state]);
  const template = ['tmpl', ...ends, 'proto', kind, 'mode', 'ro', 'level', 'use'];
  const policy = [...ends, 'proto', 'ipv6-icmp', 'dir', direction, ...template];
  await journey.lab.exec(namespace, ['ip', 'xfrm', 'policy', 'add', ...policy]);
}

/** Runs `work`, which sends ICMPv6 echo, with a capture, and returns the echo messages. */
async function echoesDuring(work: () => Promise<void>): Promise<readonly Fields[]> {
  const file = `${journey.lab.logDirectory}/echo.pcap`;
  {
    await using _capture = await journey.lab.capture('core', 'to-home', file);
    await work();
  }
  return await dissect(file, 'icmpv6.type == 128 || icmpv6.type == 129', FIELDS);
}

const ping = (source: string, destination: string): readonly string[] => [
  ...['ping', '-6', '-n', '-c', String(PINGS), '-i', '0.2', '-W', '5', '-I', source, destination],
];

describe('a mobile node whose data the kernel carries', () => {
  /** Ends the daemon without de-registration, and gives the home address to the kernel. */
  async function handOver(): Promise<void> {
    await journey.mobileNode.kill();
    // Its table of nftables drops tunnel packets until nft, whose pipe closed, has ended as well.
    await waitFor(async () => (await journey.lab.exec('mn', ['nft', 'list', 'tables'])) === '', {
      timeoutMs: 10_000,
      what: 'the end of the tables of the killed mobile node',
    });
    for (const command of [
      ['ip', '-6', 'rule', 'flush'],
      ['ip', '-6', 'rule', 'add', 'priority', '0', 'lookup', 'local'],
      ['ip', '-6', 'rule', 'add', 'priority', '32766', 'lookup', 'main'],
      ['ip', 'address', 'add', `${HOME.address}/128`, 'dev', 'lo', 'nodad'],
    ])
      await journey.lab.attempt('mn', command);
    // What the home agent's host itself sends to the home address comes through the tunnel.
    const tunnel = ['type', 'ip6tnl', 'mode', 'any', 'local', careOf, 'remote', HOME_AGENT];
    await journey.lab.exec('mn', ['ip', 'link', 'add', 'home0', ...tunnel]);
    await journey.lab.exec('mn', ['ip', 'link', 'set', 'home0', 'up']);
    await setState('mn', 'hao', 'out');
    await setState('mn', 'route2', 'in');
  }

  it('reaches the address of the home agent, and is answered', async () => {
    const echoes = await echoesDuring(async () => {
      await handOver();
      await journey.lab.exec('mn', ping(HOME.address, HOME_AGENT));
    });
    const requests = echoes.filter((echo) => echo('icmpv6.type') === '128');
    expect(requests.map((echo) => echo(HOME_ADDRESS_OPTION))).toEqual(
      Array.from({ length: PINGS }, () => HOME.address),
    );
    for (const request of requests) expect(request('ipv6.src')).toContain(careOf);
  });
});

describe('a home agent whose data the kernel carries', () => {
  it('reaches the home address, and is answered', async () => {
    const echoes = await echoesDuring(async () => {
      await setState('home', 'route2', 'out');
      await journey.lab.exec('home', ping(HOME_AGENT, HOME.address));
    });
    const requests = echoes.filter((echo) => echo('icmpv6.type') === '128');
    expect(requests.map((echo) => [echo(ROUTING_TYPE), echo(ROUTING_HOME_ADDRESS)])).toEqual(
      Array.from({ length: PINGS }, () => ['2', HOME.address]),
    );
    for (const request of requests) expect(request('ipv6.dst')).toContain(careOf);
  });
});
