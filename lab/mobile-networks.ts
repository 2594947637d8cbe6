/**
 * The mobile routers of the lab and the networks behind them, as data. Each network is a link with
 * ordinary hosts, and other nodes can be plugged into it.
 */
import type { LinkIpv4, MobileNetworkName, Network } from './network.ts';

export type MobileRouterName = 'mr' | 'mr2';

/** A mobile router, its home, and its network. The names of hosts are those of their namespaces. */
export interface LabMobileRouter {
  readonly name: MobileRouterName;
  readonly lan: MobileNetworkName;
  readonly identifier: string;
  readonly spi: number;
  readonly homeAddress: string;
  readonly ipv4HomeAddress: string;
  readonly virtualHomeAddress: string;
  readonly virtualIpv4HomeAddress: string;
  /** First four groups of the /64 of its network; the router is ::1 in it. */
  readonly ipv6: string;
  readonly ipv4: LinkIpv4;
  readonly hosts: readonly string[];
}

function publicLink(base: number): LinkIpv4 {
  const address = (host: number): string => `198.51.100.${base + host}`;
  return {
    router: address(1),
    prefixLength: 28,
    network: `${address(0)}/28`,
    first: address(2),
    last: address(14),
  };
}

export const MOBILE_ROUTERS: Readonly<Record<MobileRouterName, LabMobileRouter>> = {
  mr: {
    name: 'mr',
    lan: 'mr-lan',
    identifier: 'mr@example.net',
    spi: 2000,
    homeAddress: '2001:db8:100::20',
    ipv4HomeAddress: '192.0.2.20',
    virtualHomeAddress: '2001:db8:200::20',
    virtualIpv4HomeAddress: '203.0.113.20',
    ipv6: '2001:db8:500:0',
    ipv4: publicLink(128),
    hosts: ['mr-a', 'mr-b'],
  },
  mr2: {
    name: 'mr2',
    lan: 'mr2-lan',
    identifier: 'mr2@example.net',
    spi: 2001,
    homeAddress: '2001:db8:100::21',
    ipv4HomeAddress: '192.0.2.21',
    virtualHomeAddress: '2001:db8:200::21',
    virtualIpv4HomeAddress: '203.0.113.21',
    ipv6: '2001:db8:501:0',
    ipv4: publicLink(144),
    hosts: ['mr2-a'],
  },
};

export const MOBILE_ROUTER_NAMES: readonly MobileRouterName[] =
  Object.keys(MOBILE_ROUTERS).filter(isMobileRouterName);

export function isMobileRouterName(name: string): name is MobileRouterName {
  return Object.hasOwn(MOBILE_ROUTERS, name);
}

/** Both prefixes of a router's network as text, the IPv6 one first. */
export function prefixesOf({ ipv6, ipv4 }: LabMobileRouter): readonly [string, string] {
  return [`${ipv6.replace(/:0$/, '')}::/64`, ipv4.network];
}

/** The router's addresses on its network, with prefix lengths. */
export function routerAddressesOf({ ipv6, ipv4 }: LabMobileRouter): readonly [string, string] {
  return [`${ipv6.replace(/:0$/, '')}::1/64`, `${ipv4.router}/${ipv4.prefixLength}`];
}

function linkBehind({ lan, name, ipv6, ipv4 }: LabMobileRouter): Network {
  return { name: lan, label: `behind ${name}`, index: 0, ipv6, ipv4, nat: [] };
}

export const MOBILE_NETWORKS: Readonly<Record<MobileNetworkName, Network>> = {
  'mr-lan': linkBehind(MOBILE_ROUTERS.mr),
  'mr2-lan': linkBehind(MOBILE_ROUTERS.mr2),
};

/** The interfaces of mobile routers and of the hosts behind them, by node. */
export function interfacesOfRouters(
  routers: readonly MobileRouterName[],
): Readonly<Record<string, readonly string[]>> {
  const names = routers.flatMap((name) => [name, ...MOBILE_ROUTERS[name].hosts]);
  return Object.fromEntries(names.map((name) => [name, ['eth0']]));
}
