/**
 * The answer to a Path Challenge: the challenge, and the endpoint that it came from.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */

import type { UdpPath } from '#engine/contract/packet-path.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption } from '#wire/ntmobile/options.ts';

export function pathResponse(
  { transaction, options }: NtmobileMessage,
  { remote, remotePort }: UdpPath,
): NtmobileMessage {
  const challenge = findNtmobileOption(options, 'challenge')?.challenge ?? new Uint8Array(8);
  const endpoint = { address: remote, port: remotePort };
  return {
    ...{ type: 'path-response', answer: true, status: NtmobileStatus.granted, transaction },
    options: [
      { type: 'challenge', challenge },
      { type: 'observed-endpoint', endpoint },
    ],
  };
}
