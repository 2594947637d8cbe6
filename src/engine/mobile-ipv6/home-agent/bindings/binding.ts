/**
 * A Binding Cache entry of a home registration, kept small: there may be 100,000.
 *
 * RFC 6275 §9.1, §10.1  fields
 * RFC 5555 §4.5         IPv4 home address
 * RFC 3963 §6.1.1       prefixes
 */
import type { IpAddress, Ipv4Address, Ipv6Address, Prefix } from '#base/ip.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import type { BindingEntry, BindingKey } from '#engine/mobile-ipv6/common/binding-cache.ts';
import type { AuthorizedMobileNode } from '#engine/mobile-ipv6/home-agent/configuration.ts';
import type { Tunnel, TunnelEndpoint } from './tunnels.ts';

/** The numbers of the last Binding Update, which the next one must exceed. */
export interface ReplayNumbers {
  readonly sequence: number;
  /** NTP timestamp; zero when the Binding Update had none. */
  readonly timestamp: bigint;
  /** The security association of the timestamp. */
  readonly spi: number | undefined;
}

/** Everything that a Binding Update may change. */
export interface BindingState extends ReplayNumbers {
  /** The home agent address that the registration was sent to. */
  readonly homeAgentAddress: Ipv6Address;
  readonly careOfAddress: IpAddress;
  readonly ipv4HomeAddress: Ipv4Address | undefined;
  readonly mobileNetworkPrefixes: readonly Prefix[];
  readonly lifetimeUnits: number;
  readonly expiresAt: Monotonic;
  readonly behindNat: boolean;
  /** L flag: the link-local address with the same interface identifier is defended too. */
  readonly linkLocalCompatibility: boolean;
}

/** A granted registration: which binding it is for, and everything that the binding becomes. */
export interface GrantedRegistration {
  readonly key: BindingKey;
  readonly mobileNode: AuthorizedMobileNode;
  readonly endpoint: TunnelEndpoint;
  readonly state: BindingState;
}

/** A binding as all but its owner, `Bindings`, see it. */
export interface Binding extends BindingEntry, BindingState {
  readonly mobileNode: AuthorizedMobileNode;
  readonly tunnel: Tunnel;
  /** Registered with the R flag (RFC 3963 §6.1.1). */
  readonly mobileRouter: boolean;
}

/**
 * The prefixes of a mobile node. A mobile router has another list, even an empty one, so that the
 * R flag takes no memory.
 */
export const NO_PREFIXES: readonly Prefix[] = [];

/** Only `Bindings` makes and changes one. */
export class BindingCacheEntry implements Binding, Timed {
  readonly homeAddress: Ipv6Address;
  readonly bid: number;
  mobileNode: AuthorizedMobileNode;
  tunnel: Tunnel;
  homeAgentAddress: Ipv6Address;
  careOfAddress: IpAddress;
  ipv4HomeAddress: Ipv4Address | undefined;
  mobileNetworkPrefixes: readonly Prefix[];
  sequence: number;
  timestamp: bigint;
  spi: number | undefined;
  lifetimeUnits: number;
  expiresAt: Monotonic;
  behindNat: boolean;
  linkLocalCompatibility: boolean;
  /** When to send a Binding Refresh Request; `NEVER` once it is sent. */
  refreshRequestAt: Monotonic = NEVER;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(
    { homeAddress, bid }: BindingKey,
    mobileNode: AuthorizedMobileNode,
    tunnel: Tunnel,
    state: BindingState,
  ) {
    this.homeAddress = homeAddress;
    this.bid = bid;
    this.mobileNode = mobileNode;
    this.tunnel = tunnel;
    this.homeAgentAddress = state.homeAgentAddress;
    this.careOfAddress = state.careOfAddress;
    this.ipv4HomeAddress = state.ipv4HomeAddress;
    this.mobileNetworkPrefixes = state.mobileNetworkPrefixes;
    this.sequence = state.sequence;
    this.timestamp = state.timestamp;
    this.spi = state.spi;
    this.lifetimeUnits = state.lifetimeUnits;
    this.expiresAt = state.expiresAt;
    this.behindNat = state.behindNat;
    this.linkLocalCompatibility = state.linkLocalCompatibility;
  }

  get mobileRouter(): boolean {
    return this.mobileNetworkPrefixes !== NO_PREFIXES;
  }

  update(state: BindingState): void {
    // An equal string of the latest message would replace one that the garbage collector has
    // already moved to the old generation.
    if (this.homeAgentAddress !== state.homeAgentAddress)
      this.homeAgentAddress = state.homeAgentAddress;
    if (this.careOfAddress !== state.careOfAddress) this.careOfAddress = state.careOfAddress;
    if (this.ipv4HomeAddress !== state.ipv4HomeAddress)
      this.ipv4HomeAddress = state.ipv4HomeAddress;
    this.mobileNetworkPrefixes = state.mobileNetworkPrefixes;
    this.sequence = state.sequence;
    this.timestamp = state.timestamp;
    this.spi = state.spi;
    this.lifetimeUnits = state.lifetimeUnits;
    this.expiresAt = state.expiresAt;
    this.behindNat = state.behindNat;
    this.linkLocalCompatibility = state.linkLocalCompatibility;
  }
}

/**
 * The numbers that outlive a binding. The timestamp stays without limit: a Binding Update that is
 * not newer is a replay (RFC 4285 §6). The sequence number counts until `sequenceUntilWallMs` (RFC
 * 6275 §10.3.2, MAX_DELETE_BCE_TIMEOUT).
 */
export interface FormerBinding extends ReplayNumbers {
  readonly sequenceUntilWallMs: number;
}
