import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Background, ipBatch, run, waitFor } from '#lab/shell.ts';
import { INNER, TUNNEL } from '#test/netns/helpers/plane/plane-hosts.ts';
import { ANSWERED, download, iperf, ping } from '#test/netns/helpers/plane/plane-traffic.ts';
import {
  addressOf,
  LEG,
  RelayHosts,
  type RelaySetting,
} from '#test/netns/helpers/plane/relay-hosts.ts';
import { OVERHEAD, type Side } from '#test/netns/helpers/plane/sealed-hosts.ts';

/**
 * Real packets between two nodes joined only by a relay's plane: no engine; legs and keys are set
 * by hand.
 */

const SETTINGS: readonly RelaySetting[] = [
  { node: 4, homeAgent: 4, threads: 1, cipher: 'aes-128-gcm' },
  { node: 6, homeAgent: 6, threads: 2, cipher: 'chacha20-poly1305' },
  { node: 4, homeAgent: 6, threads: 4, cipher: 'aes-128-gcm' },
  { node: 6, homeAgent: 4, threads: 2, cipher: 'aes-128-gcm' },
];

/** Drops that ordinary traffic must not cause at any of the three hosts. */
const NEVER = ['source', 'alone', 'type', 'rate', 'unvalidated'].map(
  (reason) => `drop-relay-${reason}`,
);
const NEVER_AT_ENDS = [
  'drop-forged',
  'drop-replay',
  'drop-unknown-spi',
  'drop-permit',
  'drop-malformed',
];

async function expectNone(hosts: RelayHosts): Promise<void> {
  for (const end of [hosts.node, hosts.homeAgent, hosts.relay]) {
    const { counters } = await end.ask();
    const names = [...NEVER, ...NEVER_AT_ENDS];
    expect(names.map((name) => [name, counters[name]])).toEqual(names.map((name) => [name, 0]));
  }
}

/** Expects the relay to send on one leg all packets and octets that it received on the other. */
async function everythingPassed(hosts: RelayHosts): Promise<void> {
  for (const [from, to] of [
    ['node', 'homeAgent'],
    ['homeAgent', 'node'],
  ] as const) {
    for (const what of ['packets', 'octets']) {
      const same = async (): Promise<boolean> =>
        (await hosts.leg(from))[`receive-${what}`] === (await hosts.leg(to))[`transmit-${what}`];
      await waitFor(same, { timeoutMs: 5_000, what: `all ${what} of the ${from} to be forwarded` });
    }
  }
}

