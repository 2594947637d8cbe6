/**
 * Selection of an NTMobile node's local addresses from the host's interfaces.
 * docs/reference/ntmobile.md §6 (candidates of kind host)
 */
import { describe, expect, it } from 'vitest';
import { type IpAddress, ipv4, ipv6 } from '#base/ip.ts';
import { monotonic } from '#base/time.ts';
import { preferenceBy } from '#engine/common/interface-preference.ts';
import { attachmentOf, localAddressFor, sameAttachment } from '#engine/ntmobile/node/attachment.ts';
import { type LinkSketch, link } from '#test/unit/engine/mobile-ipv6/mobile-node/network-sketch.ts';

const VIRTUAL: ReadonlySet<IpAddress> = new Set([ipv4('198.18.0.1'), ipv6('fd12::1')]);

function attachment(
  sketches: readonly LinkSketch[],
  preferences: readonly [match: string, preference: number][] = [],
) {
  return attachmentOf(monotonic(10), sketches.map(link), {
    preferenceOf: preferenceBy(preferences.map(([match, preference]) => ({ match, preference }))),
    excluded: (address) => VIRTUAL.has(address),
    peerNetworks: [],
  });
}

const ETH0 = { name: 'eth0', index: 2, addresses: ['192.0.2.5/24', '2001:db8:1::5/64'] };
const WLAN0 = { name: 'wlan0', index: 3, addresses: ['198.51.100.5/24', '2001:db8:2::5/64'] };

describe('an attachment', () => {
  it('uses the address of an interface with a router, one of each family', () => {
    const { ipv6: six, ipv4: four } = attachment([ETH0]);
    expect([six?.address, six?.device, four?.address]).toEqual([
      '2001:db8:1::5',
      'eth0',
      '192.0.2.5',
    ]);
    expect(attachment([{ ...ETH0, routers: [] }])).toMatchObject({
      ipv6: undefined,
      ipv4: undefined,
    });
    expect(attachment([{ ...ETH0, running: false }])).toMatchObject({
      ipv6: undefined,
      ipv4: undefined,
    });
  });

  it('uses the interface with the highest preference and never an excluded one', () => {
    expect(attachment([ETH0, WLAN0]).ipv4?.device).toBe('eth0');
    expect(attachment([ETH0, WLAN0], [['wlan*', 5]]).ipv4?.device).toBe('wlan0');
    expect(attachment([WLAN0, ETH0], [['wlan*', -1]]).ipv4?.device).toBe('eth0');
    expect(attachment([WLAN0], [['*', -1]]).ipv4).toBeUndefined();
  });

  it('prefers a global address to a unique local one', () => {
    const addresses = ['fd00:1::5/64', '2001:db8:1::5/64'];
    expect(attachment([{ ...ETH0, addresses }]).ipv6?.address).toBe('2001:db8:1::5');
    expect(attachment([{ ...ETH0, addresses: ['fd00:1::5/64'] }]).ipv6?.address).toBe('fd00:1::5');
  });

  it('excludes virtual addresses', () => {
    expect(attachment([{ ...ETH0, addresses: ['198.18.0.1/16', 'fd12::1/48'] }])).toMatchObject({
      ...{ ipv4: undefined, ipv6: undefined },
    });
  });

  it('differs after a carrier loss even with the same address', () => {
    const before = attachment([{ ...ETH0, epoch: 1 }]);
    expect(sameAttachment(before, attachment([{ ...ETH0, epoch: 1 }]))).toBe(true);
    expect(sameAttachment(before, attachment([{ ...ETH0, epoch: 2 }]))).toBe(false);
  });
});

it.each<readonly [string, string | undefined]>([
  ['198.51.100.9', 'eth0'],
  ['2001:db8:9::9', 'eth0'],
  ['10.0.0.9', 'eth0'],
  ...[
    '198.18.0.1',
    'fd12::1',
    '127.0.0.1',
    '::1',
    'fe80::1',
    'ff02::1',
    '224.0.0.1',
    '255.255.255.255',
    '0.0.0.0',
  ].map((address) => [address, undefined] as const),
])('localAddressFor(%s) finds an address of %s', (address, device) => {
  const remote = address.includes(':') ? ipv6(address) : ipv4(address);
  expect(localAddressFor(attachment([ETH0]), remote)?.device).toBe(device);
});
