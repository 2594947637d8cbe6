/**
 * What only NTMobile adds to the contract: its inputs, outputs and kinds of desired state.
 *
 * No RFC: docs/reference/ntmobile.md
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { Wall } from '#base/time.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { OuterPath } from './outer-path.ts';
import type { UdpPath } from './packet-path.ts';

/**
 * Authenticated packets of `tunnel` come from elsewhere than its far end: told at most once a
 * second for each place. The plane goes on sending where it did; whether the tunnel follows is the
 * engine's to find out.
 */
export type RoamingInput = {
  readonly kind: 'roaming';
  readonly tunnel: number;
} & UdpPath;

/**
 * Somebody asks the stub resolver for `name` (lower case, no trailing dot); answered by exactly one
 * `answer` output with the same `id`.
 */
export type QueryInput = {
  readonly kind: 'query';
  readonly id: number;
  readonly name: string;
  /**
   * Second try: the name exists, but has no address of a family that `forward` said is reachable.
   */
  readonly unreachable: boolean;
};

/**
 * What a query comes to. `forward`: not a matter of NTMobile, or not yet; `families` has 4 and 6 as
 * the access network reaches them.
 */
export type NameAnswer =
  | {
      readonly outcome: 'addresses';
      readonly addresses: readonly IpAddress[];
      readonly timeToLiveSeconds: number;
    }
  | { readonly outcome: 'forward'; readonly families: readonly (4 | 6)[] }
  | { readonly outcome: 'no-such-name' }
  | { readonly outcome: 'failure' };

/** A direction coordinator as the account server tells of it. */
export interface CoordinatorDescription {
  readonly name: string;
  /** X25519, 32 octets. */
  readonly publicKey: Uint8Array;
  readonly endpoints: readonly { readonly address: IpAddress; readonly port: number }[];
}

/**
 * The answer to a `login` output. `credential` as octets (docs/reference/ntmobile.md §2.1),
 * `authorities` Ed25519 public keys.
 */
export type LoginInput = {
  readonly kind: 'logged-in';
  readonly outcome:
    | {
        readonly granted: true;
        readonly credential: Uint8Array;
        readonly notAfter: Wall;
        readonly renewalToken: string;
        readonly coordinators: readonly CoordinatorDescription[];
        readonly authorities: readonly Uint8Array[];
        readonly systemPrefix: Prefix;
        readonly zone: string;
      }
    /**
     * `final`: asking again the same way is of no use (wrong password, disabled account, token used
     * up).
     */
    | {
        readonly granted: false;
        readonly reason: string;
        readonly message: string;
        readonly final: boolean;
        readonly retryAfterMs?: number;
      };
};

export type SealingCipher = 'aes-128-gcm' | 'chacha20-poly1305';

/** The key of one direction. Never printed, logged or stored. */
export interface SealingKey {
  /** 28 bits, chosen by whoever receives with it; unique among all that a daemon receives with. */
  readonly spi: number;
  readonly cipher: SealingCipher;
  /** 16 octets for `aes-128-gcm`, 32 for `chacha20-poly1305`. Unchanged once it was given away. */
  readonly key: Uint8Array;
}

/**
 * What a `sealed` tunnel sends and receives with. A key keeps its counter and its replay window,
 * whatever becomes of the tunnel and however often it is wished for again, so that no counter is
 * used twice under one key.
 */
export interface DesiredSealingKeys {
  readonly tunnel: number;
  /** Absent: nothing is sent. */
  readonly send?: SealingKey;
  /** The present key and, for a while after a rekey, the former one. */
  readonly receive: readonly SealingKey[];
}

/**
 * One leg of a path at a relay: envelopes (type 13 of docs/reference/ntmobile.md) with `index` from
 * `remote` go on to the leg `other`, in an envelope with that one's index. What comes with this
 * index from anywhere else is dropped and counted.
 */
export interface DesiredRelayLeg {
  /** 28 bits, not 0; unique in the relay. */
  readonly index: number;
  /** Index of the other leg of the path; 0 while it is not there: what comes is dropped. */
  readonly other: number;
  /** The carrier is UDP; `relayIndex` is absent, because the leg itself has the index. */
  readonly path: OuterPath;
  /** Kilobits a second that go to this leg. */
  readonly rateKilobits: number;
}

/**
 * An address that has another one of the other family in the plane, 1:1 (RFC 7915). `far`: a packet
 * out of a tunnel to `inner` is translated, its destination becomes `outer`, its source what the
 * `near` entry of the source says. `near`: a packet from the TUN device to `outer` is translated
 * back. A packet without an entry for both of its addresses is dropped and counted.
 */
export interface DesiredTranslation {
  readonly side: 'near' | 'far';
  readonly inner: IpAddress;
  readonly outer: IpAddress;
}

/**
 * A virtual address and the real one of the same family that the kernel puts in its place
 * (destination translation and masquerade).
 */
export interface DesiredAddressMap {
  readonly virtual: IpAddress;
  readonly real: IpAddress;
}

/**
 * A virtual prefix on a node: a packet for it that has no tunnel yet waits a moment in the plane,
 * and what comes out of a tunnel with `peer` routes must be for an `address` of one.
 */
export interface DesiredOverlay {
  readonly prefix: Prefix;
  /** This host's own one in it. */
  readonly address?: IpAddress;
}

/** What only an NTMobile engine puts out. */
export type NtmobileOutput =
  /**
   * Ask the account server for a credential: by the renewal token where there is one, otherwise as
   * the configuration says. One at a time.
   */
  | { readonly kind: 'login'; readonly renewalToken: string | undefined }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: NameAnswer }
  | ObservedMessage;

/**
 * A sealed control message in the clear, for an operator who traces messages. `in`: it was opened
 * and is whole; what the engine makes of it is not said. `out`: it was sealed, and a `send`
 * follows.
 */
interface ObservedMessage {
  readonly kind: 'message';
  readonly direction: 'in' | 'out';
  readonly udpPath: UdpPath;
  readonly message: NtmobileMessage;
}