describe.each(SETTINGS)(
  'a node on IPv$node, a home agent on IPv$homeAgent, $threads threads',
  (setting) => {
    let hosts: RelayHosts;
    beforeAll(async () => {
      hosts = await RelayHosts.create(setting);
    });
    afterAll(async () => await hosts[Symbol.asyncDispose]());

    it('answer echo requests in both families', async () => {
      for (const [from, to] of [
        [hosts.node, INNER.homeAgent4],
        [hosts.node, INNER.homeAgent6],
        [hosts.homeAgent, INNER.node4],
        [hosts.homeAgent, INNER.node6],
      ] as const) {
        expect(await ping(from.namespace, to)).toMatch(ANSWERED);
      }
      expect([...hosts.homeAgent.notices, ...hosts.node.notices, ...hosts.relay.punts]).toEqual([]);
    });

    it.each([INNER.homeAgent4, INNER.homeAgent6])(
      'carry TCP both ways, in runs: %s',
      async (target) => {
        const before = (await hosts.relay.ask()).counters;
        expect(await download(hosts, target, '-n', '20M', '-R')).toBeGreaterThanOrEqual(20 << 20);
        expect(await download(hosts, target, '-n', '20M')).toBeGreaterThan(10 << 20);
        const after = (await hosts.relay.ask()).counters;
        const grown = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
        expect(grown('relay-packets')).toBeGreaterThan((30 << 20) / 1500);
        expect(grown('relay-octets')).toBeGreaterThan(30 << 20);
        expect(grown('receive-calls')).toBeLessThan(grown('relay-packets') / 4);
        expect(grown('transmit-calls')).toBeLessThan(grown('relay-packets') / 4);
        // The relay's host receives none of them itself.
        expect([grown('receive-packets'), grown('transmit-packets'), grown('punts')]).toEqual([
          0, 0, 0,
        ]);
        await expectNone(hosts);
      },
    );

    it('carry datagrams of all sizes', async () => {
      for (const size of ['16', '64', '1200', '1380', '3000']) {
        expect(
          await download(hosts, INNER.homeAgent4, '-u', '-b', '5M', '-l', size, '-n', '100K'),
        ).toBeGreaterThan(0);
      }
      await everythingPassed(hosts);
      await expectNone(hosts);
    });

    it('get congestion marks of either link, and the class of service', async () => {
      // Marks packets that leave the node as if its cable were congested, and checks the packets
      // that arrive at the home agent.
      const family = (six: number): string => (six === 6 ? 'ip6' : 'ip');
      const marking = `add table inet marking
add chain inet marking out { type filter hook output priority 0; }
add rule inet marking out udp dport 7890 ${family(setting.node)} ecn set ce
`;
      const ip = family(setting.homeAgent);
      const looking = `add table inet looking
add chain inet looking in { type filter hook input priority 0; }
add rule inet looking in udp dport 7890 ${ip} ecn ce ${ip} dscp 0x0a counter
add rule inet looking in iif "sj0" ip ecn ce counter
`;
      await run(['nft', '-f', '-'], { namespace: hosts.node.namespace, input: marking });
      await run(['nft', '-f', '-'], { namespace: hosts.homeAgent.namespace, input: looking });
      expect(await ping(hosts.node.namespace, INNER.homeAgent4, '-Q', '0x2a')).toMatch(ANSWERED);
      const rules = await run(['nft', 'list', 'table', 'inet', 'looking'], {
        namespace: hosts.homeAgent.namespace,
      });
      expect(rules.match(/counter packets 3 /g)).toHaveLength(2);
      await run(['nft', 'delete', 'table', 'inet', 'marking'], { namespace: hosts.node.namespace });
    });

    it('continue when one of them moves', async () => {
      const { node } = setting;
      const fresh = node === 4 ? '198.51.100.3' : '2001:db8:f::3';
      const length = node === 4 ? '24' : '64 nodad';
      await run(['sh', '-c', `ip address add ${fresh}/${length} dev eth0`], {
        namespace: hosts.node.namespace,
      });
      const former = hosts.udpPathToRelay('node');
      const { kind: _, ...ends } = { ...former, local: addressOf(node, fresh) };
      await hosts.node.ask({
        tunnelSet: {
          id: TUNNEL,
          path: { carrier: 'udp', ...ends },
          protection: 'sealed',
          mtu: 1400,
        },
      });
      const before = await hosts.leg('node');
      expect(await ping(hosts.node.namespace, INNER.homeAgent4, '-w', '1')).toContain(
        '100% packet loss',
      );
      const lost = (await hosts.leg('node'))['drop-source'] ?? 0;
      expect(lost).toBeGreaterThanOrEqual(3);
      expect(await hosts.relay.counter('drop-relay-source')).toBe(lost);
      await hosts.setLeg('node', { path: { remote: addressOf(node, fresh) } });
      expect(await ping(hosts.node.namespace, INNER.homeAgent6)).toMatch(ANSWERED);
      const after = await hosts.leg('node');
      expect([after['drop-source'], after['receive-packets']]).toEqual([
        lost,
        (before['receive-packets'] ?? 0) + 3,
      ]);
    });
  },
);

/** Lowers the MTU of the cable of `side` at both ends. */
async function narrow(hosts: RelayHosts, side: Side, mtu: number): Promise<void> {
  const device = side === 'node' ? 'node' : 'agent';
  await ipBatch([`link set ${device} mtu ${mtu}`], { namespace: hosts.relay.namespace });
  await ipBatch([`link set eth0 mtu ${mtu}`], { namespace: hosts[side].namespace });
}

