/**
 * Relay Direction messages: the parsed request, and the response.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Relay Direction)
 */
import { hex } from '#base/bytes.ts';
import { type Prefix, prefixContains } from '#base/ip.ts';
import { generalIpv6PrefixOf } from '#crypto/node-credential.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import {
  DirectionRole,
  filterNtmobileOptions,
  findNtmobileOption,
  type NtmobileOption,
} from '#wire/ntmobile/options.ts';
import type { GeneralAddresses } from './general-node.ts';

/** A well-formed Relay Direction that has no response yet. */
export interface PendingDirection {
  readonly session: Session;
  readonly request: NtmobileMessage;
  readonly pathId: Uint8Array;
  readonly addresses: GeneralAddresses;
  /** The directed nodes, in hexadecimal digits. */
  readonly nodeIds: readonly string[];
}

/** Undefined if a required option is missing. */
export function readDirection(
  session: Session,
  request: NtmobileMessage,
): PendingDirection | undefined {
  const { options } = request;
  const pathId = findNtmobileOption(options, 'path-id')?.pathId;
  const name = findNtmobileOption(options, 'name')?.name;
  const virtualIpv6 = findNtmobileOption(options, 'virtual-ipv6')?.address;
  const virtualIpv4 = findNtmobileOption(options, 'virtual-ipv4')?.address;
  const nodeIds = filterNtmobileOptions(options, 'node-id').map(({ nodeId }) => hex(nodeId));
  const isGeneral = findNtmobileOption(options, 'role')?.role === DirectionRole.general;
  if (!isGeneral || nodeIds.length === 0) return undefined;
  if (pathId === undefined || name === undefined || virtualIpv6 === undefined) return undefined;
  return { session, request, pathId, addresses: { name, virtualIpv6, virtualIpv4 }, nodeIds };
}

/** Whether the addresses are those of general nodes. */
export function areGeneralAddresses(
  { virtualIpv6, virtualIpv4 }: GeneralAddresses,
  systemPrefix: Prefix,
  generalIpv4Prefix: Prefix,
): boolean {
  if (!prefixContains(generalIpv6PrefixOf(systemPrefix), virtualIpv6)) return false;
  return virtualIpv4 === undefined || prefixContains(generalIpv4Prefix, virtualIpv4);
}

export function directionResponse(
  { transaction }: NtmobileMessage,
  status: number,
  options: readonly NtmobileOption[] = [],
): NtmobileMessage {
  return { type: 'relay-direction-response', answer: true, status, transaction, options };
}
