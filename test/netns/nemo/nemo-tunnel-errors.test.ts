/**
 * NEMO-HA, errors about tunnels and refused inner packets, with real packets: RFC 2473 §8, RFC 3963
 * §6.5-6.7. The router is scripted; the home agent and all other hosts are real. Each case is for a
 * home address of the home network (HNP) or of a mobile network prefix (MNP).
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import { waitFor } from '#lab/shell.ts';
import { createBinding } from '#test/netns/helpers/accepted-bindings.ts';
import { icmp, PROTOCOL_IPV6, packet, sendRaw } from '#test/netns/helpers/crafted-packets.ts';
import { TUN } from '#test/netns/helpers/plane/plane-hosts.ts';
import {
  CORRESPONDENT,
  HOME_ADDRESSES,
  HOME_AGENT,
  HOSTS,
  type HomeAddressOf,
  INGRESS,
  PREFIXES,
  type Registration,
  ScriptedRouter,
} from '#test/netns/helpers/scripted-router.ts';
import { encodeUdp, PROTOCOL_UDP } from '#wire/ip/udp.ts';

const [FIRST] = PREFIXES;
const CN = CORRESPONDENT;
/** An address on the router's visited link that is no care-of address. */
const FOREIGN_SOURCE = ipv6('2001:db8:a::bad');

let router: ScriptedRouter;

beforeAll(async () => {
  router = await ScriptedRouter.create();
});
afterAll(async () => await router?.close());

const bound = (home: HomeAddressOf, prefixes: Registration['prefixes']): Promise<void> =>
  createBinding(router, home, prefixes);

