/**
 * Classifies a control message by its first octets. Every message is counted by its kind, so the
 * classification must be cheap.
 *
 * RFC 8200 §4 (chain of extension headers), RFC 6275 §6.1 (MH type), RFC 4861 §4 (Neighbour
 * Discovery); docs/reference/ntmobile.md §3
 */
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { ArpOperation } from '#wire/ip/arp.ts';
import { PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ICMPV6_MESSAGES } from '#wire/ip/icmpv6-messages.ts';
import { IPV6_HEADER_SIZE } from '#wire/ip/ipv6.ts';
import { ExtensionProtocol } from '#wire/ip/ipv6-extensions.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { MOBILITY_MESSAGES } from '#wire/mobility/message.ts';
import { DATAGRAM_TYPES } from '#wire/ntmobile/datagram.ts';
import { NTMOBILE_MESSAGES, type NtmobileMessage } from '#wire/ntmobile/message.ts';

type Protocol = 'mobile-ipv6' | 'ntmobile' | 'neighbour' | 'icmpv6' | 'other';

export interface MessageKind {
  readonly protocol: Protocol;
  readonly message: string;
}

const OTHER: MessageKind = { protocol: 'other', message: 'other' };
const UNKNOWN_MOBILITY: MessageKind = { protocol: 'mobile-ipv6', message: 'unknown' };
const UNKNOWN_DATAGRAM: MessageKind = { protocol: 'ntmobile', message: 'unknown' };
const UNREAD: MessageKind = { protocol: 'ntmobile', message: 'control-unread' };

const FIRST_NEIGHBOUR_TYPE = 133;
const LAST_NEIGHBOUR_TYPE = 137;
const ARP_OPERATION_OFFSET = 6;
const MESSAGE_TYPE_OFFSET = 2;

type NumberedKind = readonly [number: number, kind: MessageKind];

const MOBILITY: ReadonlyMap<number, MessageKind> = new Map(
  Object.entries(MOBILITY_MESSAGES).map(
    ([message, { messageType }]): NumberedKind => [
      messageType,
      { protocol: 'mobile-ipv6', message },
    ],
  ),
);
const ICMPV6: ReadonlyMap<number, MessageKind> = new Map(
  Object.entries(ICMPV6_MESSAGES).map(
    ([message, { messageType }]): NumberedKind => [
      messageType,
      { protocol: icmpv6Protocol(messageType), message },
    ],
  ),
);
const ARP: ReadonlyMap<number, MessageKind> = new Map(
  Object.entries(ArpOperation).map(
    ([name, operation]): NumberedKind => [
      operation,
      { protocol: 'neighbour', message: `arp-${name}` },
    ],
  ),
);
const DATAGRAMS: ReadonlyMap<number, MessageKind> = new Map(
  Object.entries(DATAGRAM_TYPES).map(
    ([message, type]): NumberedKind => [type, { protocol: 'ntmobile', message }],
  ),
);
const SEALED: ReadonlyMap<string, MessageKind> = new Map(
  Object.keys(NTMOBILE_MESSAGES).map(
    (message) => [message, { protocol: 'ntmobile', message }] as const,
  ),
);

function icmpv6Protocol(type: number): Protocol {
  return type >= FIRST_NEIGHBOUR_TYPE && type <= LAST_NEIGHBOUR_TYPE ? 'neighbour' : 'icmpv6';
}

/**
 * The kind of any packet. `sealed` is the opened NTMobile control message; undefined if it could
 * not be opened or the packet is none.
 */
export function messageKind(
  path: PacketPath,
  packet: Uint8Array,
  sealed: NtmobileMessage | undefined,
): MessageKind {
  switch (path.kind) {
    case 'datagram':
      return sealed === undefined
        ? datagramKind(packet)
        : (SEALED.get(sealed.type) ?? UNKNOWN_DATAGRAM);
    case 'link':
      return path.protocol === 'arp'
        ? (ARP.get(packet[ARP_OPERATION_OFFSET + 1] ?? 0) ?? OTHER)
        : ipv6Kind(packet);
    default:
      return ipv6Kind(packet);
  }
}

function datagramKind(datagram: Uint8Array): MessageKind {
  const type = (datagram[0] ?? 0) >> 4;
  return type === DATAGRAM_TYPES.control ? UNREAD : (DATAGRAMS.get(type) ?? UNKNOWN_DATAGRAM);
}

/** Follows the Next Header fields to the message. */
function ipv6Kind(packet: Uint8Array): MessageKind {
  let protocol = packet[6] ?? -1;
  let at = IPV6_HEADER_SIZE;
  while (EXTENSIONS.has(protocol)) {
    const next = packet[at];
    const units = packet[at + 1];
    if (next === undefined || units === undefined) return OTHER;
    at += protocol === ExtensionProtocol.fragment ? 8 : (units + 1) * 8;
    protocol = next;
  }
  if (protocol === PROTOCOL_MOBILITY)
    return MOBILITY.get(packet[at + MESSAGE_TYPE_OFFSET] ?? -1) ?? UNKNOWN_MOBILITY;
  return protocol === PROTOCOL_ICMPV6 ? (ICMPV6.get(packet[at] ?? -1) ?? OTHER) : OTHER;
}

const EXTENSIONS: ReadonlySet<number> = new Set(Object.values(ExtensionProtocol));
