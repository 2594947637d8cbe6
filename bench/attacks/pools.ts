/**
 * Pools of forged packets: whole IP packets with every field in its final form, which the generator
 * (`native/tools/flood.cc`) sends in turn. A pool is a file with a packet a line, in hexadecimal
 * digits.
 */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { encode, hex } from '#base/bytes.ts';
import {
  type IpAddress,
  type Ipv4Address,
  type Ipv6Address,
  ipv6,
  isIpv6,
  solicitedNodeMulticast,
  UNSPECIFIED_V6,
} from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { mac1Key } from '#crypto/handshake.ts';
import { hmacSha256 } from '#crypto/primitives.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import { buildBindingUpdate } from '#engine/mobile-ipv6/mobile-node/binding/binding-update.ts';
import { NO_ROLE_OPTIONS } from '#engine/mobile-ipv6/mobile-node/home/home-role.ts';
import { encodeIcmpv6, PROTOCOL_ICMPV6 } from '#wire/ip/icmpv6.ts';
import { ipv4Codec } from '#wire/ip/ipv4.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeUdp, PORT_DSMIPV6, PROTOCOL_UDP } from '#wire/ip/udp.ts';
import { HandshakeUse, MAC_OCTETS } from '#wire/ntmobile/datagram.ts';

export type Pool = readonly Uint8Array[];

const HOP_LIMIT = 64;
/** Octets of the encrypted payload of a usual initiation. */
const INITIATION_PAYLOAD = 264;
const INITIATION_KEYS = 96;

export function writePool(file: string, packets: Pool): void {
  writeFileSync(file, `${packets.map(hex).join('\n')}\n`);
}

export function poolOf(count: number, packetOf: (index: number) => Uint8Array): Pool {
  return Array.from({ length: count }, (_, index) => packetOf(index));
}

function inIpv6(
  source: Ipv6Address,
  destination: Ipv6Address,
  protocol: number,
  payload: Uint8Array,
  hopLimit = HOP_LIMIT,
): Uint8Array {
  return encode(ipv6Codec, {
    ...{ trafficClass: 0, flowLabel: 0, hopLimit, source, destination, extensions: [] },
    ...{ protocol, payload },
  });
}

function inIpv4(source: Ipv4Address, destination: Ipv4Address, payload: Uint8Array): Uint8Array {
  return encode(ipv4Codec, {
    ...{ trafficClass: 0, identification: 0, dontFragment: true, moreFragments: false },
    ...{ fragmentOffset: 0, timeToLive: HOP_LIMIT, protocol: PROTOCOL_UDP },
    ...{ source, destination, options: new Uint8Array(0), payload },
  });
}

/** The addresses and ports of a forged datagram. */
interface Ends {
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
}

export function datagram(ends: Ends, payload: Uint8Array): Uint8Array {
  const { source, destination, sourcePort, destinationPort } = ends;
  const ports = { sourcePort, destinationPort, payload };
  if (isIpv6(source) && isIpv6(destination))
    return inIpv6(source, destination, PROTOCOL_UDP, encodeUdp(source, destination, ports));
  if (!isIpv6(source) && !isIpv6(destination))
    return inIpv4(source, destination, encodeUdp(source, destination, ports));
  throw new Error(`${source} and ${destination} are of different families`);
}

interface ForgedUpdate {
  readonly homeAgent: Ipv6Address;
  readonly outerHomeAgent: IpAddress;
  readonly homeAddress: Ipv6Address;
  readonly careOfAddress: IpAddress;
  readonly identifier: string;
  readonly spi: number;
  readonly sequence: number;
}

