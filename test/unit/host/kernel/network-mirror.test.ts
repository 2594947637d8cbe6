import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { after, NEVER } from '#base/time.ts';
import { AddressFlag, LinkFlag, NetlinkFlag } from '#wire/rtnetlink/layout.ts';
import {
  address,
  CARE_OF,
  defaultRoute,
  eth0,
  link,
  mirror,
  ROUTER,
  RUNNING,
  T0,
  UP,
} from './mirror-scene.ts';

describe('the network mirror, a snapshot', () => {
  it('leaves out loopback and the TUN device', () => {
    expect(
      mirror()
        .snapshot()
        .map((one) => one.name),
    ).toEqual(['eth0']);
  });

  it('shows lifetimes as moments, and NEVER for permanent addresses', () => {
    const one = mirror();
    one.notify(T0, [
      address(CARE_OF, AddressFlag.managedTemporary, 60),
      address(ipv4('192.0.2.5'), AddressFlag.permanent),
      address(ipv4('192.0.2.6'), 0, 0xffffffff),
    ]);
    expect(eth0(one).addresses.map((each) => each.validUntil)).toEqual([
      after(T0, 60_000),
      NEVER,
      NEVER,
    ]);
  });

  it('shows an optimistic address as usable, a tentative one as not', () => {
    const one = mirror();
    one.notify(T0, [address(CARE_OF, AddressFlag.tentative)]);
    expect(eth0(one).addresses[0]).toMatchObject({ tentative: true, duplicate: false });
    one.notify(T0, [address(CARE_OF, AddressFlag.tentative | AddressFlag.optimistic)]);
    expect(eth0(one).addresses[0]).toMatchObject({ tentative: false });
    one.notify(T0, [
      address(CARE_OF, AddressFlag.tentative | AddressFlag.duplicateDetectionFailed),
    ]);
    expect(eth0(one).addresses[0]).toMatchObject({ duplicate: true });
  });

  it('ignores IPv6 flags of IPv4 addresses (a secondary address is not temporary)', () => {
    const one = mirror();
    one.notify(T0, [
      address(ipv4('192.0.2.5'), AddressFlag.tentative | AddressFlag.duplicateDetectionFailed),
    ]);
    expect(eth0(one).addresses[0]).toMatchObject({ tentative: false, duplicate: false });
  });

  it('shows one router for each next hop of the main table, and none for added routes', () => {
    const one = mirror();
    const second = ipv6('fe80::2');
    one.notify(T0, [
      defaultRoute(ROUTER, {
        nextHops: [
          { interfaceIndex: 2, weight: 1, gateway: ROUTER },
          { interfaceIndex: 2, weight: 1, gateway: second },
        ],
      }),
      defaultRoute(ipv6('fe80::3'), { table: 1000 }),
      defaultRoute(ipv6('fe80::4'), { protocol: 202 }),
    ]);
    expect(eth0(one).routers.map((router) => router.gateway)).toEqual([ROUTER, second]);
    one.notify(T0, [defaultRoute(second, { operation: 'delete' })]);
    expect(eth0(one).routers.map((router) => router.gateway)).toEqual([ROUTER]);
  });

  it('counts as new only after a change', () => {
    const one = mirror();
    one.notify(T0, [
      link(2, 'eth0', RUNNING),
      link(3, 'sojourn-mn', UP),
      defaultRoute(ROUTER, { protocol: 202 }),
    ]);
    expect(one.takeChanged()).toBe(false);
    one.notify(T0, [link(2, 'eth0', UP)]);
    expect(one.takeChanged()).toBe(true);
    expect(one.takeChanged()).toBe(false);
  });
});

describe('the carrier epoch', () => {
  it('counts each return of the carrier, also within one batch', () => {
    const one = mirror();
    expect(eth0(one).epoch).toBe(1);
    one.notify(T0, [link(2, 'eth0', UP), link(2, 'eth0', RUNNING), link(2, 'eth0', RUNNING)]);
    expect(eth0(one)).toMatchObject({ epoch: 2, running: true });
  });

  it('does not grow while the link is dormant', () => {
    const one = mirror();
    one.notify(T0, [link(2, 'eth0', LinkFlag.up | LinkFlag.lowerUp)]);
    expect(eth0(one).running).toBe(false);
  });

  it('continues for a device that is created again', () => {
    const one = mirror();
    one.notify(T0, [link(2, 'eth0', 0, 'delete'), link(7, 'eth0', RUNNING)]);
    expect(eth0(one)).toMatchObject({ index: 7, epoch: 2, addresses: [] });
  });

  it('remains with an address until the kernel reports the address again', () => {
    const one = mirror();
    one.notify(T0, [address(CARE_OF, 0, 600), link(2, 'eth0', UP), link(2, 'eth0', RUNNING)]);
    expect(eth0(one)).toMatchObject({ epoch: 2, addresses: [{ epoch: 1 }] });
    one.notify(T0, [address(CARE_OF, 0, 600)]);
    expect(eth0(one)).toMatchObject({ epoch: 2, addresses: [{ epoch: 2 }] });
  });

  it('stays the same for an address that a dump after an overrun repeats', () => {
    const one = mirror();
    one.notify(T0, [address(CARE_OF, 0, 600), link(2, 'eth0', UP), link(2, 'eth0', RUNNING)]);
    one.load(T0, [link(2, 'eth0', RUNNING)], [address(CARE_OF, 0, 600)]);
    expect(eth0(one)).toMatchObject({ epoch: 2, addresses: [{ epoch: 1 }] });
  });
});

