/**
 * Options of NTMobile control messages and handshake payloads, as values.
 *
 * docs/reference/ntmobile.md §6, docs/reference/sealed-mobile-ipv6.md §3; names are LDH labels of
 * RFC 1123 §2.1 in lower case
 */
import type { IpAddress, Ipv4Address, Ipv6Address } from '#base/ip.ts';
import type { EnrolmentGrant, EnrolmentRequest } from './enrolment-options.ts';

/** Type numbers; a receiver may skip unknown options from 128 on. */
export const NTMOBILE_OPTIONS = {
  name: 1,
  'path-id': 2,
  credential: 3,
  candidate: 4,
  'observed-endpoint': 5,
  lifetime: 6,
  'virtual-ipv6': 7,
  'virtual-ipv4': 8,
  relay: 9,
  'relay-token': 10,
  'relay-index': 11,
  challenge: 12,
  mapping: 13,
  'round-trip': 14,
  load: 15,
  families: 16,
  'time-to-live': 17,
  role: 18,
  zone: 19,
  endpoint: 20,
  'node-id': 21,
  'token-key': 22,
  'home-address': 23,
  'mobility-packet': 24,
  'encapsulation-key': 25,
  encapsulation: 26,
  'enrolment-request': 48,
  'enrolment-grant': 49,
  reason: 128,
  padding: 129,
  'first-datagram': 130,
  'post-quantum': 131,
} as const;

export const FIRST_SKIPPABLE_OPTION = 128;
export const NODE_ID_OCTETS = 16;
export const LONGEST_NAME = 253;

export const CandidateKind = { host: 1, serverReflexive: 2, relayed: 3 } as const;
export const Mapping = { none: 1, endpointIndependent: 2, endpointDependent: 3 } as const;
export const DirectionRole = { initiator: 1, responder: 2, general: 3 } as const;
/** Bits of the post-quantum option; receivers ignore others. */
export const PostQuantumFlag = { mlKem768: 1, required: 128 } as const;
export const FAMILY_IPV4 = 1;
export const FAMILY_IPV6 = 2;

/** A UDP endpoint. */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** Times are in seconds, except the round trip in microseconds; `load` is in thousandths. */
export type NtmobileOption =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'zone'; readonly name: string }
  | { readonly type: 'path-id'; readonly pathId: Uint8Array }
  | { readonly type: 'credential'; readonly credential: Uint8Array }
  | {
      readonly type: 'candidate';
      readonly kind: number;
      readonly priority: number;
      readonly endpoint: Endpoint;
    }
  | { readonly type: 'observed-endpoint'; readonly endpoint: Endpoint }
  | { readonly type: 'endpoint'; readonly endpoint: Endpoint }
  | { readonly type: 'lifetime'; readonly seconds: number }
  | { readonly type: 'time-to-live'; readonly seconds: number }
  | { readonly type: 'virtual-ipv6'; readonly address: Ipv6Address }
  | { readonly type: 'virtual-ipv4'; readonly address: Ipv4Address }
  | {
      readonly type: 'relay';
      readonly publicKey: Uint8Array;
      readonly endpoints: readonly Endpoint[];
    }
  | { readonly type: 'relay-token'; readonly token: Uint8Array }
  | { readonly type: 'relay-index'; readonly index: number }
  | { readonly type: 'challenge'; readonly challenge: Uint8Array }
  | { readonly type: 'mapping'; readonly mapping: number }
  | { readonly type: 'round-trip'; readonly nodeId: Uint8Array; readonly microseconds: number }
  | { readonly type: 'load'; readonly thousandths: number }
  | { readonly type: 'families'; readonly families: number }
  | { readonly type: 'role'; readonly role: number }
  | { readonly type: 'node-id'; readonly nodeId: Uint8Array }
  | { readonly type: 'token-key'; readonly key: Uint8Array }
  | { readonly type: 'home-address'; readonly address: Ipv6Address }
  /** An IPv6 packet with a Mobility Header. */
  | { readonly type: 'mobility-packet'; readonly packet: Uint8Array }
  /** A key of ML-KEM-768, and the SPI that its sender will receive with. */
  | { readonly type: 'encapsulation-key'; readonly spi: number; readonly key: Uint8Array }
  /** The ciphertext for that key, the SPI that its sender receives with, and proof of the keys. */
  | {
      readonly type: 'encapsulation';
      readonly spi: number;
      readonly ciphertext: Uint8Array;
      readonly confirmation: Uint8Array;
    }
  | { readonly type: 'post-quantum'; readonly flags: number }
  | { readonly type: 'enrolment-request'; readonly request: EnrolmentRequest }
  | { readonly type: 'enrolment-grant'; readonly grant: EnrolmentGrant }
  | { readonly type: 'reason'; readonly reason: string }
  | { readonly type: 'padding'; readonly data: Uint8Array }
  | { readonly type: 'first-datagram'; readonly datagram: Uint8Array }
  | { readonly type: 'unknown'; readonly optionType: number; readonly data: Uint8Array };

export type NtmobileOptionOf<T extends NtmobileOption['type']> = Extract<
  NtmobileOption,
  { readonly type: T }
>;

const LABELS = /^(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*$/;

/** Whether `name` is a domain name as messages have it: lower case, no trailing dot. */
export function isDomainName(name: string): boolean {
  return name.length <= LONGEST_NAME && LABELS.test(name);
}

/** The first option of a type. */
export function findNtmobileOption<T extends NtmobileOption['type']>(
  options: readonly NtmobileOption[],
  type: T,
): NtmobileOptionOf<T> | undefined {
  return options.find((option): option is NtmobileOptionOf<T> => option.type === type);
}

/** Every option of a type, in order. */
export function filterNtmobileOptions<T extends NtmobileOption['type']>(
  options: readonly NtmobileOption[],
  type: T,
): readonly NtmobileOptionOf<T>[] {
  return options.filter((option): option is NtmobileOptionOf<T> => option.type === type);
}
