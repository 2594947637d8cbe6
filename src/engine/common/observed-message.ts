/**
 * A sealed control message in the clear, for whoever watches: nobody outside of the engine could
 * read it.
 *
 * No RFC: docs/ntmobile.md §6
 */

import type { DatagramEndpoints } from '#engine/contract.ts';
import type { NtmobileMessage } from '#wire/ntmobile-message.ts';

/**
 * `in`: it was opened, and is whole; what becomes of it is not said. `out`: it was sealed, and a
 * `send` follows.
 */
export interface ObservedMessage {
  readonly kind: 'message';
  readonly direction: 'in' | 'out';
  readonly udpPath: DatagramEndpoints;
  readonly message: NtmobileMessage;
}
