/**
 * What every protocol engine looks like from outside.
 *
 * An engine is pure: one entry, `step(now, input, out)`, and one other method, `deadline()`. When
 * `step` returns, everything that follows from the input is in `out`. No socket, file, clock,
 * randomness, promise or logger is reachable from here.
 *
 * Kinds of wrong: a peer's (counted by reason, answered as the RFC says, never thrown), the world's
 * (typed inputs, retried by named timers), ours (`assert`, the daemon restarts from its store).
 *
 * This file names no RFC behaviour; engines do. RFC 6275, RFC 5555, RFC 3963 supply the vocabulary.
 */
import type { IpAddress, Ipv4Address, Ipv6Address, Prefix } from '#base/ip.ts';
import type { Monotonic, Wall } from '#base/time.ts';
import type { AmplificationLimit } from './common/amplification-limit.ts';
import type { EventName } from './common/event-table.ts';
import type {
  DefaultRouter,
  InterfaceAddress,
  NetworkInterface,
} from './common/network-interface.ts';
import type { ObservedMessage } from './common/observed-message.ts';

/**
 * A pure protocol machine. `I` is the role's own input union (always a superset of {@link
 * CommonInput}).
 */
export interface Engine<I> {
  /**
   * Handle one input at monotonic time `now` (milliseconds); append everything that follows from it
   * to `out`. Never throws for a peer's fault.
   */
  step(now: Monotonic, input: I, out: Output[]): void;
  /**
   * Monotonic time of the earliest named timer; `NEVER` when none is armed. The driver sends
   * `{kind: 'tick'}` at that time.
   */
  deadline(): Monotonic;
}

/** An engine that takes other decisions of the operator while it runs. */
export interface Reconfigurable<C> {
  /**
   * `configuration` is the whole; what the engine cannot take while it runs is in it as it was.
   * What is granted no longer is taken back at once. Sends nothing: what follows for others is due
   * (see `deadline`) and comes with the next `tick`.
   */
  reconfigure(now: Monotonic, configuration: C, out: Output[]): void;
}

/** Injected randomness: `count` unpredictable octets (seeded in the simulated world). */
export type RandomBytes = (count: number) => Uint8Array;

/**
 * The way a control packet came or goes.
 *
 * - `native`: `packet` is the whole IPv6 packet as it is on the link, outer header first.
 * - `udp`: `packet` is the inner IPv6 packet of RFC 5555 §4.1 (IPv4 | UDP 4191 | packet).
 * - `datagram`: `packet` is a UDP payload of the sealed port (types 9 to 12 of docs/ntmobile.md),
 *   without the envelope of a relay.
 * - `tunnel`: `packet` is an inner packet that travels inside tunnel `tunnel` (HoTI, HoT, BRR sent
 *   through the home agent).
 * - `link`: a frame on one link, for Neighbour Discovery or ARP on the home link; `packet` starts
 *   after the Ethernet header.
 */
export type PacketPath =
  | { readonly kind: 'ipv6' }
  | {
      readonly kind: 'udp';
      readonly local: Ipv4Address;
      readonly localPort: number;
      readonly remote: Ipv4Address;
      readonly remotePort: number;
    }
  | ({ readonly kind: 'datagram' } & DatagramEndpoints)
  | { readonly kind: 'tunnel'; readonly tunnel: number }
  | {
      readonly kind: 'link';
      readonly device: string;
      readonly protocol: 'ipv6' | 'arp';
      /** Link-layer destination when sending, source when received; six octets. */
      readonly linkAddress: Uint8Array;
    };

/**
 * Both ends of a datagram of the sealed port, one family; `local` is ours, the unspecified address
 * where the kernel is to choose.
 */
export interface DatagramEndpoints {
  readonly local: IpAddress;
  /** Always the plane's own port. */
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** 28 bits: the index in the relay's envelope; 0 = no relay. */
  readonly relayIndex: number;
}

/** Inputs that every role understands. */
export type CommonInput =
  /** A control packet (never a data packet) and the way it came. */
  | { readonly kind: 'datagram'; readonly path: PacketPath; readonly packet: Uint8Array }
  /** Time passed; some deadline may be due. */
  | { readonly kind: 'tick' }
  /**
   * The relation of wall clock to monotonic clock: `wallMs - monotonicMs`. Given once before
   * anything else and whenever it changed by > 100 ms.
   */
  | { readonly kind: 'clock'; readonly offsetMs: number }
  /**
   * One record from the store, given at start before the first datagram. `value` is what the engine
   * once gave to `persist`.
   */
  | {
      readonly kind: 'record';
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue;
    }
  /** All records were given. */
  | { readonly kind: 'restored' }
  /**
   * An operator's request from the control socket; answered by exactly one `reply` with the same
   * `id`.
   */
  | {
      readonly kind: 'request';
      readonly id: number;
      readonly command: string;
      readonly parameters: JsonObject;
    }
  /**
   * The daemon stops: say goodbye on the wire where the RFC has a way (de-registration is the
   * operator's choice, not ours).
   */
  | { readonly kind: 'stop' };

