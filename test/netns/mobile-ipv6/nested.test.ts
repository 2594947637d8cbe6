import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type ConfigurationOverrides,
  DaemonProcess,
  HOME,
  mobileNodeConfiguration,
  mobileRouterConfiguration,
} from '#lab/daemons.ts';
import { dynamicAddresses } from '#lab/hosts/dynamic-addresses.ts';
import type { NetworkName } from '#lab/network.ts';
import { ADDRESSES } from '#lab/networks.ts';
import {
  OTHER_HOME,
  otherHomeAgentConfiguration,
  otherMobileNodeConfiguration,
  otherMobileRouterConfiguration,
} from '#lab/other-home-agent.ts';
import { waitFor } from '#lab/shell.ts';
import { Journey, objectOf, objectsOf } from '#test/netns/helpers/journey.ts';

/**
 * Mobile nodes and routers behind a mobile router:
 *
 *   mn, or mr2 with mr2-a ... mr-lan --- mr ~~~ tunnel ~~~ ha        and ha2, where their own home
 *   agent is another
 *
 * Their tunnels run inside that of `mr`. Outer tunnel by the network that mr is in: IPv6 (ipip) or
 * behind a NAT (UDP); inner tunnel by the family of the care-of address.
 */

let journey: Journey;
let otherHomeAgent: DaemonProcess;

beforeAll(async () => {
  journey = await Journey.create({
    networks: ['ar6', 'nat-prc'],
    nodes: { mn: ['eth0'] },
    router: 'mr',
    mobileRouters: ['mr', 'mr2'],
    servers: ['ha2'],
    // A path without segments larger than the MTU of a real link.
    segmentationOffload: false,
  });
  await journey.start('ar6');
  otherHomeAgent = new DaemonProcess(
    journey.lab,
    'ha',
    'ha2',
    otherHomeAgentConfiguration(),
    'ha2',
  );
  await otherHomeAgent.start();
});
afterAll(async () => await journey?.close());

async function registered(daemon: DaemonProcess): Promise<void> {
  await waitFor(
    async () =>
      objectsOf(objectOf(await daemon.request('status'))['homes']).every(
        (home) => home['phase'] === 'registered',
      ),
    { timeoutMs: 20_000, what: `${daemon.name} to be registered` },
  );
}

async function withDaemon(
  role: string,
  namespace: string,
  configuration: ConfigurationOverrides,
  body: (daemon: DaemonProcess) => Promise<void>,
): Promise<void> {
  const { lab } = journey;
  const daemon = new DaemonProcess(lab, role, namespace, configuration, namespace);
  await lab.move(namespace, 'mr-lan');
  await lab.waitForAddress(namespace, 6);
  await lab.waitForAddress(namespace, 4);
  await daemon.start();
  try {
    await registered(daemon);
    await body(daemon);
  } finally {
    await daemon.stop();
    await lab.unplug(namespace);
  }
}

async function ping(from: string, to: string, octets: number): Promise<void> {
  const argv = [
    'ping',
    '-n',
    '-c',
    '3',
    '-i',
    '0.2',
    '-W',
    '2',
    '-M',
    'do',
    '-s',
    String(octets),
    to,
  ];
  const { code, stdout } = await journey.lab.attempt(from, argv);
  expect(code, `${from} → ${to}: ${stdout}`).toBe(0);
}

/** Runs TCP with full segments in both directions with iperf3; returns the received octets. */
async function flows(client: string, from: string, server: string, to: string): Promise<void> {
  const { lab } = journey;
  for (const reverse of [[], ['--reverse']]) {
    const serving = lab.spawn(server, ['iperf3', '--server', '--one-off', '--forceflush']);
    await serving.ready('listening');
    const argv = ['iperf3', '--client', to, '--bind', from, '--bytes', '20M', '--json', ...reverse];
    const { code, stdout, stderr } = await lab.attempt(client, argv, { timeoutMs: 30_000 });
    expect(code, `${client} → ${server} ${reverse}: ${stdout.slice(-400)} ${stderr}`).toBe(0);
    expect(Number(/"sum_received":\s*{[^}]*"bytes":\s*(\d+)/.exec(stdout)?.[1])).toBeGreaterThan(
      15_000_000,
    );
    // The next run needs the port.
    await serving.stop();
  }
}

const OUTER: readonly NetworkName[] = ['ar6', 'nat-prc'];
const INNER = [
  ['IPv6', false],
  ['IPv4', true],
] as const;

describe.each(OUTER)('a mobile router in %s', (network) => {
  beforeAll(async () => {
    if (journey.lab.location('mr') !== network) await journey.moveTo(network);
  });

  test.each(INNER)(
    'carries a mobile node of the same home agent, %s',
    async (_family, preferIpv4) => {
      const configuration = mobileNodeConfiguration({ mobileNode: { preferIpv4 } });
      await withDaemon('mn', 'mn', configuration, async () => {
        await ping('cn', HOME.address, 1000);
        await ping('cn', HOME.ipv4Address, 1000);
        await flows('mn', HOME.address, 'cn', ADDRESSES.correspondentIpv6);
        await flows('mn', HOME.ipv4Address, 'cn', ADDRESSES.correspondentIpv4);
      });
    },
    120_000,
  );

  test.each(INNER)(
    'carries a mobile node of another home agent, %s',
    async (_family, preferIpv4) => {
      const configuration = { ...otherMobileNodeConfiguration(), preferIpv4 };
      await withDaemon('mn', 'mn', configuration, async () => {
        await ping('cn', OTHER_HOME.address, 1000);
        await flows('mn', OTHER_HOME.address, 'cn', ADDRESSES.correspondentIpv6);
        await flows('mn', OTHER_HOME.ipv4Address, 'cn', ADDRESSES.correspondentIpv4);
      });
    },
    120_000,
  );

  test.each([
    ['the same', mobileRouterConfiguration('mr2'), '2001:db8:501:'],
    ['another', otherMobileRouterConfiguration(), '2001:db8:502:'],
  ])(
    'carries a mobile router of %s home agent',
    async (_which, configuration, network6) => {
      await withDaemon('mr', 'mr2', configuration, async () => {
        // The node may still have an address of the former network.
        const host = await waitFor(
          async () =>
            (await dynamicAddresses('mr2-a')).find(({ address }) => address.startsWith(network6))
              ?.address,
          { timeoutMs: 10_000, what: `an address of ${network6}` },
        );
        await ping('cn', host, 1000);
        await flows('mr2-a', host, 'cn', ADDRESSES.correspondentIpv6);
      });
    },
    120_000,
  );
});
