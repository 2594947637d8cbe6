/** Crafted packets, sent unchanged, and captured where they leave the network. */
import { encode, hex } from '#base/bytes.ts';
import type { Ipv6Address } from '#base/ip.ts';
import type { Lab } from '#lab/topology.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import type { Icmpv6Body } from '#wire/ip/icmpv6-messages.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { type Extension, homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import { octetsOf } from './tshark.ts';

export const PROTOCOL_IPV6 = 41;
const SEND_RAW = new URL('send-raw.pl', import.meta.url).pathname;

export function packet(
  source: Ipv6Address,
  destination: Ipv6Address,
  protocol: number,
  payload: Uint8Array,
  extensions: readonly Extension[] = [],
): Uint8Array {
  const fields = {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 64,
    source,
    destination,
    extensions,
    protocol,
    payload,
  };
  return encode(ipv6Codec, fields);
}

/** A Mobility Header; `home` puts it into a Home Address option. */
export function mobility(
  source: Ipv6Address,
  destination: Ipv6Address,
  message: MobilityMessage,
  home?: Ipv6Address,
) {
  const payload = encodeMobility(message, home ?? source, destination);
  return packet(
    source,
    destination,
    PROTOCOL_MOBILITY,
    payload,
    home === undefined ? [] : [homeAddressExtension(home)],
  );
}

export function icmp(
  source: Ipv6Address,
  destination: Ipv6Address,
  body: Icmpv6Body,
  home?: Ipv6Address,
) {
  const payload = encodeIcmpv6(body, 0, home ?? source, destination);
  return packet(
    source,
    destination,
    PROTOCOL_ICMPV6,
    payload,
    home === undefined ? [] : [homeAddressExtension(home)],
  );
}

/** Sends a whole IPv6 packet from a namespace, unchanged. */
export async function sendRaw(lab: Lab, namespace: string, octets: Uint8Array): Promise<void> {
  const fields = ipv6Codec.parse(octets);
  if (!('destination' in fields)) throw new Error('no IPv6 packet');
  await lab.exec(namespace, ['perl', SEND_RAW, fields.destination], { input: `${hex(octets)}\n` });
}

/** Sends whole packets of either family from a namespace, unchanged. */
export async function sendRaws(
  lab: Lab,
  namespace: string,
  destination: string,
  packets: readonly Uint8Array[],
): Promise<void> {
  const input = packets.map((octets) => `${hex(octets)}\n`).join('');
  await lab.exec(namespace, ['perl', SEND_RAW, destination], { input });
}

/**
 * Where packets are captured: a namespace, an interface, and the number of octets in front of the
 * IP header there.
 */
interface CapturePoint {
  readonly namespace: string;
  readonly device: string;
  readonly before: number;
}

/** The packet as digits without the hop limit, which each router lowers. */
export function comparable(octets: Uint8Array): string {
  return withoutHopLimit(hex(octets));
}

const withoutHopLimit = (digits: string): string => `${digits.slice(0, 14)}..${digits.slice(16)}`;

/**
 * The IPv6 packets that pass a capture point while `action` runs, each as {@link comparable} writes
 * it.
 */
export async function capturedWhile(
  lab: Lab,
  { namespace, device, before }: CapturePoint,
  action: () => Promise<void>,
): Promise<readonly string[]> {
  const file = `${lab.logDirectory}/captured-${performance.now()}.pcap`;
  const capture = await lab.capture(namespace, device, file);
  await action();
  await capture.stop();
  return (await octetsOf(file, 'ipv6', 'frame')).map((frame) =>
    withoutHopLimit(frame.slice(2 * before)),
  );
}
