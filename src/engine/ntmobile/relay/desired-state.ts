/**
 * What a relay wishes of its host: everything virtual leads into the TUN device, and packets are
 * forwarded between that and the way out.
 *
 * RFC 4861 §6.2.1, §6.3.4  a host that forwards would no longer hear router advertisements: it goes
 * on doing so where it did
 * docs/reference/ntmobile.md §10
 *
 * Which packets are forwarded is decided by the daemon's packet filter, which stands before any of
 * this.
 */
import {
  type IpAddress,
  isIpv6,
  isLinkLocal,
  isLoopback,
  isUniqueLocal,
  type Prefix,
} from '#base/ip.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type {
  DesiredPart,
  DesiredSysctl,
  ForwardingControl,
} from '#engine/contract/desired-state.ts';
import { TUN_DEVICE } from '#engine/contract/desired-state.ts';

const MAIN_TABLE = 254;
const LOOPBACK = 'lo';
const USUAL_MTU = 1500;

export interface HostStateOptions {
  readonly systemPrefix: Prefix;
  readonly virtualIpv4Prefixes: readonly Prefix[];
  readonly translatorIpv4Prefix: Prefix;
  readonly forwarding: ForwardingControl;
}

export function routesPart(options: HostStateOptions): DesiredPart {
  const virtual = [
    options.systemPrefix,
    ...options.virtualIpv4Prefixes,
    options.translatorIpv4Prefix,
  ];
  return {
    routes: virtual.map((destination) => ({ destination, table: MAIN_TABLE, device: TUN_DEVICE })),
  };
}

/** In the order in which they have to be made. */
export function forwardingPart(
  interfaces: readonly NetworkInterface[],
  { forwarding }: HostStateOptions,
): DesiredPart {
  const devices = interfaces.map(({ name }) => name).filter((name) => name !== LOOPBACK);
  const conf = (family: 'ipv4' | 'ipv6', name: string, setting: string): string =>
    `net/${family}/conf/${name}/${setting}`;
  const ipv6: readonly DesiredSysctl[] =
    forwarding === 'by-interface'
      ? [...devices, TUN_DEVICE].map((name) => ({
          path: conf('ipv6', name, 'force_forwarding'),
          value: '1',
        }))
      : [
          // Where nothing can be written, whoever made the host has chosen who is listened to.
          ...(forwarding === 'given' ? [] : devices).map((name) => ({
            path: conf('ipv6', name, 'accept_ra'),
            value: '2',
            onlyIfCurrently: '1',
          })),
          { path: conf('ipv6', 'all', 'forwarding'), value: '1' },
        ];
  const ipv4 = [...devices, TUN_DEVICE].map((name) => ({
    path: conf('ipv4', name, 'forwarding'),
    value: '1',
  }));
  return { sysctls: [...ipv6, ...ipv4] };
}

/** Families in which the relay reaches the internet. */
export function familiesOf(interfaces: readonly NetworkInterface[]): {
  readonly ipv6: boolean;
  readonly ipv4: boolean;
} {
  const outside = addressesOf(interfaces).filter(
    (address) => !isLoopback(address) && !isLinkLocal(address),
  );
  return {
    ipv6: outside.some((address) => isIpv6(address) && !isUniqueLocal(address)),
    ipv4: outside.some((address) => !isIpv6(address)),
  };
}

export function addressesOf(interfaces: readonly NetworkInterface[]): readonly IpAddress[] {
  return interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
}

/** Of the interface that has the address; the usual one where none has. */
export function linkMtu(interfaces: readonly NetworkInterface[], local: IpAddress): number {
  const link = interfaces.find(({ addresses }) =>
    addresses.some(({ address }) => address === local),
  );
  return link?.mtu ?? USUAL_MTU;
}
