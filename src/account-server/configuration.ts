/**
 * The configuration of an account server, as plain data. `daemons/as/config.ts` builds it from the
 * YAML file; tests build it by hand.
 */
import type { ConnectionLimit } from '#base/connection-limits.ts';
import type { Prefix } from '#base/ip.ts';
import type { RateLimit } from '#base/rate-limiter.ts';
import type { Endpoint } from '#wire/ntmobile/options.ts';

export interface DirectionCoordinatorEntry {
  readonly name: string;
  /** X25519. */
  readonly publicKey: Uint8Array;
  readonly endpoints: readonly Endpoint[];
}

/** RFC 7914: N is 2^costLog2; one hash needs 128 N r octets of memory. */
export interface HashingCost {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

export interface AccountServerConfiguration {
  /** The domain that contains the names of all nodes, without a trailing dot. */
  readonly zone: string;
  /** A ULA /48. */
  readonly systemPrefix: Prefix;
  /** The virtual IPv4 addresses of nodes are from this prefix. */
  readonly nodeIpv4Prefix: Prefix;
  /** The virtual IPv4 addresses of general nodes, disjoint with those of nodes. */
  readonly generalIpv4Prefix: Prefix;
  /** X25519 keys of the relays that nodes may use; empty: those that a coordinator names. */
  readonly relayKeys: readonly Uint8Array[];
  readonly directionCoordinators: readonly DirectionCoordinatorEntry[];
  readonly credentialSeconds: number;
  /** The lifetime of a renewal token. */
  readonly renewalSeconds: number;
  /** How long the former renewal token stays valid while the new one is unused. */
  readonly renewalGraceSeconds: number;
  readonly devicesPerAccount: number;
  readonly hashing: { readonly cost: HashingCost; readonly concurrency: number };
  readonly limits: {
    readonly source: RateLimit;
    readonly account: RateLimit;
    /** For the system description. */
    readonly system: RateLimit;
    readonly connections: ConnectionLimit;
  };
}
