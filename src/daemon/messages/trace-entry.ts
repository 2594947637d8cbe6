/**
 * A control message for operators: its packet path, and its content by the codecs' summaries. Keys
 * and authenticators are left out.
 *
 * RFC 6275 §6 (as the codecs read it), RFC 4861 §4, RFC 5555 §4.1;
 * docs/reference/ntmobile.md §3, §6
 */
import { hex, isMalformed } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { arpCodec, arpSummary } from '#wire/ip/arp.ts';
import { icmpv6Codec, icmpv6Summary, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import {
  homeAddressOption,
  type Ipv6Packet,
  ipv6Codec,
  ipv6Summary,
  type2RoutingHeader,
} from '#wire/ip/ipv6.ts';
import { mobilityCodec, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { mobilitySummary } from '#wire/mobility/summary.ts';
import { ntmobileDatagramCodec, ntmobileDatagramSummary } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import { ntmobileMessageText } from '#wire/ntmobile/summary.ts';

/** `transport`, `from`, `to` and `summary` of any packet. */
export function describeMessage(
  direction: 'in' | 'out',
  path: PacketPath,
  packet: Uint8Array,
  sealed: NtmobileMessage | undefined,
): JsonObject {
  const { transport, local, remote } = endsOf(path, packet, direction);
  const [from, to] = direction === 'in' ? [remote, local] : [local, remote];
  return { transport, from, to, summary: summaryOf(path, packet, sealed) };
}

interface Ends {
  readonly transport: string;
  readonly local: string;
  readonly remote: string;
}

function endsOf(path: PacketPath, packet: Uint8Array, direction: 'in' | 'out'): Ends {
  switch (path.kind) {
    case 'udp':
    case 'datagram': {
      const relay =
        path.kind === 'datagram' && path.relayIndex !== 0 ? ` relay ${path.relayIndex}` : '';
      return {
        transport: path.kind,
        local: endpoint(path.local, path.localPort),
        remote: `${endpoint(path.remote, path.remotePort)}${relay}`,
      };
    }
    case 'tunnel':
      return { transport: `tunnel ${path.tunnel}`, ...addressesOf(packet, direction) };
    case 'link':
      return path.protocol === 'arp'
        ? { transport: path.device, local: '-', remote: linkAddress(path.linkAddress) }
        : { transport: path.device, ...addressesOf(packet, direction) };
    case 'ipv6':
      return { transport: 'ipv6', ...addressesOf(packet, direction) };
  }
}

function addressesOf(packet: Uint8Array, direction: 'in' | 'out'): Omit<Ends, 'transport'> {
  const parsed = ipv6Codec.parse(packet);
  if (isMalformed(parsed)) return { local: '-', remote: '-' };
  const { source, destination } = parsed;
  return direction === 'in'
    ? { local: destination, remote: source }
    : { local: source, remote: destination };
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function linkAddress(octets: Uint8Array): string {
  return Array.from(octets, (octet) => hex(Uint8Array.of(octet))).join(':');
}

function summaryOf(
  path: PacketPath,
  packet: Uint8Array,
  sealed: NtmobileMessage | undefined,
): string {
  if (sealed !== undefined) return ntmobileMessageText(sealed);
  if (path.kind === 'datagram') {
    const datagram = ntmobileDatagramCodec.parse(packet);
    return isMalformed(datagram)
      ? unreadable(datagram.reason, packet)
      : ntmobileDatagramSummary(datagram);
  }
  if (path.kind === 'link' && path.protocol === 'arp') {
    const arp = arpCodec.parse(packet);
    return isMalformed(arp) ? unreadable(arp.reason, packet) : arpSummary(arp);
  }
  const parsed = ipv6Codec.parse(packet);
  return isMalformed(parsed)
    ? unreadable(parsed.reason, packet)
    : packetSummary(parsed, path.kind === 'udp');
}

/**
 * The home address that a message concerns, and the message; with the inner addresses if the outer
 * ones differ.
 */
function packetSummary(packet: Ipv6Packet, isInner: boolean): string {
  const home = homeAddressOption(packet) ?? type2RoutingHeader(packet);
  const about = [
    ...(isInner ? [`${packet.source} > ${packet.destination}`] : []),
    ...(home === undefined ? [] : [`home ${home}`]),
  ];
  return [...about, upperLayerSummary(packet)].join(' ');
}

function upperLayerSummary(packet: Ipv6Packet): string {
  if (packet.protocol === PROTOCOL_MOBILITY) {
    const header = mobilityCodec.parse(packet.payload);
    return isMalformed(header)
      ? unreadable(header.reason, packet.payload)
      : mobilitySummary(header);
  }
  if (packet.protocol === PROTOCOL_ICMPV6) {
    const message = icmpv6Codec.parse(packet.payload);
    return isMalformed(message)
      ? unreadable(message.reason, packet.payload)
      : icmpv6Summary(message);
  }
  return ipv6Summary(packet);
}

function unreadable(reason: string, { length }: Uint8Array): string {
  return `unreadable (${reason}), ${length} octets`;
}