/** What the mobile side hears of its host: always the whole truth, never a difference. */
export type NetworkInput = {
  readonly kind: 'network';
  readonly interfaces: readonly NetworkInterface[];
};

/**
 * The answer to a `resolve` output. `addresses` empty and `failure` set when the name did not
 * resolve.
 */
export type ResolvedInput = {
  readonly kind: 'resolved';
  readonly name: string;
  readonly addresses: readonly IpAddress[];
  readonly failure?: string;
  /** With a failure: it is known that there is no such name, or no address of it. */
  readonly noSuchName?: boolean;
  /** How long the answer may be kept; absent for an address, and after a failure. */
  readonly timeToLiveSeconds?: number;
};

/**
 * Authenticated packets of `tunnel` come from elsewhere than its far end: told at most once a
 * second for each place. The plane goes on sending where it did; whether the tunnel follows is the
 * engine's to find out.
 */
export type RoamingInput = {
  readonly kind: 'roaming';
  readonly tunnel: number;
} & DatagramEndpoints;

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
 * The answer to a `login` output. `credential` as octets (docs/ntmobile.md §2.1), `authorities`
 * Ed25519 public keys.
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

export type Output =
  | { readonly kind: 'send'; readonly path: PacketPath; readonly packet: Uint8Array }
  /**
   * One keyed part of the desired host state; the whole wish is the union of all parts. `undefined`
   * withdraws the part. Keys make the wish of 100,000 bindings cost only what changed.
   */
  | { readonly kind: 'set-desired'; readonly key: string; readonly part: DesiredPart | undefined }
  /**
   * Store (or with `undefined` forget) a record. Applied before any `send` of the same step leaves.
   */
  | {
      readonly kind: 'persist';
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue | undefined;
    }
  | { readonly kind: 'event'; readonly event: EngineEvent }
  | { readonly kind: 'reply'; readonly id: number; readonly ok: boolean; readonly value: JsonValue }
  /** Ask the host's resolver for A and AAAA; answered by a `resolved` input. */
  | { readonly kind: 'resolve'; readonly name: string }
  /**
   * Ask the account server for a credential: by the renewal token where there is one, otherwise as
   * the configuration says. One at a time.
   */
  | { readonly kind: 'login'; readonly renewalToken: string | undefined }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: NameAnswer }
  | ObservedMessage;

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

/**
 * Something an operator may want to see; its level and fields are those of its row in
 * shared/event-table.ts.
 */
export interface EngineEvent {
  readonly name: EventName;
  readonly level: 'debug' | 'info' | 'warn';
  readonly fields: JsonObject;
}

/** A part of the desired host and plane state. Absent members mean: nothing of that kind. */
export interface DesiredPart {
  readonly addresses?: readonly DesiredAddress[];
  readonly routes?: readonly DesiredRoute[];
  readonly rules?: readonly DesiredRule[];
  readonly proxyNeighbours?: readonly DesiredProxyNeighbour[];
  readonly sysctls?: readonly DesiredSysctl[];
  readonly tunnels?: readonly DesiredTunnel[];
  readonly planeRoutes?: readonly DesiredPlaneRoute[];
  readonly sealingKeys?: readonly DesiredSealingKeys[];
  readonly relayLegs?: readonly DesiredRelayLeg[];
  readonly translations?: readonly DesiredTranslation[];
  readonly addressMaps?: readonly DesiredAddressMap[];
  readonly overlays?: readonly DesiredOverlay[];
}

export interface DesiredAddress {
  /** Interface name; `TUN_DEVICE` for the daemon's own tunnel device. */
  readonly device: string;
  readonly address: IpAddress;
  readonly prefixLength: number;
  /** Add with IFA_F_NODAD: another node (the home agent) answered for it, or it is on a TUN. */
  readonly noDad: boolean;
  /** IFA_F_NOPREFIXROUTE: no connected route follows from it. */
  readonly noPrefixRoute?: boolean;
  /** Preferred lifetime zero: never chosen as a source by itself. */
  readonly deprecated?: boolean;
}

/** Stands for the daemon's own TUN device in desired state. */
export const TUN_DEVICE = '%tun';

export interface DesiredRoute {
  readonly destination: Prefix;
  readonly table: number;
  readonly type?: 'unicast' | 'unreachable' | 'blackhole';
  readonly device?: string;
  readonly gateway?: IpAddress;
  /** Preferred source address. */
  readonly source?: IpAddress;
  readonly metric?: number;
  readonly mtu?: number;
}

