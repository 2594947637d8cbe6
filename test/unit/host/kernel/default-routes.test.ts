import { describe, expect, it } from 'vitest';
import { ipv4, ipv6 } from '#base/ip.ts';
import { routerFor } from '#engine/common/network-interface.ts';
import { AddressFlag, NetlinkFlag } from '#wire/rtnetlink/layout.ts';
import type { RtnetlinkMessage, RtnetlinkOperation } from '#wire/rtnetlink/message.ts';
import type { RtnetlinkNexthop } from '#wire/rtnetlink/nexthops.ts';
import type { RtnetlinkRule } from '#wire/rtnetlink/routes.ts';
import {
  address,
  defaultRoute,
  ENVELOPE,
  eth0,
  link,
  mirror,
  ROUTER,
  RUNNING,
  T0,
} from './mirror-scene.ts';

const P1 = { address: ipv6('2001:db8:a::'), length: 48 };
const P2 = { address: ipv6('2001:db8:b::'), length: 48 };

function rule(
  priority: number,
  words: Partial<RtnetlinkRule>,
  operation: RtnetlinkOperation = 'new',
): RtnetlinkMessage {
  const of = { family: 6, action: 1, table: 254, invert: false, priority } as const;
  return { ...ENVELOPE, kind: 'rule', operation, rule: { ...of, ...words } };
}

const MAIN_RULE = rule(32_766, {});

describe('default routes, each by its own identity', () => {
  it('differ by source prefix and by metric', () => {
    const one = mirror();
    one.notify(T0, [
      defaultRoute(ROUTER, { source: P1 }),
      defaultRoute(ROUTER, { source: P2 }),
      defaultRoute(ROUTER, { source: P2, metric: 5 }),
    ]);
    one.notify(T0, [defaultRoute(ROUTER, { source: P2, operation: 'delete' })]);
    expect(eth0(one).routers).toMatchObject([
      { source: P1, metric: 1024 },
      { source: P2, metric: 5 },
    ]);
  });

  it('lose what a replacement takes the place of', () => {
    const one = mirror();
    one.notify(T0, [
      defaultRoute(ROUTER),
      defaultRoute(ROUTER, { source: P1 }),
      defaultRoute(ipv6('fe80::2'), { flags: NetlinkFlag.replace }),
    ]);
    expect(eth0(one).routers.map(({ gateway }) => gateway)).toEqual([ROUTER, ipv6('fe80::2')]);
  });

  it('follow nexthop objects and groups', () => {
    const one = mirror();
    const object = { scope: 0, protocol: 3, flags: 0 };
    const nexthop = (
      fields: Pick<RtnetlinkNexthop, 'id' | 'gateway' | 'interfaceIndex' | 'group'>,
      operation: RtnetlinkOperation = 'new',
    ): RtnetlinkMessage => ({
      ...ENVELOPE,
      kind: 'nexthop',
      operation,
      nexthop: { ...object, ...fields },
    });
    one.notify(T0, [
      nexthop({ id: 7, gateway: ROUTER, interfaceIndex: 2 }),
      nexthop({ id: 8, group: [7, 9] }),
      defaultRoute(ROUTER, { nexthopId: 8 }),
    ]);
    expect(eth0(one).routers).toMatchObject([{ gateway: ROUTER }]);
    expect(one.staleRoutes).toEqual([4, 6]);
    one.notify(T0, [nexthop({ id: 8 }, 'delete')]);
    expect(eth0(one).routers).toEqual([]);
  });

  it('vanish with the last IPv4 address of their interface', () => {
    const one = mirror();
    const [first, second] = [ipv4('192.0.2.5'), ipv4('192.0.2.6')];
    one.notify(T0, [
      address(first, AddressFlag.permanent),
      address(second, AddressFlag.permanent),
      defaultRoute(ipv4('192.0.2.1')),
      address(first, AddressFlag.permanent, undefined, 'delete'),
    ]);
    expect(eth0(one).routers).toHaveLength(1);
    one.notify(T0, [address(second, AddressFlag.permanent, undefined, 'delete')]);
    expect(eth0(one).routers).toEqual([]);
  });
});

describe('routers that policy rules lead to', () => {
  it('serve the sources of their rule, before the main table’s', () => {
    const one = mirror();
    const second = ipv6('fe80::2');
    one.loadRouting([rule(500, { table: 77, source: P1 }), MAIN_RULE], []);
    one.notify(T0, [defaultRoute(ROUTER), defaultRoute(second, { table: 77 })]);
    expect(eth0(one).routers).toMatchObject([
      { gateway: ROUTER, rank: 1 },
      { gateway: second, rank: 0, source: P1 },
    ]);
    const link = eth0(one);
    expect(routerFor(T0, link, ipv6('2001:db8:a::5'))?.gateway).toBe(second);
    expect(routerFor(T0, link, ipv6('2001:db8:b::5'))?.gateway).toBe(ROUTER);
  });

  it.each<readonly [string, Partial<RtnetlinkRule>]>([
    ['with a mark', { mark: 1 }],
    ['for all but a mark', { mark: 1, invert: true }],
    ['without default routes', { suppressPrefixLength: 0 }],
    ['for a destination', { destination: P1 }],
    ['for forwarded packets', { inputInterface: 'eth1' }],
    ['for another user', { userIds: { first: 1000, last: 1000 } }],
    ['of another daemon of the suite', { protocol: 203 }],
  ])('ignore a rule %s', (_, words) => {
    const one = mirror();
    one.loadRouting([rule(500, { table: 77, ...words }), MAIN_RULE], []);
    one.notify(T0, [defaultRoute(ROUTER, { table: 77 })]);
    expect(eth0(one).routers).toEqual([]);
  });

  it('belong to the VRF of their interface', () => {
    const one = mirror();
    one.loadRouting([rule(1000, { table: 0, l3mdev: true }), MAIN_RULE], []);
    one.notify(T0, [defaultRoute(ROUTER, { table: 88 })]);
    expect(eth0(one).routers).toEqual([]);
    const vrf = link(9, 'blue', RUNNING);
    const slave = link(2, 'eth0', RUNNING);
    if (vrf.kind !== 'link' || slave.kind !== 'link') throw new Error('links');
    one.notify(T0, [
      { ...vrf, link: { ...vrf.link, kind: 'vrf', vrfTable: 88 } },
      { ...slave, link: { ...slave.link, masterIndex: 9 } },
    ]);
    expect(eth0(one).routers).toMatchObject([{ gateway: ROUTER }]);
  });

  it('appear and vanish with their rule', () => {
    const one = mirror();
    one.loadRouting([MAIN_RULE], []);
    one.notify(T0, [defaultRoute(ROUTER, { table: 77 })]);
    expect(eth0(one).routers).toEqual([]);
    one.notify(T0, [rule(500, { table: 77, source: P1 })]);
    expect(one.takeChanged()).toBe(true);
    expect(eth0(one).routers).toHaveLength(1);
    one.notify(T0, [rule(500, { table: 77, source: P1 }, 'delete')]);
    expect(eth0(one).routers).toEqual([]);
  });
});
