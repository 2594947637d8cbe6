/**
 * Registrations of a mobile node that keeps to the RFCs; an attacker can set every field. RFC 6275
 * §6.1.7, RFC 5555 §4.2, RFC 4285 §5.
 */
import { encode } from '#base/bytes.ts';
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import { wall } from '#base/time.ts';
import { type MobilityKey, signMobility } from '#crypto/mobility-auth.ts';
import { ntpTimestamp } from '#crypto/replay-timestamp.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import { HOME_AGENT, HOME_AGENT_V4 } from '#test/sim/population.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { type Extension, homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import { type BindingUpdateFlags, NO_BINDING_UPDATE_FLAGS } from '#wire/mobility/message.ts';
import { IDENTIFIER_SUBTYPE_NAI, type MobilityOption } from '#wire/mobility/options.ts';

export interface Datagram {
  readonly path: PacketPath;
  readonly packet: Uint8Array;
}

/** The contents of a Binding Update. */
export interface Registration {
  readonly over: 'ipv6' | 'udp';
  readonly homeAddress: Ipv6Address;
  readonly homeAgent: Ipv6Address;
  readonly careOfAddress: Ipv6Address;
  readonly careOfAddress4: Ipv4Address;
  /** The IPv4 source that the home agent sees. */
  readonly seenAs: { readonly address: Ipv4Address; readonly port: number };
  readonly sequence: number;
  readonly lifetimeUnits: number;
  readonly flags: BindingUpdateFlags;
  readonly registrationKey: MobilityKey & { readonly spi: number };
  readonly identifier: string;
  readonly wallMs: number;
  /** False leaves the Replay Protection option out. */
  readonly timestamped: boolean;
  readonly extraOptions: readonly MobilityOption[];
  readonly extraExtensions: readonly Extension[];
}

export const HOME_REGISTRATION: BindingUpdateFlags = {
  ...NO_BINDING_UPDATE_FLAGS,
  acknowledge: true,
  homeRegistration: true,
};

const ascii = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

function optionsOf(registration: Registration): MobilityOption[] {
  const options: MobilityOption[] = [
    {
      type: 'mobile-node-identifier',
      subtype: IDENTIFIER_SUBTYPE_NAI,
      identifier: ascii(registration.identifier),
    },
  ];
  if (registration.timestamped)
    options.push({ type: 'replay-protection', timestamp: ntpTimestamp(wall(registration.wallMs)) });
  if (registration.over === 'udp')
    options.push({ type: 'ipv4-care-of-address', address: registration.careOfAddress4 });
  else options.push({ type: 'alternate-care-of-address', address: registration.careOfAddress });
  return [...options, ...registration.extraOptions];
}

/** The packet and its path; valid when the registration is. */
export function datagramOf(registration: Registration): Datagram {
  const { over, homeAddress, homeAgent, careOfAddress, registrationKey } = registration;
  const source = over === 'ipv6' ? careOfAddress : homeAddress;
  const payload = signMobility(
    {
      type: 'binding-update',
      sequence: registration.sequence,
      flags: registration.flags,
      lifetimeUnits: registration.lifetimeUnits,
      options: optionsOf(registration),
    },
    registrationKey,
    { careOfAddress: source, homeAddress, source: homeAddress, destination: homeAgent },
  );
  const own = over === 'ipv6' ? [homeAddressExtension(homeAddress)] : [];
  const packet = encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 64,
    source,
    destination: homeAgent,
    extensions: [...own, ...registration.extraExtensions],
    protocol: PROTOCOL_MOBILITY,
    payload,
  });
  return { path: pathOf(registration), packet };
}

function pathOf({ over, seenAs }: Registration): PacketPath {
  if (over === 'ipv6') return { kind: 'ipv6' };
  return {
    kind: 'udp',
    local: HOME_AGENT_V4,
    localPort: 4191,
    remote: seenAs.address,
    remotePort: seenAs.port,
  };
}

export { HOME_AGENT };
