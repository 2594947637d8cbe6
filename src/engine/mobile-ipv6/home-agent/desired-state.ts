/**
 * The host state that a home agent desires.
 *
 * RFC 6275 §10.4.1  interception on the home link
 * RFC 6275 §10.4.2  tunnelling to the mobile node
 * RFC 6275 §10.4.5  reverse tunnelling: the data plane's route is the permit
 * RFC 5555 §4.5     proxy for IPv4 home addresses
 * RFC 3963 §6.4     routes to mobile networks
 */

import { type IpAddress, isIpv6, type Prefix, prefixContains } from '#base/ip.ts';
import type {
  DesiredPart,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredSysctl,
} from '#engine/contract/desired-state.ts';
import { guarded, TUN_DEVICE, unreachable } from '#engine/contract/desired-state.ts';
import type { Step } from '#engine/contract/engine.ts';
import { type BindingKey, formatBindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { Binding } from './bindings/binding.ts';
import type { HomeAgentConfiguration } from './configuration.ts';
import { samePrefix } from './grants/prefix-equality.ts';
import { masquerades } from './internet-access.ts';

const MAIN_TABLE = 254;

function hostPrefix(address: IpAddress): Prefix {
  return { address, length: isIpv6(address) ? 128 : 32 };
}

function intoTunnel(destination: Prefix): DesiredRoute {
  return { destination, table: MAIN_TABLE, device: TUN_DEVICE };
}

/**
 * The part for one binding. `device` is the home link, undefined for a virtual home network;
 * `defended` are the addresses that the home agent is a proxy for on it. The kernel's IPv6 entries
 * make it join the solicited-node groups (RFC 4861 §7.2.8), so that switches that snoop multicast
 * listeners deliver the solicitations. The engine alone answers them: the kernel answers only with
 * the sysctl proxy_ndp, which stays off, and an IPv4 entry would make it answer too.
 */
export function desiredForBinding(
  { homeAddress, ipv4HomeAddress, mobileNetworkPrefixes, tunnel, mobileNode: { group } }: Binding,
  device: string | undefined,
  defended: readonly IpAddress[],
): DesiredPart {
  const prefixes = [hostPrefix(homeAddress)];
  if (ipv4HomeAddress !== undefined) prefixes.push(hostPrefix(ipv4HomeAddress));
  // On a virtual home network the home prefixes lead into the tunnel device as a whole.
  const routes = [...(device === undefined ? [] : prefixes), ...mobileNetworkPrefixes].map(
    intoTunnel,
  );
  const proxyNeighbours: readonly DesiredProxyNeighbour[] =
    device === undefined ? [] : defended.filter(isIpv6).map((address) => ({ device, address }));
  const reached = [...prefixes, ...mobileNetworkPrefixes];
  return {
    planeRoutes: reached.map((prefix) => ({ prefix, tunnel: tunnel.id })),
    ...(group === undefined ? {} : { groupMembers: reached.map((prefix) => ({ prefix, group })) }),
    ...(routes.length === 0 ? {} : { routes }),
    ...(proxyNeighbours.length === 0 ? {} : { proxyNeighbours }),
  };
}

/** `part` undefined: the binding has ended. */
export function setDesiredForBinding(
  { out }: Step,
  key: BindingKey,
  part: DesiredPart | undefined,
): void {
  out.push({ kind: 'set-desired', key: `binding/${formatBindingKey(key)}`, part });
}

function sysctls(configuration: HomeAgentConfiguration): readonly DesiredSysctl[] {
  const { homeLink, acceptRaInterfaces = [] } = configuration;
  const everywhere: DesiredSysctl[] = [
    // Before forwarding is enabled: the kernel then removes routes learnt from advertisements.
    ...acceptRaInterfaces.map((name) => ({
      path: `net/ipv6/conf/${name}/accept_ra`,
      value: '2',
      onlyIfCurrently: '1',
    })),
    { path: 'net/ipv6/conf/all/forwarding', value: '1' },
    { path: 'net/ipv4/ip_forward', value: '1' },
    // A packet from a tunnel may leave by the interface that the tunnel's own packets come in by;
    // the kernel would send a redirect to the wrong node.
    { path: 'net/ipv4/conf/all/send_redirects', value: '0' },
    { path: 'net/ipv4/conf/default/send_redirects', value: '0' },
  ];
  if (homeLink === undefined) return everywhere;
  return [...everywhere, { path: `net/ipv4/conf/${homeLink}/send_redirects`, value: '0' }];
}

/** Less preferred than routes into the tunnel with the kernel's own 1024 (IPv6) or 0 (IPv4). */
const AT_HOME_METRIC = 4096;
/**
 * Keeps a packet for a mobile network without binding, and one for a pool address that is on no
 * link, from looping between the home agent and the router that it came from. The prefix pool leads
 * here even before a router has a part of it.
 */
function unreachableNetworks(
  { mobileNodes, prefixPool }: HomeAgentConfiguration,
  pool: readonly Prefix[],
): readonly DesiredRoute[] {
  const networks = mobileNodes
    .flatMap(({ mobileNetworkPrefixes }) => mobileNetworkPrefixes)
    .filter((prefix) => prefixPool === undefined || !samePrefix(prefix, prefixPool));
  const pools = prefixPool === undefined ? pool : [prefixPool, ...pool];
  return [...networks, ...pools].map((destination) => unreachable(destination));
}

/**
 * A mobile router without binding is at home: its networks are reached through its home address on
 * the home link (RFC 3963 §6.3).
 */
function routesAtHome(
  { mobileNodes, homePrefixes }: HomeAgentConfiguration,
  device: string,
): readonly DesiredRoute[] {
  return mobileNodes.flatMap(({ homeAddresses, ipv4HomeAddresses, mobileNetworkPrefixes }) => {
    const ipv6 = homeAddresses.find((address) =>
      homePrefixes.some((prefix) => prefixContains(prefix, address)),
    );
    const [ipv4] = ipv4HomeAddresses;
    return mobileNetworkPrefixes.flatMap((destination): readonly DesiredRoute[] => {
      const gateway = isIpv6(destination.address) ? ipv6 : ipv4;
      if (gateway === undefined) return [];
      return [{ destination, table: MAIN_TABLE, device, gateway, metric: AT_HOME_METRIC }];
    });
  });
}

/** The part that no registration changes. */
export function setDesiredStatic({ out }: Step, configuration: HomeAgentConfiguration): void {
  const { homePrefixes, ipv4HomePrefixes, ipv4Pool } = configuration;
  const pool =
    ipv4Pool === undefined ||
    ipv4HomePrefixes.some((prefix) => prefixContains(prefix, ipv4Pool.address))
      ? []
      : [ipv4Pool];
  const { homeLink } = configuration;
  const home =
    homeLink === undefined
      ? guarded([...homePrefixes, ...ipv4HomePrefixes, ...pool].map(intoTunnel))
      : routesAtHome(configuration, homeLink);
  const routes = [
    ...home,
    ...unreachableNetworks(configuration, homeLink === undefined ? [] : pool),
  ];
  const translated = masquerades(configuration);
  const networks = configuration.mobileNodes.flatMap((node) => node.mobileNetworkPrefixes);
  const inner = [...homePrefixes, ...ipv4HomePrefixes, ...pool, ...networks];
  const part: DesiredPart = {
    // No host outside of the tunnels and the home link may pretend to be a mobile node.
    innerPrefixes: inner.map((prefix) => ({ prefix })),
    sysctls: sysctls(configuration),
    ...(routes.length === 0 ? {} : { routes }),
    ...(translated.length === 0 ? {} : { masquerades: translated }),
  };
  out.push({ kind: 'set-desired', key: 'home-agent', part });
}