describe('ICMP errors about outer packets, relayed to the inner source (RFC 2473 §8)', () => {
  /** Sends unfragmentable echo requests of `octets`; returns ping's output. */
  async function pingOutput(to: string, octets: number): Promise<string> {
    const argv = [
      'ping',
      '-n',
      '-c',
      '4',
      '-i',
      '0.2',
      '-W',
      '1',
      '-M',
      'do',
      '-s',
      String(octets),
      to,
    ];
    return (await router.lab.attempt('cn', argv)).stdout;
  }

  /** Lowers the MTU of a link on the tunnel's path. */
  async function narrow(mtu: number): Promise<void> {
    await router.lab.exec('ar6', ['ip', 'link', 'set', 'lan', 'mtu', String(mtu)]);
  }

  // Each case has its own MTU, because a learnt path MTU is kept for minutes.
  const RELAYED = [
    ['NEMO-HA_5_1_3, NEMO-HA_5_3_5 the router’s home address', 'HNP', 'egress', undefined, 1440],
    ['NEMO-HA_5_3_6 its address on the mobile network', 'HNP', 'ingress', undefined, 1430],
    ['NEMO-HA_5_1_7, NEMO-HA_5_3_9 the router’s home address', 'MNP', 'egress', undefined, 1420],
    ['NEMO-HA_5_3_8 its address on the mobile network', 'MNP', 'ingress', undefined, 1410],
    [
      'NEMO-HA_5_3_10 its address on the mobile network, explicit mode',
      'HNP',
      'ingress',
      [FIRST],
      1400,
    ],
    [
      'NEMO-HA_5_3_12 its address on the mobile network, explicit mode',
      'MNP',
      'ingress',
      [FIRST],
      1390,
    ],
    ['NEMO-HA_5_5_1 a host behind it', 'HNP', 'host', [FIRST], 1380],
    ['NEMO-HA_5_5_4 a host behind it', 'MNP', 'host', [FIRST], 1370],
  ] as const;
  const addressOf = (home: HomeAddressOf, which: 'egress' | 'ingress' | 'host') =>
    which === 'egress' ? HOME_ADDRESSES[home] : which === 'ingress' ? INGRESS[0] : HOSTS[0];

  it.each(RELAYED)(
    '%s: Packet Too Big of a router that relays the tunnel (%s)',
    async (_t, home, which, prefixes, mtu) => {
      await bound(home, prefixes);
      await narrow(mtu);
      const output = await pingOutput(addressOf(home, which), mtu - 40 - 48 + 8);
      await narrow(1500);
      expect(output).toContain(`Packet too big: mtu=${mtu - 40}`);
    },
  );

  it.each(RELAYED)(
    '%s: Destination Unreachable of that router (%s)',
    async (_title, home, which, prefixes) => {
      await bound(home, prefixes);
      const route = [`prohibit`, `${router.careOf}/128`];
      await router.lab.exec('ar6', ['ip', '-6', 'route', 'add', ...route]);
      const output = await pingOutput(addressOf(home, which), 56);
      await router.lab.exec('ar6', ['ip', '-6', 'route', 'delete', ...route]);
      expect(output).toContain(
        `From ${HOME_AGENT} icmp_seq=1 Destination unreachable: Address unreachable`,
      );
    },
  );

  it.each(RELAYED)(
    '%s: Time Exceeded of that router (%s)',
    async (_title, home, which, prefixes) => {
      await bound(home, prefixes);
      await router.lab.exec('ar6', ['nft', '-f', '-'], {
        input: `add table ip6 worn
add chain ip6 worn outer { type filter hook prerouting priority raw; }
add rule ip6 worn outer ip6 daddr ${router.careOf} ip6 hoplimit set 1
`,
      });
      const output = await pingOutput(addressOf(home, which), 56);
      await router.lab.exec('ar6', ['nft', 'delete', 'table', 'ip6', 'worn']);
      expect(output).toContain(
        `From ${HOME_AGENT} icmp_seq=1 Destination unreachable: Address unreachable`,
      );
    },
  );

  it('ignores forged errors about packets that were never sent', async () => {
    await bound('HNP', [FIRST]);
    const [relayed, unproved] = [
      await router.dropped('unreachable-sent'),
      await router.dropped('path-errors-unproved'),
    ];
    /** A forged error of an on-path host that quotes this packet. */
    const claim = async (inner: Uint8Array) => {
      const quoted = packet(HOME_AGENT, router.careOf, PROTOCOL_IPV6, inner);
      const error = icmp(FOREIGN_SOURCE, HOME_AGENT, {
        type: 'destination-unreachable',
        packet: quoted,
      });
      await sendRaw(router.lab, 'mr', error);
    };
    const toward = (host: string) => {
      const datagram = {
        sourcePort: 9,
        destinationPort: 9,
        payload: new TextEncoder().encode('lost'),
      };
      return packet(CN, ipv6(host), PROTOCOL_UDP, encodeUdp(CN, ipv6(host), datagram));
    };
    await claim(toward('2001:db8:5ff::a'));
    await claim(toward(HOSTS[0]).subarray(0, 39));
    await claim(toward(HOSTS[0]));
    await waitFor(async () => (await router.dropped('path-errors-unproved')) >= unproved + 3, {
      timeoutMs: 5_000,
      what: 'all three errors to be counted',
    });
    expect(await router.dropped('unreachable-sent')).toBe(relayed);
  });

  it.each([
    ['NEMO-HA_5_5_3 Destination Unreachable from the mobile network', 'HNP'],
    ['NEMO-HA_5_5_6 Destination Unreachable from the mobile network', 'MNP'],
  ] as const)('%s (%s)', async (_title, home) => {
    await bound(home, undefined);
    // The kernel chooses a source from its addresses, so the host has only the bound one of the two
    // home addresses here.
    const other = HOME_ADDRESSES[home === 'HNP' ? 'MNP' : 'HNP'];
    const change = async (verb: 'add' | 'del') =>
      await router.lab.exec('mr', ['ip', 'address', verb, `${other}/128`, 'dev', TUN]);
    await change('del');
    const argv = ['ping', '-n', '-c', '1', '-W', '8', '2001:db8:500::dead'];
    const { stdout } = await router.lab.attempt('cn', argv);
    await change('add');
    expect(stdout).toMatch(
      new RegExp(`From (${HOME_ADDRESSES[home]}|${INGRESS[0]}) .*Address unreachable`),
    );
  });
});

