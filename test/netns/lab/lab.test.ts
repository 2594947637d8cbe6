import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dynamicAddresses } from '#lab/hosts/dynamic-addresses.ts';
import { Dependence } from '#lab/nat-probe.ts';
import { ADDRESSES, ALL_NETWORKS, NETWORKS } from '#lab/networks.ts';
import { checkNetwork, expectedBehaviour, probeNat, startNatProbeServer } from '#lab/self-test.ts';
import { renameHost } from '#lab/services.ts';
import { waitFor } from '#lab/shell.ts';
import { Lab } from '#lab/topology.ts';

/** The lab has the properties that other tests rely on. */

describe('a lab with every network', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await Lab.create({
      networks: ALL_NETWORKS,
      nodes: { mn: ['eth0', 'eth1'] },
      servers: ['server6', 'server4'],
    });
    await startNatProbeServer(lab);
  });
  afterAll(async () => await lab.close());

  test.each(ALL_NETWORKS)(
    '%s: gives addresses, reaches the correspondent, translates as designed',
    async (name) => {
      const network = NETWORKS[name];
      const report = await checkNetwork(lab, 'mn', network);
      expect(report.wrong).toEqual([]);
      expect(report.addresses).toHaveLength(
        Number(network.ipv6 !== undefined) + Number(network.ipv4 !== undefined),
      );
      expect(report.nat === undefined).toBe(network.ipv4 === undefined);
    },
  );

  test('distinguishes the kinds of translators', () => {
    const promises = (['nat-eim', 'nat-adf', 'nat-prc', 'nat-adm', 'nat-sym'] as const).map(
      (name) => {
        const { mapping, filtering } = expectedBehaviour(NETWORKS[name]);
        return `${mapping} ${filtering}`;
      },
    );
    expect(promises).toEqual([
      `${Dependence.endpointIndependent} ${Dependence.endpointIndependent}`,
      `${Dependence.endpointIndependent} ${Dependence.addressDependent}`,
      `${Dependence.endpointIndependent} ${Dependence.addressAndPortDependent}`,
      `${Dependence.addressDependent} ${Dependence.addressAndPortDependent}`,
      `${Dependence.addressAndPortDependent} ${Dependence.addressAndPortDependent}`,
    ]);
  });

  test('gives a name other addresses while it runs', async () => {
    await lab.move('mn', 'ds');
    await lab.waitForAddress('mn', 4);
    for (const address of ['192.0.2.1', '198.51.100.6']) {
      renameHost('moving.example', [address]);
      await waitFor(
        async () =>
          (await lab.attempt('mn', ['getent', 'ahostsv4', 'moving.example'])).stdout.startsWith(
            `${address} `,
          ),
        { timeoutMs: 5_000, what: `moving.example to be ${address}` },
      );
    }
  });

  test('keeps the source port in cone translators, not in a symmetric one', async () => {
    for (const name of ['nat-eim', 'nat-adf', 'nat-prc', 'nat2'] as const) {
      await lab.move('mn', name);
      await lab.waitForAddress('mn', 4);
      const { external, portPreserved } = await probeNat(lab, 'mn', 4191);
      expect(portPreserved, name).toBe(true);
      expect(external, name).toBe(`198.51.100.${4 * NETWORKS[name].index + 2}:4191`);
    }
    await lab.move('mn', 'nat-sym');
    await lab.waitForAddress('mn', 4);
    expect((await probeNat(lab, 'mn', 4191)).portPreserved).toBe(false);
  });

  test('accepts a second unknown source at a full cone', async () => {
    await lab.move('mn', 'nat-eim');
    await lab.waitForAddress('mn', 4);
    const inside = lab.spawn('mn', [
      'python3',
      '-u',
      '-c',
      ANSWERER,
      '4192',
      ADDRESSES.correspondentIpv4,
    ]);
    await inside.ready('ready');
    const outside = `198.51.100.${4 * NETWORKS['nat-eim'].index + 2}`;
    for (const sender of ['cn', 'server4', 'home']) {
      const answer = await lab.exec(sender, ['python3', '-c', GREETING, outside, '4192', sender]);
      expect(answer.trim()).toBe(`hello ${sender}`);
    }
    await inside.stop();
  });

  test('drops packets for mappings that a translator forgot', async () => {
    await lab.move('mn', 'nat-eim');
    await lab.waitForAddress('mn', 4);
    await probeNat(lab, 'mn', 4191);
    const listed = async (): Promise<string> =>
      await lab.exec('nat-eim', ['nft', 'list', 'map', 'ip', 'nat', 'client']);
    expect(await listed()).toContain('4191 ');
    await lab.forgetMappings('nat-eim');
    expect(await listed()).not.toContain('4191 ');
    expect(await lab.exec('nat-eim', ['conntrack', '-L', '-p', 'udp'])).not.toContain('sport=4191');
  });

  test('removes the link’s addresses and routes when the carrier is lost', async () => {
    await lab.move('mn', 'ds');
    await lab.waitForAddress('mn', 6);
    await lab.waitForAddress('mn', 4);
    const monitor = lab.spawn('mn', [
      'stdbuf',
      '-oL',
      'ip',
      '-oneline',
      'monitor',
      'link',
      'address',
    ]);
    await seesEvents(lab, monitor.logFile);
    const moved = await lab.move('mn', 'ar6');
    await lab.waitForAddress('mn', 6);
    expect(moved.carrierLostAtMs).toBeLessThan(moved.carrierFoundAtMs);
    const events = await waitFor(() => orderOfEvents(readFileSync(monitor.logFile, 'utf8')), {
      timeoutMs: 5_000,
      what: 'the new address',
    });
    expect(events).toEqual([
      'carrier lost',
      'old IPv4 deleted',
      'old IPv6 deleted',
      'carrier found',
      'new IPv6',
    ]);
    const routes =
      (await lab.exec('mn', ['ip', 'route'])) + (await lab.exec('mn', ['ip', '-6', 'route']));
    expect(routes).not.toContain('203.0.113.');
    expect(routes).not.toContain('2001:db8:d:');
    expect((await dynamicAddresses('mn')).map(({ family }) => family)).toEqual([6]);
    await monitor.stop();
  });

  test('keeps the first interface while the second comes up (make before break)', async () => {
    await lab.move('mn', 'ar6');
    await lab.move('mn', 'ar4', { interface: 'eth1', breakBeforeMake: false });
    const [six, four] = [await lab.waitForAddress('mn', 6), await lab.waitForAddress('mn', 4)];
    expect([six.interface, four.interface]).toEqual(['eth0', 'eth1']);
    expect([lab.location('mn', 'eth0'), lab.location('mn', 'eth1')]).toEqual(['ar6', 'ar4']);
    expect(await lab.unplug('mn', 'eth0')).toBeTypeOf('number');
    expect((await dynamicAddresses('mn')).map((each) => each.interface)).toEqual(['eth1']);
    await lab.unplug('mn');
    expect(await dynamicAddresses('mn')).toEqual([]);
  });

  test('drops packets from the home address in a visited network', async () => {
    await lab.move('mn', 'ar6');
    await lab.waitForAddress('mn', 6);
    await lab.exec('mn', ['ip', 'address', 'add', '2001:db8:100::99/128', 'dev', 'lo', 'nodad']);
    const ping = (source: string): readonly string[] => [
      'ping',
      '-c',
      '1',
      '-W',
      '1',
      '-I',
      source,
      ADDRESSES.correspondentIpv6,
    ];
    expect((await lab.attempt('mn', ping('2001:db8:100::99'))).code).not.toBe(0);
    expect((await lab.attempt('mn', ping('eth0'))).code).toBe(0);
    expect(await lab.exec('ar6', ['nft', 'list', 'table', 'inet', 'ingress'])).toMatch(
      /2001:db8:a::\/64 counter packets [1-9]/,
    );
    await lab.exec('mn', ['ip', 'address', 'delete', '2001:db8:100::99/128', 'dev', 'lo']);
  });

  test('resolves names over either family alone', async () => {
    for (const network of ['ar6', 'nat-prc'] as const) {
      await lab.move('mn', network);
      await lab.waitForAddress('mn', NETWORKS[network].ipv6 === undefined ? 4 : 6);
      const [database, address] =
        NETWORKS[network].ipv6 === undefined
          ? ['ahostsv4', ADDRESSES.homeAgentIpv4]
          : ['ahostsv6', ADDRESSES.homeAgentIpv6];
      expect(await lab.exec('mn', ['getent', database, 'ha.example']), network).toContain(address);
    }
  });

  test('routes the virtual home network and reaches single-family servers', async () => {
    const hop = await lab.exec('core', ['ip', 'route', 'get', '2001:db8:200::7']);
    expect(hop).toContain('dev to-home');
    expect(await lab.exec('core', ['ip', 'route', 'get', '203.0.113.7'])).toContain('dev to-home');
    for (const server of [ADDRESSES.server6, ADDRESSES.server4]) {
      await lab.exec('cn', ['ping', '-n', '-c', '1', '-W', '2', server]);
    }
  });

  test('captures the packets sent while a capture runs', async () => {
    await lab.move('mn', 'ar6');
    await lab.waitForAddress('mn', 6);
    const file = `${lab.logDirectory}/ping.pcap`;
    const capture = await lab.capture('core', 'to-ar6', file);
    await lab.exec('mn', ['ping', '-n', '-c', '5', '-i', '0.01', ADDRESSES.correspondentIpv6]);
    await capture.stop();
    const sequences = await lab.exec('core', [
      'tshark',
      '-r',
      file,
      '-Y',
      'icmpv6.type == 128',
      '-T',
      'fields',
      '-e',
      'frame.number',
    ]);
    expect(sequences.trim().split('\n')).toHaveLength(5);
  });
});

