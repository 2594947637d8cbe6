/**
 * NTMobile's additions to the contract: inputs, outputs and kinds of desired state.
 *
 * No RFC: docs/reference/ntmobile.md
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { Wall } from '#base/time.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { OuterPath } from './outer-path.ts';
import type { UdpPath } from './packet-path.ts';

/**
 * The plane received authenticated packets of `tunnel` from another endpoint than the tunnel's
 * remote one; at most one notice a second for each endpoint. The plane does not change the tunnel:
 * the engine validates the new path first.
 */
export type RoamingInput = {
  readonly kind: 'roaming';
  readonly tunnel: number;
} & UdpPath;

/** A query for a name at the stub resolver; the engine gives one `answer` of the same `id`. */
export type QueryInput = {
  readonly kind: 'query';
  readonly id: number;
  /** Lower case, no trailing dot. */
  readonly name: string;
  /**
   * The second query for a name after the answer `forward`: the name exists, but has no address of
   * the families that the access network reaches.
   */
  readonly unreachable: boolean;
};

/**
 * The answer to a query. `forward`: the resolver asks the access network's name servers, because
 * the name is not one of NTMobile's or its direction is not known yet; `families` are those that
 * the access network reaches, and `virtualPrefixes` contain addresses that no answer of those name
 * servers may have.
 */
export type NameAnswer =
  | {
      readonly outcome: 'addresses';
      readonly addresses: readonly IpAddress[];
      readonly timeToLiveSeconds: number;
    }
  | {
      readonly outcome: 'forward';
      readonly families: readonly (4 | 6)[];
      readonly virtualPrefixes: readonly Prefix[];
    }
  | { readonly outcome: 'no-such-name' }
  | { readonly outcome: 'failure' };

/** A direction coordinator, as the account server describes it. */
export interface CoordinatorDescription {
  readonly name: string;
  /** X25519, 32 octets. */
  readonly publicKey: Uint8Array;
  readonly endpoints: readonly { readonly address: IpAddress; readonly port: number }[];
}

/**
 * The answer to a `login` output. `credential` is encoded (docs/reference/ntmobile.md §2.1);
 * `authorities` are Ed25519 public keys.
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
        /** Virtual addresses of general nodes; no node has one of them. */
        readonly generalPrefixes: readonly Prefix[];
        /** X25519 keys of the system's relays; undefined: the coordinators decide. */
        readonly relayKeys: readonly Uint8Array[] | undefined;
        readonly zone: string;
      }
    /** `final`: the same login cannot succeed later (wrong password, used token, …). */
    | {
        readonly granted: false;
        readonly reason: string;
        readonly message: string;
        readonly final: boolean;
        readonly retryAfterMs?: number;
      };
};

export type SealingCipher = 'aes-128-gcm' | 'chacha20-poly1305';

/** The key of one direction. It is never printed, logged or stored. */
export interface SealingKey {
  /** 28 bits; the receiver chooses it, unique among the keys that it receives with. */
  readonly spi: number;
  readonly cipher: SealingCipher;
  /** 16 octets for `aes-128-gcm`, 32 for `chacha20-poly1305`. The octets must not change later. */
  readonly key: Uint8Array;
}

/**
 * The keys of a sealed tunnel. The plane keeps the counter and the anti-replay window of a key when
 * the tunnel changes, and when the key is withdrawn and desired again, so that no nonce is used
 * twice.
 */
export interface DesiredSealingKeys {
  readonly tunnel: number;
  /** Without it, the tunnel sends nothing. */
  readonly send?: SealingKey;
  /** The current key, and after a rekey for a while the former one. */
  readonly receive: readonly SealingKey[];
}

/**
 * One leg of a relayed path. The relay forwards an envelope (type 13 of docs/reference/ntmobile.md)
 * with this `index` from the leg's remote endpoint to the leg `other`, and puts that leg's index
 * into it. It drops and counts an envelope with this index from any other endpoint.
 */
export interface DesiredRelayLeg {
  /** 28 bits, not 0, unique at the relay. */
  readonly index: number;
  /**
   * Index of the path's other leg; 0 while it does not exist: the relay then drops all datagrams
   * from this leg.
   */
  readonly other: number;
  /** The carrier is UDP; `relayIndex` is absent, because the leg itself has the index. */
  readonly path: OuterPath;
  /** Rate limit of datagrams that the relay sends to this leg, kilobits per second. */
  readonly rateKilobits: number;
}

/**
 * A pair of addresses of different families that the plane translates 1:1 (RFC 7915).
 *
 * `far`: the plane translates a packet from a tunnel to `inner`; the destination becomes `outer`,
 * and the source becomes the `outer` address of its own `near` entry. `near`: the plane translates
 * a packet from the TUN device to `outer` back to `inner`. It drops and counts a packet if one of
 * its addresses has no entry.
 */
export interface DesiredTranslation {
  readonly side: 'near' | 'far';
  readonly inner: IpAddress;
  readonly outer: IpAddress;
}

/**
 * A virtual address, and the real address of the same family that the kernel replaces it with
 * (destination NAT, with masquerading of the source).
 */
export interface DesiredAddressMap {
  readonly virtual: IpAddress;
  readonly real: IpAddress;
}

/**
 * A virtual prefix on a node. The plane holds a packet for it for a moment while there is no tunnel
 * yet. A packet from a tunnel with peer routes must be for the `address` of an overlay.
 */
export interface DesiredOverlay {
  readonly prefix: Prefix;
  /** This host's address in the prefix. */
  readonly address?: IpAddress;
}

/**
 * The checks of handshakes that need no public-key operation. The plane makes them under load, so
 * that a flood does not reach the engine, and answers by cookies what is above the rate of its
 * source.
 */
export interface HandshakeCheck {
  readonly mac1Key: Uint8Array;
  /** Cookies are made with these; the newest comes first. */
  readonly cookieSecrets: readonly Uint8Array[];
  /** Seals cookie replies. */
  readonly cookieKey: Uint8Array;
  /** Handshakes with a cookie, of one IPv4 /24 or IPv6 /48; an address gets a quarter. */
  readonly perSecond: number;
}

/**
 * SPIs that the engine receives control datagrams under from now on, or no longer: of its keys, and
 * of the handshakes that it has begun. The plane drops control datagrams with other SPIs.
 */
interface OwnSpiChange {
  readonly added: readonly number[];
  readonly removed: readonly number[];
}

/** Outputs of NTMobile engines only. */
export type NtmobileOutput =
  /**
   * Asks the account server for a credential: with the renewal token if there is one, else with the
   * configured password or enrolment token. An engine waits for the answer before it asks again.
   */
  | { readonly kind: 'login'; readonly renewalToken: string | undefined }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: NameAnswer }
  | { readonly kind: 'handshake-check'; readonly check: HandshakeCheck }
  | ({ readonly kind: 'own-spis' } & OwnSpiChange)
  | ObservedMessage;

/**
 * The plain text of a sealed control message, for operators that trace messages. `in`: the engine
 * decrypted and parsed it; whether it accepts the message is another matter. `out`: the `send` that
 * follows carries it, sealed.
 */
interface ObservedMessage {
  readonly kind: 'message';
  readonly direction: 'in' | 'out';
  readonly udpPath: UdpPath;
  readonly message: NtmobileMessage;
}
