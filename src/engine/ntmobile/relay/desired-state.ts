/**
 * The desired state of a relay's host: virtual addresses are routed to the TUN device, and packets
 * are forwarded between it and the uplinks.
 *
 * RFC 4861 §6.2.1, §6.3.4  a host that forwards ignores router advertisements by default, so their
 *                          processing is kept where it was on
 * docs/reference/ntmobile.md §10
 *
 * The packet filter of the daemon, which is installed first, restricts forwarding.
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
import { guarded, TUN_DEVICE } from '#engine/contract/desired-state.ts';

const MAIN_TABLE = 254;
const LOOPBACK = 'lo';
const ETHERNET_MTU = 1500;

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
    routes: guarded(
      virtual.map((destination) => ({ destination, table: MAIN_TABLE, device: TUN_DEVICE })),
    ),
  };
}

/** The settings are in the order in which they must be written. */
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
          // A host without writable sysctls keeps its processing of router advertisements.
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

/** The families in which the relay reaches the internet. */
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

/** The MTU of the interface that has the address, or that of Ethernet if none has it. */
export function linkMtu(interfaces: readonly NetworkInterface[], local: IpAddress): number {
  const link = interfaces.find(({ addresses }) =>
    addresses.some(({ address }) => address === local),
  );
  return link?.mtu ?? ETHERNET_MTU;
}
