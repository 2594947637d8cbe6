/**
 * What an operator decides about an account server. Plain data: `daemons/as/config.ts` checks the
 * YAML and builds it; tests build it by hand.
 */
import type { Prefix } from '#base/ip.ts';
import type { Endpoint } from '#wire/ntmobile-options.ts';

export interface DirectionCoordinatorEntry {
  readonly name: string;
  /** X25519. */
  readonly publicKey: Uint8Array;
  readonly endpoints: readonly Endpoint[];
}

/** At most `burst` at once, and so many a minute after that. */
export interface RateLimit {
  readonly perMinute: number;
  readonly burst: number;
}

/** RFC 7914: N is 2^costLog2; memory is 128 N r octets. */
export interface HashingCost {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallelization: number;
}

export interface AccountServerConfiguration {
  /** Domain of the names of nodes, without a trailing dot. */
  readonly zone: string;
  /** A ULA /48. */
  readonly systemPrefix: Prefix;
  /** Virtual IPv4 addresses of nodes. */
  readonly nodeIpv4Prefix: Prefix;
  readonly directionCoordinators: readonly DirectionCoordinatorEntry[];
  readonly credentialSeconds: number;
  /** How long a device may be away and still renew. */
  readonly renewalSeconds: number;
  /** How long the former renewal token is still good, as long as the new one was not used. */
  readonly renewalGraceSeconds: number;
  readonly devicesPerAccount: number;
  readonly hashing: { readonly cost: HashingCost; readonly concurrency: number };
  readonly limits: { readonly source: RateLimit; readonly account: RateLimit };
}
