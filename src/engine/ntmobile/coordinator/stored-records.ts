/**
 * The records that a direction coordinator restores after a restart: registrations, so that nodes
 * stay reachable, and the addresses of general nodes.
 *
 * No RFC: the records are this program's own
 */
import { fromHex, hex, isMalformed, Reader, Writer } from '#base/bytes.ts';
import { type IpAddress, type Ipv4Address, isIpv6, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { type Wall, wall } from '#base/time.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { parseNtmobileOptions, writeNtmobileOptions } from '#wire/ntmobile/option-codec.ts';
import { filterNtmobileOptions } from '#wire/ntmobile/options.ts';
import type { NodeRegistration } from './registrations.ts';

export const REGISTRATIONS_TABLE = 'registrations';
export const GENERAL_NODES_TABLE = 'general-nodes';

/** A general node; `payer`: the node that it counts for, in hexadecimal digits. */
export interface StoredGeneralNode {
  readonly virtualIpv4: Ipv4Address | undefined;
  readonly payer: string;
  /** Undefined in the records of former versions. */
  readonly usedAt: Wall | undefined;
}

export function generalNodeRecord({ virtualIpv4, payer, usedAt }: StoredGeneralNode): JsonObject {
  return { virtualIpv4: virtualIpv4 ?? null, payer, usedAt: usedAt ?? null };
}

/** Undefined for an invalid record. */
export function readGeneralNode(value: JsonValue): StoredGeneralNode | undefined {
  if (typeof value !== 'object' || value === null || !('virtualIpv4' in value)) return undefined;
  const virtualIpv4 = address(value['virtualIpv4']);
  if (virtualIpv4 !== undefined && isIpv6(virtualIpv4)) return undefined;
  const { payer } = value;
  const usedAt = number(value['usedAt']);
  return {
    virtualIpv4,
    payer: typeof payer === 'string' ? payer : '',
    usedAt: usedAt === undefined ? undefined : wall(usedAt),
  };
}

interface StoredNodeRegistration {
  readonly publicKey: Uint8Array;
  readonly credential: Uint8Array;
  readonly udpPath: UdpPath;
  readonly candidates: NodeRegistration['candidates'];
  readonly mapping: number;
  readonly until: Wall;
}

export function registrationRecord(registration: NodeRegistration, until: Wall): JsonObject {
  const { publicKey, credential, udpPath, candidates, mapping } = registration;
  const writer = new Writer();
  writeNtmobileOptions(writer, candidates);
  const { local, localPort, remote, remotePort } = udpPath;
  return {
    ...{
      publicKey: hex(publicKey),
      credential: hex(credential),
      local,
      localPort,
      remote,
      remotePort,
    },
    ...{ candidates: hex(writer.finish()), mapping, until },
  };
}

function octets(value: JsonValue | undefined): Uint8Array | undefined {
  return typeof value === 'string' && /^([0-9a-f]{2})*$/.test(value) ? fromHex(value) : undefined;
}

function address(value: JsonValue | undefined): IpAddress | undefined {
  return typeof value === 'string' ? parseIpAddress(value) : undefined;
}

function number(value: JsonValue | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function candidatesOf(value: JsonValue | undefined): NodeRegistration['candidates'] {
  const bytes = octets(value);
  if (bytes === undefined) return [];
  try {
    return filterNtmobileOptions(parseNtmobileOptions(new Reader(bytes)), 'candidate');
  } catch (thrown) {
    if (isMalformed(thrown)) return [];
    throw thrown;
  }
}

/** Undefined for an invalid record. */
export function readRegistration(value: JsonValue): StoredNodeRegistration | undefined {
  if (
    typeof value !== 'object' ||
    value === null ||
    Array.isArray(value) ||
    !('publicKey' in value)
  )
    return undefined;
  const publicKey = octets(value['publicKey']);
  const credential = octets(value['credential']);
  const [local, remote] = [address(value['local']), address(value['remote'])];
  const [localPort, remotePort, mapping, until] = [
    'localPort',
    'remotePort',
    'mapping',
    'until',
  ].map((key) => number(value[key]));
  if (
    publicKey?.length !== 32 ||
    credential === undefined ||
    local === undefined ||
    remote === undefined
  )
    return undefined;
  if (localPort === undefined || remotePort === undefined || until === undefined) return undefined;
  return {
    publicKey,
    credential,
    udpPath: { local, localPort, remote, remotePort, relayIndex: 0 },
    candidates: candidatesOf(value['candidates']),
    mapping: mapping ?? 0,
    until: wall(until),
  };
}
