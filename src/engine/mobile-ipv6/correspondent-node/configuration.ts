/**
 * The configuration of a correspondent node. RFC 6275 §9.
 *
 * Plain data: the configuration of a daemon is checked elsewhere; tests build it by hand.
 */
import type { Ipv6Address, Prefix } from '#base/ip.ts';

export interface CorrespondentNodeConfiguration {
  /**
   * This node's addresses at which mobile nodes may register; undefined: all of the host that are
   * unicast routable.
   */
  readonly addresses?: readonly Ipv6Address[] | undefined;
  /** Home addresses that may have a binding; undefined: all unicast routable ones. */
  readonly allowedHomePrefixes?: readonly Prefix[] | undefined;
  /** Home addresses that may have none, even if they are allowed. */
  readonly deniedHomePrefixes: readonly Prefix[];
  /** Home networks that may use the whole cache. */
  readonly knownHomePrefixes: readonly Prefix[];
  readonly maximumBindings: number;
  /** At most 420 (RFC 6275 §12, MAX_RR_BINDING_LIFETIME). */
  readonly maximumLifetimeSeconds: number;
  /** Largest packet to a mobile node, without the type 2 routing header. */
  readonly packetMtu: number;
  /** Firewall mark of the daemon's own packets, which the policy rule leaves alone. */
  readonly mark: number;
  /** Routing table of the bound home addresses. */
  readonly table: number;
  readonly rulePriority: number;
}
