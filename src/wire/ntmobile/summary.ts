/**
 * NTMobile control messages as text for operators, without credentials, tokens, challenges or
 * keys.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
import { hex } from '#base/bytes.ts';
import { isIpv6 } from '#base/ip.ts';
import { type NtmobileMessage, NtmobileStatus } from './message.ts';
import {
  CandidateKind,
  DirectionRole,
  type Endpoint,
  Mapping,
  type NtmobileOption,
  PostQuantumFlag,
} from './options.ts';

function nameOf(table: Readonly<Record<string, number>>, number: number): string {
  const found = Object.entries(table).find(([, value]) => value === number)?.[0];
  return found === undefined
    ? String(number)
    : found.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** A status such as `not-registered`; its number if it has no name. */
function ntmobileStatusName(status: number): string {
  return nameOf(NtmobileStatus, status);
}

function endpointText({ address, port }: Endpoint): string {
  return isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The value of an option as text; undefined if only its name may be shown. */
function optionValue(option: NtmobileOption): string | undefined {
  switch (option.type) {
    case 'name':
    case 'zone':
      return option.name;
    case 'path-id':
      return hex(option.pathId);
    case 'node-id':
      return hex(option.nodeId);
    case 'candidate':
      return `${nameOf(CandidateKind, option.kind)} ${endpointText(option.endpoint)}`;
    case 'observed-endpoint':
    case 'endpoint':
      return endpointText(option.endpoint);
    case 'virtual-ipv6':
    case 'virtual-ipv4':
      return option.address;
    case 'relay':
      return option.endpoints.map(endpointText).join(' ');
    case 'reason':
      return option.reason.replaceAll(/[^\x20-\x7e]/g, '?');
    default:
      return numberOf(option);
  }
}

function numberOf(option: NtmobileOption): string | undefined {
  switch (option.type) {
    case 'lifetime':
    case 'time-to-live':
      return `${option.seconds} s`;
    case 'relay-index':
      return String(option.index);
    case 'mapping':
      return nameOf(Mapping, option.mapping);
    case 'round-trip':
      return `${option.microseconds / 1000} ms`;
    case 'load':
      return `${option.thousandths / 10} %`;
    case 'families':
      return [4, 6].filter((_, bit) => (option.families & (1 << bit)) !== 0).join(' ');
    case 'role':
      return nameOf(DirectionRole, option.role);
    case 'post-quantum':
      return Object.entries(PostQuantumFlag)
        .flatMap(([name, bit]) => ((option.flags & bit) === 0 ? [] : [name]))
        .join(' ');
    case 'padding':
      return `${option.data.length} octets`;
    case 'first-datagram':
      return option.datagram.length === 0 ? undefined : `${option.datagram.length} octets`;
    case 'unknown':
      return `type ${option.optionType}, ${option.data.length} octets`;
    default:
      return undefined;
  }
}

function optionSummary(option: NtmobileOption): string {
  const value = optionValue(option);
  return value === undefined ? option.type : `${option.type}(${value})`;
}

/** A message in one line. */
export function ntmobileMessageText({
  type,
  answer,
  status,
  transaction,
  options,
}: NtmobileMessage): string {
  const kind = answer ? `status ${status} ${ntmobileStatusName(status)}` : 'request';
  return [type, kind, `transaction ${transaction}`, ...options.map(optionSummary)].join(' ');
}
