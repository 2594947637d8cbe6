/**
 * Answers of a direction coordinator and the options in them.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileMessage, NtmobileMessageType } from '#wire/ntmobile/message.ts';
import {
  filterNtmobileOptions,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import type { Relay } from './relays.ts';

/** The type of the answer to each request. */
const ANSWER_TO: Partial<Record<NtmobileMessageType, NtmobileMessageType>> = {
  'registration-request': 'registration-response',
  'address-request': 'address-response',
  'direction-request': 'route-direction',
};

export function answerTo(
  request: Pick<NtmobileMessage, 'type' | 'transaction'>,
  status: number,
  options: readonly NtmobileOption[] = [],
): NtmobileMessage {
  const type = ANSWER_TO[request.type] ?? 'error';
  return { type, answer: true, status, transaction: request.transaction, options };
}

/**
 * A node has few addresses. Every candidate of one node makes another node send datagrams there.
 */
const CANDIDATES_KEPT = 16;

export function candidatesIn(
  options: readonly NtmobileOption[],
): readonly NtmobileOptionOf<'candidate'>[] {
  return filterNtmobileOptions(options, 'candidate').slice(0, CANDIDATES_KEPT);
}

/** The endpoint that the coordinator received a message from. */
export function observedEndpointOption({ remote, remotePort }: UdpPath): NtmobileOption {
  return { type: 'observed-endpoint', endpoint: { address: remote, port: remotePort } };
}

export function relayOption({ publicKey, endpoints }: Relay): NtmobileOption {
  return { type: 'relay', publicKey, endpoints };
}
