/**
 * The ports between the driver and the host. Each has one real implementation in `host/`, `store/`
 * or `daemon/`, and a fake in `fakes/` for tests.
 */

import type { IpAddress, Prefix } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type {
  DesiredAddress,
  DesiredNameServers,
  DesiredPlaneRoute,
  DesiredProxyNeighbour,
  DesiredRoute,
  DesiredRule,
  DesiredSysctl,
  DesiredTunnel,
} from '#engine/contract/desired-state.ts';
import type { DesiredEspKeys, EspSequences } from '#engine/contract/esp.ts';
import type { ResolvedInput, UnknownEndpointInput } from '#engine/contract/input.ts';
import type {
  DesiredAddressMap,
  DesiredOverlay,
  DesiredRelayLeg,
  DesiredSealingKeys,
  DesiredTranslation,
  HandshakeCheck,
  LoginInput,
  NameAnswer,
  RoamingInput,
} from '#engine/contract/ntmobile.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import type {
  DesiredGroupMember,
  DesiredInnerPrefix,
  DesiredKillSwitch,
  DesiredLocalNetwork,
} from '#engine/contract/packet-filters.ts';
import type { PacketPath } from '#engine/contract/packet-path.ts';
import type { RegistrationKeyOwner } from '#engine/contract/registration-key-owner.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';

/** A control packet that the plane punted to the engine. The octets belong to the receiver. */
export interface Punt {
  readonly path: PacketPath;
  readonly packet: Uint8Array;
}

/** Inner packets of one tunnel since it was set first. */
export interface TunnelTraffic {
  readonly tunnel: number;
  /** Sent, or refused by the kernel: packets that the host wanted to go through the tunnel. */
  readonly transmitted: number;
  readonly received: number;
}

/** Authenticated packets of a tunnel arrived from another endpoint. */
export type RoamingNotice = Omit<RoamingInput, 'kind'>;

/** Packets of a tunnel's encapsulation from an endpoint without tunnel. */
export type UnknownEndpointNotice = Omit<UnknownEndpointInput, 'kind'>;

/**
 * By which inner address the plane finds the tunnel of a packet that it sends: a home agent or
 * relay by destination, a mobile node or router by source (see `DesiredPlaneRoute`).
 */
export type TunnelLookup = 'inner-destination' | 'inner-source';

export interface PlaneOptions {
  /** Name of the TUN device that the plane creates, such as `sojourn-ha`. */
  readonly device: string;
  readonly lookup: TunnelLookup;
  /** MTU of the TUN device; default 1460 (IPv6-in-IPv6 on a 1500 octet link). */
  readonly deviceMtu: number;
  /** UDP port of RFC 5555 (4191), bound to the IPv4 wildcard; 0: no socket. */
  readonly udpPort: number;
  /** 1: one thread for both directions; 2: one each; 2n: n pairs, each with its TUN queue. */
  readonly threads: number;
  /** SO_MARK of all outer packets, so that policy rules can match tunnel traffic; 0: none. */
  readonly mark: number;
  /**
   * Open the AF_PACKET tap, which receives Mobility Headers with a Home Address option or a type 2
   * routing header, and protocols 41 and 4.
   */
  readonly raw: boolean;
  /** Home links: the plane punts their Neighbour Discovery and ARP packets with `link` paths. */
  readonly linkDevices: readonly string[];
  /** The plane punts Router and Neighbour Advertisements of every link with `link` paths. */
  readonly discovery?: boolean;
  /**
   * How long the plane holds packets from an endpoint without a tunnel, because data may arrive
   * right behind its Binding Update; 0: not at all.
   */
  readonly holdMs: number;
  /** UDP port of sealed tunnels and their control messages, both families; absent or 0: none. */
  readonly sealedPort?: number;
  /**
   * UDP port of ESP over IPv4 (RFC 3948); absent or 0: none. A mobile node whose host has it in use
   * sends from another port.
   */
  readonly espPort?: number;
  /**
   * Translate (`DesiredTranslation`) for hosts without tunnels too: packets from the TUN device to
   * a far address, and a translated packet without a tunnel goes back to the TUN device. Default
   * false.
   */
  readonly translateOnDevice?: boolean;
  /**
   * Tunnels may have the carrier `optimized`. Packets from the TUN device to an address without
   * such a tunnel are sent as they are. Default false.
   */
  readonly optimized?: boolean;
  /** Report packets from endpoints without a tunnel, at a limited rate; default false. */
  readonly noticeUnknownEndpoints?: boolean;
}