/** A Binding Update with a plausible identifier and SPI, signed by a key that is not the node's. */
export function forgedUpdate(forged: ForgedUpdate): Uint8Array {
  return buildBindingUpdate({
    homeAddress: forged.homeAddress,
    careOfAddress: forged.careOfAddress,
    target: { address: forged.homeAgent, outerAddress: forged.outerHomeAgent },
    sequence: forged.sequence & 0xffff,
    lifetimeUnits: 60,
    linkLocalCompatibility: false,
    forceUdp: false,
    ipv4HomeAddress: undefined,
    identifier: forged.identifier,
    timestamp: ntpTimestamp(wall(Date.now())) + BigInt(forged.sequence),
    registrationKey: { spi: forged.spi, algorithm: 'hmac-sha256-128', key: randomBytes(32) },
    udpPort: PORT_DSMIPV6,
    roleOptions: NO_ROLE_OPTIONS,
  }).packet;
}

/** The packet with another checksum in its Mobility Header. */
export function withWrongChecksum(packet: Uint8Array): Uint8Array {
  const broken = packet.slice();
  // The header behind the fixed header is Destination Options; the Mobility Header follows it.
  const at = 40 + 8 * ((broken[41] ?? 0) + 1) + 4;
  broken[at] = (broken[at] ?? 0) ^ 0x5a;
  return broken;
}

/** A Neighbor Solicitation as Duplicate Address Detection sends it (RFC 4862 §5.4.2). */
export function solicitation(target: Ipv6Address): Uint8Array {
  const group = solicitedNodeMulticast(target);
  const body = { type: 'neighbour-solicitation', target, options: [] } as const;
  const payload = encodeIcmpv6(body, 0, UNSPECIFIED_V6, group);
  return inIpv6(UNSPECIFIED_V6, group, PROTOCOL_ICMPV6, payload, 255);
}

interface ForgedInitiation {
  readonly responderKey: Uint8Array;
  readonly use: number;
  readonly spi: number;
  readonly cookie?: Uint8Array | undefined;
}

function mac(key: Uint8Array, octets: Uint8Array): Uint8Array {
  return hmacSha256(key, octets).subarray(0, MAC_OCTETS);
}

/**
 * A Tunnel Request with a right MAC1, and a right MAC2 if there is a cookie. Its ciphertexts are
 * random: the responder finds that out only after its public-key operation.
 */
export function forgedInitiation(forged: ForgedInitiation): Uint8Array {
  const octets = Buffer.concat([
    randomBytes(INITIATION_KEYS + INITIATION_PAYLOAD),
    Buffer.alloc(2 * MAC_OCTETS),
  ]);
  octets.writeUInt32BE(((10 << 28) | ((forged.spi & 0xfffffff) + 1)) >>> 0, 0);
  octets.set([1, forged.use, 3, 0], 4);
  if (forged.use !== HandshakeUse.node) octets.fill(0, 8, 16);
  const at = octets.length - 2 * MAC_OCTETS;
  octets.set(mac(mac1Key(forged.responderKey), octets.subarray(0, at)), at);
  if (forged.cookie !== undefined)
    octets.set(mac(forged.cookie, octets.subarray(0, at + MAC_OCTETS)), at + MAC_OCTETS);
  return octets;
}

/** A datagram of random octets with the type of a Tunnel Request, a response or sealed data. */
export function garbage(index: number): Uint8Array {
  const octets = randomBytes(40 + (index % 200));
  octets[0] = ([10, 11, 12, 9, 1][index % 5] ?? 1) << 4;
  return octets;
}

const TYPE_ANY = 255;

/** A query of type ANY for a name of the zone that does not exist, or for what `asked` says. */
export function query(
  zone: string,
  index: number,
  asked: { readonly name: readonly string[]; readonly type: number } = {
    name: [`x${index.toString(36)}`],
    type: TYPE_ANY,
  },
): Uint8Array {
  const labels = [...asked.name, ...zone.split('.')];
  const name = Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.alloc(1),
  ]);
  const header = Buffer.alloc(12);
  header.writeUInt16BE(index & 0xffff, 0);
  header.writeUInt16BE(1, 4);
  return Buffer.concat([header, name, Buffer.from([0, asked.type, 0, 1])]);
}

/** An address in one of 32,768 /48 prefixes. */
export function spreadSource(index: number): Ipv6Address {
  return ipv6(`2001:db8:${(0x1000 + (index & 0x7fff)).toString(16)}::${(index + 1).toString(16)}`);
}
