/**
 * What a home agent wishes of its host.
 *
 * RFC 6275 §10.4.1 interception on the home link, §10.4.2 tunnelling to the mobile node, §10.4.5
 * reverse tunnelling (the plane's
 * route is the permit);  RFC 5555 §4.5 proxy for IPv4 home addresses;  RFC 3963 §6.4 routes to
 * mobile networks
 */

import type { IpAddress, Prefix } from '#base/ip.ts';
import { isIpv6, prefixContains } from '#base/ip.ts';
import type {
  DesiredPart,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredSysctl,
} from '#engine/contract/desired-state.ts';
import { TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { Output } from '#engine/contract/output.ts';
import type { Binding } from './bindings/binding.ts';
import type { HomeAgentConfiguration } from './configuration.ts';
import type { HomeAgentState } from './state.ts';

const MAIN_TABLE = 254;
function hostPrefix(address: IpAddress): Prefix {
  return { address, length: isIpv6(address) ? 128 : 32 };
}

function intoTunnel(destination: Prefix): DesiredRoute {
  return { destination, table: MAIN_TABLE, device: TUN_DEVICE };
}

export function setDesiredForBinding(state: HomeAgentState, binding: Binding, out: Output[]): void {
  const { homeAddress, ipv4HomeAddress, mobileNetworkPrefixes, tunnel } = binding;
  const prefixes = [hostPrefix(homeAddress)];
  if (ipv4HomeAddress !== undefined) prefixes.push(hostPrefix(ipv4HomeAddress));
  const device = state.configuration.homeLink;
  // On a virtual home network the home prefixes lead into the tunnel device as a whole.
  const routes = [...(device === undefined ? [] : prefixes), ...mobileNetworkPrefixes].map(
    intoTunnel,
  );
  const proxyNeighbours: readonly DesiredProxyNeighbour[] =
    device === undefined
      ? []
      : (state.homeLink?.addressesOf(binding) ?? []).map((address) => ({ device, address }));
  const part: DesiredPart = {
    planeRoutes: [...prefixes, ...mobileNetworkPrefixes].map((prefix) => ({
      prefix,
      tunnel: tunnel.id,
    })),
    ...(routes.length === 0 ? {} : { routes }),
    ...(proxyNeighbours.length === 0 ? {} : { proxyNeighbours }),
  };
  state.homeLink?.intercept(binding);
  out.push({ kind: 'set-desired', key: `binding/${homeAddress}`, part });
}

export function withdrawBinding(state: HomeAgentState, binding: Binding, out: Output[]): void {
  state.homeLink?.release(binding);
  out.push({ kind: 'set-desired', key: `binding/${binding.homeAddress}`, part: undefined });
}

function sysctls(configuration: HomeAgentConfiguration): readonly DesiredSysctl[] {
  const { homeLink, acceptRaInterfaces = [] } = configuration;
  const everywhere: DesiredSysctl[] = [
    // Before forwarding begins, with which the kernel takes away what came by advertisements.
    ...acceptRaInterfaces.map((name) => ({
      path: `net/ipv6/conf/${name}/accept_ra`,
      value: '2',
      onlyIfCurrently: '1',
    })),
    { path: 'net/ipv6/conf/all/forwarding', value: '1' },
    { path: 'net/ipv4/ip_forward', value: '1' },
    // What comes out of a tunnel may leave by the interface it came in by; a redirect would go to
    // the wrong node.
    { path: 'net/ipv4/conf/all/send_redirects', value: '0' },
    { path: 'net/ipv4/conf/default/send_redirects', value: '0' },
  ];
  if (homeLink === undefined) return everywhere;
  return [
    ...everywhere,
    { path: `net/ipv4/conf/${homeLink}/send_redirects`, value: '0' },
    { path: `net/ipv6/conf/${homeLink}/proxy_ndp`, value: '1' },
  ];
}

/**
 * Behind the routes into the tunnel, which have the kernel's own metric (1024 in IPv6, 0 in IPv4).
 */
const AT_HOME_METRIC = 4096;
/** Behind all others. */
const UNREACHABLE_METRIC = 8192;

/**
 * Packets for a network that is nowhere must not go back to whom they came from, and to us again.
 */
function unreachableNetworks({ mobileNodes }: HomeAgentConfiguration): readonly DesiredRoute[] {
  return mobileNodes.flatMap(({ mobileNetworkPrefixes }) =>
    mobileNetworkPrefixes.map((destination) => ({
      destination,
      table: MAIN_TABLE,
      type: 'unreachable' as const,
      metric: UNREACHABLE_METRIC,
    })),
  );
}

/**
 * A mobile router without binding is at home: its networks are behind its home address on the home
 * link (RFC 3963 §6.3).
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

/** What is wished as long as the daemon runs, whoever is registered. */
export function setDesiredStatic(configuration: HomeAgentConfiguration, out: Output[]): void {
  const { homePrefixes, ipv4HomePrefixes, ipv4Pool } = configuration;
  const pool =
    ipv4Pool === undefined ||
    ipv4HomePrefixes.some((prefix) => prefixContains(prefix, ipv4Pool.address))
      ? []
      : [ipv4Pool];
  const { homeLink } = configuration;
  const ways =
    homeLink === undefined
      ? [...homePrefixes, ...ipv4HomePrefixes, ...pool].map(intoTunnel)
      : routesAtHome(configuration, homeLink);
  const routes = [...ways, ...unreachableNetworks(configuration)];
  const part: DesiredPart = {
    sysctls: sysctls(configuration),
    ...(routes.length === 0 ? {} : { routes }),
  };
  out.push({ kind: 'set-desired', key: 'home-agent', part });
}
