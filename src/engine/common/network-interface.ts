/**
 * The network interfaces of the host, as input of the engines.
 *
 * No RFC: the content of rtnetlink messages.
 */
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';

/** One network interface of the host. The daemon's own TUN device is left out. */
export interface NetworkInterface {
  readonly index: number;
  readonly name: string;
  /** Administratively up and with carrier. */
  readonly running: boolean;
  /** Counts the gains of carrier; state learnt in another epoch may belong to another link. */
  readonly epoch: number;
  readonly mtu: number;
  readonly linkAddress: Uint8Array;
  readonly addresses: readonly InterfaceAddress[];
  readonly routers: readonly DefaultRouter[];
}

export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly prefixLength: number;
  /**
   * Duplicate address detection has not finished (an optimistic address is usable and not tentative
   * here).
   */
  readonly tentative: boolean;
  /** DAD failed: never usable. */
  readonly duplicate: boolean;
  readonly deprecated: boolean;
  /** Monotonic time at which the address becomes invalid; `NEVER` for a permanent one. */
  readonly validUntil: Monotonic;
  /**
   * The carrier epoch in which the kernel last reported the address; when it is older than the
   * interface's `epoch`, the address is not confirmed since the carrier was lost.
   */
  readonly epoch: number;
}

export interface DefaultRouter {
  readonly family: 4 | 6;
  /** Undefined for an on-link default (point-to-point). */
  readonly gateway: IpAddress | undefined;
  readonly metric: number;
  readonly validUntil: Monotonic;
  readonly epoch: number;
}