describe('routes that change without a notification', () => {
  it('need a dump after a Router Advertisement refreshed an address only', () => {
    const one = mirror();
    one.notify(T0, [defaultRoute(ROUTER, { expiresSeconds: 30 }), address(CARE_OF, 0, 600)]);
    expect(one.staleRoutes).toEqual([]);
    one.notify(after(T0, 20_000), [address(CARE_OF, 0, 600)]);
    // Only the lifetime may have changed, so the snapshot need not wait for a dump.
    expect(one.staleRoutes).toEqual([]);
    expect(one.agedRoutes).toEqual([6]);
    one.loadRoutes(after(T0, 20_000), 6, [defaultRoute(ROUTER, { expiresSeconds: 30 })]);
    expect(one.agedRoutes).toEqual([]);
    expect(eth0(one).routers).toMatchObject([{ validUntil: after(T0, 50_000) }]);
  });

  it('need a dump before the next snapshot while the carrier’s router is unknown', () => {
    const one = mirror();
    one.notify(T0, [
      defaultRoute(ROUTER, { expiresSeconds: 30 }),
      link(2, 'eth0', UP),
      link(2, 'eth0', RUNNING),
    ]);
    one.notify(after(T0, 20_000), [address(CARE_OF, 0, 600)]);
    expect(one.staleRoutes).toEqual([6]);
    expect(one.agedRoutes).toEqual([]);
  });

  it('confirm a router only when its lifetime grew', () => {
    const one = mirror();
    one.notify(T0, [
      defaultRoute(ROUTER, { expiresSeconds: 30 }),
      link(2, 'eth0', UP),
      link(2, 'eth0', RUNNING),
    ]);
    one.loadRoutes(after(T0, 5_000), 6, [defaultRoute(ROUTER, { expiresSeconds: 25 })]);
    expect(eth0(one)).toMatchObject({ epoch: 2, routers: [{ epoch: 1 }] });
    one.loadRoutes(after(T0, 6_000), 6, [defaultRoute(ROUTER, { expiresSeconds: 30 })]);
    expect(eth0(one)).toMatchObject({ epoch: 2, routers: [{ epoch: 2 }] });
  });

  it('do not change an expired router that is not collected yet', () => {
    const one = mirror();
    one.notify(T0, [defaultRoute(ROUTER, { expiresSeconds: 30 })]);
    one.takeChanged();
    one.loadRoutes(after(T0, 40_000), 6, [defaultRoute(ROUTER, { expiresSeconds: 0 })]);
    expect(one.takeChanged()).toBe(false);
    expect(eth0(one).routers).toMatchObject([{ validUntil: after(T0, 30_000) }]);
    one.loadRoutes(after(T0, 41_000), 6, []);
    expect(one.takeChanged()).toBe(true);
    expect(eth0(one).routers).toEqual([]);
  });

  it('need a dump of IPv4 when a device goes down or an address vanishes', () => {
    const one = mirror();
    one.notify(T0, [defaultRoute(ipv4('192.0.2.1'), { protocol: 16 })]);
    one.notify(T0, [link(2, 'eth0', 0)]);
    expect(one.staleRoutes).toEqual([4]);
    one.loadRoutes(T0, 4, []);
    expect(eth0(one).routers).toEqual([]);
    one.notify(T0, [address(ipv4('192.0.2.5'), 0, undefined, 'delete')]);
    expect(one.staleRoutes).toEqual([4]);
  });

  it('need a dump after one was replaced', () => {
    const one = mirror();
    one.notify(T0, [defaultRoute(ipv4('192.0.2.1'), { flags: NetlinkFlag.replace })]);
    expect(one.staleRoutes).toEqual([4]);
  });
});
