/**
 * Searches a capture for NTMobile's virtual addresses, which must not appear on a real link outside
 * UDP payloads. Covers all addresses in the headers of a frame: IPv4 and IPv6 headers, ARP, packets
 * quoted by ICMP, Neighbour Discovery, and packets inside other tunnels.
 */
import { closeSync, openSync, readSync } from 'node:fs';
import { hex } from '#base/bytes.ts';
import {
  type IpAddress,
  ipv4FromBytes,
  ipv6FromBytes,
  type Prefix,
  prefixContains,
} from '#base/ip.ts';

/**
 * Octets of each frame that a capture must contain for this check: enough for nested headers of
 * each kind.
 */
export const LEAK_SNAP_LENGTH = 160;

interface LeakReport {
  /** Number of frames checked. */
  readonly frames: number;
  /** Number of frames that are UDP to or from the port. */
  readonly tunnelled: number;
  /**
   * The first few frames with a leaked virtual address, as hexadecimal octets, each with the
   * reason.
   */
  readonly leaks: readonly string[];
  readonly leakCount: number;
}

const MOST_NAMED = 10;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;
const EtherType = { ipv4: 0x0800, arp: 0x0806, ipv6: 0x86dd } as const;
const Protocol = { icmp: 1, ipip: 4, tcp: 6, udp: 17 } as const;
/** RFC 792: destination unreachable, source quench, redirect, time exceeded, parameter problem. */
const ICMP_ERRORS: readonly number[] = [3, 4, 5, 11, 12];
const IPV6_HEADER = 40;

/** Addresses in the headers of one Ethernet frame, and the ports if it is UDP. */
interface Named {
  readonly addresses: readonly IpAddress[];
  readonly ports: readonly number[];
}

const NOTHING: Named = { addresses: [], ports: [] };

function ipv4At(frame: Uint8Array, ...offsets: readonly number[]): readonly IpAddress[] {
  return offsets.filter((at) => at + 4 <= frame.length).map((at) => ipv4FromBytes(frame, at));
}

function portsAt(frame: Uint8Array, at: number): readonly number[] {
  if (at + 4 > frame.length) return [];
  const view = new DataView(frame.buffer, frame.byteOffset + at, 4);
  return [view.getUint16(0), view.getUint16(2)];
}

/**
 * Every IPv6 address of `prefixes` at any offset after `at`, for messages that quote or carry other
 * packets or name a target. A prefix of 48 bits does not appear by chance.
 */
function ipv6Anywhere(
  frame: Uint8Array,
  at: number,
  prefixes: readonly Prefix[],
): readonly IpAddress[] {
  const found: IpAddress[] = [];
  for (let offset = at; offset + 16 <= frame.length; offset += 1) {
    const address = ipv6FromBytes(frame, offset);
    if (prefixes.some((prefix) => prefixContains(prefix, address))) found.push(address);
  }
  return found;
}

/**
 * Addresses of a packet inside IP in IPv4, or quoted by an ICMP error. Payloads of echoes are not
 * searched, because 32 bits match by chance.
 */
function ipv4Inside(
  frame: Uint8Array,
  payload: number,
  protocol: number | undefined,
): readonly IpAddress[] {
  if (protocol === Protocol.ipip) return ipv4At(frame, payload + 12, payload + 16);
  const quotes = protocol === Protocol.icmp && ICMP_ERRORS.includes(frame[payload] ?? 0);
  return quotes ? ipv4At(frame, payload + 20, payload + 24) : [];
}

function namedByIpv4(frame: Uint8Array, prefixes: readonly Prefix[]): Named {
  const payload = ETHERNET + 4 * ((frame[ETHERNET] ?? 0) & 15);
  const protocol = frame[ETHERNET + 9];
  const ends = ipv4At(frame, ETHERNET + 12, ETHERNET + 16);
  const first = (((frame[ETHERNET + 6] ?? 0) & 31) << 8) + (frame[ETHERNET + 7] ?? 0) === 0;
  if (protocol === Protocol.udp)
    return { addresses: ends, ports: first ? portsAt(frame, payload) : [] };
  if (protocol === Protocol.tcp) return { addresses: ends, ports: [] };
  const inside = [
    ...ipv4Inside(frame, payload, protocol),
    ...ipv6Anywhere(frame, payload, prefixes),
  ];
  return { addresses: [...ends, ...inside], ports: [] };
}

function namedByIpv6(frame: Uint8Array, prefixes: readonly Prefix[]): Named {
  if (frame.length < ETHERNET + IPV6_HEADER) return NOTHING;
  const payload = ETHERNET + IPV6_HEADER;
  const ends = [ipv6FromBytes(frame, ETHERNET + 8), ipv6FromBytes(frame, ETHERNET + 24)];
  const protocol = frame[ETHERNET + 6];
  if (protocol === Protocol.udp) return { addresses: ends, ports: portsAt(frame, payload) };
  if (protocol === Protocol.tcp) return { addresses: ends, ports: [] };
  return { addresses: [...ends, ...ipv6Anywhere(frame, payload, prefixes)], ports: [] };
}

function named(frame: Uint8Array, prefixes: readonly Prefix[]): Named {
  const etherType = ((frame[12] ?? 0) << 8) + (frame[13] ?? 0);
  if (etherType === EtherType.ipv4) return namedByIpv4(frame, prefixes);
  if (etherType === EtherType.ipv6) return namedByIpv6(frame, prefixes);
  if (etherType === EtherType.arp)
    return { addresses: ipv4At(frame, ETHERNET + 14, ETHERNET + 24), ports: [] };
  return NOTHING;
}

/** The virtual addresses in one Ethernet frame outside UDP. UDP payloads are not searched. */
export function shownBy(frame: Uint8Array, prefixes: readonly Prefix[]): readonly IpAddress[] {
  return named(frame, prefixes).addresses.filter((address) =>
    prefixes.some((prefix) => prefixContains(prefix, address)),
  );
}

/** Frames of a pcap file in the machine's byte order, as sojourn-capture writes it. */
export function* framesOf(file: string): Generator<Uint8Array> {
  const descriptor = openSync(file, 'r');
  try {
    const header = Buffer.alloc(RECORD_HEADER);
    let position = FILE_HEADER;
    while (readSync(descriptor, header, 0, RECORD_HEADER, position) === RECORD_HEADER) {
      const captured = header.readUInt32LE(8);
      const frame = new Uint8Array(captured);
      if (readSync(descriptor, frame, 0, captured, position + RECORD_HEADER) < captured) return;
      yield frame;
      position += RECORD_HEADER + captured;
    }
  } finally {
    closeSync(descriptor);
  }
}

/** Searches a capture of an Ethernet interface. `port` is the UDP port of the tunnels. */
export function findLeaks(file: string, prefixes: readonly Prefix[], port: number): LeakReport {
  const leaks: string[] = [];
  let frames = 0;
  let tunnelled = 0;
  let leakCount = 0;
  for (const frame of framesOf(file)) {
    frames += 1;
    const { ports } = named(frame, prefixes);
    if (ports.includes(port)) tunnelled += 1;
    const shown = shownBy(frame, prefixes);
    if (shown.length === 0) continue;
    leakCount += 1;
    if (leaks.length < MOST_NAMED) leaks.push(`${shown.join(', ')} in ${hex(frame)}`);
  }
  return { frames, tunnelled, leaks, leakCount };
}
