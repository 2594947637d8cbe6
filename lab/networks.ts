/**
 * The networks that a node of the lab can be plugged into, as data for the builder, the self test,
 * the tests and the demo.
 */

import { MOBILE_NETWORKS } from './mobile-networks.ts';
import {
  type AttachmentPoint,
  type LinkIpv4,
  NatKind,
  type Network,
  type NetworkName,
} from './network.ts';

/**
 * A link with 14 host addresses in 203.0.113.0/24, whose lower half is the virtual home network.
 */
function publicLink(base: number): LinkIpv4 {
  const address = (host: number): string => `203.0.113.${base + host}`;
  return {
    router: address(1),
    prefixLength: 28,
    network: `${address(0)}/28`,
    first: address(2),
    last: address(14),
  };
}

function privateLink(third: number): LinkIpv4 {
  const address = (host: number): string => `192.168.${third}.${host}`;
  return {
    router: address(1),
    prefixLength: 24,
    network: `${address(0)}/24`,
    first: address(100),
    last: address(199),
  };
}

function translated(
  name: NetworkName,
  label: string,
  index: number,
  third: number,
  ...nat: readonly NatKind[]
): Network {
  return { name, label, index, ipv4: privateLink(third), nat };
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
  home: {
    name: 'home',
    label: 'home link',
    index: 1,
    ipv6: '2001:db8:100:0',
    ipv4: HOME_LINK_IPV4,
    nat: [],
  },
  ar6: { name: 'ar6', label: 'IPv6', index: 10, ipv6: '2001:db8:a:0', nat: [] },
  ar6b: { name: 'ar6b', label: 'IPv6, another', index: 11, ipv6: '2001:db8:b:0', nat: [] },
  ar4: { name: 'ar4', label: 'IPv4 public', index: 12, ipv4: publicLink(128), nat: [] },
  ar4b: { name: 'ar4b', label: 'IPv4 public, another', index: 13, ipv4: publicLink(144), nat: [] },
  ds: {
    name: 'ds',
    label: 'dual stack',
    index: 14,
    ipv6: '2001:db8:d:0',
    ipv4: publicLink(160),
    nat: [],
  },
  'nat-eim': translated('nat-eim', 'NAT, full cone', 20, 1, NatKind.endpointIndependent),
  'nat-adf': translated('nat-adf', 'NAT, address-dependent', 21, 2, NatKind.addressDependent),
  'nat-prc': translated('nat-prc', 'NAT, port-restricted', 22, 3, NatKind.portRestricted),
  'nat-sym': translated('nat-sym', 'NAT, symmetric', 23, 4, NatKind.symmetric),
  nat2: translated('nat2', 'two NATs', 24, 5, NatKind.portRestricted, NatKind.portRestricted),
  'nat-adm': translated(
    'nat-adm',
    'NAT, mapping by address',
    25,
    6,
    NatKind.addressDependentMapping,
  ),
  dsb: {
    name: 'dsb',
    label: 'dual stack, another',
    index: 15,
    ipv6: '2001:db8:e:0',
    ipv4: publicLink(176),
    nat: [],
  },
  'nat-eim-b': translated(
    'nat-eim-b',
    'NAT, full cone, another',
    26,
    11,
    NatKind.endpointIndependent,
  ),
  'nat-adf-b': translated(
    'nat-adf-b',
    'NAT, address-dependent, another',
    27,
    12,
    NatKind.addressDependent,
  ),
  'nat-prc-b': translated(
    'nat-prc-b',
    'NAT, port-restricted, another',
    28,
    13,
    NatKind.portRestricted,
  ),
  'nat-sym-b': translated('nat-sym-b', 'NAT, symmetric, another', 29, 14, NatKind.symmetric),
  nat2b: translated(
    'nat2b',
    'two NATs, others',
    30,
    15,
    NatKind.portRestricted,
    NatKind.portRestricted,
  ),
  'nat-adm-b': translated(
    'nat-adm-b',
    'NAT, mapping by address, another',
    31,
    16,
    NatKind.addressDependentMapping,
  ),
};

/** All networks for nodes, by name. */
export const ATTACHMENT_POINTS: Readonly<Record<AttachmentPoint, Network>> = {
  ...NETWORKS,
  ...MOBILE_NETWORKS,
};

