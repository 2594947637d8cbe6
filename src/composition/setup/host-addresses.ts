/** The addresses of this host at which other hosts can reach it. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { hex } from '#base/bytes.ts';
import {
  addressToBytes,
  type IpAddress,
  isGlobalUnicast,
  isIpv6,
  isPrivateIpv4,
  isUniqueLocal,
  parseIpAddress,
} from '#base/ip.ts';

interface HostAddress {
  readonly device: string;
  readonly address: IpAddress;
}

/** What the kernel says about the addresses of this host. */
export interface HostNetwork {
  readonly addresses: readonly HostAddress[];
  /** Content of /proc/net/if_inet6. */
  readonly ifInet6: string;
  /** Content of /proc/net/ipv6_route. */
  readonly ipv6Route: string;
  /** Content of /proc/net/route. */
  readonly route: string;
}

/** IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED. A tentative address is usable soon. */
const SHORT_LIVED = 0x01 | 0x08 | 0x20;
const OWN_DEVICE = /^sojourn-/;

export function readHostNetwork(): HostNetwork {
  const addresses = Object.entries(networkInterfaces()).flatMap(([device, infos = []]) =>
    infos.flatMap(({ address: text, internal }) => {
      const address = internal ? undefined : parseIpAddress(text);
      return address === undefined ? [] : [{ device, address }];
    }),
  );
  return {
    addresses,
    ifInet6: readOrEmpty('if_inet6'),
    ipv6Route: readOrEmpty('ipv6_route'),
    route: readOrEmpty('route'),
  };
}

/** A kernel without IPv6 has no such file. */
function readOrEmpty(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, 'utf8');
  } catch {
    return '';
  }
}

/**
 * The lasting global addresses of the interfaces with a default route, or of all interfaces if none
 * has one. Unique local IPv6 addresses (RFC 4193) count only where there are no others.
 */
export function reachableAddresses(network: HostNetwork): readonly IpAddress[] {
  const shortLived = shortLivedAddresses(network.ifInet6);
  const lasting = network.addresses.filter(
    ({ device, address }) =>
      isGlobalUnicast(address) &&
      !OWN_DEVICE.test(device) &&
      !shortLived.has(hex(addressToBytes(address))),
  );
  const uplinks = defaultRouteDevices(network);
  const onUplinks = lasting.filter(({ device }) => uplinks.has(device));
  const chosen = (onUplinks.length > 0 ? onUplinks : lasting).map(({ address }) => address);
  const hasOther = chosen.some((address) => isIpv6(address) && !isUniqueLocal(address));
  return [...new Set(chosen)].filter((address) => !(hasOther && isUniqueLocal(address)));
}

/** Hosts of other networks cannot reach it: RFC 1918, RFC 6598, RFC 4193. */
export function isPrivateAddress(address: IpAddress): boolean {
  const isShared = /^100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./.test(address);
  return isPrivateIpv4(address) || isUniqueLocal(address) || isShared;
}

/** Each line: address, index, prefix length, scope, flags, device, all in hexadecimal digits. */
function shortLivedAddresses(ifInet6: string): ReadonlySet<string> {
  const rows = ifInet6.split('\n').map((line) => line.trim().split(/\s+/));
  const found = rows.filter(
    ([, , , , flags = '0']) => (Number.parseInt(flags, 16) & SHORT_LIVED) !== 0,
  );
  return new Set(found.map(([address = '']) => address));
}

function defaultRouteDevices({ ipv6Route, route }: HostNetwork): ReadonlySet<string> {
  const ipv6 = ipv6Route
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([destination = '', length]) => /^0{32}$/.test(destination) && length === '00')
    .map((fields) => fields.at(-1) ?? '');
  const ipv4 = route
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, destination, , , , , , mask]) => destination === '00000000' && mask === '00000000')
    .map(([device = '']) => device);
  // The kernel's own entry for unreachable destinations is on the loopback device.
  return new Set([...ipv6, ...ipv4].filter((device) => device !== 'lo'));
}
