/**
 * A sealed mobile router. The hosts behind it are ordinary hosts; everything between the router and
 * its home agent is encrypted.
 *
 *   mr-a, mr-b, mn -- mr -- ar6, ar4, nat-prc, ds, home -- core -- home (home agent)
 *                                                            |
 *                                                            cn
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fromHex } from '#base/bytes.ts';
import { bytesOfIpv4, ipv4 } from '#base/ip.ts';
import {
  DaemonProcess,
  HOME,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
} from '#lab/daemons.ts';
import { MOBILE_ROUTERS, prefixesOf } from '#lab/mobile-networks.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

const ROUTERS = ['mr', 'mr2'] as const;
const OPTIONS = { sealed: true, mobileRouters: ROUTERS };
const PREFIXES = prefixesOf(MOBILE_ROUTERS.mr);

let journey: Journey;
let hosts: { readonly a6: string; readonly a4: string; readonly b6: string; readonly b4: string };

beforeAll(async () => {
  journey = await Journey.create({
    ...{ networks: ['ar6', 'ar4', 'nat-prc', 'ds'], router: 'mr', mobileRouters: ['mr'] },
    nodes: { mn: ['eth0'] },
    daemons: OPTIONS,
  });
  await journey.start('ar6');
  const address = async (host: string, family: 4 | 6) =>
    (await journey.lab.waitForAddress(host, family)).address;
  const [a6, a4] = [await address('mr-a', 6), await address('mr-a', 4)];
  hosts = { a6, a4, b6: await address('mr-b', 6), b4: await address('mr-b', 4) };
});
afterAll(async () => await journey?.close());

const routerCount = (reason: string) => journey.count(journey.mobileNode, reason);
const agentCount = (reason: string) => journey.count(journey.homeAgent, reason);

async function ping(from: string, to: string): Promise<void> {
  const argv = ['ping', '-n', '-c', '1', '-W', '1', to];
  await waitFor(async () => (await journey.lab.attempt(from, argv)).code === 0, {
    ...{ timeoutMs: 10_000, what: `an answer from ${to} to ${from}` },
  });
}

/** Hosts behind the router and the correspondent: both directions, both families. */
async function talk(): Promise<void> {
  await Promise.all([
    ping('mr-a', ADDRESSES.correspondentIpv6),
    ping('mr-b', ADDRESSES.correspondentIpv4),
    ping('cn', hosts.b6),
    ping('cn', hosts.a4),
  ]);
}

/** The prefixes that the home agent forwards, with the home address of their router. */
async function forwarded(): Promise<readonly unknown[]> {
  return [await journey.homeAgent.request('prefixes')].flat();
}

const OF_MR = PREFIXES.map((prefix) =>
  expect.objectContaining({
    ...{ prefix, homeAddress: MOBILE_ROUTERS.mr.homeAddress, forwarded: true },
  }),
);

test('a router registers its prefixes by one handshake, and its moves need none', async () => {
  for (const network of ['ar6', 'ar4', 'nat-prc', 'ds', 'nat-prc', 'ar6'] as const) {
    if (network !== journey.lab.location('mr')) await journey.moveTo(network);
    await talk();
    expect(await journey.binding()).toMatchObject({ encapsulation: 'sealed', encrypted: true });
    expect(await forwarded()).toEqual(expect.arrayContaining(OF_MR));
  }
  expect(await journey.home()).toMatchObject({ encrypted: true, registrationMode: 'explicit' });
  expect(await routerCount('handshake-started')).toBe(1);
  expect(await agentCount('session-started')).toBe(1);
  expect(await routerCount('registration-refused')).toBe(0);
});