describe('inner packets of unregistered sources', () => {
  const ALL = [
    [
      'NEMO-HA_6_2_1, NEMO-HA_6_5_1 from another outer source, the home address inside',
      'HNP',
      'egress',
      undefined,
    ],
    [
      'NEMO-HA_6_5_2 from another outer source, the address on the mobile network inside',
      'HNP',
      'ingress',
      undefined,
    ],
    [
      'NEMO-HA_6_2_2, NEMO-HA_6_5_3 from another outer source, the home address inside',
      'MNP',
      'egress',
      undefined,
    ],
    [
      'NEMO-HA_6_5_4 from another outer source, the address on the mobile network inside',
      'MNP',
      'ingress',
      undefined,
    ],
    ['NEMO-HA_6_5_5 the same in explicit mode', 'HNP', 'egress', [FIRST]],
    ['NEMO-HA_6_5_6 the same in explicit mode', 'HNP', 'ingress', [FIRST]],
    ['NEMO-HA_6_5_7 the same in explicit mode', 'MNP', 'egress', [FIRST]],
    ['NEMO-HA_6_5_8 the same in explicit mode', 'MNP', 'ingress', [FIRST]],
  ] as const;

  /**
   * Sends the packet three times by hand; returns the growth of the home agent's drop counters.
   * Expects that the correspondent receives none.
   */
  async function send(outer: Ipv6Address, inner: Ipv6Address): Promise<number> {
    const { lab } = router;
    const counters = ['drop-unknown-endpoint', 'drop-permit', 'drop-hold-expired'] as const;
    const sum = async () =>
      (await Promise.all(counters.map((name) => router.dropped(name)))).reduce((a, b) => a + b, 0);
    const before = await sum();
    const file = `${lab.logDirectory}/wrong.pcap`;
    const capture = await lab.capture('cn', 'wan', file);
    for (let sent = 0; sent < 3; sent += 1) await sendRaw(lab, 'mr', tunnelled(outer, inner));
    await router.lab.exec('cn', ['ping', '-n', '-c', '3', '-i', '0.2', '-W', '1', HOME_AGENT]);
    await capture.stop();
    expect(await lab.exec('cn', ['tshark', '-r', file, '-Y', `ipv6.src == ${inner}`])).toBe('');
    return (await sum()) - before;
  }

  it.each(ALL)('%s (%s)', async (_title, home, which, prefixes) => {
    await bound(home, prefixes);
    expect(
      await send(FOREIGN_SOURCE, which === 'egress' ? HOME_ADDRESSES[home] : ipv6(INGRESS[0])),
    ).toBe(3);
  });

  it.each([
    [
      'NEMO-HA_6_2_3 the care-of address of a binding that is over, the home address inside',
      'HNP',
      undefined,
    ],
    [
      'NEMO-HA_6_2_4 the care-of address of a binding that is over, the home address inside',
      'MNP',
      undefined,
    ],
    ['NEMO-HA_6_7_3 the same, a host behind the router inside', 'HNP', HOSTS[0]],
    ['NEMO-HA_6_7_4 the same, a host behind the router inside', 'MNP', HOSTS[0]],
  ] as const)('%s (%s)', async (_title, home, host) => {
    await bound(home, undefined);
    expect(await router.register({ home, prefixes: undefined, lifetimeUnits: 0 })).toMatchObject({
      status: 0,
    });
    expect(await send(router.careOf, host === undefined ? HOME_ADDRESSES[home] : ipv6(host))).toBe(
      3,
    );
  });

  it.each([
    ['NEMO-HA_6_7_1 the right care-of address, a source that is in no prefix inside', 'HNP'],
    ['NEMO-HA_6_7_2 the right care-of address, a source that is in no prefix inside', 'MNP'],
  ] as const)('%s (%s)', async (_title, home) => {
    await bound(home, undefined);
    expect(await send(router.careOf, ipv6('2001:db8:5ff::a'))).toBe(3);
  });

  function tunnelled(outer: Ipv6Address, inner: Ipv6Address): Uint8Array {
    const datagram = {
      sourcePort: 9,
      destinationPort: 9,
      payload: new TextEncoder().encode('unregistered'),
    };
    const data = packet(inner, CN, PROTOCOL_UDP, encodeUdp(inner, CN, datagram));
    return packet(outer, HOME_AGENT, PROTOCOL_IPV6, data);
  }
});