/**
 * Sends one datagram from a port, so that the NAT maps it, and answers every datagram that then
 * arrives.
 */
const ANSWERER = `import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.bind(('', int(sys.argv[1])))
own.sendto(b'out', (sys.argv[2], 9))
print('ready')
while True:
    name, source = own.recvfrom(100)
    if source[1] != 9: own.sendto(b'hello ' + name, source)`;

const GREETING = `import socket, sys
own = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
own.settimeout(10)
own.sendto(sys.argv[3].encode(), (sys.argv[1], int(sys.argv[2])))
print(own.recvfrom(100)[0].decode())`;

/**
 * `ip monitor` does not report that it is ready, so this function causes events until the log
 * contains one.
 */
async function seesEvents(lab: Lab, logFile: string): Promise<void> {
  const probe = async (): Promise<boolean> => {
    await lab.exec('mn', ['ip', 'address', 'add', '127.0.0.9/32', 'dev', 'lo']);
    await lab.exec('mn', ['ip', 'address', 'delete', '127.0.0.9/32', 'dev', 'lo']);
    return readFileSync(logFile, 'utf8').includes('127.0.0.9');
  };
  await waitFor(probe, { timeoutMs: 5_000, what: 'ip monitor' });
}

/**
 * Kinds of events in the order of their first occurrence; undefined until the new address has
 * appeared.
 */
