/**
 * Mobility options as values, and the facts of each: number, lengths, alignment, and the messages
 * that may carry it.
 *
 * RFC 6275 §6.2     Pad1, PadN, Binding Refresh Advice, Alternate Care-of Address, Nonce Indices,
 *                   Binding Authorization Data
 * RFC 3963 §4.3     Mobile Network Prefix
 * RFC 4283 §3       Mobile Node Identifier
 * RFC 4285 §5, §6   Authentication (MN-HA, MN-AAA), Replay Protection
 * RFC 5555 §3       IPv4 Home Address, IPv4 Address Acknowledgement, NAT Detection, IPv4 Care-of
 *                   Address
 * RFC 5648 §4.3     Binding Identifier
 * RFC 5096          Experimental Mobility: experiments.ts
 */
import type { IpAddress, Ipv4Address, Ipv6Address } from '#base/ip.ts';

/**
 * One row per option: its number, allowed lengths (octets behind the length field), alignment xn+y,
 * where it may appear.
 */
interface MobilityOptionFacts {
  readonly optionType: number;
  readonly lengths: { readonly atLeast: number; readonly atMost: number };
  readonly alignment: { readonly multiple: number; readonly plus: number };
  readonly allowedIn: readonly number[];
}

const exactly = (length: number) => ({ atLeast: length, atMost: length });
const atLeast = (length: number) => ({ atLeast: length, atMost: 255 });
export const aligned = (multiple: number, plus: number) => ({ multiple, plus });
const ANY_MESSAGE = [0, 1, 2, 3, 4, 5, 6, 7] as const;

/**
 * Message numbers in `allowedIn` are MH types; an option elsewhere is skipped by its reader (RFC
 * 6275 §6.2.1).
 */
export const MOBILITY_OPTIONS = {
  'binding-refresh-advice': {
    optionType: 2,
    lengths: exactly(2),
    alignment: aligned(2, 0),
    allowedIn: [6],
  },
  'alternate-care-of-address': {
    optionType: 3,
    lengths: exactly(16),
    alignment: aligned(8, 6),
    allowedIn: [5],
  },
  'nonce-indices': { optionType: 4, lengths: exactly(4), alignment: aligned(2, 0), allowedIn: [5] },
  'binding-authorization-data': {
    optionType: 5,
    lengths: atLeast(0),
    alignment: aligned(1, 0),
    allowedIn: [5, 6],
  },
  'mobile-network-prefix': {
    optionType: 6,
    lengths: exactly(18),
    alignment: aligned(8, 4),
    allowedIn: [5],
  },
  'mobile-node-identifier': {
    optionType: 8,
    lengths: atLeast(1),
    alignment: aligned(1, 0),
    allowedIn: ANY_MESSAGE,
  },
  authentication: {
    optionType: 9,
    lengths: atLeast(5),
    alignment: aligned(4, 1),
    allowedIn: [5, 6],
  },
  'replay-protection': {
    optionType: 10,
    lengths: exactly(8),
    alignment: aligned(8, 2),
    allowedIn: [5, 6],
  },
  callback: {
    optionType: 18,
    // Another experiment may have any length.
    lengths: atLeast(0),
    alignment: aligned(1, 0),
    allowedIn: [0, 5, 6],
  },
  // The same type, told apart by its subtype.
  'dns-configuration': {
    optionType: 18,
    lengths: atLeast(0),
    alignment: aligned(1, 0),
    allowedIn: [5, 6],
  },
  'ipv4-home-address': {
    optionType: 29,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [5],
  },
  'ipv4-address-acknowledgement': {
    optionType: 30,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [6],
  },
  'nat-detection': {
    optionType: 31,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [6],
  },
  'ipv4-care-of-address': {
    optionType: 32,
    lengths: exactly(6),
    alignment: aligned(4, 0),
    allowedIn: [5],
  },
  'binding-identifier': {
    optionType: 35,
    lengths: { atLeast: 4, atMost: 20 },
    alignment: aligned(2, 0),
    allowedIn: [0, 2, 4, 5, 6],
  },
} as const satisfies Record<string, MobilityOptionFacts>;

/** Subtypes of the Mobile Node Identifier option, RFC 4283 §3.1. */
export const IDENTIFIER_SUBTYPE_NAI = 1;

/** Subtypes of the Authentication option, RFC 4285 §5. */
export const AuthenticationSubtype = { mobileNodeHomeAgent: 1, mobileNodeAaa: 2 } as const;

/** NAT Detection's refresh time for "no keepalive needed", RFC 5555 §3.2.2. */
export const NO_KEEPALIVE_NEEDED = 0xffffffff;

/** Times in units are of 4 seconds. `timestamp` is NTP's 64-bit form. */
export type MobilityOption =
  | { readonly type: 'binding-refresh-advice'; readonly refreshIntervalUnits: number }
  | { readonly type: 'alternate-care-of-address'; readonly address: Ipv6Address }
  | {
      readonly type: 'nonce-indices';
      readonly homeNonceIndex: number;
      readonly careOfNonceIndex: number;
    }
  | { readonly type: 'binding-authorization-data'; readonly authenticator: Uint8Array }
  | {
      readonly type: 'mobile-network-prefix';
      readonly prefixLength: number;
      readonly prefix: Ipv6Address;
    }
  | {
      readonly type: 'mobile-node-identifier';
      readonly subtype: number;
      readonly identifier: Uint8Array;
    }
  | {
      readonly type: 'authentication';
      readonly subtype: number;
      readonly spi: number;
      readonly authenticator: Uint8Array;
    }
  | { readonly type: 'replay-protection'; readonly timestamp: bigint }
  | { readonly type: 'callback'; readonly seconds: number; readonly token: bigint }
  /** In a Binding Update: a request, which is empty. */
  | {
      readonly type: 'dns-configuration';
      readonly ipv6Servers: readonly Ipv6Address[];
      readonly ipv4Servers: readonly Ipv4Address[];
      readonly searchDomains: readonly string[];
    }
  | {
      readonly type: 'ipv4-home-address';
      readonly prefixLength: number;
      readonly requestPrefix: boolean;
      readonly address: Ipv4Address;
    }
  | {
      readonly type: 'ipv4-address-acknowledgement';
      readonly status: number;
      readonly prefixLength: number;
      readonly address: Ipv4Address;
    }
  | {
      readonly type: 'nat-detection';
      readonly forceUdp: boolean;
      readonly refreshTimeSeconds: number;
    }
  | { readonly type: 'ipv4-care-of-address'; readonly address: Ipv4Address }
  | {
      readonly type: 'binding-identifier';
      readonly bindingId: number;
      readonly status: number;
      readonly simultaneousHomeAndForeign: boolean;
      readonly careOfAddress: IpAddress | undefined;
    }
  | { readonly type: 'unknown'; readonly optionType: number; readonly data: Uint8Array };

export type MobilityOptionOf<T extends MobilityOption['type']> = Extract<
  MobilityOption,
  { readonly type: T }
>;

/** The first option of a type. */
export function findOption<T extends MobilityOption['type']>(
  options: readonly MobilityOption[],
  type: T,
): MobilityOptionOf<T> | undefined {
  return options.find((option): option is MobilityOptionOf<T> => option.type === type);
}

/** Every option of a type, in order. */
export function filterOptions<T extends MobilityOption['type']>(
  options: readonly MobilityOption[],
  type: T,
): readonly MobilityOptionOf<T>[] {
  return options.filter((option): option is MobilityOptionOf<T> => option.type === type);
}
