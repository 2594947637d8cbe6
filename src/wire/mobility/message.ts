/**
 * The messages of Mobile IPv6 as values.
 *
 * RFC 6275 §6.1     the eight messages
 * RFC 3963 §4.1-2   R flags of Binding Update and Acknowledgement
 * RFC 5555 §3.1.3   F flag (force UDP encapsulation)
 * RFC 5213 §8.1-2   P flags, carried but not acted on;  RFC 5648 §4.1 O flag
 * Left out: the M flag's protocol (RFC 5380; carried), fast handover and proxy messages (kept as
 * `unknown`).
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { MobilityOption } from './options.ts';

/** One unit of every lifetime in these messages. */
export const LIFETIME_UNIT_SECONDS = 4;
/** MH type and octets of the fixed part, Mobility Header included, that options follow. */
export const MOBILITY_MESSAGES = {
  'binding-refresh-request': { messageType: 0, fixedSize: 8 },
  'home-test-init': { messageType: 1, fixedSize: 16 },
  'care-of-test-init': { messageType: 2, fixedSize: 16 },
  'home-test': { messageType: 3, fixedSize: 24 },
  'care-of-test': { messageType: 4, fixedSize: 24 },
  'binding-update': { messageType: 5, fixedSize: 12 },
  'binding-acknowledgement': { messageType: 6, fixedSize: 12 },
  'binding-error': { messageType: 7, fixedSize: 24 },
} as const;

/** Status of a Binding Error, RFC 6275 §6.1.9. */
export const BindingErrorStatus = { unknownBinding: 1, unrecognizedMessageType: 2 } as const;

export interface BindingUpdateFlags {
  readonly acknowledge: boolean;
  readonly homeRegistration: boolean;
  readonly linkLocalCompatibility: boolean;
  readonly keyManagementMobility: boolean;
  readonly mapRegistration: boolean;
  readonly mobileRouter: boolean;
  readonly proxyRegistration: boolean;
  readonly forceUdp: boolean;
  readonly overwrite: boolean;
}

export const NO_BINDING_UPDATE_FLAGS: BindingUpdateFlags = {
  acknowledge: false,
  homeRegistration: false,
  linkLocalCompatibility: false,
  keyManagementMobility: false,
  mapRegistration: false,
  mobileRouter: false,
  proxyRegistration: false,
  forceUdp: false,
  overwrite: false,
};

export interface BindingAcknowledgementFlags {
  readonly keyManagementMobility: boolean;
  readonly mobileRouter: boolean;
  readonly proxyRegistration: boolean;
}

export const NO_BINDING_ACKNOWLEDGEMENT_FLAGS: BindingAcknowledgementFlags = {
  keyManagementMobility: false,
  mobileRouter: false,
  proxyRegistration: false,
};

interface WithOptions {
  readonly options: readonly MobilityOption[];
}

/** `lifetimeUnits` are of 4 seconds; cookies are 64-bit; tokens are eight octets (copies). */
export type MobilityMessage =
  | (WithOptions & { readonly type: 'binding-refresh-request' })
  | (WithOptions & { readonly type: 'home-test-init'; readonly homeInitCookie: bigint })
  | (WithOptions & { readonly type: 'care-of-test-init'; readonly careOfInitCookie: bigint })
  | (WithOptions & {
      readonly type: 'home-test';
      readonly homeNonceIndex: number;
      readonly homeInitCookie: bigint;
      readonly homeKeygenToken: Uint8Array;
    })
  | (WithOptions & {
      readonly type: 'care-of-test';
      readonly careOfNonceIndex: number;
      readonly careOfInitCookie: bigint;
      readonly careOfKeygenToken: Uint8Array;
    })
  | (WithOptions & {
      readonly type: 'binding-update';
      readonly sequence: number;
      readonly flags: BindingUpdateFlags;
      readonly lifetimeUnits: number;
    })
  | (WithOptions & {
      readonly type: 'binding-acknowledgement';
      readonly status: number;
      readonly flags: BindingAcknowledgementFlags;
      readonly sequence: number;
      readonly lifetimeUnits: number;
    })
  | (WithOptions & {
      readonly type: 'binding-error';
      readonly status: number;
      readonly homeAddress: Ipv6Address;
    })
  | { readonly type: 'unknown'; readonly messageType: number; readonly data: Uint8Array };

export type MobilityMessageOf<T extends MobilityMessage['type']> = Extract<
  MobilityMessage,
  { readonly type: T }
>;
