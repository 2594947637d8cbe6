/**
 * Endpoints where another node can be. A peer names its own addresses; this node sends to private
 * ones only in its own networks, because the same address is another host elsewhere.
 *
 * No RFC: docs/reference/ntmobile.md §8 (candidates); RFC 919 §7 (broadcast)
 */
import { embeddedIpv4 } from '#base/embedded-ipv4.ts';
import {
  addressToBytes,
  type IpAddress,
  isGlobalUnicast,
  isIpv6,
  networkOf,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';
import { isInPrivateNetwork } from '#base/private-networks.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';
import { type Attachment, type OwnNetworks, udpPathTo } from './attachment.ts';

/** The path to an endpoint that another node named, if another node can be there. */
export function udpPathToPeer(
  attachment: Attachment,
  port: number,
  endpoint: Endpoint,
): UdpPath | undefined {
  return mayBePeer(attachment.own, endpoint) ? udpPathTo(attachment, port, endpoint) : undefined;
}

function mayBePeer({ addresses, networks }: OwnNetworks, { address, port }: Endpoint): boolean {
  if (port === 0 || addresses.has(address)) return false;
  if (networks.some((network) => isEdgeOf(network, address))) return false;
  return (
    isUsable(networks, address) && embeddedIpv4(address).every((inner) => isUsable(networks, inner))
  );
}

function isUsable(networks: readonly Prefix[], address: IpAddress): boolean {
  if (!isGlobalUnicast(address)) return false;
  return (
    !isInPrivateNetwork(address) || networks.some((network) => prefixContains(network, address))
  );
}

/** The first address of an IPv4 network, and its broadcast address. */
function isEdgeOf(network: Prefix, address: IpAddress): boolean {
  const { length } = network;
  if (isIpv6(address) || length >= 31 || !prefixContains(network, address)) return false;
  const value = new DataView(addressToBytes(address).buffer).getUint32(0);
  const first = new DataView(addressToBytes(networkOf(address, length)).buffer).getUint32(0);
  return value === first || value === first + 2 ** (32 - length) - 1;
}
