/**
 * All parts of a mobile node's desired state, by key.
 *
 * RFC 6275 §11.3.1, §11.5.4 the former care-of address;  §11.5.5
 */
import {
  familyOf,
  type IpAddress,
  isGlobalUnicast,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { type ConnectedNetwork, connectedNetworks } from '#engine/common/connected-networks.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import { type DesiredPart, TUN_DEVICE } from '#engine/contract/desired-state.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { homePart } from './home-part.ts';
import { type HomeState, homeAddressesOf, homePrefixesOf, remotePrefixes } from './home-state.ts';
import { hostDefaultPart } from './host-default.ts';
import { localNetworksPart } from './kill-switch.ts';
import {
  careOfNetworksPart,
  careOfPart,
  careOfTables,
  careOfTablesPart,
  policyPart,
} from './policy-routing.ts';

export type DesiredParts = ReadonlyMap<string, DesiredPart>;

const HOME_PART = 'home/';

const CARE_OF_TABLES_PART = 'care-of-tables';
export const CARE_OF_NETWORKS_PART = 'care-of-networks';
export const CARE_OF_PART = 'care-of';
export const POLICY_PART = 'policy';

/**
 * Whether the part is needed by the first packets from a new care-of address: the addresses and the
 * tunnel of a home, and the defaults in the tables of care-of addresses.
 */
export function isUrgentPart(key: string): boolean {
  return key.startsWith(HOME_PART) || key === CARE_OF_TABLES_PART;
}

/** Whether the part has a route to one of these addresses. */
export function hasRouteTo({ routes = [] }: DesiredPart, targets: readonly IpAddress[]): boolean {
  return routes.some(({ destination }) =>
    targets.some((target) => prefixContains(destination, target)),
  );
}

/** Whether the part has a rule for packets from this address. */
export function hasRuleFrom({ rules = [] }: DesiredPart, source: IpAddress): boolean {
  return rules.some(({ from }) => from?.address === source);
}

/**
 * `interfaces`: those of the host, without the interfaces of mobile networks. `isClosed`: the kill
 * switch.
 */
export function desiredParts(
  homes: readonly HomeState[],
  interfaces: readonly NetworkInterface[],
  configuration: MobileNodeConfiguration,
  isClosed = false,
): DesiredParts {
  const parts = new Map<string, DesiredPart>();
  for (const state of homes)
    parts.set(`${HOME_PART}${state.home.name}`, homePart(state, homes, configuration));
  const nameServers = nameServersPart(homes, configuration, isClosed);
  if (nameServers !== undefined) parts.set('name-servers', nameServers);
  const localNetworks = localNetworksPart(interfaces, configuration);
  if (localNetworks !== undefined) parts.set('local-networks', localNetworks);
  const hostDefault = hostDefaultPart(homes, interfaces);
  if (hostDefault !== undefined) parts.set('host-default', hostDefault);
  const present = globalAddresses(interfaces);
  const careOfs = careOfAddresses(homes, present);
  // No host of a home prefix is a neighbour unless the host is on that home link.
  const elsewhere = homes.filter(({ homeLink }) => homeLink === undefined).flatMap(homePrefixesOf);
  if (careOfs.size > 0) {
    const tables = careOfTables([...careOfs.values()], configuration);
    // The networks first: the kernel looks for a default's gateway in the same table.
    parts.set(CARE_OF_NETWORKS_PART, careOfNetworksPart(tables, interfaces, elsewhere));
    parts.set(CARE_OF_TABLES_PART, careOfTablesPart(tables));
    parts.set(CARE_OF_PART, careOfPart(tables, configuration));
  }
  const away = homes.filter(
    ({ tunnel, homeLink }) => tunnel !== undefined || homeLink === undefined,
  );
  if (away.length === 0) return parts;
  const homeAddresses = new Set<IpAddress>(homes.flatMap(homeAddressesOf));
  const atHome = homes.filter(({ homeLink }) => homeLink !== undefined).flatMap(homeAddressesOf);
  const others = globalAddresses(interfaces, isUplinkFor).filter(
    (address) => !careOfs.has(address) && !homeAddresses.has(address),
  );
  const remote = remotePrefixes(
    away.filter(({ homeLink }) => homeLink === undefined),
    interfaces,
  );
  const policy = policyPart(away, { atHome, others, remote }, configuration, isClosed);
  const routes = [
    ...networksBeside(homeAddresses, interfaces, elsewhere),
    ...(policy.routes ?? []),
  ];
  const own = routes.map((route) => ({ ...route, table: configuration.table }));
  return parts.set(POLICY_PART, { ...policy, routes: own });
}

/**
 * The first home's name servers, while their tunnel carries the host's traffic. `isClosed`: the
 * kill switch, behind which no other server is reached.
 */
function nameServersPart(
  homes: readonly HomeState[],
  { acceptDns, defaultRoute }: MobileNodeConfiguration,
  isClosed: boolean,
): DesiredPart | undefined {
  if (acceptDns !== true || !defaultRoute) return undefined;
  const given = homes.find(
    ({ tunnel, homeLink, silent, nameServers }) =>
      nameServers !== undefined &&
      homeLink === undefined &&
      (isClosed || (tunnel !== undefined && !silent)),
  )?.nameServers;
  return given && { nameServers: [given] };
}

/** Networks, such as those of containers, that home addresses reach without the tunnel. */
function networksBeside(
  homeAddresses: ReadonlySet<IpAddress>,
  interfaces: readonly NetworkInterface[],
  elsewhere: readonly Prefix[],
): readonly ConnectedNetwork[] {
  const found = new Map<4 | 6, readonly ConnectedNetwork[]>();
  for (const address of homeAddresses) {
    const source = { address, device: TUN_DEVICE, epoch: 0 };
    found.set(familyOf(address), connectedNetworks(source, interfaces, elsewhere));
  }
  return [...found.values()].flat();
}

/** Addresses of wider than link scope on the running interfaces. */
function globalAddresses(
  interfaces: readonly NetworkInterface[],
  accepts: (link: NetworkInterface, address: IpAddress) => boolean = () => true,
): readonly IpAddress[] {
  const addresses = interfaces
    .filter(({ running }) => running)
    .flatMap((link) =>
      link.addresses
        .map(({ address }) => address)
        .filter((address) => isGlobalUnicast(address) && accepts(link, address)),
    );
  return [...new Set(addresses)].sort();
}

function isUplinkFor({ routers }: NetworkInterface, address: IpAddress): boolean {
  return routers.some(({ family }) => family === familyOf(address));
}

/**
 * The care-of addresses in use, and the former ones: while such an address exists and the tunnel
 * still uses it.
 */
function careOfAddresses(
  homes: readonly HomeState[],
  interfaceAddresses: readonly IpAddress[],
): ReadonlyMap<IpAddress, CareOfCandidate> {
  const careOfs = new Map<IpAddress, CareOfCandidate>();
  for (const { careOf, tunnel } of homes) {
    if (careOf !== undefined) careOfs.set(careOf.address, careOf);
    const former = tunnel?.careOf;
    if (
      former !== undefined &&
      interfaceAddresses.includes(former.address) &&
      !careOfs.has(former.address)
    )
      careOfs.set(former.address, former);
  }
  for (const careOf of homes.flatMap(({ trying }) => trying))
    if (!careOfs.has(careOf.address)) careOfs.set(careOf.address, careOf);
  return careOfs;
}
