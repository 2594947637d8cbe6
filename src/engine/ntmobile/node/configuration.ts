/**
 * Configuration of an NTMobile node. No RFC: docs/reference/ntmobile.md §1, §2.
 *
 * Plain data: the daemon builds it from the checked YAML, tests build it by hand.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { InterfacePreference } from '#engine/common/interface-preference.ts';

export interface NtmobileNodeConfiguration {
  readonly own: KeyPair;
  /** UDP port of control messages and tunnels. */
  readonly port: number;
  /**
   * Usable uplinks and their preference (higher first). An interface without an entry has 0; a
   * negative preference excludes it.
   */
  readonly interfaces: readonly InterfacePreference[];
  /** Addresses that the node never sends from, such as home addresses of Mobile IPv6. */
  readonly excludedAddresses: readonly IpAddress[];
  /** Private networks beside those of the uplinks in which other nodes are reached directly. */
  readonly peerNetworks: readonly Prefix[];
  /** Virtual IPv4 addresses of nodes and general nodes. */
  readonly virtualIpv4Prefix: Prefix;
  /** Domains, with all names below them, that are always reached as general nodes. */
  readonly generalNames: readonly string[];
  /** Names whose addresses the access network cannot reach become general nodes. */
  readonly unreachableNames: boolean;
  /** Routing table for packets from virtual addresses; the next one is for the uplinks. */
  readonly table: number;
  /** Lowest of the priorities used for policy rules. */
  readonly rulePriority: number;
}