describe.each([4, 6] as const)('a smaller MTU behind the relay over IPv%i', (family) => {
  let hosts: RelayHosts;
  beforeAll(async () => {
    hosts = await RelayHosts.create({
      node: 4,
      homeAgent: family,
      threads: 2,
      cipher: 'aes-128-gcm',
    });
    await narrow(hosts, 'homeAgent', 1400);
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('makes the relay fragment, and TCP continues', async () => {
    const size = String(1500 - OVERHEAD[6] - 4 - 28);
    expect(await ping(hosts.node.namespace, INNER.homeAgent4, '-M', 'do', '-s', size)).toMatch(
      ANSWERED,
    );
    await hosts.relay.counted('outer-fragments', 0, 6);
    await hosts.relay.counted('path-mtu-learnt', 0);
    // The home agent knows its link and lowers the MSS, so that segments fit.
    // iperf3 ends an upload when all of it is in the sender's queue, which holds some mebibytes.
    expect(await download(hosts, INNER.homeAgent6, '-n', '12M')).toBeGreaterThan(4 << 20);
    const fragments = await hosts.relay.counter('outer-fragments');
    const datagrams = ['-u', '-b', '20M', '-l', '1350', '-n', '1M'];
    expect(await download(hosts, INNER.homeAgent6, ...datagrams)).toBeGreaterThan(512 << 10);
    expect(await hosts.relay.counter('outer-fragments')).toBeGreaterThan(
      fragments + (1 << 20) / 1500,
    );
    await everythingPassed(hosts);
    await expectNone(hosts);
  });

  it('carries packets that fit unfragmented', async () => {
    const before = await hosts.relay.counter('outer-fragments');
    expect(await ping(hosts.node.namespace, INNER.homeAgent4, '-s', '1000')).toMatch(ANSWERED);
    expect(await hosts.relay.counter('outer-fragments')).toBe(before);
  });
});

describe('a relay whose legs change under load', () => {
  let hosts: RelayHosts;
  beforeAll(async () => {
    hosts = await RelayHosts.create({ node: 4, homeAgent: 6, threads: 4, cipher: 'aes-128-gcm' });
  });
  afterAll(async () => await hosts[Symbol.asyncDispose]());

  it('loses nothing by setting them again', async () => {
    const argv = ['-c', INNER.homeAgent6, '-u', '-b', '20M', '-l', '1000', '-t', '2'];
    const end = await iperf(hosts, argv, async () => {
      for (let round = 0; round < 100; round += 1) {
        await hosts.setLeg('node', { rateKilobits: 1_000_000 + round });
        await hosts.setLeg('homeAgent', { rateKilobits: 1_000_000 + round });
      }
    });
    expect(end.sum?.packets).toBeGreaterThan(1000);
    await everythingPassed(hosts);
    await expectNone(hosts);
  });

  it('drops datagrams for a removed leg, and continues when the leg is set again', async () => {
    const argv = ['ping', '-q', '-f', '-s', '1300', '-l', '100', '-w', '20', INNER.homeAgent4];
    await using flood = new Background(argv, {
      namespace: hosts.node.namespace,
      logFile: `/run/${hosts.node.namespace}-flood.log`,
    });
    for (let round = 0; round < 20; round += 1) {
      const before = await hosts.relay.counter('drop-relay-alone');
      await hosts.relay.ask({ relayLegDelete: LEG.homeAgent });
      await hosts.relay.counted('drop-relay-alone', before);
      const passed = await hosts.relay.counter('relay-packets');
      await hosts.setLeg('homeAgent');
      await hosts.relay.counted('relay-packets', passed);
    }
    expect(flood.finished).toBeUndefined();
  });

  it('exits with its plane open', async () => {
    const argv = ['ping', '-q', '-f', '-s', '1300', '-l', '100', '-w', '20', INNER.homeAgent4];
    const logFile = `/run/${hosts.node.namespace}-flood-again.log`;
    await using flood = new Background(argv, { namespace: hosts.node.namespace, logFile });
    await hosts.relay.counted('relay-packets', await hosts.relay.counter('relay-packets'), 1000);
    expect(flood.finished).toBeUndefined();
    expect(await hosts.relay.exit(3)).toBe(3);
  });
});
