/**
 * Faults of a Binding Acknowledgement to a mobile node: one row each, with reasons of which one
 * must be counted.
 */
import { encode, isMalformed } from '#base/bytes.ts';
import { bytesOfIpv6, type Ipv6Address, ipv4, ipv6 } from '#base/ip.ts';
import { type MobilityKey, signMobility } from '#crypto/mobility-auth.ts';
import type { MobileNodeReason } from '#engine/mobile-ipv6/mobile-node/reasons.ts';
import type { SeededRandom } from '#test/sim/random.ts';
import { type Ipv6Packet, ipv6Codec } from '#wire/ip/ipv6.ts';
import { encodeMobility, fillMobilityChecksum, mobilityCodec } from '#wire/mobility/header.ts';
import type { MobilityMessage } from '#wire/mobility/message.ts';
import type { Datagram } from './registrations.ts';

export interface AcknowledgementMaterial {
  readonly random: SeededRandom;
  /** Acknowledges the Binding Update that waits for an answer. */
  readonly genuine: Datagram;
  /** Acknowledged an earlier Binding Update. */
  readonly former: Datagram;
  readonly homeAddress: Ipv6Address;
  readonly homeAgent: Ipv6Address;
  readonly registrationKey: MobilityKey & { readonly spi: number };
}

export interface AcknowledgementMutation {
  readonly reasons: readonly MobileNodeReason[];
  make(material: AcknowledgementMaterial): Datagram;
}

const PARSING: readonly MobileNodeReason[] = [
  'malformed-packet',
  'malformed-mobility-header',
  'header-length-invalid',
  'payload-protocol-invalid',
  'checksum-invalid',
  'unexpected-protocol',
  'unexpected-message',
  'option-unrecognized',
  'routing-header-unrecognized',
  'mobile-ipv6-header-invalid',
  'not-our-home-address',
];

const NOT_FOR_US: readonly MobileNodeReason[] = [
  'not-our-home-address',
  'malformed-mobility-header',
  'wrong-destination',
  'routing-header-missing',
  'mobile-ipv6-header-invalid',
  'not-from-home-agent',
  'checksum-invalid',
];

type Acknowledgement = Extract<MobilityMessage, { type: 'binding-acknowledgement' }>;

function read({ packet }: Datagram): {
  readonly ip: Ipv6Packet;
  readonly message: Acknowledgement;
} {
  const ip = ipv6Codec.parse(packet);
  if (isMalformed(ip)) throw new Error('the genuine packet cannot be read');
  const header = mobilityCodec.parse(ip.payload);
  if (isMalformed(header) || header.message.type !== 'binding-acknowledgement')
    throw new Error('no Binding Acknowledgement');
  return { ip, message: header.message };
}

/** The same acknowledgement with changed members, signed with `association`. */
function resigned(
  material: AcknowledgementMaterial,
  changes: Partial<Acknowledgement>,
  association: AcknowledgementMaterial['registrationKey'] = material.registrationKey,
  addresses: { readonly source?: Ipv6Address; readonly destination?: Ipv6Address } = {},
): Datagram {
  const { ip, message } = read(material.genuine);
  const source = addresses.source ?? ip.source;
  const destination = addresses.destination ?? ip.destination;
  const { homeAddress } = material;
  const options = message.options.filter(({ type }) => type !== 'authentication');
  const payload = signMobility({ ...message, options, ...changes }, association, {
    careOfAddress: destination,
    homeAddress,
    source,
    destination: homeAddress,
  });
  return {
    path: material.genuine.path,
    packet: encode(ipv6Codec, { ...ip, source, destination, payload }),
  };
}

function flipped(material: AcknowledgementMaterial, from: number, to: number): Datagram {
  const { random, genuine } = material;
  const packet = genuine.packet.slice();
  const at = from + random.below(Math.max(1, to - from));
  packet[at] = (packet[at] ?? 0) ^ (1 << random.below(8));
  return { path: genuine.path, packet };
}

/** To the node's current address, from a source other than the home agent. */
function fromStranger(
  { random, genuine }: AcknowledgementMaterial,
  message: MobilityMessage,
): Datagram {
  const { ip } = read(genuine);
  const source = ipv6(`2001:db8:300::${random.below(65_536).toString(16)}`);
  const payload = encodeMobility(message, source, ip.destination);
  const { path } = genuine;
  return {
    // In UDP, the outer address says who sent a message without authentication.
    path: path.kind === 'udp' ? { ...path, remote: ipv4('203.0.113.254') } : path,
    packet: encode(ipv6Codec, { ...ip, source, extensions: [], payload }),
  };
}

const headerAt = (packet: Uint8Array): number => (packet[6] === 43 ? 64 : 40);

