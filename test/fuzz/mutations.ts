/**
 * Faults of a registration: one row each, with the reasons of which the home agent must count at
 * least one. A row without reasons may also be harmless (a flipped bit in the hop limit).
 */
import { type Ipv6Address, ipv6 } from '#base/ip.ts';
import type { HomeAgentReason } from '#engine/mobile-ipv6/home-agent/reasons.ts';
import type { SeededRandom } from '#test/sim/random.ts';
import { homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { fillMobilityChecksum } from '#wire/mobility/header.ts';
import { type Datagram, datagramOf, HOME_AGENT, type Registration } from './registrations.ts';

/** The input of a mutation. */
export interface Material {
  readonly random: SeededRandom;
  /** A Binding Update that the home agent accepts now. */
  readonly fresh: Registration;
  /** A Binding Update that the home agent accepted earlier. */
  readonly former: Datagram;
  /** A home address of another mobile node, and one without owner. */
  readonly foreign: Ipv6Address;
}

export interface Mutation {
  readonly reasons: readonly HomeAgentReason[];
  make(material: Material): Datagram;
}

const copied = ({ path, packet }: Datagram): { path: Datagram['path']; packet: Uint8Array } => ({
  path,
  packet: packet.slice(),
});

function flip(packet: Uint8Array, from: number, to: number, random: SeededRandom): void {
  const at = from + random.below(Math.max(1, to - from));
  packet[at] = (packet[at] ?? 0) ^ (1 << random.below(8));
}

/** Index of the Mobility Header. */
const mobilityAt = (packet: Uint8Array): number =>
  packet[6] === 60 ? 40 + ((packet[41] ?? 0) + 1) * 8 : 40;

function withChecksum(packet: Uint8Array, registration: Registration): void {
  fillMobilityChecksum(
    packet.subarray(mobilityAt(packet)),
    registration.homeAddress,
    registration.homeAgent,
  );
}

const EVERY_PARSING_REASON: readonly HomeAgentReason[] = [
  'malformed-packet',
  'malformed-mobility-header',
  'fragmented',
  'unexpected-protocol',
  'not-addressed-to-us',
  'checksum-invalid',
  'option-unrecognized',
  'routing-header-unrecognized',
  'mobile-ipv6-header-invalid',
  'unexpected-routing-header',
];

export const MUTATIONS = {
  truncated: {
    reasons: [...EVERY_PARSING_REASON, 'header-length-invalid'],
    make: ({ random, fresh }) => {
      const { path, packet } = datagramOf(fresh);
      return { path, packet: packet.slice(0, random.below(packet.length)) };
    },
  },
  'truncated with consistent lengths': {
    reasons: [...EVERY_PARSING_REASON, 'header-length-invalid'],
    make: ({ random, fresh }) => {
      const whole = datagramOf(fresh);
      const packet = whole.packet.slice(0, 40 + random.below(whole.packet.length - 40));
      packet[4] = (packet.length - 40) >> 8;
      packet[5] = (packet.length - 40) & 0xff;
      return { path: whole.path, packet };
    },
  },
  oversized: {
    reasons: [],
    make: ({ random, former }) => {
      const packet = new Uint8Array(former.packet.length + 1 + random.below(2000));
      packet.set(
        random.bytes(Math.min(64, packet.length - former.packet.length)),
        former.packet.length,
      );
      packet.set(former.packet);
      return { path: former.path, packet };
    },
  },
  'oversized with consistent lengths': {
    reasons: [...EVERY_PARSING_REASON, 'authentication-misplaced'],
    make: ({ random, fresh }) => {
      const whole = datagramOf(fresh);
      const added = 8 * (1 + random.below(180));
      const packet = new Uint8Array(whole.packet.length + added);
      packet.set(whole.packet);
      packet.fill(random.below(256), whole.packet.length);
      packet[4] = (packet.length - 40) >> 8;
      packet[5] = (packet.length - 40) & 0xff;
      const at = mobilityAt(packet);
      packet[at + 1] = Math.min(255, (packet[at + 1] ?? 0) + added / 8);
      return { path: whole.path, packet };
    },
  },
  'bit flipped in the mobility header': {
    reasons: [
      ...EVERY_PARSING_REASON,
      'header-length-invalid',
      'payload-protocol-invalid',
      'unknown-message-type',
      'unexpected-message',
    ],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf(fresh));
      flip(datagram.packet, mobilityAt(datagram.packet), datagram.packet.length, random);
      return datagram;
    },
  },
  'bits flipped anywhere': {
    reasons: [],
    make: ({ random, former }) => {
      const datagram = copied(former);
      for (let flips = 1 + random.below(16); flips > 0; flips--)
        flip(datagram.packet, 0, datagram.packet.length, random);
      return datagram;
    },
  },
  'bits flipped behind a right checksum': {
    reasons: [],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf(fresh));
      const at = mobilityAt(datagram.packet) + 6;
      for (let flips = 1 + random.below(6); flips > 0; flips--)
        flip(datagram.packet, at, datagram.packet.length, random);
      // Two flips may cancel each other out; a third one cannot.
      const last = datagram.packet.length - 1;
      datagram.packet[last] = (datagramOf(fresh).packet[last] ?? 0) ^ (1 + random.below(255));
      withChecksum(datagram.packet, fresh);
      return datagram;
    },
  },
  'wrong checksum': {
    reasons: ['checksum-invalid'],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf(fresh));
      const at = mobilityAt(datagram.packet) + 4;
      flip(datagram.packet, at, at + 2, random);
      return datagram;
    },
  },
  'wrong next header': {
    // When the Home Address option is not recognized any more, the care-of address becomes the home
    // address; in rare cases even the checksum is right.
    reasons: [
      ...EVERY_PARSING_REASON,
      'unknown-binding',
      'home-address-option-not-served',
      'home-address-option-with-ipsec',
      'no-security-association',
      'authentication-failed',
    ],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf(fresh));
      const { packet } = datagram;
      const at = random.chance(0.5) && packet[6] === 60 ? 40 : 6;
      const right = packet[at];
      do packet[at] = random.below(256);
      while (packet[at] === right);
      return datagram;
    },
  },
  replayed: {
    reasons: ['timestamp-invalid', 'sequence-out-of-window'],
    make: ({ former }) => former,
  },
  'stale timestamp': {
    reasons: ['timestamp-invalid'],
    make: ({ random, fresh }) =>
      datagramOf({ ...fresh, wallMs: fresh.wallMs - 8000 - random.below(1_000_000_000) }),
  },
  'timestamp of the future': {
    reasons: ['timestamp-invalid'],
    make: ({ random, fresh }) =>
      datagramOf({ ...fresh, wallMs: fresh.wallMs + 8000 + random.below(1_000_000_000) }),
  },
  'stale sequence': {
    reasons: ['sequence-out-of-window'],
    make: ({ random, fresh }) =>
      datagramOf({ ...fresh, sequence: (fresh.sequence - 1 - random.below(32_000)) & 0xffff }),
  },
  'forged MAC': {
    reasons: ['authentication-failed'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        registrationKey: { ...fresh.registrationKey, key: random.bytes(32) },
      }),
  },
  'wrong SPI': {
    reasons: ['no-security-association'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        registrationKey: { ...fresh.registrationKey, spi: 5000 + random.below(1_000_000) },
      }),
  },
  'unknown identifier': {
    reasons: ['no-security-association'],
    make: ({ random, fresh }) => datagramOf({ ...fresh, identifier: `${random.word()}@nowhere` }),
  },
  'home address not authorised': {
    reasons: ['registration-refused', 'no-security-association'],
    make: ({ fresh, foreign }) => datagramOf({ ...fresh, homeAddress: foreign }),
  },
  'home address outside the home network': {
    reasons: ['registration-refused', 'no-security-association'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        homeAddress: ipv6(
          `2001:db8:${random.below(200).toString(16)}::${random.below(65_536).toString(16)}`,
        ),
      }),
  },
  'home address not unicast': {
    reasons: [
      'home-address-invalid',
      'mobile-ipv6-header-invalid',
      'source-not-unicast',
      'malformed-packet',
    ],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        homeAddress: random.pick([ipv6('ff02::1'), ipv6('::'), ipv6('fe80::1'), ipv6('::1')]),
      }),
  },
  'spoofed source': {
    reasons: ['authentication-failed', 'checksum-invalid', 'source-not-unicast'],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf({ ...fresh, over: 'udp' }));
      datagram.packet.set(random.bytes(16), 8);
      return datagram;
    },
  },
  'another home agent': {
    reasons: ['not-addressed-to-us'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        homeAgent: ipv6(`2001:db8:300::${random.below(65_536).toString(16)}`),
      }),
  },
  fragmented: {
    reasons: ['fragmented'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        extraExtensions: [
          {
            type: 'fragment',
            offset: 8 * random.below(100),
            more: random.chance(0.5),
            identification: random.word(),
          },
        ],
      }),
  },
  'without timestamp': {
    reasons: ['replay-protection-missing'],
    make: ({ fresh }) => datagramOf({ ...fresh, timestamped: false }),
  },
  'with nonce indices': {
    reasons: ['nonce-indices-present'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        extraOptions: [
          { type: 'nonce-indices', homeNonceIndex: random.below(65_536), careOfNonceIndex: 1 },
        ],
      }),
  },
  'home address option over UDP': {
    reasons: ['home-address-option-over-udp'],
    make: ({ fresh }) =>
      datagramOf({
        ...fresh,
        over: 'udp',
        extraExtensions: [homeAddressExtension(fresh.homeAddress)],
      }),
  },
  'care-of address not unicast': {
    reasons: ['care-of-address-invalid', 'source-not-unicast', 'malformed-packet'],
    make: ({ random, fresh }) =>
      datagramOf({
        ...fresh,
        over: 'ipv6',
        careOfAddress: random.pick([ipv6('ff02::1'), ipv6('::'), ipv6('fe80::7'), ipv6('::1')]),
      }),
  },
  'home agent as care-of address': {
    reasons: ['registration-refused'],
    make: ({ fresh }) => datagramOf({ ...fresh, over: 'ipv6', careOfAddress: fresh.homeAgent }),
  },
  'correspondent registration': {
    reasons: ['registration-refused', 'correspondent-role-not-served'],
    make: ({ fresh }) =>
      datagramOf({ ...fresh, flags: { ...fresh.flags, homeRegistration: false } }),
  },
  'payload behind the mobility header': {
    reasons: ['payload-protocol-invalid', 'checksum-invalid'],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf(fresh));
      datagram.packet[mobilityAt(datagram.packet)] = random.pick([6, 17, 58, 41]);
      withChecksum(datagram.packet, fresh);
      return datagram;
    },
  },
  'unknown message type': {
    reasons: ['unknown-message-type'],
    make: ({ random, fresh }) => {
      const datagram = copied(datagramOf(fresh));
      datagram.packet[mobilityAt(datagram.packet) + 2] = 30 + random.below(200);
      withChecksum(datagram.packet, fresh);
      return datagram;
    },
  },
  noise: {
    reasons: [
      'malformed-packet',
      'not-addressed-to-us',
      'unexpected-protocol',
      'fragmented',
      'source-not-unicast',
      'option-unrecognized',
      'routing-header-unrecognized',
      'mobile-ipv6-header-invalid',
    ],
    make: ({ random, former }) => {
      const packet = random.bytes(random.below(200));
      if (packet.length > 0 && random.chance(0.8)) packet[0] = 0x60;
      return { path: former.path, packet };
    },
  },
  'noise as mobility header': {
    reasons: [],
    make: ({ random, fresh }) => {
      const header = random.bytes(8 * (1 + random.below(12)));
      header[0] = 59;
      header[1] = header.length / 8 - 1;
      header[2] = random.below(12);
      const packet = new Uint8Array(40 + header.length);
      packet.set(datagramOf({ ...fresh, over: 'udp' }).packet.subarray(0, 40));
      packet[5] = header.length;
      packet[6] = 135;
      packet.set(header, 40);
      withChecksum(packet, fresh);
      return { path: datagramOf({ ...fresh, over: 'udp' }).path, packet };
    },
  },
} as const satisfies Record<string, Mutation>;

export { HOME_AGENT };
