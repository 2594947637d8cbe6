/**
 * The configuration of a direction coordinator, as plain data. `daemons/dc/config.ts` builds it
 * from the YAML file; tests build it by hand.
 *
 * No RFC: docs/reference/ntmobile.md §1, §2, §6
 */
import type { Prefix } from '#base/ip.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { CredentialVerifier } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

export interface CoordinatorConfiguration {
  readonly own: KeyPair;
  readonly verifyCredential: CredentialVerifier;
  /** The domain that contains the names of all nodes, without a trailing dot. */
  readonly zone: string;
  /** 32 random octets, never changed: addresses of general nodes and token keys derive from it. */
  readonly secret: Uint8Array;
  /** The system's ULA /48. */
  readonly systemPrefix: Prefix;
  /** The virtual IPv4 addresses of general nodes are from this prefix. */
  readonly generalIpv4Prefix: Prefix;
  /** Endpoints of the second port, one for each address family. */
  readonly secondEndpoints: readonly Endpoint[];
  /** Public keys of the relays that may register. */
  readonly relayKeys: readonly Uint8Array[];
  /** The maximum lifetime of a registration. */
  readonly maximumLifetimeSeconds: number;
  /** The maximum number of registered nodes. */
  readonly maximumRegistrations: number;
  /** The maximum number of names of general nodes, in total and of one node. */
  readonly maximumGeneralNodes: number;
  readonly maximumGeneralNodesOfNode: number;
  /** The rate that relays grant each leg of a path. */
  readonly relayRateKilobits: number;
  /** Handshakes per second that are accepted without a cookie. */
  readonly handshakesPerSecond: number;
}