test.each(['ar6', 'ar4', 'nat-prc'] as const)(
  'a capture of %s shows nothing of the hosts behind the router',
  async (network) => {
    const { lab } = journey;
    await journey.moveTo(network);
    const pattern = Buffer.from('not for observers').toString('hex').slice(0, 32);
    const file = `${lab.logDirectory}/sealed-router-${network}.pcap`;
    const capture = await lab.capture('mr', 'eth0', file);
    const pinging = ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '2', '-p', pattern];
    await Promise.all([
      lab.exec('mr-a', [...pinging, ADDRESSES.correspondentIpv6]),
      lab.exec('cn', [...pinging, hosts.b4]),
    ]);
    await journey.mobileNode.request('reregister');
    await journey.settled(network);
    await capture.stop();
    const octets = readFileSync(file);
    const inner = Buffer.concat(
      [ADDRESSES.correspondentIpv4, hosts.b4].map((one) => Buffer.from(bytesOfIpv4(ipv4(one)))),
    );
    for (const secret of [fromHex(pattern), fromHex('20010db805000000'), inner])
      expect(octets.includes(secret)).toBe(false);
    const sealed = await dissect(file, 'udp.port == 4191', ['udp.payload']);
    const types = new Set(sealed.map((fields) => fields('udp.payload').slice(0, 1)));
    expect([...types].sort()).toEqual(['1', '8']);
    const plain = 'ipv6.nxt == 41 || ip.proto == 41 || ip.proto == 4';
    expect(await dissect(file, plain, ['frame.number'])).toEqual([]);
  },
);

test('a router comes home, forwards without a tunnel, and leaves again', async () => {
  await journey.moveTo('home');
  await talk();
  expect(await journey.binding()).toBeUndefined();
  await journey.moveTo('nat-prc');
  await talk();
  expect(await routerCount('handshake-started')).toBe(2);
});

test('a sealed node behind the router keeps its keys while the router moves', async () => {
  const { lab } = journey;
  const node = new DaemonProcess(lab, 'mn', 'mn', mobileNodeConfiguration(OPTIONS));
  await lab.move('mn', 'mr-lan');
  await lab.waitForAddress('mn', 6);
  await node.start();
  await ping('cn', HOME.address);
  for (const network of ['ar4', 'ar6', 'nat-prc'] as const) {
    await journey.moveTo(network);
    await ping('cn', HOME.address);
    await ping('cn', HOME.ipv4Address);
  }
  expect(await journey.count(node, 'handshake-started')).toBe(1);
  const [home] = objectsOf(objectOf(await node.request('status'))['homes']);
  expect(home).toMatchObject({ phase: 'registered', encrypted: true });
  expect(home?.['careOfAddress']).toMatch(/^2001:db8:500:/);
  await node.stop();
  await journey.homeAgent.request('revoke', { homeAddress: HOME.address });
});

test('a killed home agent calls its router, and forwards its prefixes at once', async () => {
  await journey.homeAgent.kill();
  await journey.homeAgent.start();
  expect(await forwarded()).toEqual(expect.arrayContaining(OF_MR));
  await waitFor(async () => (await routerCount('home-agent-called')) > 0, {
    ...{ timeoutMs: 10_000, what: 'the call' },
  });
  await talk();
});

test('a killed router serves its hosts again after one handshake', async () => {
  await journey.mobileNode.kill();
  await journey.startMobileNode();
  await journey.settled('nat-prc');
  await talk();
  expect(await routerCount('handshake-started')).toBe(1);
});

test('a router gets no prefix of another router, and no binding with it', async () => {
  const [foreign] = prefixesOf(MOBILE_ROUTERS.mr2);
  const configuration = mobileRouterConfiguration('mr', OPTIONS);
  const [home] = Object(configuration).homes;
  const mobileNetworkPrefixes = [...PREFIXES, foreign];
  const greedy = { ...home, mobileNetworkPrefixes, registrationModes: ['explicit'] };
  await journey.homeAgent.request('revoke', { homeAddress: MOBILE_ROUTERS.mr.homeAddress });
  await journey.mobileNode.kill();
  journey.mobileNode.configure({ ...configuration, homes: [greedy] });
  await journey.startMobileNode();
  const refused = async (): Promise<unknown> => {
    const stats = objectOf(await journey.mobileNode.request('stats'));
    return objectOf(stats['acknowledgements'])['not-authorized-for-prefix'];
  };
  await waitFor(async () => Number((await refused()) ?? 0) > 0, {
    ...{ timeoutMs: 10_000, what: 'status 142' },
  });
  expect(await journey.binding()).toBeUndefined();
  expect(await forwarded()).not.toContainEqual(
    expect.objectContaining({ homeAddress: MOBILE_ROUTERS.mr.homeAddress, forwarded: true }),
  );
  await journey.mobileNode.kill();
  journey.mobileNode.configure(configuration);
  await journey.startMobileNode();
  await journey.settled('nat-prc');
  await talk();
  expect(await forwarded()).not.toContainEqual(
    expect.objectContaining({ prefix: foreign, forwarded: true }),
  );
});
