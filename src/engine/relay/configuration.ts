/**
 * What an operator decides about a relay. No RFC: docs/ntmobile.md §1, §6, §7.
 *
 * Plain data: tests build it by hand.
 */
import type { Wall } from '#base/time.ts';
import type { KeyPair } from '#crypto/primitives.ts';
import type { CoordinatorDescription } from '#engine/contract.ts';
import type { Endpoint } from '#wire/ntmobile-options.ts';

export interface RelayConfiguration {
  readonly own: KeyPair;
  /** Whether a credential is valid for a public key at a time. */
  readonly isCredentialValid: (credential: Uint8Array, publicKey: Uint8Array, now: Wall) => boolean;
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
  readonly strangersPerSecond: number;
}
