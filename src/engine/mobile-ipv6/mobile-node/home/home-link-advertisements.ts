/**
 * Announces the node's link-layer address for its home addresses on the home link.
 *
 * RFC 6275 §11.5.5  unsolicited Neighbour Advertisement, override set, to all nodes, for the home
 *                   address and the link-local address
 * RFC 5227 §3       gratuitous ARP for the IPv4 home address
 */
import { encode } from '#base/bytes.ts';
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import type { HomeLink } from '#engine/mobile-ipv6/mobile-node/network/home-link-detection.ts';
import { ArpOperation, arpCodec } from '#wire/ip/arp.ts';
import { LINK_ADDRESS_SIZE, neighbourAdvertisement } from '../network/discovery-packets.ts';

const BROADCAST_LINK_ADDRESS = Uint8Array.of(255, 255, 255, 255, 255, 255);
const NO_LINK_ADDRESS = new Uint8Array(LINK_ADDRESS_SIZE);

function gratuitousArp(device: string, own: Uint8Array, address: Ipv4Address): Output {
  const packet = encode(arpCodec, {
    operation: ArpOperation.request,
    senderHardware: own,
    senderAddress: address,
    targetHardware: NO_LINK_ADDRESS,
    targetAddress: address,
  });
  const path = {
    kind: 'link',
    device,
    protocol: 'arp',
    linkAddress: BROADCAST_LINK_ADDRESS,
  } as const;
  return { kind: 'send', path, packet };
}

/** One round of advertisements. `router`: the node forwards packets of other hosts. */
export function advertiseHomeAddresses(
  { device, linkAddress, linkLocal }: HomeLink,
  addresses: {
    readonly homeAddress: Ipv6Address;
    readonly ipv4HomeAddress: Ipv4Address | undefined;
  },
  router: boolean,
): readonly Output[] {
  const { homeAddress, ipv4HomeAddress } = addresses;
  // A point-to-point link has no neighbour caches to update.
  if (linkAddress.length !== LINK_ADDRESS_SIZE) return [];
  const targets = linkLocal === undefined ? [homeAddress] : [homeAddress, linkLocal];
  const outputs = targets.map((target) =>
    neighbourAdvertisement(device, linkAddress, target, router),
  );
  if (ipv4HomeAddress !== undefined)
    outputs.push(gratuitousArp(device, linkAddress, ipv4HomeAddress));
  return outputs;
}
