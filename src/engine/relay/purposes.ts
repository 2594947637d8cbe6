/**
 * What a relay knows the answers to its own requests by.
 *
 * No RFC: docs/ntmobile.md §6
 */
export type RelayPurpose =
  | { readonly kind: 'registration' }
  /** `challenge` as it was sent. */
  | { readonly kind: 'challenge'; readonly challenge: Uint8Array };
