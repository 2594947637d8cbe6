/**
 * The ports between the driver and the real world. Each has one real implementation in `host/`,
 * `store/` or `ops/` and one fake beside it that the tests of the driver use.
 */

import type { IpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type {
  DesiredAddress,
  DesiredPlaneRoute,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredRule,
  DesiredSysctl,
  DesiredTunnel,
} from '#engine/contract/desired-state.ts';
import type { ResolvedInput } from '#engine/contract/input.ts';
import type {
  DesiredAddressMap,
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
  LoginInput,
  NameAnswer,
  RoamingInput,
} from '#engine/contract/ntmobile.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';

/** A control packet that the plane handed up. The bytes belong to the receiver. */
export interface Punt {
  readonly path: PacketPath;
  readonly packet: Uint8Array;
}

/** Authenticated packets of a tunnel came from elsewhere. */
export type RoamingNotice = Omit<RoamingInput, 'kind'>;

/**
 * By which inner address the plane finds the tunnel of a packet that it sends: a home agent or relay
 * by destination, a mobile node or router by source (see `DesiredPlaneRoute`).
 */
export type TunnelLookup = 'inner-destination' | 'inner-source';

export interface PlaneOptions {
  /** Name of the TUN device to make, e.g. `sojourn-ha`. */
  readonly device: string;
  readonly lookup: TunnelLookup;
  /** MTU of the TUN device; default 1460 (IPv6-in-IPv6 on a 1500 octet link). */
  readonly deviceMtu: number;
  /** UDP port of RFC 5555 (4191), bound on IPv4 wildcard with packet info; 0 = no UDP socket. */
  readonly udpPort: number;
  /** 1 = one thread does both directions; 2 = one per direction; 2n = n pairs on TUN queues. */
  readonly threads: number;
  /**
   * SO_MARK on everything that the plane sends, so that policy rules can tell tunnel traffic apart;
   * 0 = none.
   */
  readonly mark: number;
  /**
   * Open the AF_PACKET tap (Mobility Header with Home Address option / type 2 routing header,
   * protocols 41 and 4).
   */
  readonly raw: boolean;
  /**
   * Interfaces (home link) whose Neighbour Advertisements/Solicitations and ARP are punted as
   * `link` paths.
   */
  readonly linkDevices: readonly string[];
  /**
   * Milliseconds that packets from an endpoint no tunnel knows yet are held for (data right behind
   * a Binding Update); 0 = off. Default 50.
   */
  readonly holdMs: number;
  /**
   * UDP port of sealed tunnels and their control, bound on the wildcard of both families; absent or
   * 0 = none.
   */
  readonly sealedPort?: number;
  /**
   * Translations (DesiredTranslation) are also for hosts without tunnels: what comes from the TUN
   * to a far address is translated, too, and what is translated and has no tunnel goes back to the
   * TUN. Default false.
   */
  readonly translateOnDevice?: boolean;
}

export interface PlaneFeatures {
  readonly virtioHeader: boolean;
  readonly tunSegmentation: boolean;
  readonly tunUdpSegmentation: boolean;
  readonly udpSegmentation: boolean;
  readonly udpReceiveOffload: boolean;
}

/**
 * Face of the native data plane. JavaScript never sees a data packet through it. All calls are
 * synchronous and O(1).
 */
export interface PlanePort {
  readonly features: PlaneFeatures;
  readonly deviceIndex: number;
  tunnelSet(tunnel: DesiredTunnel): void;
  tunnelDelete(id: number): void;
  routeSet(route: DesiredPlaneRoute): void;
  routeDelete(route: DesiredPlaneRoute): void;
  /**
   * All keys of a tunnel, which may be set before the tunnel is. What is there already stays as it
   * is; keys that are not listed go.
   */
  sealingKeysSet(associations: DesiredSealingKeys): void;
  sealingKeysDelete(tunnel: number): void;
  relayLegSet(leg: DesiredRelayLeg): void;
  relayLegDelete(index: number): void;
  translationSet(translation: DesiredTranslation): void;
  translationDelete(translation: DesiredTranslation): void;
  overlaySet(overlay: DesiredOverlay): void;
  overlayDelete(overlay: DesiredOverlay): void;
  /**
   * The addresses whose Mobility Headers are this host's own: a home agent's, or a mobile node's
   * home and care-of addresses. Those to others are data. As long as the list is empty, every
   * Mobility Header from the link or by UDP is punted and none out of a tunnel is.
   */
  setLocalAddresses(addresses: readonly IpAddress[]): void;
  /**
   * Send a control packet. Returns 0 or a positive errno (ENETUNREACH while an interface is down is
   * not an error of ours).
   */
  inject(path: PacketPath, packet: Uint8Array): number;
  /** Plane-wide counters by name (packets, octets, drops by reason). */
  counters(): Readonly<Record<string, number>>;
  /**
   * Counters of one tunnel: octets and packets each way, monotonic time of the last packet
   * received.
   */
  tunnelCounters(id: number): Readonly<Record<string, number>> | undefined;
  /**
   * The same of one leg, whole datagrams with their envelopes: `transmit` went to it, `receive`
   * came from it; drops by reason (docs/reference/ntmobile.md §9).
   */
  relayLegCounters(index: number): Readonly<Record<string, number>> | undefined;
  onPunt(handler: (punt: Punt) => void): void;
  onRoaming(handler: (notice: RoamingNotice) => void): void;
  close(): void;
}

/**
 * The kernel's own tables, by rtnetlink. Everything made here carries the suite's protocol number
 * and can be found again after a crash.
 */
export interface KernelPort {
  addAddress(address: DesiredAddress): void;
  deleteAddress(address: DesiredAddress): void;
  addRoute(route: DesiredRoute): void;
  deleteRoute(route: DesiredRoute): void;
  addRule(rule: DesiredRule): void;
  deleteRule(rule: DesiredRule): void;
  addProxyNeighbour(neighbour: DesiredProxyNeighbour): void;
  deleteProxyNeighbour(neighbour: DesiredProxyNeighbour): void;
  setSysctl(sysctl: DesiredSysctl): void;
  restoreSysctl(path: string): void;
  /**
   * Remove whatever an earlier run of this role left behind (routes, rules, proxy entries by
   * protocol number; addresses by IFA_PROTO where the kernel has it).
   */
  sweep(): void;
  /**
   * Whole snapshot of interfaces now and after each change (changes of one netlink batch come as
   * one).
   */
  onNetwork(handler: (interfaces: readonly NetworkInterface[]) => void): void;
  /** A route, rule or address of ours vanished (device gone, operator's flush): reconcile again. */
  onDisturbed(handler: () => void): void;
  close(): void;
}

export interface ClockPort {
  now(): Monotonic;
  /** wall − monotonic, milliseconds. */
  offsetMs(): number;
  /** Call `handler` once at or after `at`; a new call replaces the former. */
  wakeAt(at: Monotonic, handler: () => void): void;
  cancel(): void;
}

export interface ResolverPort {
  /** Both families; never rejects: a failure is in the result. */
  resolve(name: string): Promise<Omit<ResolvedInput, 'kind' | 'name'>>;
}

/**
 * Virtual addresses that the kernel's own translation puts real ones in the place of. Throws a
 * world error.
 */
export interface AddressMapPort {
  set(map: DesiredAddressMap): void;
  delete(map: DesiredAddressMap): void;
}

/** The account server. Never rejects: what went wrong is in the outcome. */
export interface LoginPort {
  login(renewalToken: string | undefined): Promise<LoginInput['outcome']>;
}

/** Who asks for names; `respond` is called exactly once. */
export interface NamePort {
  onQuery(
    handler: (name: string, unreachable: boolean, respond: (answer: NameAnswer) => void) => void,
  ): void;
  /** What it counts, by name. */
  counters?(): Readonly<Record<string, number>>;
}

/** Records survive a crash of the daemon; writes of one turn are one transaction. */
export interface StorePort {
  load(): Iterable<{ readonly table: string; readonly key: string; readonly value: JsonValue }>;
  apply(
    changes: readonly {
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue | undefined;
    }[],
  ): void;
  close(): void;
}

export interface EventSink {
  event(event: EngineEvent, atWallMs: number): void;
}

/** Who watches the control messages of a daemon pass by. */
export interface MessageWatcher {
  /** Whether anybody wants to know why a message was refused, which costs something to find out. */
  readonly hasFollowers: boolean;
  /**
   * `opened`: what a sealed one said. `counted`: what the engine counted about it, where `curious`.
   */
  received(
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    found: { readonly opened: NtmobileMessage | undefined; readonly counted: readonly string[] },
  ): void;
  /** `sealed`: what it says, where that cannot be read from `packet`. */
  sent(
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    sealed: NtmobileMessage | undefined,
  ): void;
}

/** Requests from the control socket; `respond` is called exactly once. */
export interface ControlPort {
  onRequest(
    handler: (
      command: string,
      parameters: JsonObject,
      respond: (ok: boolean, value: JsonValue) => void,
    ) => void,
  ): void;
  close(): void;
}
