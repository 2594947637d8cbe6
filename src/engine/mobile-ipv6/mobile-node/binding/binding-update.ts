/**
 * The Binding Update to the home agent and the packet around it.
 *
 * RFC 6275 §11.7.1  flags, Home Address option, Alternate Care-of Address, lifetime
 * RFC 6275 §11.5.5  de-registration from the home link: source and care-of address are the home
 *                   address
 * RFC 5555 §4.4.2   on IPv4: inner IPv6 packet from the home address in UDP, IPv4 care-of and home
 *                   address options, F flag
 * RFC 4283 §3       identifier;  RFC 4285 §5.1, §6 authentication and timestamp
 * Left out: K bit (no dynamic key management), prefix requests (P flag).
 */
import { encode } from '#base/bytes.ts';
import { type IpAddress, type Ipv4Address, type Ipv6Address, isIpv6 } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';
import { signMobility } from '#crypto/mobility-auth.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { RegistrationKey } from '#engine/mobile-ipv6/common/registration-key.ts';
import { ipv6Codec } from '#wire/ip/ipv6.ts';
import { type Extension, homeAddressExtension } from '#wire/ip/ipv6-extensions.ts';
import { encodeMobility, PROTOCOL_MOBILITY } from '#wire/mobility/header.ts';
import {
  LIFETIME_UNIT_SECONDS,
  type MobilityMessageOf,
  NO_BINDING_UPDATE_FLAGS,
} from '#wire/mobility/message.ts';
import {
  IDENTIFIER_SUBTYPE_NAI,
  type MobilityOption,
  type MobilityOptionOf,
} from '#wire/mobility/options.ts';

/** The UDP port on which a home agent listens, RFC 5555 §4.1. */
export const HOME_AGENT_UDP_PORT = 4191;

/** Everything that a Binding Update to the home agent contains. */
export interface BindingUpdateContent {
  readonly homeAddress: Ipv6Address;
  /** The home address itself when the node is at home. */
  readonly careOfAddress: IpAddress;
  /** The home agent; its outer address is an IPv4 address on IPv4 links only. */
  readonly target: { readonly address: Ipv6Address; readonly outerAddress: IpAddress };
  readonly sequence: number;
  /** In units of 4 seconds; 0 de-registers. */
  readonly lifetimeUnits: number;
  readonly linkLocalCompatibility: boolean;
  readonly forceUdp: boolean;
  /** Not in a de-registration. */
  readonly callback?: MobilityOptionOf<'callback'> | undefined;
  /** Ask for name servers; not in a de-registration. */
  readonly requestDns?: boolean;
  /** '0.0.0.0' requests any address. */
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  readonly identifier: string | undefined;
  readonly timestamp: bigint | undefined;
  readonly registrationKey: RegistrationKey | undefined;
  /** The home agent has a public key: a datagram over either family carries the packet. */
  readonly sealed?: boolean;
  readonly udpPort: number;
  /** Flags and options of a role, such as those of a mobile router (RFC 3963). */
  readonly roleOptions: {
    readonly mobileRouter: boolean;
    readonly options: readonly MobilityOption[];
  };
}

const DNS_REQUEST: MobilityOption = {
  type: 'dns-configuration',
  ipv6Servers: [],
  ipv4Servers: [],
  searchDomains: [],
};
const IDENTIFIER_ENCODER = new TextEncoder();

function optionsOf(content: BindingUpdateContent): readonly MobilityOption[] {
  const { careOfAddress, ipv4HomeAddress, identifier, timestamp } = content;
  const options: MobilityOption[] = [];
  if (isIpv6(careOfAddress))
    options.push({ type: 'alternate-care-of-address', address: careOfAddress });
  else options.push({ type: 'ipv4-care-of-address', address: careOfAddress });
  if (ipv4HomeAddress !== undefined) {
    options.push({
      type: 'ipv4-home-address',
      prefixLength: 32,
      requestPrefix: false,
      address: ipv4HomeAddress,
    });
  }
  options.push(...content.roleOptions.options);
  if (content.callback !== undefined && content.lifetimeUnits > 0) options.push(content.callback);
  if (content.requestDns === true && content.lifetimeUnits > 0) options.push(DNS_REQUEST);
  if (identifier !== undefined) {
    const octets = IDENTIFIER_ENCODER.encode(identifier);
    options.push({
      type: 'mobile-node-identifier',
      subtype: IDENTIFIER_SUBTYPE_NAI,
      identifier: octets,
    });
  }
  if (timestamp !== undefined) options.push({ type: 'replay-protection', timestamp });
  return options;
}

function messageOf(content: BindingUpdateContent): MobilityMessageOf<'binding-update'> {
  return {
    type: 'binding-update',
    sequence: content.sequence,
    flags: {
      ...NO_BINDING_UPDATE_FLAGS,
      acknowledge: true,
      homeRegistration: true,
      linkLocalCompatibility: content.linkLocalCompatibility,
      mobileRouter: content.roleOptions.mobileRouter,
      forceUdp: content.forceUdp && !isIpv6(content.careOfAddress),
    },
    lifetimeUnits: content.lifetimeUnits,
    options: optionsOf(content),
  };
}

/** The packet and its path. */
export function buildBindingUpdate(content: BindingUpdateContent): {
  readonly path: PacketPath;
  readonly packet: Uint8Array;
} {
  const { homeAddress, careOfAddress, target, registrationKey } = content;
  const message = messageOf(content);
  const source = isIpv6(careOfAddress) ? careOfAddress : homeAddress;
  const payload =
    registrationKey === undefined
      ? encodeMobility(message, homeAddress, target.address)
      : signMobility(message, registrationKey, {
          careOfAddress: source,
          homeAddress,
          source: homeAddress,
          destination: target.address,
        });
  const extensions: readonly Extension[] =
    source === homeAddress ? [] : [homeAddressExtension(homeAddress)];
  const packet = encode(ipv6Codec, {
    trafficClass: 0,
    flowLabel: 0,
    hopLimit: 64,
    source,
    destination: target.address,
    extensions,
    protocol: PROTOCOL_MOBILITY,
    payload,
  });
  return { path: pathOf(content), packet };
}

function pathOf({ careOfAddress, target, udpPort, sealed }: BindingUpdateContent): PacketPath {
  const ports = { localPort: udpPort, remotePort: HOME_AGENT_UDP_PORT };
  const { outerAddress: remote } = target;
  if (sealed === true)
    return { kind: 'datagram', local: careOfAddress, remote, ...ports, relayIndex: 0 };
  if (isIpv6(careOfAddress) || isIpv6(remote)) return { kind: 'ipv6' };
  return { kind: 'udp', local: careOfAddress, remote, ...ports };
}

/** The lifetime to request, in units of 4 seconds: 1 … 65535. */
export function lifetimeUnits(
  now: Monotonic,
  configuredSeconds: number,
  careOfValidUntil: Monotonic,
): number {
  const seconds = Math.min(configuredSeconds, (careOfValidUntil - now) / 1000);
  return Math.max(1, Math.min(0xffff, Math.floor(seconds / LIFETIME_UNIT_SECONDS)));
}