function orderOfEvents(log: string): readonly string[] | undefined {
  const kinds: readonly (readonly [string, RegExp])[] = [
    ['carrier lost', /eth0.*NO-CARRIER/],
    ['old IPv4 deleted', /^Deleted.*eth0 +inet 203\.0\.113\./],
    ['old IPv6 deleted', /^Deleted.*eth0 +inet6 2001:db8:d:/],
    ['carrier found', /^(?!.*NO-CARRIER).*eth0.*LOWER_UP/],
    ['new IPv6', /^\d.*eth0 +inet6 2001:db8:a:/],
  ];
  const lines = log.split('\n');
  const firstLoss = lines.findIndex((line) => kinds[0]?.[1].test(line));
  const found = kinds.map(([name, pattern]) => ({
    name,
    at: lines.findIndex((line, index) => index >= firstLoss && pattern.test(line)),
  }));
  if (firstLoss < 0 || found.some(({ at }) => at < 0)) return undefined;
  return found.toSorted((left, right) => left.at - right.at).map(({ name }) => name);
}

describe('the end of a lab', () => {
  test('leaves no namespace and no process', async () => {
    const before = runningProcesses();
    const lab = await Lab.create({ mobileRouters: ['mr'] });
    await lab.move('mn', 'nat-prc');
    expect(runningProcesses().length).toBeGreaterThan(before.length);
    await lab.close();
    expect(readdirSync('/run/netns')).toEqual([]);
    const started = (): readonly string[] =>
      runningProcesses().filter((pid) => !before.includes(pid));
    await waitFor(() => started().every((pid) => !/radvd|dnsmasq|udhcpc/.test(nameOf(pid))), {
      timeoutMs: 5_000,
      what: 'the daemons’ end',
    });
  });
});

function runningProcesses(): readonly string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name));
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return '';
  }
}
