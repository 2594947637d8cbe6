/**
 * An address of the host that can serve as the care-of address, and the default router it uses.
 *
 * RFC 6275 §11.5.3  the kernel forms addresses; the mobile node collects and compares them
 */
import type { IpAddress } from '#base/ip.ts';
import type { Monotonic } from '#base/time.ts';

export interface CareOfCandidate {
  readonly address: IpAddress;
  readonly family: 4 | 6;
  readonly prefixLength: number;
  readonly device: string;
  readonly interfaceIndex: number;
  /** Carrier epoch of the interface. */
  readonly epoch: number;
  /** The operator's preference of the interface; higher is better. */
  readonly preference: number;
  readonly deprecated: boolean;
  /** The kernel reported the address and its router after the carrier last came up. */
  readonly confirmed: boolean;
  /** Undefined for an on-link default. */
  readonly gateway: IpAddress | undefined;
  readonly metric: number;
  readonly mtu: number;
  readonly validUntil: Monotonic;
  /** When the address first became usable. */
  readonly appearedAt: Monotonic;
}

/**
 * How long an IPv4 address of the home network waits for the home router's advertisement: on the
 * home link it is no care-of address, and elsewhere a private network may have the same numbers.
 */
export const HOME_ROUTER_WAIT_MS = 1000;

/**
 * Whether both are the same point of attachment. The carrier epoch is part of its identity: the
 * same private address may be behind another NAT after the carrier was lost.
 */
export function sameAttachment(
  a: CareOfCandidate | undefined,
  b: CareOfCandidate | undefined,
): boolean {
  return a?.address === b?.address && a?.device === b?.device && a?.epoch === b?.epoch;
}

/** The uplink of a candidate: an interface with its default router, in one address family. */
interface Uplink {
  readonly device: string;
  readonly gateway: IpAddress | undefined;
  readonly family: 4 | 6;
}

/** Two candidates with the same text leave the host by the same interface and router. */
export function uplinkText({ device, gateway, family }: Uplink): string {
  return `${device} ${gateway ?? 'on-link'} ${family}`;
}