export interface DesiredRule {
  readonly family: 4 | 6;
  readonly priority: number;
  readonly table: number;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly mark?: { readonly value: number; readonly mask: number };
  /** Matches packets without this mark (FIB_RULE_INVERT). */
  readonly invert?: boolean;
  readonly suppressPrefixLength?: number;
  /** `TUN_DEVICE`, an interface, or 'lo': what the host itself sends. */
  readonly inputDevice?: string;
}

/**
 * Answer Neighbour Solicitations / ARP requests for `address` on `device` (home agent, RFC 6275
 * §10.4.1).
 */
export interface DesiredProxyNeighbour {
  readonly device: string;
  readonly address: IpAddress;
}

/**
 * `path` below /proc/sys, with '/' separators: 'net/ipv6/conf/all/forwarding'; `TUN_DEVICE` may
 * stand in it for a device. Those of one part are set in their order and restored in the reverse
 * order, at the latest at exit.
 */
export interface DesiredSysctl {
  readonly path: string;
  readonly value: string;
  /** Changed only where this is the present value. */
  readonly onlyIfCurrently?: string;
}

/**
 * How a host lets its IPv6 packets be forwarded: by the interface that they came in by
 * (`force_forwarding`, Linux 6.17); by all interfaces or none; or as it is, because its settings
 * cannot be written and are those that whoever made the host has chosen.
 */
export type ForwardingControl = 'by-interface' | 'everywhere' | 'given';

/**
 * How a tunnel carries inner packets. `ipip`: IPv6 or IPv4 in IPv6 (or in IPv4), no UDP. `udp`: RFC
 * 5555 §4.1, port 4191, no framing. `sealed`: encrypted in UDP over either family, type 1 of
 * docs/ntmobile.md, with the keys of the tunnel's {@link DesiredSealingKeys}.
 */
export type Encapsulation = 'ipip' | 'udp' | 'sealed';

/** One bidirectional tunnel of the data plane. */
export interface DesiredTunnel {
  /**
   * Unique in the daemon, 1 … 2^31-1, chosen by the engine, stable while the tunnel lives (a move
   * changes the endpoints, not the id).
   */
  readonly id: number;
  readonly encapsulation: Encapsulation;
  /** Outer addresses, same family. */
  readonly local: IpAddress;
  readonly remote: IpAddress;
  /** UDP only; 0 otherwise. Of `sealed` the plane's own port. */
  readonly localPort: number;
  readonly remotePort: number;
  /**
   * Sealed only: `remote` is a relay, and this the index of our leg there, 28 bits; absent or 0 =
   * no relay.
   */
  readonly relayIndex?: number;
  /** Sealed only: as of a {@link DesiredRelayLeg}; absent: true. */
  readonly validated?: boolean;
  readonly amplificationLimit?: AmplificationLimit;
  /**
   * Largest inner packet in octets; larger ones are answered with Packet Too Big / Fragmentation
   * Needed.
   */
  readonly mtu: number;
}

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
 * The plane's one table: mobile-side prefix → tunnel. Longest prefix wins. On a home agent it is
 * looked up by inner destination when sending into tunnels, and by inner source when receiving
 * (ingress permit: the entry must name the tunnel that the packet came through). On a mobile node
 * or router by inner source when sending, by inner destination when receiving.
 */
export interface DesiredPlaneRoute {
  readonly prefix: Prefix;
  readonly tunnel: number;
  /**
   * True on a mobile node: the prefix is the other end's, as on a home agent. Such routes are
   * looked up before the others by inner destination when sending, and an inner packet that comes
   * through a tunnel with such routes needs a source among them and a destination that is an
   * `address` of a {@link DesiredOverlay}.
   */
  readonly peer?: boolean;
}

/**
 * One leg of a path at a relay: envelopes (type 13 of docs/ntmobile.md) with `index` from `remote`
 * go on to the leg `other`, in an envelope with that one's index. What comes with this index from
 * anywhere else is dropped and counted.
 */
export interface DesiredRelayLeg {
  /** 28 bits, not 0; unique in the relay. */
  readonly index: number;
  /** Index of the other leg of the path; 0 while it is not there: what comes is dropped. */
  readonly other: number;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /**
   * False: nobody showed yet that it is at `remote`; it gets no more octets than its account has,
   * by itself those that came three times.
   */
  readonly validated: boolean;
  readonly amplificationLimit?: AmplificationLimit;
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

export type {
  AmplificationLimit as PlaceAccount,
  DefaultRouter,
  EventName,
  InterfaceAddress,
  IpAddress,
  Ipv4Address,
  Ipv6Address,
  Monotonic,
  NetworkInterface,
  Prefix,
  Wall,
};