export const ACKNOWLEDGEMENT_MUTATIONS = {
  'acknowledgement truncated': {
    reasons: PARSING,
    make: ({ random, genuine }) => ({
      path: genuine.path,
      packet: genuine.packet.slice(0, random.below(genuine.packet.length)),
    }),
  },
  'acknowledgement bit flipped': {
    reasons: PARSING,
    make: (material) =>
      flipped(material, headerAt(material.genuine.packet), material.genuine.packet.length),
  },
  'acknowledgement bits flipped behind a right checksum': {
    reasons: [
      ...PARSING,
      'authentication-failed',
      'authentication-missing',
      'unauthenticated-refusal',
    ],
    make: (material) => {
      const { packet, path } = flipped(
        material,
        headerAt(material.genuine.packet) + 6,
        material.genuine.packet.length,
      );
      const last = packet.length - 1;
      packet[last] = (material.genuine.packet[last] ?? 0) ^ (1 + material.random.below(255));
      fillMobilityChecksum(
        packet.subarray(headerAt(packet)),
        material.homeAgent,
        material.homeAddress,
      );
      return { path, packet };
    },
  },
  'acknowledgement with wrong checksum': {
    reasons: ['checksum-invalid'],
    make: (material) =>
      flipped(
        material,
        headerAt(material.genuine.packet) + 4,
        headerAt(material.genuine.packet) + 6,
      ),
  },
  'acknowledgement with wrong next header': {
    // With the number of ICMPv6 it is no Parameter Problem about a Binding Update.
    reasons: [...PARSING, ...NOT_FOR_US, 'parameter-problem-ignored'],
    make: ({ random, genuine }) => {
      const packet = genuine.packet.slice();
      do packet[6] = random.below(256);
      while (packet[6] === genuine.packet[6]);
      return { path: genuine.path, packet };
    },
  },
  'acknowledgement replayed': {
    reasons: [
      'sequence-mismatch',
      'nothing-outstanding',
      'timestamp-mismatch',
      'wrong-destination',
      'unexpected-path',
      'routing-header-missing',
    ],
    make: ({ former }) => former,
  },
  'acknowledgement of another sequence': {
    reasons: ['sequence-mismatch'],
    make: (material) => {
      const { message } = read(material.genuine);
      return resigned(material, {
        sequence: (message.sequence + 100 + material.random.below(60_000)) & 0xffff,
      });
    },
  },
  'acknowledgement with forged MAC': {
    reasons: ['authentication-failed'],
    make: (material) =>
      resigned(material, {}, { ...material.registrationKey, key: material.random.bytes(32) }),
  },
  'acknowledgement with wrong SPI': {
    reasons: ['authentication-failed'],
    make: (material) =>
      resigned(
        material,
        {},
        { ...material.registrationKey, spi: 7000 + material.random.below(1000) },
      ),
  },
  'refusal with forged MAC': {
    reasons: ['authentication-failed'],
    make: (material) =>
      resigned(
        material,
        { status: material.random.pick([128, 130, 131, 132, 133, 134, 135, 139, 144, 145]) },
        { ...material.registrationKey, key: material.random.bytes(32) },
      ),
  },
  'refusal 146 with forged MAC': {
    reasons: ['unauthenticated-refusal'],
    make: (material) =>
      resigned(
        material,
        { status: 146 },
        { ...material.registrationKey, key: material.random.bytes(32) },
      ),
  },
  'acknowledgement without authentication': {
    reasons: ['authentication-missing'],
    make: (material) => {
      const { ip, message } = read(material.genuine);
      const options = message.options.filter(({ type }) => type !== 'authentication');
      const payload = encodeMobility(
        { ...message, options },
        material.homeAgent,
        material.homeAddress,
      );
      return { path: material.genuine.path, packet: encode(ipv6Codec, { ...ip, payload }) };
    },
  },
  'acknowledgement of another home agent': {
    reasons: ['not-from-home-agent'],
    make: (material) =>
      resigned(material, {}, material.registrationKey, { source: ipv6('2001:db8:300::1') }),
  },
  'acknowledgement to another address': {
    reasons: NOT_FOR_US,
    make: (material) => {
      const packet = material.genuine.packet.slice();
      const at = packet[6] === 43 && material.random.chance(0.5) ? 48 : 24;
      packet.set(
        bytesOfIpv6(ipv6(`2001:db8:b9::${material.random.below(65_536).toString(16)}`)),
        at,
      );
      return { path: material.genuine.path, packet };
    },
  },
  'acknowledgement by another path': {
    reasons: ['unexpected-path', 'wrong-destination', 'mobile-ipv6-header-invalid'],
    make: ({ genuine }) => ({ path: { kind: 'tunnel', tunnel: 1 }, packet: genuine.packet }),
  },
  'binding error of a stranger': {
    reasons: ['binding-error-ignored'],
    make: (material) =>
      fromStranger(material, {
        type: 'binding-error',
        status: 1,
        homeAddress: material.homeAddress,
        options: [],
      }),
  },
  'refresh request of a stranger': {
    reasons: ['not-from-home-agent'],
    make: (material) => fromStranger(material, { type: 'binding-refresh-request', options: [] }),
  },
  'message that no home agent sends': {
    reasons: ['unexpected-message', 'unknown-message-type', 'correspondent-role-not-served'],
    make: (material) =>
      fromStranger(
        material,
        material.random.pick<MobilityMessage>([
          { type: 'home-test-init', homeInitCookie: 1n, options: [] },
          {
            type: 'care-of-test',
            careOfNonceIndex: 1,
            careOfInitCookie: 1n,
            careOfKeygenToken: material.random.bytes(8),
            options: [],
          },
          {
            type: 'unknown',
            messageType: 20 + material.random.below(200),
            data: material.random.bytes(10),
          },
        ]),
      ),
  },
  'acknowledgement as noise': {
    reasons: PARSING,
    make: ({ random, genuine }) => {
      const packet = random.bytes(random.below(200));
      if (packet.length > 0 && random.chance(0.8)) packet[0] = 0x60;
      return { path: genuine.path, packet };
    },
  },
} as const satisfies Record<string, AcknowledgementMutation>;
