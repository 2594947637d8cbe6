import { describe, expect, it } from 'vitest';
import { formatPrefix, ipv4, ipv6, parsePrefix } from '#base/ip.ts';
import { connectedNetworks } from '#engine/common/connected-networks.ts';
import { type LinkSketch, link } from '../mobile-ipv6/mobile-node/network-sketch.ts';

const UPLINK = { addresses: ['192.168.1.10/24', '2001:db8:f1::2/64'], epoch: 3 };
const BRIDGE = { name: 'docker0', index: 5, addresses: ['172.17.0.1/16'], routers: [] };

const around = (
  source: string,
  sketches: readonly LinkSketch[],
  elsewhere: readonly string[] = [],
): readonly string[] =>
  connectedNetworks(
    {
      address: source.includes(':') ? ipv6(source) : ipv4(source),
      device: 'eth0',
      epoch: 3,
    },
    sketches.map(link),
    elsewhere.map(parsePrefix).filter((prefix) => prefix !== undefined),
  ).map(({ destination, device }) => `${formatPrefix(destination)} ${device}`);

describe('connectedNetworks', () => {
  it('holds the networks of the address’s own link, of its family', () => {
    const links = [{ ...UPLINK, addresses: [...UPLINK.addresses, 'fd00:5::2/64', 'fe80::2/64'] }];
    expect(around('2001:db8:f1::2', links)).toEqual(['2001:db8:f1::/64 eth0', 'fd00:5::/64 eth0']);
    expect(around('192.168.1.10', links)).toEqual(['192.168.1.0/24 eth0']);
  });

  it('holds networks of interfaces without a router, but not of other uplinks', () => {
    const other = { name: 'wlan0', index: 3, addresses: ['192.168.8.10/24'] };
    expect(around('192.168.1.10', [UPLINK, BRIDGE, other])).toEqual([
      '192.168.1.0/24 eth0',
      '172.17.0.0/16 docker0',
    ]);
    expect(around('192.168.1.10', [UPLINK, { ...BRIDGE, running: false }])).toHaveLength(1);
  });

  it('prefers the own link to an interface with the same or a narrower network', () => {
    const visited = { addresses: ['172.17.5.5/16'], epoch: 3 };
    const narrow = { ...BRIDGE, addresses: ['172.17.0.1/24'] };
    expect(around('172.17.5.5', [narrow, visited])).toEqual(['172.17.0.0/16 eth0']);
  });

  it('leaves out prefixes that are on no link, and those of an earlier carrier', () => {
    const stale = { ...BRIDGE, name: 'eth1', addresses: ['2001:db8:1::7/64'] };
    expect(around('2001:db8:f1::2', [UPLINK, stale], ['2001:db8:1::/64'])).toEqual([
      '2001:db8:f1::/64 eth0',
    ]);
    const earlier = { ...UPLINK, addresses: ['2001:db8:1::7/64'], addressEpoch: 2 };
    expect(around('2001:db8:f1::2', [earlier])).toEqual([]);
  });

  it('finds none for an address without a prefix', () => {
    expect(around('192.0.2.1', [{ addresses: ['192.0.2.1/32'], epoch: 3 }])).toEqual([]);
  });
});
