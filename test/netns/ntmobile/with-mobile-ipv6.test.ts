/**
 * One daemon that is both a Mobile IPv6 mobile node and an NTMobile node: the two roles work
 * independently, and neither tunnels the other's packets.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileNodeConfiguration,
} from '#lab/daemons.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { Leftovers } from '#test/netns/helpers/leftovers.ts';
import { NtmobileNodes } from '#test/netns/helpers/ntmobile/ntmobile-nodes.ts';

const STUB = '127.0.78.90';

let nodes: NtmobileNodes;
let homeAgent: DaemonProcess;
let leftovers: Leftovers;
/** The initial local address of `a`. */
let localAddress = '';

/** Plugs a node into a network; resolves with its address there. */
async function plug(name: 'a' | 'b', network: NetworkName, family: 4 | 6): Promise<string> {
  await nodes.lab.move(name, network);
  return (await nodes.lab.waitForAddress(name, family, { timeoutMs: 15_000 })).address;
}

async function dig(...parameters: readonly string[]): Promise<string> {
  return (
    await nodes.lab.attempt('a', [
      'dig',
      `@${STUB}`,
      '+tries=1',
      '+time=10',
      '+short',
      ...parameters,
    ])
  ).stdout.trim();
}

/** The number of answers to three pings from `a`. */
async function pings(...parameters: readonly string[]): Promise<string> {
  const argv = ['ping', '-c', '3', '-i', '0.2', '-W', '5', ...parameters];
  const { stdout } = await nodes.lab.attempt('a', argv);
  return / (\d+) received/.exec(stdout)?.[1] ?? stdout;
}

async function untilAtHome(): Promise<void> {
  const registered = async () => {
    const [home] = objectsOf(objectOf(await nodes.node('a').request('status'))['homes']);
    return home?.['phase'] === 'registered';
  };
  await waitFor(registered, { timeoutMs: 20_000, what: 'a to register with its home agent' });
}

async function untilDirect(local: string, remote: RegExp): Promise<void> {
  const direct = async () => {
    const [path] = await nodes.paths('a');
    return (
      path?.['kind'] === 'direct' && path['local'] === local && remote.test(String(path['remote']))
    );
  };
  await waitFor(direct, { timeoutMs: 20_000, what: `a direct path from ${local} to ${remote}` });
}

/** Pings until one is answered: both ends must first learn the new path or address. */
async function untilAnswered(...parameters: readonly string[]): Promise<void> {
  const answered = async () =>
    (await nodes.lab.attempt('a', ['ping', '-c', '1', '-W', '1', ...parameters])).code === 0;
  await waitFor(answered, { timeoutMs: 20_000, what: `an answer to ping ${parameters.join(' ')}` });
}

beforeAll(async () => {
  const { homes, interfaces } = mobileNodeConfiguration();
  nodes = await NtmobileNodes.create({ networks: ['home', 'ar4', 'ar6', 'ds', 'nat-prc'] });
  homeAgent = new DaemonProcess(nodes.lab, 'ha', 'home', homeAgentConfiguration());
  await homeAgent.start();
  await plug('b', 'ds', 4);
  localAddress = await plug('a', 'ar4', 4);
  leftovers = await Leftovers.since(['a']);
  nodes.node('a').configure({ ...nodes.configuration('a'), homes, interfaces });
  await nodes.start('a');
  await nodes.start('b');
  await untilAtHome();
});
afterAll(async () => await nodes?.close());

describe('a node with Mobile IPv6 and NTMobile', () => {
  it('reaches any host by its home address, and other nodes by name and directly', async () => {
    expect(await pings('-I', HOME.address, ADDRESSES.correspondentIpv6)).toBe('3');
    expect(await pings(ADDRESSES.correspondentIpv4)).toBe('3');
    const virtual = await dig('AAAA', 'b.nodes.example');
    expect(virtual).toMatch(/^fd12:3456:789a:/);
    await untilAnswered(virtual);
    expect(await pings(virtual)).toBe('3');
    expect(await pings(await dig('A', 'b.nodes.example'))).toBe('3');
    await untilDirect(localAddress, /^203\.0\.113\./);
  });

  it('shows the tunnels and the state of both', async () => {
    const tunnels = objectsOf(await nodes.node('a').request('tunnels'));
    expect(tunnels.map(({ encapsulation }) => encapsulation).sort()).toEqual(['sealed', 'udp']);
    for (const { traffic } of tunnels)
      expect(Number(objectOf(traffic)['receive-packets'])).toBeGreaterThan(0);
    expect(await nodes.node('a').request('status')).toMatchObject({
      ...{ role: 'mobile-node', homes: [{ phase: 'registered' }] },
      ntmobile: { coordinator: 'registered', name: 'a.nodes.example' },
    });
    expect(objectOf(objectOf(await nodes.node('a').request('stats'))['ntmobile'])).toMatchObject({
      'path-made': 1,
    });
  });

  it.each<readonly [NetworkName, 4 | 6, RegExp]>([
    ['nat-prc', 4, /^203\.0\.113\./],
    ['ar6', 6, /^2001:db8:d:/],
  ])(
    'keeps both in %s; NTMobile uses the local address, never the home address',
    async (network, family, remote) => {
      const virtual = await dig('AAAA', 'b.nodes.example');
      const address = await plug('a', network, family);
      await untilDirect(address, remote);
      await nodes.untilRegistered('a');
      await untilAtHome();
      await untilAnswered('-I', HOME.address, ADDRESSES.correspondentIpv6);
      expect(await pings('-I', HOME.address, ADDRESSES.correspondentIpv6)).toBe('3');
      expect(await pings(ADDRESSES.correspondentIpv4)).toBe('3');
      await untilAnswered(virtual);
      expect(await pings(virtual)).toBe('3');
      const addresses = Object.values(objectOf((await nodes.status('a'))['localAddresses']));
      expect(addresses).not.toContain(HOME.address);
      expect(addresses).not.toContain(HOME.ipv4Address);
    },
  );

  it('ends cleanly and leaves nothing on the host', async () => {
    await plug('a', 'ar4', 4);
    expect(await nodes.node('a').stop()).toBe(0);
    await leftovers.expectNone();
  });
});
