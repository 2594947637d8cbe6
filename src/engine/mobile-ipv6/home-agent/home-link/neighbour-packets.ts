/**
 * Neighbour Discovery and ARP packets that a home agent sends, and the checks of those that it
 * receives.
 *
 * RFC 4861 §7.1.1-2  validation;  §4.3-4 the source is an address of the interface;  §7.2.8 answers
 *                    of a proxy have O = 0
 * RFC 4862 §5.4.2    solicitation of duplicate address detection
 * RFC 6275 §10.4.1   fields of the advertisements on behalf of a mobile node
 * RFC 5227 §3        ARP announcement
 */
import { encode, isMalformed } from '#base/bytes.ts';
import {
  ALL_NODES,
  type Ipv4Address,
  type Ipv6Address,
  isGlobalUnicast,
  isMulticast,
  isUnspecified,
  solicitedNodeMulticast,
  UNSPECIFIED_V6,
} from '#base/ip.ts';
import type { Output } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { discoveryFrame, discoveryMessage } from '#engine/mobile-ipv6/common/discovery-frame.ts';
import { ArpOperation, type ArpPacket, arpCodec } from '#wire/ip/arp.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';

const BROADCAST = new Uint8Array(6).fill(255);
const NO_HARDWARE = new Uint8Array(6);

export type LinkPath = Extract<PacketPath, { readonly kind: 'link' }>;
type Solicitation = Extract<Icmpv6Body, { readonly type: 'neighbour-solicitation' }>;
type Advertisement = Extract<Icmpv6Body, { readonly type: 'neighbour-advertisement' }>;

/** The home agent's interface on the home link; its addresses may not be known yet. */
export interface LinkEnd {
  readonly device: string;
  readonly linkAddress: Uint8Array | undefined;
  /** IPv6 addresses of the interface that may be a source. */
  readonly addresses: readonly Ipv6Address[];
}

/** An interface that can send Neighbour Discovery packets. */
interface LinkSource {
  readonly device: string;
  readonly linkAddress: Uint8Array;
  readonly source: Ipv6Address;
}

/**
 * The source of packets of the home agent on the link: its own address if the interface has it,
 * else another address of the interface (RFC 6275 §10.4.1). Undefined until both addresses of the
 * interface are known.
 */
export function linkSource(
  { device, linkAddress, addresses }: LinkEnd,
  homeAgentAddress: Ipv6Address,
): LinkSource | undefined {
  const source = addresses.includes(homeAgentAddress)
    ? homeAgentAddress
    : (addresses.find(isGlobalUnicast) ?? addresses[0]);
  return linkAddress === undefined || source === undefined
    ? undefined
    : { device, linkAddress, source };
}

/** A valid Neighbour Discovery packet. */
export interface NeighbourPacket {
  readonly source: Ipv6Address;
  readonly body: Solicitation | Advertisement;
}

/** The probe of duplicate address detection for `target`. */
export function dadProbe(device: string, target: Ipv6Address): Output {
  const destination = solicitedNodeMulticast(target);
  const body: Solicitation = { type: 'neighbour-solicitation', target, options: [] };
  return discoveryFrame(device, { source: UNSPECIFIED_V6, destination, body });
}

/** Asks for the link-layer address of `target`. */
export function solicitation(
  { device, linkAddress, source }: LinkSource,
  target: Ipv6Address,
): Output {
  const destination = solicitedNodeMulticast(target);
  const options = [{ type: 'source-link-layer-address', address: linkAddress }] as const;
  const body: Solicitation = { type: 'neighbour-solicitation', target, options };
  return discoveryFrame(device, { source, destination, body });
}

/**
 * `answer` undefined: unsolicited, to all nodes, with O set. An answer has O clear, so that the
 * advertisement of the mobile node itself takes precedence (RFC 4861 §7.2.8). R is clear for a
 * mobile node (RFC 6275 §10.4.1) and set for a mobile router (RFC 3963 §6.2).
 */
export function advertisement(
  from: LinkSource,
  mobileRouter: boolean,
  target: Ipv6Address,
  answer: { readonly to: Ipv6Address; readonly linkAddress: Uint8Array } | undefined,
): Output {
  // A node in duplicate address detection has no address yet that could be answered.
  const toAll = answer === undefined || isUnspecified(answer.to);
  const destination = toAll ? ALL_NODES : answer.to;
  const linkAddress = toAll ? undefined : answer.linkAddress;
  const body: Advertisement = {
    type: 'neighbour-advertisement',
    router: mobileRouter,
    solicited: !toAll,
    override: answer === undefined,
    target,
    options: [{ type: 'target-link-layer-address', address: from.linkAddress }],
  };
  return discoveryFrame(from.device, { source: from.source, destination, body }, linkAddress);
}

function arp(device: string, linkAddress: Uint8Array, packet: ArpPacket): Output {
  return {
    kind: 'send',
    path: { kind: 'link', device, protocol: 'arp', linkAddress },
    packet: encode(arpCodec, packet),
  };
}

/** Gratuitous: `address` is at the link-layer address `own` from now on. */
export function arpAnnouncement(device: string, own: Uint8Array, address: Ipv4Address): Output {
  return arp(device, BROADCAST, {
    operation: ArpOperation.request,
    senderHardware: own,
    senderAddress: address,
    targetHardware: NO_HARDWARE,
    targetAddress: address,
  });
}

/** Answers a request for an intercepted address with the link-layer address `own`. */
export function arpReply(device: string, own: Uint8Array, request: ArpPacket): Output {
  return arp(device, request.senderHardware, {
    operation: ArpOperation.reply,
    senderHardware: own,
    senderAddress: request.targetAddress,
    targetHardware: request.senderHardware,
    targetAddress: request.senderAddress,
  });
}

/** An ARP request, or undefined for anything else. */
export function arpRequest(bytes: Uint8Array): ArpPacket | undefined {
  const packet = arpCodec.parse(bytes);
  return isMalformed(packet) || packet.operation !== ArpOperation.request ? undefined : packet;
}

/** A solicitation or advertisement that passes RFC 4861 §7.1, or undefined. */
export function neighbourPacket(bytes: Uint8Array): NeighbourPacket | undefined {
  const message = discoveryMessage(bytes);
  if (message === undefined) return undefined;
  const { source, destination, body } = message;
  if (body.type === 'neighbour-advertisement') {
    const wrong = isMulticast(body.target) || (isMulticast(destination) && body.solicited);
    return wrong ? undefined : { source, body };
  }
  if (body.type !== 'neighbour-solicitation' || isMulticast(body.target)) return undefined;
  const probing = isUnspecified(source);
  const wrongProbe =
    destination !== solicitedNodeMulticast(body.target) ||
    body.options.some(({ type }) => type === 'source-link-layer-address');
  return probing && wrongProbe ? undefined : { source, body };
}

/** The link-layer address in an advertisement. */
export function targetLinkAddress(body: Advertisement): Uint8Array | undefined {
  for (const option of body.options)
    if (option.type === 'target-link-layer-address') return option.address;
  return undefined;
}
