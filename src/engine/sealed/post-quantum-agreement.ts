/**
 * What the two ends of a handshake agree on about post-quantum keys.
 *
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3.1
 *
 * Both options travel in the encrypted payloads of the handshake: who removes or changes one makes
 * the handshake fail.
 */
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import {
  findNtmobileOption,
  type NtmobileOption,
  PostQuantumFlag,
} from '#wire/ntmobile/options.ts';

export type PostQuantumMode = 'off' | 'preferred' | 'required';

export interface PostQuantumAgreement {
  /** ML-KEM follows the handshake. */
  readonly exchange: boolean;
  /** No data is sealed or opened before it. */
  readonly required: boolean;
  /**
   * Both ends still have their former keys: the handshake is for new keys alone, and not of an end
   * that lost them.
   */
  readonly continues: boolean;
}

export const CLASSICAL: PostQuantumAgreement = {
  exchange: false,
  required: false,
  continues: false,
};
const NONE: readonly never[] = [];

/** The option of an end for its Tunnel Requests or Tunnel Responses. */
export function postQuantumOptions(mode: PostQuantumMode): readonly NtmobileOption[] {
  if (mode === 'off') return NONE;
  const required = mode === 'required' ? PostQuantumFlag.required : 0;
  return [{ type: 'post-quantum', flags: PostQuantumFlag.mlKem768 | required }];
}

const flagsIn = (options: readonly NtmobileOption[]): number =>
  findNtmobileOption(options, 'post-quantum')?.flags ?? 0;

/** Whether an end offers ML-KEM, by the options that it sent. */
export function offersPostQuantum(options: readonly NtmobileOption[]): boolean {
  return (flagsIn(options) & PostQuantumFlag.mlKem768) !== 0;
}

/** Both ends compute the same, from the options of the request and those of the response. */
export function postQuantumAgreement(
  use: number,
  request: readonly NtmobileOption[],
  response: readonly NtmobileOption[],
): PostQuantumAgreement {
  if (use !== HandshakeUse.homeAgent) return CLASSICAL;
  const required = ((flagsIn(request) | flagsIn(response)) & PostQuantumFlag.required) !== 0;
  const exchange = offersPostQuantum(request) && offersPostQuantum(response);
  const continues = findNtmobileOption(request, 'mobility-packet') === undefined;
  return { exchange, required, continues };
}
