/**
 * What an operator decides about an NTMobile node. No RFC: docs/reference/ntmobile.md §1, §2.
 *
 * Plain data: the daemon checks the YAML and builds it; tests build it by hand.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { InterfacePreference } from '#engine/common/interface-preference.ts';

export interface NtmobileNodeConfiguration {
  readonly own: KeyPair;
  /** UDP port of control and tunnels. */
  readonly port: number;
  /**
   * Which interfaces may lead out, and in what order of preference (higher first); those that match
   * nothing have 0, negative = never.
   */
  readonly interfaces: readonly InterfacePreference[];
  /** Addresses that are never a place of this node, such as home addresses of Mobile IPv6. */
  readonly excludedAddresses: readonly IpAddress[];
  /** Virtual IPv4 addresses of the system, nodes' and general nodes'. */
  readonly virtualIpv4Prefix: Prefix;
  /** Domains (and what is below them) that are always reached as general nodes. */
  readonly generalNames: readonly string[];
  /** Names whose addresses the access network cannot reach become general nodes. */
  readonly unreachableNames: boolean;
  /** Routing table of packets from virtual addresses; the next one is that of the places. */
  readonly table: number;
  /** Lowest of the priorities used for policy rules. */
  readonly rulePriority: number;
}
