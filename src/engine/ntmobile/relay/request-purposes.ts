/**
 * The purposes by which a relay identifies the answers to its own requests.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
import type { UdpPath } from '#engine/contract/packet-path.ts';

/** A Path Challenge. `udpPath` is set for a probe of a path other than the node's current one. */
export interface ChallengePurpose {
  readonly kind: 'challenge';
  readonly challenge: Uint8Array;
  readonly udpPath: UdpPath | undefined;
}

export type RelayPurpose =
  | { readonly kind: 'registration' }
  | { readonly kind: 'keepalive' }
  | ChallengePurpose;
