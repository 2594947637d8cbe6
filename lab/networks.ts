/**
 * The networks that a node of the lab can be plugged into, as data: what the builder builds, what the self test and the tests
 * expect, and what the demo prints.
 */

import { MOBILE_NETWORKS, type MobileNetworkName } from './mobile-networks.ts';

/** Behaviour of a network address translator in the words of RFC 4787 §4.1 (mapping) and §5 (filtering). */
export const NatKind = {
  /** Endpoint-independent mapping and filtering ("full cone"). */
  endpointIndependent: 'endpoint-independent',
  /** Endpoint-independent mapping, address-dependent filtering ("restricted cone"). */
  addressDependent: 'address-dependent',
  /** Endpoint-independent mapping, address- and port-dependent filtering ("port-restricted cone"). */
  portRestricted: 'port-restricted',
  /** Address- and port-dependent mapping and filtering, ports random ("symmetric"). */
  symmetric: 'symmetric',
} as const;
export type NatKind = (typeof NatKind)[keyof typeof NatKind];

/** IPv4 on a link: the router's address, and the range that its DHCP server hands out. */
export interface LinkIpv4 {
  readonly router: string;
  readonly prefixLength: number;
  readonly network: string;
  readonly first: string;
  readonly last: string;
}

export interface Network {
  readonly name: PlaceName;
  /** For people. */
  readonly label: string;
  /** Number of the link to the core router: 2001:db8:f:INDEX::/64 and 198.51.100.(4 × INDEX)/30, core is the first address. */
  readonly index: number;
  /** First four groups of the /64 that the router advertises; the router is ::1 in it. */
  readonly ipv6?: string;
  readonly ipv4?: LinkIpv4;
  /** Network address translators between the link and the core, from the link outwards. */
  readonly nat: readonly NatKind[];
}

export type NetworkName =
  | 'home'
  | 'ar6'
  | 'ar6b'
  | 'ar4'
  | 'ar4b'
  | 'ds'
  | 'nat-eim'
  | 'nat-adf'
  | 'nat-prc'
  | 'nat-sym'
  | 'nat2';

/** Where a node can be plugged in: a visited network or its home link, or a network behind a mobile router. */
export type PlaceName = NetworkName | MobileNetworkName;

/** A link of 14 hosts in 203.0.113.0/24, whose lower half is the virtual home network. */
function publicLink(base: number): LinkIpv4 {
  const address = (host: number): string => `203.0.113.${base + host}`;
  return { router: address(1), prefixLength: 28, network: `${address(0)}/28`, first: address(2), last: address(14) };
}

function privateLink(third: number): LinkIpv4 {
  const address = (host: number): string => `192.168.${third}.${host}`;
  return { router: address(1), prefixLength: 24, network: `${address(0)}/24`, first: address(100), last: address(199) };
}

const HOME_LINK_IPV4: LinkIpv4 = {
  router: '192.0.2.1',
  prefixLength: 24,
  network: '192.0.2.0/24',
  first: '192.0.2.200',
  last: '192.0.2.250',
};

/** Every network by name, in the order of the map. */
export const NETWORKS: Readonly<Record<NetworkName, Network>> = {
  home: { name: 'home', label: 'home link', index: 1, ipv6: '2001:db8:100:0', ipv4: HOME_LINK_IPV4, nat: [] },
  ar6: { name: 'ar6', label: 'IPv6', index: 10, ipv6: '2001:db8:a:0', nat: [] },
  ar6b: { name: 'ar6b', label: 'IPv6, another', index: 11, ipv6: '2001:db8:b:0', nat: [] },
  ar4: { name: 'ar4', label: 'IPv4 public', index: 12, ipv4: publicLink(128), nat: [] },
  ar4b: { name: 'ar4b', label: 'IPv4 public, another', index: 13, ipv4: publicLink(144), nat: [] },
  ds: { name: 'ds', label: 'dual stack', index: 14, ipv6: '2001:db8:d:0', ipv4: publicLink(160), nat: [] },
  'nat-eim': {
    name: 'nat-eim',
    label: 'NAT, full cone',
    index: 20,
    ipv4: privateLink(1),
    nat: [NatKind.endpointIndependent],
  },
  'nat-adf': {
    name: 'nat-adf',
    label: 'NAT, address-dependent',
    index: 21,
    ipv4: privateLink(2),
    nat: [NatKind.addressDependent],
  },
  'nat-prc': {
    name: 'nat-prc',
    label: 'NAT, port-restricted',
    index: 22,
    ipv4: privateLink(3),
    nat: [NatKind.portRestricted],
  },
  'nat-sym': { name: 'nat-sym', label: 'NAT, symmetric', index: 23, ipv4: privateLink(4), nat: [NatKind.symmetric] },
  nat2: {
    name: 'nat2',
    label: 'two NATs',
    index: 24,
    ipv4: privateLink(5),
    nat: [NatKind.portRestricted, NatKind.portRestricted],
  },
};

