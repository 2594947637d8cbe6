/**
 * Announces the node's link-layer address for its home addresses on the home link.
 *
 * RFC 6275 §11.5.5  unsolicited Neighbour Advertisement, override set, to all nodes
 * RFC 5227 §3       gratuitous ARP for the IPv4 home address
 * Left out: Neighbour Solicitation for the home agent's link-layer address from the unspecified
 * address (§11.5.5): the kernel has it from the router advertisement, or resolves it itself.
 */
import { encode } from '#base/bytes.ts';
import { ALL_NODES, type Ipv4Address, type Ipv6Address } from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import type { HomeLink } from '#engine/mobile-ipv6/mobile-node/network/home-link-detection.ts';
import { ArpOperation, arpCodec } from '#wire/ip/arp.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';

const ALL_NODES_LINK_ADDRESS = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const BROADCAST_LINK_ADDRESS = Uint8Array.of(255, 255, 255, 255, 255, 255);
const LINK_ADDRESS_SIZE = 6;
const NO_LINK_ADDRESS = new Uint8Array(LINK_ADDRESS_SIZE);
/** A Neighbour Discovery packet that passed a router has a lower one, RFC 4861 §7.1. */
const HOP_LIMIT = 255;

function neighbourAdvertisement(link: HomeLink, target: Ipv6Address): Output {
  const payload = encodeIcmpv6(
    {
      type: 'neighbour-advertisement',
      router: false,
      solicited: false,
      override: true,
      target,
      options: [{ type: 'target-link-layer-address', address: link.linkAddress }],
    },
    0,
    target,
    ALL_NODES,
  );
  const packet = encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: HOP_LIMIT,
    source: target,
    destination: ALL_NODES,
    extensions: [],
    protocol: PROTOCOL_ICMPV6,
    payload,
  });
  const path = {
    kind: 'link',
    device: link.device,
    protocol: 'ipv6',
    linkAddress: ALL_NODES_LINK_ADDRESS,
  } as const;
  return { kind: 'send', path, packet };
}

function gratuitousArp(link: HomeLink, address: Ipv4Address): Output {
  const packet = encode(arpCodec, {
    operation: ArpOperation.request,
    senderHardware: link.linkAddress,
    senderAddress: address,
    targetHardware: NO_LINK_ADDRESS,
    targetAddress: address,
  });
  const path = {
    kind: 'link',
    device: link.device,
    protocol: 'arp',
    linkAddress: BROADCAST_LINK_ADDRESS,
  } as const;
  return { kind: 'send', path, packet };
}

/** One round of advertisements. `linkLocal`: only if the L bit was set in the registration. */
export function advertiseHomeAddresses(
  link: HomeLink,
  addresses: {
    readonly homeAddress: Ipv6Address;
    readonly linkLocal: Ipv6Address | undefined;
    readonly ipv4HomeAddress: Ipv4Address | undefined;
  },
): readonly Output[] {
  const { homeAddress, linkLocal, ipv4HomeAddress } = addresses;
  // A point-to-point link has no neighbour caches to update.
  if (link.linkAddress.length !== LINK_ADDRESS_SIZE) return [];
  const outputs = [neighbourAdvertisement(link, homeAddress)];
  if (linkLocal !== undefined) outputs.push(neighbourAdvertisement(link, linkLocal));
  if (ipv4HomeAddress !== undefined) outputs.push(gratuitousArp(link, ipv4HomeAddress));
  return outputs;
}