/** The networks that the demo visits. */
export const DEFAULT_NETWORKS: readonly NetworkName[] = [
  'home',
  'ar6',
  'ar4',
  'nat-prc',
  'nat-sym',
  'nat2',
  'ds',
];

export const ALL_NETWORKS: readonly NetworkName[] = Object.keys(NETWORKS).filter(isNetworkName);

export function isNetworkName(name: string): name is NetworkName {
  return Object.hasOwn(NETWORKS, name);
}

export function isAttachmentPoint(name: string): name is AttachmentPoint {
  return Object.hasOwn(ATTACHMENT_POINTS, name);
}

/** Fixed addresses that the demo, the tests and the benchmarks use. */
export const ADDRESSES = {
  homeAgentIpv6: '2001:db8:100::1',
  homeAgentIpv4: '192.0.2.1',
  homePrefix: '2001:db8:100::/64',
  homeNetworkIpv4: '192.0.2.0/24',
  /** Routed to `home`; on no link. */
  virtualHomePrefix: '2001:db8:200::/64',
  virtualHomeNetworkIpv4: '203.0.113.0/25',
  correspondentIpv6: '2001:db8:f:2::2',
  correspondentIpv4: '198.51.100.10',
  /** Second addresses of the correspondent, on its loopback interface. */
  correspondentOtherIpv6: '2001:db8:c::1',
  correspondentOtherIpv4: '203.0.113.193',
  server6: '2001:db8:f:3::2',
  server4: '198.51.100.18',
  /**
   * The other home agent: a host at the core, with a virtual home network and prefixes of routers
   * of its own.
   */
  otherHomeAgentIpv6: '2001:db8:f:5::2',
  otherHomeAgentIpv4: '198.51.100.22',
  otherHomePrefix: '2001:db8:300::/64',
  otherHomeNetworkIpv4: '198.51.100.160/28',
  otherMobileNetwork: '2001:db8:502::/64',
  otherMobileNetworkIpv4: '198.51.100.176/28',
  /** Account server, direction coordinator and relay of NTMobile: hosts at the core. */
  accountServerIpv6: '2001:db8:f:6::2',
  accountServerIpv4: '198.51.100.26',
  coordinatorIpv6: '2001:db8:f:7::2',
  coordinatorIpv4: '198.51.100.30',
  relayIpv6: '2001:db8:f:8::2',
  relayIpv4: '198.51.100.34',
  /**
   * A Teredo server must have two consecutive IPv4 addresses; they are on its loopback interface.
   */
  teredoIpv4: '203.0.113.208',
  teredoOtherIpv4: '203.0.113.209',
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

/**
 * More names of the IPv6-only server, so that tests can measure the first lookup of a name several
 * times.
 */
export const MANY_NAMES: readonly string[] = Array.from(
  { length: 32 },
  (_, at) => `gn6-${at}.example`,
);

/**
 * Names that the lab's name server serves. Names that begin with `gn` belong to NTMobile's general
 * nodes.
 */
export const HOST_NAMES: readonly (readonly [string, ...string[]])[] = [
  ['ha.example', ADDRESSES.homeAgentIpv6, ADDRESSES.homeAgentIpv4],
  ['ha6.example', ADDRESSES.homeAgentIpv6],
  ['ha4.example', ADDRESSES.homeAgentIpv4],
  ['ha2.example', ADDRESSES.otherHomeAgentIpv6, ADDRESSES.otherHomeAgentIpv4],
  ['cn.example', ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4],
  ['server6.example', ADDRESSES.server6],
  ['server4.example', ADDRESSES.server4],
  ['gn.example', ADDRESSES.correspondentIpv6, ADDRESSES.correspondentIpv4],
  ['gn6.example', ADDRESSES.server6],
  ...MANY_NAMES.map((name): readonly [string, string] => [name, ADDRESSES.server6]),
  ['gn4.example', ADDRESSES.server4],
  ['as.example', ADDRESSES.accountServerIpv6, ADDRESSES.accountServerIpv4],
  ['dc.example', ADDRESSES.coordinatorIpv6, ADDRESSES.coordinatorIpv4],
  ['rsn.example', ADDRESSES.relayIpv6, ADDRESSES.relayIpv4],
];