/** Every place by name. */
export const PLACES: Readonly<Record<PlaceName, Network>> = { ...NETWORKS, ...MOBILE_NETWORKS };

/** What the demo visits. */
export const DEFAULT_NETWORKS: readonly NetworkName[] = ['home', 'ar6', 'ar4', 'nat-prc', 'nat-sym', 'nat2', 'ds'];

export const ALL_NETWORKS: readonly NetworkName[] = Object.keys(NETWORKS).filter(isNetworkName);

export function isNetworkName(name: string): name is NetworkName {
  return Object.hasOwn(NETWORKS, name);
}

export function isPlaceName(name: string): name is PlaceName {
  return Object.hasOwn(PLACES, name);
}

/** Fixed addresses that the demo, the tests and the benchmarks use. */
export const ADDRESSES = {
  homeAgentIpv6: '2001:db8:100::1',
  homeAgentIpv4: '192.0.2.1',
  homePrefix: '2001:db8:100::/64',
  homeNetworkIpv4: '192.0.2.0/24',
  /** Routed to `home`, on no link. */
  virtualHomePrefix: '2001:db8:200::/64',
  virtualHomeNetworkIpv4: '203.0.113.0/25',
  correspondentIpv6: '2001:db8:f:2::2',
  correspondentIpv4: '198.51.100.10',
  /** Second addresses of the correspondent, on its loopback interface. */
  correspondentOtherIpv6: '2001:db8:c::1',
  correspondentOtherIpv4: '203.0.113.193',
  server6: '2001:db8:f:3::2',
  server4: '198.51.100.18',
  /** The other home agent: a host at the core, with a virtual home network and prefixes of routers of its own. */
  otherHomeAgentIpv6: '2001:db8:f:5::2',
  otherHomeAgentIpv4: '198.51.100.22',
  otherHomePrefix: '2001:db8:300::/64',
  otherHomeNetworkIpv4: '198.51.100.160/28',
  otherMobileNetwork: '2001:db8:502::/64',
  otherMobileNetworkIpv4: '198.51.100.176/28',
} as const;

/** Addresses of both ends of the link between the core router and the neighbour with that index. */
export function coreLink(index: number): {
  readonly core4: string;
  readonly far4: string;
  readonly core6: string;
  readonly far6: string;
} {
  const base = 4 * index;
  return {
    core4: `198.51.100.${base + 1}`,
    far4: `198.51.100.${base + 2}`,
    core6: `2001:db8:f:${index}::1`,
    far6: `2001:db8:f:${index}::2`,
  };
}

/** Names that the lab's name server knows. */
export const HOST_NAMES: readonly (readonly [string, ...string[]])[] = [
  ['ha.example', ADDRESSES.homeAgentIpv6, ADDRESSES.homeAgentIpv4],
  ['ha6.example', ADDRESSES.homeAgentIpv6],
  ['ha4.example', ADDRESSES.homeAgentIpv4],
  ['ha2.example', ADDRESSES.otherHomeAgentIpv6, ADDRESSES.otherHomeAgentIpv4],
  ['cn.example', ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4],
  ['server6.example', ADDRESSES.server6],
  ['server4.example', ADDRESSES.server4],
];
