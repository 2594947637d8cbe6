/**
 * The configuration of a relay, as plain data. `daemons/rsn/config.ts` builds it from the YAML
 * file; tests build it by hand.
 *
 * No RFC: docs/reference/ntmobile.md §1, §6, §7, §10
 */
import type { Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { ForwardingControl } from '#engine/contract/desired-state.ts';
import type { CoordinatorDescription } from '#engine/contract/ntmobile.ts';
import type { CredentialVerifier } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

/** The limits that can change while the relay runs. */
export type RelayLimits = Pick<
  RelayConfiguration,
  | 'maximumLegs'
  | 'maximumLegsOfNode'
  | 'maximumGeneralNodes'
  | 'maximumGeneralNodesOfNode'
  | 'maximumResolutions'
>;

export interface RelayConfiguration {
  readonly own: KeyPair;
  readonly verifyCredential: CredentialVerifier;
  /** The endpoints at which nodes reach this relay. */
  readonly endpoints: readonly Endpoint[];
  /** The UDP port of the plane. */
  readonly port: number;
  readonly coordinators: readonly CoordinatorDescription[];
  /** The requested lifetime of registrations. */
  readonly lifetimeSeconds: number;
  readonly maximumLegs: number;
  readonly maximumLegsOfNode: number;
  /** Handshakes per second that are accepted without a cookie. */
  readonly handshakesPerSecond: number;
  /** The system's ULA /48. */
  readonly systemPrefix: Prefix;
  /** Contain the virtual IPv4 addresses of nodes and of general nodes. */
  readonly virtualIpv4Prefixes: readonly Prefix[];
  /** Contains the virtual IPv4 addresses of general nodes, and none of a node. */
  readonly generalIpv4Prefix: Prefix;
  /** Contains the shadow addresses of nodes that use IPv6 with IPv4-only servers. */
  readonly translatorIpv4Prefix: Prefix;
  /**
   * Real addresses that are refused besides special-purpose ones, and exceptions from both. The
   * longest matching prefix decides.
   */
  readonly deniedDestinations: readonly Prefix[];
  readonly allowedDestinations: readonly Prefix[];
  /** Of translators that the relay's packets may pass: the IPv4 address inside decides too. */
  readonly nat64Prefixes: readonly Prefix[];
  readonly maximumGeneralNodes: number;
  readonly maximumGeneralNodesOfNode: number;
  /** The number of concurrent name resolutions. */
  readonly maximumResolutions: number;
  readonly forwarding: ForwardingControl;
}

/** `current` with the settings of `fresh` that can change while the relay runs. */
export function withReconfigured(
  current: RelayConfiguration,
  fresh: RelayConfiguration,
): RelayConfiguration {
  return {
    ...current,
    deniedDestinations: fresh.deniedDestinations,
    allowedDestinations: fresh.allowedDestinations,
    nat64Prefixes: fresh.nat64Prefixes,
    handshakesPerSecond: fresh.handshakesPerSecond,
    maximumLegs: fresh.maximumLegs,
    maximumLegsOfNode: fresh.maximumLegsOfNode,
    maximumGeneralNodes: fresh.maximumGeneralNodes,
    maximumGeneralNodesOfNode: fresh.maximumGeneralNodesOfNode,
    maximumResolutions: fresh.maximumResolutions,
  };
}