export interface PlaneFeatures {
  readonly virtioHeader: boolean;
  readonly tunSegmentation: boolean;
  readonly tunUdpSegmentation: boolean;
  readonly udpSegmentation: boolean;
  readonly udpReceiveOffload: boolean;
}

/** The native data plane. No data packet crosses this port. All calls are synchronous and O(1). */
export interface PlanePort {
  readonly features: PlaneFeatures;
  readonly deviceIndex: number;
  /**
   * Creates the TUN device again after it was deleted, renamed or moved to another network
   * namespace. Tables and counters stay.
   */
  reopenDevice(): void;
  /**
   * Sends and receives the datagrams of RFC 5555 through another local port, which paths still name
   * by `udpPort` of the options. Throws, and nothing has changed.
   */
  renewUdpPort(): void;
  tunnelSet(tunnel: DesiredTunnel): void;
  tunnelDelete(id: number): void;
  routeSet(route: DesiredPlaneRoute): void;
  routeDelete(route: DesiredPlaneRoute): void;
  /**
   * Sets all keys of a tunnel, which need not exist yet. A key that is set again keeps its counter
   * and anti-replay window; a key that is not listed is removed.
   */
  sealingKeysSet(keys: DesiredSealingKeys): void;
  sealingKeysDelete(tunnel: number): void;
  /** Sets both associations of a tunnel; a key that is set again continues its numbers. */
  espKeysSet(keys: DesiredEspKeys): void;
  espKeysDelete(tunnel: number): void;
  /** Of every tunnel with ESP keys. */
  espSequences(): readonly EspSequences[];
  /** Hands over ESP packets with this SPI that are for this host. */
  espSpiSet(spi: number): void;
  espSpiDelete(spi: number): void;
  relayLegSet(leg: DesiredRelayLeg): void;
  relayLegDelete(index: number): void;
  translationSet(translation: DesiredTranslation): void;
  translationDelete(translation: DesiredTranslation): void;
  overlaySet(overlay: DesiredOverlay): void;
  overlayDelete(overlay: DesiredOverlay): void;
  /**
   * The addresses whose Mobility Headers the plane punts: a home agent's, or a mobile node's home
   * and care-of addresses. Mobility Headers to other addresses are data. While the list is empty,
   * the plane punts all of them from links and UDP, and none from tunnels.
   */
  setLocalAddresses(addresses: readonly IpAddress[]): void;
  /** Checks handshakes from here on, before they are punted. */
  handshakeCheckSet(check: HandshakeCheck): void;
  /** From the first call on, control datagrams under SPIs that were not added are dropped. */
  ownSpisChange(added: readonly number[], removed: readonly number[]): void;
  /**
   * The keys of registrations, all of them. A Binding Update or Acknowledgement that one of them
   * made is punted before those of strangers; a forged one never gets the place of a known peer.
   */
  registrationKeysSet(owners: readonly RegistrationKeyOwner[]): void;
  /** Sends a control packet. Returns 0, or a positive errno such as ENETUNREACH. */
  inject(path: PacketPath, packet: Uint8Array): number;
  /** Plane-wide counters by name (packets, octets, drops by reason). */
  counters(): Readonly<Record<string, number>>;
  /** One tunnel: octets and packets in each direction, and when the last packet arrived. */
  tunnelCounters(id: number): Readonly<Record<string, number>> | undefined;
  /**
   * One leg, datagrams with their envelopes: `transmit` to the leg, `receive` from it, and drops by
   * reason (docs/reference/ntmobile.md §9).
   */
  relayLegCounters(index: number): Readonly<Record<string, number>> | undefined;
  /** Every tunnel. */
  tunnelTraffic(): readonly TunnelTraffic[];
  /** The next packet of any tunnel calls the handler of `onTraffic`, once. */
  armTrafficNotice(): void;
  onPunt(handler: (punt: Punt) => void): void;
  onRoaming(handler: (notice: RoamingNotice) => void): void;
  onTraffic(handler: () => void): void;
  onUnknownEndpoint(handler: (notice: UnknownEndpointNotice) => void): void;
  close(): void;
}

