/**
 * Address blocks with a special purpose, as data.
 *
 * Source: the "IANA IPv4 Special-Purpose Address Registry" and the "IANA IPv6 Special-Purpose
 * Address Registry", which RFC 6890 created and RFC 8190 changed, as of the RFCs that the rows
 * name. `forwardable` and `globallyReachable` are columns of these registries; "N/A" there is
 * `false` here. The last rows of each table are blocks that other documents take from unicast.
 */
import { assert } from './assert.ts';
import { type Prefix, parsePrefix } from './ip.ts';

interface SpecialPurposeBlock {
  readonly prefix: Prefix;
  readonly name: string;
  readonly source: string;
  /** A router may forward a packet to it between interfaces. */
  readonly forwardable: boolean;
  /** A packet to it may leave its administrative domain. */
  readonly globallyReachable: boolean;
}

/** Prefix, forwardable, globally reachable, RFC, name. */
type Row = readonly [string, 'forward' | 'stay', 'global' | 'local', string, string];

const IPV4: readonly Row[] = [
  ['0.0.0.0/8', 'stay', 'local', 'RFC 791 §3.2', 'this network'],
  ['10.0.0.0/8', 'forward', 'local', 'RFC 1918', 'private use'],
  ['100.64.0.0/10', 'forward', 'local', 'RFC 6598', 'shared address space'],
  ['127.0.0.0/8', 'stay', 'local', 'RFC 1122 §3.2.1.3', 'loopback'],
  ['169.254.0.0/16', 'stay', 'local', 'RFC 3927', 'link-local'],
  ['172.16.0.0/12', 'forward', 'local', 'RFC 1918', 'private use'],
  ['192.0.0.0/24', 'stay', 'local', 'RFC 6890 §2.1', 'IETF protocol assignments'],
  ['192.0.0.0/29', 'forward', 'local', 'RFC 7335', 'IPv4 service continuity'],
  ['192.0.0.8/32', 'stay', 'local', 'RFC 7600', 'dummy address'],
  ['192.0.0.9/32', 'forward', 'global', 'RFC 7723', 'Port Control Protocol anycast'],
  ['192.0.0.10/32', 'forward', 'global', 'RFC 8155', 'TURN anycast'],
  ['192.0.0.170/32', 'stay', 'local', 'RFC 8880', 'NAT64 and DNS64 discovery'],
  ['192.0.0.171/32', 'stay', 'local', 'RFC 8880', 'NAT64 and DNS64 discovery'],
  ['192.0.2.0/24', 'stay', 'local', 'RFC 5737', 'documentation'],
  ['192.31.196.0/24', 'forward', 'global', 'RFC 7535', 'AS112'],
  ['192.52.193.0/24', 'forward', 'global', 'RFC 7450', 'AMT'],
  ['192.88.99.0/24', 'stay', 'local', 'RFC 7526', '6to4 relay anycast, deprecated'],
  ['192.88.99.2/32', 'forward', 'local', 'RFC 6751', '6a44 relay anycast'],
  ['192.168.0.0/16', 'forward', 'local', 'RFC 1918', 'private use'],
  ['192.175.48.0/24', 'forward', 'global', 'RFC 7534', 'AS112'],
  ['198.18.0.0/15', 'forward', 'local', 'RFC 2544', 'benchmarking'],
  ['198.51.100.0/24', 'stay', 'local', 'RFC 5737', 'documentation'],
  ['203.0.113.0/24', 'stay', 'local', 'RFC 5737', 'documentation'],
  ['240.0.0.0/4', 'stay', 'local', 'RFC 1112 §4', 'reserved'],
  ['255.255.255.255/32', 'stay', 'local', 'RFC 919 §7', 'limited broadcast'],
  // Not in the registry.
  ['224.0.0.0/4', 'stay', 'local', 'RFC 5771', 'multicast'],
];

const IPV6: readonly Row[] = [
  ['::/128', 'stay', 'local', 'RFC 4291 §2.5.2', 'unspecified'],
  ['::1/128', 'stay', 'local', 'RFC 4291 §2.5.3', 'loopback'],
  ['::ffff:0:0/96', 'stay', 'local', 'RFC 4291 §2.5.5.2', 'IPv4-mapped'],
  ['64:ff9b::/96', 'forward', 'global', 'RFC 6052', 'IPv4-IPv6 translation'],
  ['64:ff9b:1::/48', 'forward', 'local', 'RFC 8215', 'IPv4-IPv6 translation, local use'],
  ['100::/64', 'forward', 'local', 'RFC 6666', 'discard-only'],
  ['100:0:0:1::/64', 'stay', 'local', 'RFC 9780', 'dummy prefix'],
  ['2001::/23', 'stay', 'local', 'RFC 2928', 'IETF protocol assignments'],
  ['2001::/32', 'forward', 'local', 'RFC 4380', 'Teredo'],
  ['2001:1::1/128', 'forward', 'global', 'RFC 7723', 'Port Control Protocol anycast'],
  ['2001:1::2/128', 'forward', 'global', 'RFC 8155', 'TURN anycast'],
  ['2001:1::3/128', 'forward', 'global', 'RFC 9665', 'service registration anycast'],
  ['2001:2::/48', 'forward', 'local', 'RFC 5180', 'benchmarking'],
  ['2001:3::/32', 'forward', 'global', 'RFC 7450', 'AMT'],
  ['2001:4:112::/48', 'forward', 'global', 'RFC 7535', 'AS112'],
  ['2001:10::/28', 'stay', 'local', 'RFC 4843', 'ORCHID, deprecated'],
  ['2001:20::/28', 'forward', 'global', 'RFC 7343', 'ORCHIDv2'],
  ['2001:30::/28', 'forward', 'global', 'RFC 9374', 'drone remote identification'],
  ['2001:db8::/32', 'stay', 'local', 'RFC 3849', 'documentation'],
  ['2002::/16', 'forward', 'local', 'RFC 3056', '6to4'],
  ['2620:4f:8000::/48', 'forward', 'global', 'RFC 7534', 'AS112'],
  ['3fff::/20', 'stay', 'local', 'RFC 9637', 'documentation'],
  ['5f00::/16', 'forward', 'local', 'RFC 9602', 'segment routing identifiers'],
  ['fc00::/7', 'forward', 'local', 'RFC 4193', 'unique local'],
  ['fe80::/10', 'stay', 'local', 'RFC 4291 §2.5.6', 'link-local'],
  // Not in the registry. The IANA assigns global unicast from 2000::/3 alone.
  ['::/0', 'forward', 'local', 'RFC 4291 §2.4', 'not assigned'],
  ['2000::/3', 'forward', 'global', 'RFC 4291 §2.4', 'global unicast'],
  ['::/96', 'stay', 'local', 'RFC 4291 §2.5.5.1', 'IPv4-compatible, deprecated'],
  ['fec0::/10', 'stay', 'local', 'RFC 3879', 'site-local, deprecated'],
  ['ff00::/8', 'stay', 'local', 'RFC 4291 §2.7', 'multicast'],
];

function blockOf([text, forward, reach, source, name]: Row): SpecialPurposeBlock {
  const prefix = parsePrefix(text);
  assert(prefix !== undefined, text);
  const globallyReachable = reach === 'global';
  return { prefix, name, source, forwardable: forward === 'forward', globallyReachable };
}

export const SPECIAL_PURPOSE: readonly SpecialPurposeBlock[] = [...IPV4, ...IPV6].map(blockOf);
