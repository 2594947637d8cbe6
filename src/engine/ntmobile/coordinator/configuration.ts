/**
 * What an operator decides about a direction coordinator. No RFC:
 * docs/reference/ntmobile.md §1, §2, §6.
 *
 * Plain data: `daemons/dc/config.ts` checks the YAML and builds it; tests build it by hand.
 */
import type { Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { CredentialVerifier } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

export interface DirectionCoordinatorConfiguration {
  readonly own: KeyPair;
  readonly verifyCredential: CredentialVerifier;
  /** Domain of the names of nodes, without a trailing dot. */
  readonly zone: string;
  /**
   * Octets that addresses of general nodes and tokens of relays are made from: 32 random ones, kept
   * for good.
   */
  readonly secret: Uint8Array;
  /** The system's ULA /48. */
  readonly systemPrefix: Prefix;
  /** Virtual IPv4 addresses of general nodes. */
  readonly generalIpv4Prefix: Prefix;
  /** Where nodes find the second port, one for each family served. */
  readonly secondEndpoints: readonly Endpoint[];
  /** Public keys of the relays that may register. */
  readonly relayKeys: readonly Uint8Array[];
  /** Longest lifetime granted. */
  readonly maximumLifetimeSeconds: number;
  /** Most nodes registered at a time. */
  readonly maximumRegistrations: number;
  /** Of each leg of a path at a relay. */
  readonly relayRateKilobits: number;
  /** Handshakes in a second that are taken without a cookie. */
  readonly handshakesPerSecond: number;
}
