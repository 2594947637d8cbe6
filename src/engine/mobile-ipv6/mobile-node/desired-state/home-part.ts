/**
 * The addresses and the tunnel of one home, as desired of the host.
 *
 * RFC 6275 §11.5.5  at home the home address is on the interface, without Duplicate Address
 *                   Detection while the home agent may defend it
 * RFC 5555 §4.4.3   both families through one tunnel
 * RFC 1122 §3.3.4.2 a packet for a home address comes in by the tunnel, or by the home link
 */
import { ipv4, type Prefix } from '#base/ip.ts';
import {
  type DesiredPart,
  type DesiredRoute,
  type DesiredTunnel,
  TUN_DEVICE,
} from '#engine/contract/desired-state.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { espPort } from '#engine/mobile-ipv6/common/esp/data-association.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import { sealingKeysOf } from '#engine/sealed/sealing-keys.ts';
import { type HomeState, homeAddressesOf, hostPrefix, MAIN_TABLE } from './home-state.ts';
import { type TunnelEndpoints, tunnelMtu } from './tunnel-endpoints.ts';

const IPV4_DEFAULT: Prefix = { address: ipv4('0.0.0.0'), length: 0 };
/** Before a default of DHCP (metric 1024), so that the home address is the source at home. */
const HOME_LINK_ROUTE_METRIC = 1;
/** The part 'home/<name>'. */
export function homePart(
  state: HomeState,
  homes: readonly HomeState[],
  configuration: MobileNodeConfiguration,
): DesiredPart {
  const { homeLink, tunnel, session } = state;
  const addresses = {
    ...(homeLink === undefined ? awayAddresses(state) : homeLinkAddresses(state, homeLink)),
    innerPrefixes: homeAddressesOf(state).map((address) => ({
      prefix: hostPrefix(address),
      homeLink: homeLink?.device,
    })),
  };
  if (tunnel === undefined) return addresses;
  const id = tunnelId(state, homes);
  const prefixes = [...homeAddressesOf(state).map(hostPrefix), ...state.mobileNetworkPrefixes];
  return {
    ...addresses,
    tunnels: [desiredTunnel(state.home, tunnel, id, configuration)],
    planeRoutes: prefixes.map((prefix) => ({ prefix, tunnel: id })),
    ...(tunnel.encapsulation === 'sealed' && session !== undefined
      ? { sealingKeys: [sealingKeysOf(id, [session])] }
      : {}),
  };
}

function awayAddresses(state: HomeState): DesiredPart {
  return {
    addresses: homeAddressesOf(state).map((address) => ({
      device: TUN_DEVICE,
      address,
      prefixLength: hostPrefix(address).length,
      noDad: true,
    })),
  };
}

function homeLinkAddresses(
  { home, ipv4HomeAddress }: HomeState,
  { device, noDad }: { readonly device: string; readonly noDad: boolean },
): DesiredPart {
  const { homeAddress, homePrefix, ipv4HomeLink: link } = home;
  const ipv6Home = { device, address: homeAddress, prefixLength: homePrefix.length, noDad };
  if (ipv4HomeAddress === undefined || link === undefined) return { addresses: [ipv6Home] };
  const ipv4Home = { device, address: ipv4HomeAddress, prefixLength: link.prefixLength, noDad };
  const route: DesiredRoute = {
    destination: IPV4_DEFAULT,
    table: MAIN_TABLE,
    device,
    source: ipv4HomeAddress,
    metric: HOME_LINK_ROUTE_METRIC,
  };
  return {
    addresses: [ipv6Home, ipv4Home],
    routes: link.gateway === undefined ? [] : [{ ...route, gateway: link.gateway }],
  };
}

// --- the tunnel ---

/**
 * Homes with equal endpoints share the tunnel of the first; the id is that home's number. A
 * protected tunnel is not shared, because each home has keys of its own.
 */
function tunnelId(state: HomeState, homes: readonly HomeState[]): number {
  const key = endpointKey(state);
  return homes.findIndex((other) => other.tunnel !== undefined && endpointKey(other) === key) + 1;
}

interface TunnelledHome {
  homeState(): HomeState | undefined;
}

/** The homes that have a tunnel, by its id. */
export function homesByTunnel<H extends TunnelledHome>(
  homes: readonly H[],
): ReadonlyMap<number | undefined, readonly H[]> {
  const states = homes.map((home) => home.homeState()).filter((state) => state !== undefined);
  return Map.groupBy(homes, (home) => {
    const state = home.homeState();
    return state?.tunnel === undefined ? undefined : tunnelId(state, states);
  });
}

/** The homes that a packet on the path may be about: a tunnel leads from its own homes alone. */
export function homesOn<H extends TunnelledHome>(
  homes: readonly H[],
  path: PacketPath,
): readonly H[] {
  return path.kind === 'tunnel' ? (homesByTunnel(homes).get(path.tunnel) ?? []) : homes;
}

function endpointKey({ home, tunnel }: HomeState): string {
  if (tunnel === undefined) return '';
  const { encapsulation, careOf, remote } = tunnel;
  const isProtected = encapsulation === 'sealed' || encapsulation === 'esp';
  const owner = isProtected ? home.homeAddress : '';
  return `${encapsulation} ${careOf.address} ${remote} ${owner}`;
}

function desiredTunnel(
  { homeAddress }: HomeState['home'],
  tunnel: TunnelEndpoints,
  id: number,
  configuration: MobileNodeConfiguration,
): DesiredTunnel {
  const { encapsulation, careOf, remote, algorithm } = tunnel;
  const esp = encapsulation === 'esp' && algorithm !== undefined;
  const udp = esp ? careOf.family === 4 : encapsulation !== 'ipip';
  const localPort = esp ? espPort(careOf.family) : configuration.udpPort;
  return {
    id,
    path: {
      carrier: udp ? 'udp' : 'ip',
      local: careOf.address,
      remote,
      localPort: udp ? localPort : 0,
      remotePort: udp ? tunnel.remotePort : 0,
    },
    protection: encapsulation === 'sealed' || encapsulation === 'esp' ? encapsulation : 'none',
    ...(esp ? { esp: { homeAddress, algorithm } } : {}),
    mtu: tunnelMtu(tunnel, configuration),
  };
}
