/**
 * ESP of tunnels, as an engine declares it: RFC 4303 in tunnel mode, over IPv6 behind the IP
 * header, over IPv4 in UDP (RFC 3948).
 */
import type { Ipv6Address } from '#base/ip.ts';
import type { EspAlgorithm } from '#crypto/esp.ts';

/** Of a tunnel whose protection is `esp`: the home address names its associations. */
export interface EspTunnelOwner {
  readonly homeAddress: Ipv6Address;
  readonly algorithm: EspAlgorithm;
}

interface EspTunnelKey {
  readonly spi: number;
  readonly key: Uint8Array;
}

/**
 * Both associations of one tunnel, which need not exist yet. A key that is set again continues its
 * sequence numbers and its anti-replay window.
 */
export interface DesiredEspKeys {
  readonly tunnel: number;
  readonly algorithm: EspAlgorithm;
  readonly extendedSequenceNumbers: boolean;
  /** Absent: the tunnel sends nothing. */
  readonly send?: EspTunnelKey & {
    /** 24 bits, different at each start: part of initialization vectors. */
    readonly epoch: number;
    /**
     * The lease: the plane uses the sequence numbers from … until, both included, of which it has
     * used none in an earlier run. At most 40 bits.
     */
    readonly from: number;
    readonly until: number;
  };
  readonly receive: EspTunnelKey & {
    /** The highest sequence number that an earlier run received; 0: none. */
    readonly after: number;
  };
}

/** The sequence numbers of one tunnel. */
export interface EspSequences {
  readonly tunnel: number;
  /** The last one sent, and the highest one received; 0: none. */
  readonly sent: number;
  readonly received: number;
}
