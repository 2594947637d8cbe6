/**
 * A second, independent parser: enough of RFC 8200 and RFC 6275 for the world to route, to draw and
 * to check the engines without trusting their codecs.
 */
import { hex } from '#base/bytes.ts';
import { type IpAddress, type Ipv6Address, ipv4FromBytes, ipv6FromBytes } from '#base/ip.ts';

interface BindingUpdateSeen {
  readonly kind: 'binding-update';
  readonly homeAddress: Ipv6Address;
  readonly sequence: number;
  readonly lifetimeSeconds: number;
}

interface BindingAcknowledgementSeen {
  readonly kind: 'binding-acknowledgement';
  readonly homeAddress: Ipv6Address;
  readonly status: number;
  readonly sequence: number;
  readonly lifetimeSeconds: number;
}

type Seen =
  | BindingUpdateSeen
  | BindingAcknowledgementSeen
  | { readonly kind: 'mobility'; readonly type: number }
  | { readonly kind: 'icmpv6'; readonly type: number }
  | { readonly kind: 'other'; readonly text: string };

export function sourceOf(packet: Uint8Array): IpAddress | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 6 && packet.length >= 40) return ipv6FromBytes(packet, 8);
  if (version === 4 && packet.length >= 20) return ipv4FromBytes(packet, 12);
  return undefined;
}

export function destinationOf(packet: Uint8Array): IpAddress | undefined {
  const version = (packet[0] ?? 0) >> 4;
  if (version === 6 && packet.length >= 40) return ipv6FromBytes(packet, 24);
  if (version === 4 && packet.length >= 20) return ipv4FromBytes(packet, 16);
  return undefined;
}

const DESTINATION_OPTIONS = 60;
const ROUTING = 43;
const MOBILITY = 135;
const ICMPV6 = 58;

interface Walked {
  readonly protocol: number;
  readonly offset: number;
  readonly homeAddressOption: Ipv6Address | undefined;
  readonly routingAddress: Ipv6Address | undefined;
}

function walk(packet: Uint8Array): Walked {
  let protocol = packet[6] ?? 59;
  let offset = 40;
  let homeAddressOption: Ipv6Address | undefined;
  let routingAddress: Ipv6Address | undefined;
  while (
    (protocol === DESTINATION_OPTIONS || protocol === ROUTING) &&
    offset + 8 <= packet.length
  ) {
    const end = offset + ((packet[offset + 1] ?? 0) + 1) * 8;
    if (protocol === ROUTING && packet[offset + 2] === 2 && offset + 24 <= packet.length) {
      routingAddress = ipv6FromBytes(packet, offset + 8);
    }
    if (protocol === DESTINATION_OPTIONS)
      homeAddressOption = findHomeAddress(packet, offset + 2, end) ?? homeAddressOption;
    protocol = packet[offset] ?? 59;
    offset = end;
  }
  return { protocol, offset, homeAddressOption, routingAddress };
}

function findHomeAddress(packet: Uint8Array, from: number, end: number): Ipv6Address | undefined {
  for (let at = from; at + 2 <= Math.min(end, packet.length); ) {
    const type = packet[at] ?? 0;
    if (type === 201 && at + 18 <= packet.length) return ipv6FromBytes(packet, at + 2);
    at += type === 0 ? 1 : 2 + (packet[at + 1] ?? 0);
  }
  return undefined;
}

const u16 = (packet: Uint8Array, at: number): number =>
  ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0);

/** The contents of an IPv6 control packet. */
export function look(packet: Uint8Array): Seen {
  if ((packet[0] ?? 0) >> 4 !== 6 || packet.length < 40)
    return { kind: 'other', text: `${packet.length} octets` };
  const { protocol, offset, homeAddressOption, routingAddress } = walk(packet);
  if (protocol === ICMPV6) return { kind: 'icmpv6', type: packet[offset] ?? 0 };
  if (protocol !== MOBILITY) return { kind: 'other', text: `next header ${protocol}` };
  const type = packet[offset + 2] ?? 0;
  if (type === 5) {
    return {
      kind: 'binding-update',
      homeAddress: homeAddressOption ?? ipv6FromBytes(packet, 8),
      sequence: u16(packet, offset + 6),
      lifetimeSeconds: u16(packet, offset + 10) * 4,
    };
  }
  if (type === 6) {
    return {
      kind: 'binding-acknowledgement',
      homeAddress: routingAddress ?? ipv6FromBytes(packet, 24),
      status: packet[offset + 6] ?? 0,
      sequence: u16(packet, offset + 8),
      lifetimeSeconds: u16(packet, offset + 10) * 4,
    };
  }
  return { kind: 'mobility', type };
}

/**
 * True for a packet that the data plane gives to the engine instead of forwarding it: a Mobility
 * Header after any chain of extension headers.
 */
export function isControl(packet: Uint8Array): boolean {
  return (packet[0] ?? 0) >> 4 === 6 && packet.length >= 40 && walk(packet).protocol === MOBILITY;
}

export function describe(packet: Uint8Array): string {
  const seen = look(packet);
  switch (seen.kind) {
    case 'binding-update':
      return `Binding Update seq ${seen.sequence} ${lifetimeOf(seen)} ${seen.homeAddress}`;
    case 'binding-acknowledgement':
      return `Binding Acknowledgement ${seen.status} seq ${seen.sequence} ${lifetimeOf(seen)}`;
    case 'mobility':
      return `Mobility Header type ${seen.type}`;
    case 'icmpv6':
      return `ICMPv6 type ${seen.type}`;
    case 'other':
      return `${seen.text} ${hex(packet.subarray(0, 8))}`;
  }
}

function lifetimeOf({ lifetimeSeconds }: { readonly lifetimeSeconds: number }): string {
  return `lifetime ${lifetimeSeconds}s`;
}
