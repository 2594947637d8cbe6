/** A first configuration of a home agent, from the addresses of its host. */
import { stringify } from 'yaml';
import {
  addressToBytes,
  formatPrefix,
  type IpAddress,
  ipFromBytes,
  isIpv4,
  isIpv6,
  type Prefix,
} from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';

interface HomeAgentSetup {
  /** Of this host, as nodes reach it. */
  readonly addresses: readonly IpAddress[];
  /** Routed to this host; undefined: a unique local one is made up. */
  readonly homePrefix: Prefix | undefined;
  /** Routed to this host; undefined: a private one is made up. */
  readonly ipv4HomePrefix: Prefix | undefined;
  /** Routed to this host; undefined: part of a made up home network, else none. */
  readonly prefixPool: Prefix | undefined;
  /** Unless it is the usual one. */
  readonly stateDirectory: string | undefined;
}

/** Enrolment lines name no more. */
const MOST_ADDRESSES = 4;

export function homeAgentConfiguration(
  { addresses, prefixPool, stateDirectory, ...given }: HomeAgentSetup,
  random: RandomBytes,
): JsonObject {
  const made = madeUpNetworks(random);
  const { homePrefix = made.home, ipv4HomePrefix = made.ipv4 } = given;
  const pool = prefixPool ?? (given.homePrefix === undefined ? made.pool : undefined);
  const ipv6 = addresses.filter(isIpv6);
  return {
    // RFC 5555 §4.1: the home agent has an IPv6 address in tunnels over IPv4 too.
    addresses: (ipv6.length > 0 ? ipv6 : [firstOf(homePrefix)]).slice(0, MOST_ADDRESSES),
    ipv4Addresses: addresses.filter(isIpv4).slice(0, MOST_ADDRESSES),
    homePrefixes: [formatPrefix(homePrefix)],
    ipv4HomePrefixes: [formatPrefix(ipv4HomePrefix)],
    ipv4Pool: formatPrefix(given.ipv4HomePrefix ?? made.ipv4Pool),
    ...(pool === undefined ? {} : { prefixPool: formatPrefix(pool) }),
    ...internetOf(given),
    ...(stateDirectory === undefined ? {} : { daemon: { stateDirectory } }),
  };
}

/** Networks that are not routed to this host reach the internet by its own addresses. */
function internetOf(given: Pick<HomeAgentSetup, 'homePrefix' | 'ipv4HomePrefix'>): {
  readonly internet?: 'nat' | 'nat66';
} {
  if (given.homePrefix === undefined) return { internet: 'nat66' };
  return given.ipv4HomePrefix === undefined ? { internet: 'nat' } : {};
}

export function configurationText(document: JsonObject): string {
  const head =
    '# Written by: sojourn setup ha\n' +
    '# All keys: man sojourn.ha.yaml, and ha.yaml among the examples\n';
  return head + stringify(document);
}

/**
 * A unique local network of 48 random bits (RFC 4193 §3.2), and a private IPv4 network: two home
 * agents of one node hardly ever have the same.
 */
function madeUpNetworks(random: RandomBytes) {
  const octets = random(7);
  const local = (subnet: number, length: number): Prefix => ({
    address: ipFromBytes(
      Uint8Array.of(0xfd, ...octets.subarray(0, 5), subnet, subnet === 0 ? 1 : 0, ...ZEROS),
    ),
    length,
  });
  const [x = 0, y = 0] = octets.subarray(5);
  const isPrivate = (last: number, length: number): Prefix => ({
    // 10.64.0.0 to 10.127.255.0: home networks usually are at the ends of 10.0.0.0/8.
    address: ipFromBytes(Uint8Array.of(10, 64 + (x & 63), y, last)),
    length,
  });
  return {
    home: local(0, 64),
    /** The upper half of the /48. */
    pool: local(0x80, 49),
    ipv4: isPrivate(0, 24),
    ipv4Pool: isPrivate(128, 25),
  };
}

const ZEROS = new Uint8Array(8);

/** The first address of the network behind the anycast one. */
function firstOf({ address }: Prefix): IpAddress {
  const octets = addressToBytes(address);
  const last = octets.length - 1;
  octets[last] = (octets[last] ?? 0) | 1;
  return ipFromBytes(octets);
}
