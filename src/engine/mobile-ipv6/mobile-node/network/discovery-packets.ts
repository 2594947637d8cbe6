/**
 * Neighbour Discovery packets between a mobile node and the links that it is on.
 *
 * RFC 4861 §6.1.2, §7.1.2  validation of advertisements
 * RFC 4861 §6.3.7          Router Solicitation
 * RFC 6275 §11.5.5         Neighbour Solicitation and Advertisement of a node that returns home
 */
import {
  ALL_NODES,
  type Ipv6Address,
  ipv6,
  isLinkLocal,
  isMulticast,
  solicitedNodeMulticast,
  UNSPECIFIED_V6,
} from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import { discoveryFrame, discoveryMessage } from '#engine/mobile-ipv6/common/discovery-frame.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';

export type RouterAdvertisement = Extract<Icmpv6Body, { readonly type: 'router-advertisement' }>;
export type NeighbourAdvertisement = Extract<
  Icmpv6Body,
  { readonly type: 'neighbour-advertisement' }
>;

/** Octets of an Ethernet address; links with others have no neighbour caches. */
export const LINK_ADDRESS_SIZE = 6;

const ALL_ROUTERS = ipv6('ff02::2');

/** A valid advertisement. */
interface HeardAdvertisement {
  readonly source: Ipv6Address;
  readonly body: RouterAdvertisement | NeighbourAdvertisement;
}

export function parseAdvertisement(bytes: Uint8Array): HeardAdvertisement | undefined {
  const message = discoveryMessage(bytes);
  if (message === undefined) return undefined;
  const { source, destination, body } = message;
  if (body.type === 'router-advertisement')
    return isLinkLocal(source) ? { source, body } : undefined;
  if (body.type !== 'neighbour-advertisement' || isMulticast(body.target)) return undefined;
  return isMulticast(destination) && body.solicited ? undefined : { source, body };
}

/** Asks the routers of a link to advertise themselves; the node may have no address there. */
export function routerSolicitation(device: string): Output {
  const body = { type: 'router-solicitation', options: [] } as const;
  return discoveryFrame(device, { source: UNSPECIFIED_V6, destination: ALL_ROUTERS, body });
}

/**
 * Asks for the link-layer address of the home agent, which defends `homeAddress` and answers to all
 * nodes. Until it stops, the home address must not be the source (RFC 6275 §11.5.5).
 */
export function homeAgentSolicitation(device: string, homeAddress: Ipv6Address): Output {
  const body = { type: 'neighbour-solicitation', target: homeAddress, options: [] } as const;
  const destination = solicitedNodeMulticast(homeAddress);
  return discoveryFrame(device, { source: UNSPECIFIED_V6, destination, body });
}

/** Announces the node's link-layer address for one of its addresses to all nodes. */
export function neighbourAdvertisement(
  device: string,
  address: Uint8Array,
  target: Ipv6Address,
  router: boolean,
): Output {
  const body: NeighbourAdvertisement = {
    type: 'neighbour-advertisement',
    router,
    solicited: false,
    override: true,
    target,
    options: [{ type: 'target-link-layer-address', address }],
  };
  return discoveryFrame(device, { source: target, destination: ALL_NODES, body });
}
