/**
 * What an operator decides about a relay. No RFC: docs/reference/ntmobile.md §1, §6, §7, §10.
 *
 * Plain data: `daemons/rsn/config.ts` checks the YAML and builds it; tests build it by hand.
 */
import type { Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { ForwardingControl } from '#engine/contract/desired-state.ts';
import type { CoordinatorDescription } from '#engine/contract/ntmobile.ts';
import type { CredentialVerifier } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

/** What the relay does at most. */
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
  /** Where nodes find this relay. */
  readonly endpoints: readonly Endpoint[];
  /** The plane's own port. */
  readonly port: number;
  readonly coordinators: readonly CoordinatorDescription[];
  /** Lifetime that is asked for, seconds. */
  readonly lifetimeSeconds: number;
  readonly maximumLegs: number;
  readonly maximumLegsOfNode: number;
  /** Handshakes in a second that are taken without a cookie. */
  readonly handshakesPerSecond: number;
  /** The system's ULA /48. */
  readonly systemPrefix: Prefix;
  /** Virtual IPv4 addresses, of nodes and of general nodes. */
  readonly virtualIpv4Prefixes: readonly Prefix[];
  /** IPv4 addresses that stand for nodes that speak IPv6 to servers that have IPv4 only. */
  readonly translatorIpv4Prefix: Prefix;
  /**
   * Real addresses that are refused, besides those that are special, and exceptions from both: the
   * longest prefix counts.
   */
  readonly deniedDestinations: readonly Prefix[];
  readonly allowedDestinations: readonly Prefix[];
  readonly maximumGeneralNodes: number;
  readonly maximumGeneralNodesOfNode: number;
  /** Names that are looked for at a time. */
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
    handshakesPerSecond: fresh.handshakesPerSecond,
    maximumLegs: fresh.maximumLegs,
    maximumLegsOfNode: fresh.maximumLegsOfNode,
    maximumGeneralNodes: fresh.maximumGeneralNodes,
    maximumGeneralNodesOfNode: fresh.maximumGeneralNodesOfNode,
    maximumResolutions: fresh.maximumResolutions,
  };
}
