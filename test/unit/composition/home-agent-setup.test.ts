/** The first configuration of a home agent, which `sojourn setup ha` writes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6, type Prefix, parsePrefix } from '#base/ip.ts';
import {
  configurationText,
  homeAgentConfiguration,
} from '#composition/setup/home-agent-configuration.ts';
import {
  type HostNetwork,
  isPrivateAddress,
  reachableAddresses,
} from '#composition/setup/host-addresses.ts';
import { checkConfiguration, formatFault } from '#daemon/configuration/config.ts';
import { homeAgentSchema } from '../../../daemons/ha/config.ts';

const ADDRESSES = [ipv6('2001:db8:1::1'), ipv4('192.0.2.1')];
const HOME = prefix('2001:db8:1:100::/64');
const IPV4_HOME = prefix('198.51.100.0/24');
const NOTHING = {
  ...{ addresses: ADDRESSES, homePrefix: undefined, ipv4HomePrefix: undefined },
  ...{ prefixPool: undefined, stateDirectory: undefined },
};

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

const randomOf = (octets: readonly number[]) => (count: number) =>
  Uint8Array.from({ length: count }, (_, at) => octets[at] ?? 0);

const RANDOM = randomOf([1, 2, 3, 4, 5, 6, 7]);

describe('the configuration', () => {
  it('makes up private networks that are translated', () => {
    expect(homeAgentConfiguration(NOTHING, RANDOM)).toEqual({
      addresses: ['2001:db8:1::1'],
      ipv4Addresses: ['192.0.2.1'],
      homePrefixes: ['fd01:203:405:1::/64'],
      ipv4HomePrefixes: ['10.70.7.0/24'],
      ipv4Pool: '10.70.7.128/25',
      prefixPool: 'fd01:203:405:8000::/49',
      internet: 'nat66',
    });
  });

  it('translates nothing but what is not routed to the host', () => {
    const routed = { ...NOTHING, homePrefix: HOME };
    expect(homeAgentConfiguration(routed, RANDOM)).toEqual({
      addresses: ['2001:db8:1::1'],
      ipv4Addresses: ['192.0.2.1'],
      homePrefixes: ['2001:db8:1:100::/64'],
      ipv4HomePrefixes: ['10.70.7.0/24'],
      ipv4Pool: '10.70.7.128/25',
      internet: 'nat',
    });
    expect(homeAgentConfiguration({ ...routed, ipv4HomePrefix: IPV4_HOME }, RANDOM)).toEqual({
      addresses: ['2001:db8:1::1'],
      ipv4Addresses: ['192.0.2.1'],
      homePrefixes: ['2001:db8:1:100::/64'],
      ipv4HomePrefixes: ['198.51.100.0/24'],
      ipv4Pool: '198.51.100.0/24',
    });
  });

  it('gives a host without IPv6 an address of the home network', () => {
    const { addresses, ipv4Addresses } = homeAgentConfiguration(
      { ...NOTHING, addresses: [ipv4('192.0.2.1')] },
      RANDOM,
    );
    expect([addresses, ipv4Addresses]).toEqual([['fd01:203:405:1::1'], ['192.0.2.1']]);
  });

  it('passes the check whatever is given and made up', () => {
    const perhaps = (value: Prefix) => fc.constantFrom(undefined, value);
    const setups = fc.record({
      addresses: fc.constantFrom(ADDRESSES, ADDRESSES.slice(0, 1), ADDRESSES.slice(1)),
      homePrefix: perhaps(HOME),
      ipv4HomePrefix: perhaps(IPV4_HOME),
      prefixPool: perhaps(prefix('2001:db8:2::/48')),
      stateDirectory: fc.constantFrom(undefined, '/run/other'),
    });
    const octets = fc.array(fc.nat(255), { minLength: 7, maxLength: 7 });
    fc.assert(
      fc.property(setups, octets, (setup, random) => {
        const text = configurationText(homeAgentConfiguration(setup, randomOf(random)));
        const result = checkConfiguration('ha.yaml', text, homeAgentSchema);
        expect(result.ok ? [] : result.faults.map(formatFault)).toEqual([]);
      }),
    );
  });
});

describe('the addresses of the host', () => {
  const row = (device: string, text: string): HostNetwork['addresses'][number] => {
    const address: IpAddress = text.includes(':') ? ipv6(text) : ipv4(text);
    return { device, address };
  };
  const DEFAULT6 = `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe80 00000400 1 0 00000003`;
  const NETWORK: HostNetwork = {
    addresses: [
      row('eth0', '192.0.2.1'),
      row('eth0', '2001:db8:1::1'),
      row('eth0', '2001:db8:1::dead'),
      row('eth0', 'fd00::1'),
      row('eth0', 'fe80::1'),
      row('docker0', '172.17.0.1'),
      row('sojourn-ha', '2001:db8:9::1'),
    ],
    // The last field but one is the flags: c0 permanent and tentative, 01 temporary.
    ifInet6: [
      '20010db8000100000000000000000001 02 40 00 c0     eth0',
      '20010db800010000000000000000dead 02 40 00 01     eth0',
    ].join('\n'),
    ipv6Route: `${DEFAULT6}     eth0\n${DEFAULT6}       lo\n`,
    route: [
      'Iface Destination Gateway Flags RefCnt Use Metric Mask',
      'eth0 00000000 01 3 0 0 0 00000000',
    ].join('\n'),
  };

  it('include the lasting global ones of interfaces with a default route', () => {
    expect(reachableAddresses(NETWORK)).toEqual(['192.0.2.1', '2001:db8:1::1']);
  });

  it('include those of every interface if none has a default route', () => {
    expect(reachableAddresses({ ...NETWORK, ipv6Route: '', route: '' })).toEqual([
      ...['192.0.2.1', '2001:db8:1::1', '172.17.0.1'],
    ]);
  });

  it.each([
    ...['10.0.0.1', '172.16.0.1', '172.31.255.1', '192.168.1.1', '100.64.0.1', '100.127.255.1'],
    ...['fc00::1', 'fd12::1'],
  ])('include the private %s, which other networks cannot reach', (text) => {
    expect(isPrivateAddress(row('eth0', text).address)).toBe(true);
  });

  it.each([
    ...['9.255.0.1', '172.32.0.1', '100.63.255.1', '100.128.0.1', '192.0.2.1'],
    ...['2001:db8::fd', 'fe00::1'],
  ])('include the public %s', (text) => {
    expect(isPrivateAddress(row('eth0', text).address)).toBe(false);
  });

  it('include unique local ones where no others exist', () => {
    const addresses = [row('eth0', 'fd00::1')];
    expect(reachableAddresses({ ...NETWORK, addresses })).toEqual(['fd00::1']);
  });
});