/**
 * The kernel's tables. Everything that this port adds carries the role's protocol number, so that
 * `sweep` finds it after a crash.
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
   * Repairs the TUN device if another program set it down, changed or removed it; its addresses and
   * routes have to be added again then. Returns what had happened; undefined if nothing had.
   */
  repairDevice(): string | undefined;
  /** Removes the addresses, routes, rules, proxy entries and sysctls that an earlier run left. */
  sweep(): void;
  /** Calls `handler` now and after each batch of changes, with a whole snapshot. */
  onNetwork(handler: (interfaces: readonly NetworkInterface[]) => void): void;
  /**
   * Calls `handler` when something that this port added vanished (a device, or a flush by hand), or
   * when the TUN device has to be repaired.
   */
  onDisturbed(handler: () => void): void;
  close(): void;
}

export interface ClockPort {
  now(): Monotonic;
  /** wall − monotonic, milliseconds. */
  offsetMs(): number;
  /** Calls `handler` once, at `at` or later; a new call replaces the former one. */
  wakeAt(at: Monotonic, handler: () => void): void;
  cancel(): void;
}

export interface ResolverPort {
  /** Both families; never rejects: a failure is in the result. */
  resolve(name: string): Promise<Omit<ResolvedInput, 'kind' | 'name'>>;
}

/** Maps virtual to real addresses with the kernel's NAT. Throws a `HostError`. */
export interface AddressMapPort {
  set(map: DesiredAddressMap): void;
  delete(map: DesiredAddressMap): void;
}

/** The packet filter that keeps everything else inside the tunnel. Throws a `HostError`. */
export interface KillSwitchPort {
  /** In force when it returns: replaces the former rules atomically, or lifts them. */
  set(desired: DesiredKillSwitch): void;
  /** The daemon stops. */
  release(applied: DesiredKillSwitch): void;
  /** Opens the kill switch for the hosts of a link; in force soon after the call. */
  allowNetwork(network: DesiredLocalNetwork): void;
  disallowNetwork(network: DesiredLocalNetwork): void;
}

/** Keeps packets from elsewhere off addresses that belong to tunnels. Throws a `HostError`. */
export interface InnerAddressPort {
  /** In force soon after the call. */
  protect(prefix: DesiredInnerPrefix): void;
  release(prefix: DesiredInnerPrefix): void;
}

/** Translates addresses of mobile nodes for the internet. Throws a `HostError`. */
export interface InternetAccessPort {
  masquerade(source: Prefix): void;
  endMasquerade(source: Prefix): void;
}

/** The resolver configuration of the host. A refusal is reported as an event. */
export interface HostResolverPort {
  use(desired: DesiredNameServers): void;
  /** Restores what `use` replaced. */
  restore(): void;
}

/** Keeps mobile nodes of different groups apart. Throws a `HostError`. */
export interface NodeGroupsPort {
  admit(member: DesiredGroupMember): void;
  dismiss(member: DesiredGroupMember): void;
}

/** The account server. Never rejects: a failure is in the outcome. */
export interface LoginPort {
  login(renewalToken: string | undefined): Promise<LoginInput['outcome']>;
}

/** The stub resolver. The driver calls `respond` exactly once. */
export interface NamePort {
  onQuery(
    handler: (name: string, unreachable: boolean, respond: (answer: NameAnswer) => void) => void,
  ): void;
  /** Counters by name. */
  counters?(): Readonly<Record<string, number>>;
}

/** Records survive a crash of the daemon; the changes of one call are one transaction. */
export interface StorePort {
  /** Why changes do not reach the disk; undefined while they do, and after a refused change. */
  readonly fault?: string | undefined;
  load(): Iterable<{ readonly table: string; readonly key: string; readonly value: JsonValue }>;
  apply(
    changes: readonly {
      readonly table: string;
      readonly key: string;
      readonly value: JsonValue | undefined;
      /** All changes survive a power failure from then on if this is true for one of them. */
      readonly isDurable?: boolean | undefined;
    }[],
  ): void;
  close(): void;
}

export interface EventSink {
  event(event: EngineEvent, atWallMs: number): void;
}

/** Watches the control messages of a daemon. */
export interface MessageWatcher {
  /** Whether a follower needs the reason of a refusal, which costs time to find out. */
  readonly hasFollowers: boolean;
  /**
   * `opened`: the plain text of a sealed message. `counted`: the counters that the message changed,
   * if `hasFollowers`.
   */
  received(
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    found: { readonly opened: NtmobileMessage | undefined; readonly counted: readonly string[] },
  ): void;
  /** `sealed`: the plain text, if `packet` is sealed. */
  sent(
    atWallMs: number,
    path: PacketPath,
    packet: Uint8Array,
    sealed: NtmobileMessage | undefined,
  ): void;
}

/** Commands from the control socket. The driver calls `respond` exactly once. */
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
