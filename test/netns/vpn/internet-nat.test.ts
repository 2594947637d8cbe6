import { afterEach, expect, test } from 'vitest';
import {
  DaemonProcess,
  HOME,
  homeAgentConfiguration,
  mobileRouterConfiguration,
} from '#lab/daemons.ts';
import { LAB_DIRECTORY } from '#lab/enter.ts';
import { ADDRESSES } from '#lab/networks.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectsOf } from '#test/netns/helpers/journey.ts';
import { dissect } from '#test/netns/helpers/tshark.ts';

/**
 * A home agent with one address as the way to the internet, and groups of nodes:
 *
 *   mn, mr with mr-a behind it ~~~ ds, ar6 ---- core ---- home (ha, virtual home network)
 *                                                └─ cn: a host of the internet
 */

const VIRTUAL = { homeLink: false } as const;
const PRIVATE_IPV4 = '10.66.0.10';
const SETTINGS = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding'];

let journey: Journey;

afterEach(async () => await journey?.close());

const ping = async (from: string, to: string, ...further: readonly string[]): Promise<number> =>
  (await journey.lab.attempt(from, ['ping', '-n', '-c', '1', '-W', '1', ...further, to])).code;
/** Echo requests that the kernels of the node and the home agent accepted. */
const echoes = async (): Promise<readonly string[]> =>
  await Promise.all(
    ['mn', 'home'].map((host) => journey.lab.exec(host, ['nstat', '-asz', 'Icmp6InEchos'])),
  );
const tables = async (): Promise<string> =>
  await journey.lab.exec('home', ['nft', 'list', 'tables', 'inet']);

test('gives nodes the internet through the address of the home agent', async () => {
  const [node] = objectsOf(homeAgentConfiguration(VIRTUAL)['mobileNodes']);
  journey = await Journey.create({
    networks: ['ds'],
    daemons: {
      ...VIRTUAL,
      homeAgent: {
        ipv4HomePrefixes: ['10.66.0.0/24'],
        mobileNodes: [{ ...(node ?? {}), ipv4HomeAddresses: [PRIVATE_IPV4] }],
        internet: 'nat66',
      },
      mobileNode: {
        homes: [
          {
            name: 'home',
            homeAgent: 'ha.example',
            homeAddress: HOME.virtualAddress,
            ipv4HomeAddress: PRIVATE_IPV4,
            identifier: 'mn@example.net',
            security: { spi: 1000, key: 'text:a key for the lab alone' },
          },
        ],
      },
    },
  });
  const { lab, homeAgent, mobileNode } = journey;
  const before = await lab.exec('home', ['sysctl', ...SETTINGS]);
  await homeAgent.start();
  await lab.move('mn', 'ds');
  await lab.waitForAddress('mn', 6);
  await journey.startMobileNode();
  await journey.settled('ds');

  const file = `${LAB_DIRECTORY}/nat.pcap`;
  await using capture = await lab.capture('cn', 'wan', file);
  expect(await ping('mn', ADDRESSES.correspondentIpv4, '-I', PRIVATE_IPV4)).toBe(0);
  expect(await ping('mn', ADDRESSES.correspondentIpv6, '-I', HOME.virtualAddress)).toBe(0);
  await capture.stop();
  const requests = await dissect(file, 'icmp.type == 8 || icmpv6.type == 128', [
    'ip.src',
    'ipv6.src',
  ]);
  const sources = new Set(requests.map((fields) => fields('ip.src') || fields('ipv6.src')));
  expect(sources.size).toBe(2);
  for (const source of sources) expect([PRIVATE_IPV4, HOME.virtualAddress]).not.toContain(source);

  // An established flow survives a crash: the kernel keeps its translation.
  const stream = lab.spawn('mn', [
    ...['ping', '-n', '-i', '0.2', '-I', PRIVATE_IPV4, ADDRESSES.correspondentIpv4],
  ]);
  await homeAgent.kill();
  await waitFor(async () => !(await tables()).includes('internet'), {
    timeoutMs: 5_000,
    what: 'the table to go with the daemon',
  });
  await homeAgent.start();
  await waitFor(
    async () => (await ping('mn', ADDRESSES.correspondentIpv4, '-I', PRIVATE_IPV4)) === 0,
    {
      timeoutMs: 10_000,
      what: 'the internet to be back',
    },
  );
  stream.kill('SIGKILL');
  expect(await mobileNode.stop()).toBe(0);
  expect(await homeAgent.stop()).toBe(0);
  expect(await tables()).not.toContain('sojourn-ha');
  expect(await lab.exec('home', ['sysctl', ...SETTINGS])).toBe(before);
}, 60_000);

test('keeps nodes of different groups apart until they get the same one', async () => {
  const daemons = { ...VIRTUAL, mobileRouters: ['mr'] } as const;
  const configured = homeAgentConfiguration(daemons);
  const withGroups = (...groups: readonly string[]) => ({
    ...configured,
    mobileNodes: objectsOf(configured['mobileNodes']).map((node, at) => ({
      ...node,
      group: groups[at],
    })),
  });
  journey = await Journey.create({ networks: ['ds', 'ar6'], mobileRouters: ['mr'], daemons });
  const { lab, homeAgent } = journey;
  homeAgent.configure(withGroups('family', 'sensors'));
  await journey.start('ds');
  const router = new DaemonProcess(lab, 'mr', 'mr', mobileRouterConfiguration('mr', VIRTUAL), 'mr');
  await lab.move('mr', 'ar6');
  await lab.waitForAddress('mr', 6);
  await router.start();
  const behind = await Promise.all(
    ([6, 4] as const).map((family) => lab.waitForAddress('mr-a', family)),
  );
  const targets = [HOME.virtualAddress, HOME.virtualIpv4Address];
  const outcomes = async (): Promise<readonly number[]> => {
    const inward = await Promise.all(targets.map((target) => ping('mr-a', target)));
    const outward = await Promise.all(behind.map(({ address }) => ping('mn', address)));
    return [...inward, ...outward];
  };
  expect(await Promise.all(targets.map((target) => ping('cn', target)))).toEqual([0, 0]);
  expect(await outcomes()).toEqual([1, 1, 1, 1]);
  expect(await lab.exec('home', ['nft', 'list', 'table', 'inet', 'sojourn-ha-groups'])).toMatch(
    /counter packets [1-9]\d* bytes \d+ drop/,
  );

  // No host outside can pretend to be a node, at the home agent or at another node.
  const spoofed = behind.find(({ address }) => address.includes(':'))?.address ?? '';
  await lab.exec('cn', ['ip', 'address', 'add', `${spoofed}/128`, 'dev', 'lo', 'nodad']);
  const seen = await echoes();
  for (const target of [HOME.virtualAddress, ADDRESSES.homeAgentIpv6])
    expect(await ping('cn', target, '-I', spoofed)).not.toBe(0);
  expect(await echoes()).toEqual(seen);
  await lab.exec('cn', ['ip', 'address', 'delete', `${spoofed}/128`, 'dev', 'lo']);
  expect(await lab.exec('home', ['nft', 'list', 'table', 'inet', 'sojourn-ha-inner'])).toMatch(
    /fib saddr oifname "sojourn-ha" counter packets [2-9] /,
  );

  homeAgent.configure(withGroups('family', 'family'));
  await homeAgent.request('reload');
  await waitFor(async () => (await outcomes()).every((code) => code === 0), {
    timeoutMs: 10_000,
    what: 'nodes of one group to reach each other',
  });
  await router.stop();
  expect(await homeAgent.stop()).toBe(0);
  expect(await tables()).not.toContain('sojourn-ha');
}, 60_000);
