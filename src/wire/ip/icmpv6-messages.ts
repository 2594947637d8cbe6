/**
 * ICMPv6 messages as values, with their numbers and codes.
 *
 * RFC 4443 §3, §4, RFC 4861 §4, RFC 4191 §2.2, RFC 6275 §6.5-8
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { NeighbourOption } from './neighbour-options.ts';

/**
 * Type number of each message and octets in front of its variable part, the four common ones
 * included.
 */
export const ICMPV6_MESSAGES = {
  'destination-unreachable': { messageType: 1, fixedSize: 8 },
  'packet-too-big': { messageType: 2, fixedSize: 8 },
  'time-exceeded': { messageType: 3, fixedSize: 8 },
  'parameter-problem': { messageType: 4, fixedSize: 8 },
  'echo-request': { messageType: 128, fixedSize: 8 },
  'echo-reply': { messageType: 129, fixedSize: 8 },
  'router-solicitation': { messageType: 133, fixedSize: 8 },
  'router-advertisement': { messageType: 134, fixedSize: 16 },
  'neighbour-solicitation': { messageType: 135, fixedSize: 24 },
  'neighbour-advertisement': { messageType: 136, fixedSize: 24 },
  redirect: { messageType: 137, fixedSize: 40 },
  'home-agent-address-discovery-request': { messageType: 144, fixedSize: 8 },
  'home-agent-address-discovery-reply': { messageType: 145, fixedSize: 8 },
  'mobile-prefix-solicitation': { messageType: 146, fixedSize: 8 },
  'mobile-prefix-advertisement': { messageType: 147, fixedSize: 8 },
} as const;

export const ParameterProblemCode = {
  erroneousHeaderField: 0,
  unrecognizedNextHeader: 1,
  unrecognizedOption: 2,
} as const;

/**
 * `packet` is as much of the invoking packet as there was; octet strings are copies; the options
 * are those of RFC 4861.
 */
export type Icmpv6Body =
  | { readonly type: 'destination-unreachable'; readonly packet: Uint8Array }
  | { readonly type: 'packet-too-big'; readonly mtu: number; readonly packet: Uint8Array }
  | { readonly type: 'time-exceeded'; readonly packet: Uint8Array }
  | { readonly type: 'parameter-problem'; readonly pointer: number; readonly packet: Uint8Array }
  | {
      readonly type: 'echo-request' | 'echo-reply';
      readonly identifier: number;
      readonly sequence: number;
      readonly data: Uint8Array;
    }
  | { readonly type: 'router-solicitation'; readonly options: readonly NeighbourOption[] }
  | {
      readonly type: 'router-advertisement';
      readonly currentHopLimit: number;
      readonly managed: boolean;
      readonly otherConfiguration: boolean;
      readonly homeAgent: boolean;
      /** Router preference of RFC 4191: -1 low, 0 medium, 1 high. */
      readonly preference: number;
      readonly routerLifetimeSeconds: number;
      readonly reachableTimeMs: number;
      readonly retransmissionTimerMs: number;
      readonly options: readonly NeighbourOption[];
    }
  | {
      readonly type: 'neighbour-solicitation';
      readonly target: Ipv6Address;
      readonly options: readonly NeighbourOption[];
    }
  | {
      readonly type: 'neighbour-advertisement';
      readonly router: boolean;
      readonly solicited: boolean;
      readonly override: boolean;
      readonly target: Ipv6Address;
      readonly options: readonly NeighbourOption[];
    }
  | {
      readonly type: 'redirect';
      readonly target: Ipv6Address;
      readonly destination: Ipv6Address;
      readonly options: readonly NeighbourOption[];
    }
  | { readonly type: 'home-agent-address-discovery-request'; readonly identifier: number }
  | {
      readonly type: 'home-agent-address-discovery-reply';
      readonly identifier: number;
      readonly homeAgents: readonly Ipv6Address[];
    }
  | {
      readonly type: 'mobile-prefix-solicitation';
      readonly identifier: number;
      readonly options: readonly NeighbourOption[];
    }
  | {
      readonly type: 'mobile-prefix-advertisement';
      readonly identifier: number;
      readonly managed: boolean;
      readonly otherConfiguration: boolean;
      readonly options: readonly NeighbourOption[];
    }
  | { readonly type: 'unknown'; readonly messageType: number; readonly data: Uint8Array };

export interface Icmpv6Message {
  readonly code: number;
  readonly checksum: number;
  readonly body: Icmpv6Body;
}
