/**
 * Neighbour Discovery packets between a mobile node and the links that it is on.
 *
 * RFC 4861 §6.1.2, §7.1.2  validation of advertisements
 * RFC 4861 §6.3.7          Router Solicitation
 * RFC 6275 §11.5.5         Neighbour Solicitation and Advertisement of a node that returns home
 */
import { encode, isMalformed } from '#base/bytes.ts';
import {
  ALL_NODES,
  type Ipv6Address,
  ipv6,
  isLinkLocal,
  isMulticast,
  multicastLinkAddress,
  solicitedNodeMulticast,
  UNSPECIFIED_V6,
} from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import {
  encodeIcmpv6,
  icmpv6ChecksumValid,
  icmpv6Codec,
  PROTOCOL_ICMPV6,
} from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';

export type RouterAdvertisement = Extract<Icmpv6Body, { readonly type: 'router-advertisement' }>;
export type NeighbourAdvertisement = Extract<
  Icmpv6Body,
  { readonly type: 'neighbour-advertisement' }
>;

/** Octets of an Ethernet address; links with others have no neighbour caches. */
export const LINK_ADDRESS_SIZE = 6;

const ALL_ROUTERS = ipv6('ff02::2');
/** A Neighbour Discovery packet that passed a router has a lower one. */
const HOP_LIMIT = 255;

/** A valid advertisement. */
interface HeardAdvertisement {
  readonly source: Ipv6Address;
  readonly body: RouterAdvertisement | NeighbourAdvertisement;
}

export function parseAdvertisement(bytes: Uint8Array): HeardAdvertisement | undefined {
  const packet = ipv6Codec.parse(bytes);
  if (isMalformed(packet) || packet.protocol !== PROTOCOL_ICMPV6) return undefined;
  const { source, destination, payload } = packet;
  if (packet.hopLimit !== HOP_LIMIT || !icmpv6ChecksumValid(source, destination, payload))
    return undefined;
  const message = icmpv6Codec.parse(payload);
  if (isMalformed(message) || message.code !== 0) return undefined;
  const { body } = message;
  if (body.type === 'router-advertisement')
    return isLinkLocal(source) ? { source, body } : undefined;
  if (body.type !== 'neighbour-advertisement' || isMulticast(body.target)) return undefined;
  return isMulticast(destination) && body.solicited ? undefined : { source, body };
}

function toGroup(
  device: string,
  source: Ipv6Address,
  destination: Ipv6Address,
  body: Icmpv6Body,
): Output {
  const payload = encodeIcmpv6(body, 0, source, destination);
  const header = { trafficClass: 0, flowLabel: 0, hopLimit: HOP_LIMIT, extensions: [] };
  const addresses = { source, destination, protocol: PROTOCOL_ICMPV6, payload };
  const packet = encode(ipv6Codec, { ...header, ...addresses });
  // RFC 2464 §7.
  const linkAddress = multicastLinkAddress(destination);
  return { kind: 'send', path: { kind: 'link', device, protocol: 'ipv6', linkAddress }, packet };
}

/** Asks the routers of a link to advertise themselves; the node may have no address there. */
export function routerSolicitation(device: string): Output {
  const body = { type: 'router-solicitation', options: [] } as const;
  return toGroup(device, UNSPECIFIED_V6, ALL_ROUTERS, body);
}

/**
 * Asks for the link-layer address of the home agent, which defends `homeAddress` and answers to all
 * nodes. Until it stops, the home address must not be the source (RFC 6275 §11.5.5).
 */
export function homeAgentSolicitation(device: string, homeAddress: Ipv6Address): Output {
  const body = { type: 'neighbour-solicitation', target: homeAddress, options: [] } as const;
  return toGroup(device, UNSPECIFIED_V6, solicitedNodeMulticast(homeAddress), body);
}

/** Announces the node's link-layer address for one of its addresses to all nodes. */
export function neighbourAdvertisement(
  device: string,
  address: Uint8Array,
  target: Ipv6Address,
  router: boolean,
): Output {
  return toGroup(device, target, ALL_NODES, {
    type: 'neighbour-advertisement',
    router,
    solicited: false,
    override: true,
    target,
    options: [{ type: 'target-link-layer-address', address }],
  });
}
