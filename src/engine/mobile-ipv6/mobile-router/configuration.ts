/**
 * The configuration of a mobile router, in addition to that of a mobile node. RFC 3963 §5.2, RFC
 * 5555 §3.1.1.
 *
 * Plain data: `daemons/mr/config.ts` checks the YAML and builds it; tests build it by hand.
 */
import type { IpAddress, Prefix } from '#base/ip.ts';
import type { ForwardingControl } from '#engine/contract/desired-state.ts';
import type {
  HomeConfiguration,
  MobileNodeConfiguration,
} from '#engine/mobile-ipv6/mobile-node/configuration.ts';

/**
 * How the home agent learns the mobile network prefixes, RFC 3963 §5.2: from options of the Binding
 * Update (explicit), or from its own configuration (implicit).
 */
export type RegistrationMode = 'explicit' | 'implicit';

export interface MobileRouterConfiguration extends MobileNodeConfiguration {
  readonly homes: readonly RouterHome[];
  /** The ingress interfaces: never used to reach the home agent, whatever `interfaces` says. */
  readonly mobileNetworks: readonly MobileNetwork[];
  /** Default: `everywhere`. */
  readonly forwarding?: ForwardingControl;
}

export interface RouterHome extends HomeConfiguration {
  /**
   * IPv6 and IPv4 prefixes of the mobile networks of this home, without host bits; in explicit mode
   * all are registered.
   */
  readonly mobileNetworkPrefixes: readonly Prefix[];
  /**
   * The modes that may be used, in the order in which they are tried (RFC 3963 §5.4); at least one.
   */
  readonly registrationModes: readonly RegistrationMode[];
}

/** One link of the mobile network. */
export interface MobileNetwork {
  /** Interface name. */
  readonly device: string;
  /** The router's own addresses on it, each inside a mobile network prefix of some home. */
  readonly addresses: readonly { readonly address: IpAddress; readonly prefixLength: number }[];
}
