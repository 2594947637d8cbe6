/**
 * What a relay knows the answers to its own requests by.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
import type { UdpPath } from '#engine/contract/packet-path.ts';

/** `challenge` as it was sent; `way`: where to, when that is not the node's present place. */
export interface ChallengePurpose {
  readonly kind: 'challenge';
  readonly challenge: Uint8Array;
  readonly udpPath: UdpPath | undefined;
}

export type RelayPurpose =
  | { readonly kind: 'registration' }
  | { readonly kind: 'keepalive' }
  | ChallengePurpose;
