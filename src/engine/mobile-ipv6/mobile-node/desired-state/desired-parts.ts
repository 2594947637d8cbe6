/**
 * All parts of a mobile node's desired state, by key.
 *
 * RFC 6275 §11.3.1, §11.5.4 the former care-of address;  §11.5.5
 */
import type { IpAddress } from '#base/ip.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { MobileNodeConfiguration } from '#engine/mobile-ipv6/mobile-node/configuration.ts';
import type { CareOfCandidate } from '#engine/mobile-ipv6/mobile-node/network/care-of-candidate.ts';
import { homePart } from './home-part.ts';
import { type HomeState, homeAddressesOf, MAIN_TABLE } from './home-state.ts';
import { careOfPart, policyPart } from './policy-routing.ts';

export type DesiredParts = ReadonlyMap<string, DesiredPart>;

const HOME_PART = 'home/';

/** Whether the part is the addresses and the tunnel of one home. */
export function isHomePart(key: string): boolean {
  return key.startsWith(HOME_PART);
}

/**
 * Whether the part has routes in the main table. They stay until the end of the step and may
 * misdirect a packet.
 */
export function changesMainTable({ routes = [] }: DesiredPart): boolean {
  return routes.some(({ table }) => table === MAIN_TABLE);
}

/** `interfaceAddresses`: every address of the host's interfaces of wider than link scope. */
export function desiredParts(
  homes: readonly HomeState[],
  interfaceAddresses: readonly IpAddress[],
  configuration: MobileNodeConfiguration,
): DesiredParts {
  const parts = new Map<string, DesiredPart>();
  for (const state of homes)
    parts.set(`${HOME_PART}${state.home.name}`, homePart(state, homes, configuration));
  const careOfs = careOfAddresses(homes, interfaceAddresses);
  if (careOfs.size > 0) parts.set('care-of', careOfPart([...careOfs.values()], configuration));
  const away = homes.filter(
    ({ tunnel, homeLink }) => tunnel !== undefined || homeLink === undefined,
  );
  if (away.length === 0) return parts;
  const homeAddresses = new Set<IpAddress>(homes.flatMap(homeAddressesOf));
  const others = interfaceAddresses.filter(
    (address) => !careOfs.has(address) && !homeAddresses.has(address),
  );
  return parts.set('policy', policyPart(away, others, configuration));
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
  return careOfs;
}
