/**
 * The records that a relay restores after a restart: general nodes and directed nodes, so that
 * connections continue, and the paths of nodes, so that the relay can call them.
 *
 * No RFC: the records are this program's own
 */
import { fromHex, hex } from '#base/bytes.ts';
import { type IpAddress, isIpv4, isIpv6, parseIpAddress } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import type { Monotonic } from '#base/time.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { isDomainName } from '#wire/ntmobile/options.ts';
import { GeneralNode } from './general/general-node.ts';

/** The key is the virtual IPv6 address. */
export const GENERAL_NODES_TABLE = 'general-nodes';
/** The key is the node id and the virtual IPv6 address of the general node. */
export const DIRECTED_TABLE = 'directed';
/** The key is the node id. */
export const SHADOWS_TABLE = 'shadows';
/** The key is the node id. */
export const NODE_PATHS_TABLE = 'places';

function text(value: JsonValue | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function addressOf(value: JsonValue | undefined): IpAddress | undefined {
  return parseIpAddress(text(value) ?? '');
}

function objectOf(value: JsonValue): JsonObject | undefined {
  return typeof value === 'object' && value !== null && !isList(value) ? value : undefined;
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

export function generalNodeRecord({ name, virtualIpv4, ipv6, ipv4 }: GeneralNode): JsonObject {
  return {
    ...{
      name,
      virtualIpv4: virtualIpv4 ?? null,
      realIpv6: ipv6.real ?? null,
      realIpv4: ipv4.real ?? null,
    },
    ...{ translatedIpv6: ipv6.translated, translatedIpv4: ipv4.translated },
  };
}

/** Undefined for an invalid record. */
export function readGeneralNode(
  now: Monotonic,
  key: string,
  value: JsonValue,
): GeneralNode | undefined {
  const fields = objectOf(value);
  const virtualIpv6 = addressOf(key);
  const name = text(fields?.['name']);
  if (fields === undefined || name === undefined || !isDomainName(name)) return undefined;
  if (virtualIpv6 === undefined || !isIpv6(virtualIpv6)) return undefined;
  const virtualIpv4 = addressOf(fields['virtualIpv4']);
  if (virtualIpv4 !== undefined && !isIpv4(virtualIpv4)) return undefined;
  const node = new GeneralNode(now, { name, virtualIpv6, virtualIpv4 });
  for (const [side, real, translated] of [
    [node.ipv6, 'realIpv6', 'translatedIpv6'],
    [node.ipv4, 'realIpv4', 'translatedIpv4'],
  ] as const) {
    side.restore(addressOf(fields[real]), fields[translated] === true);
  }
  return node;
}

/** The last validated path of a node, and the public key for calling it. */
export interface StoredNodePath {
  readonly publicKey: Uint8Array;
  readonly udpPath: UdpPath;
}

export function nodePathRecord({ publicKey, udpPath }: StoredNodePath): JsonObject {
  const { local, localPort, remote, remotePort } = udpPath;
  return { publicKey: hex(publicKey), local, localPort, remote, remotePort };
}

export function readNodePath(value: JsonValue): StoredNodePath | undefined {
  const fields = objectOf(value);
  const publicKey = text(fields?.['publicKey']);
  const [local, remote] = [addressOf(fields?.['local']), addressOf(fields?.['remote'])];
  const { localPort, remotePort } = fields ?? {};
  if (publicKey === undefined || !/^[0-9a-f]{64}$/.test(publicKey)) return undefined;
  if (local === undefined || remote === undefined || isIpv6(local) !== isIpv6(remote))
    return undefined;
  if (typeof localPort !== 'number' || typeof remotePort !== 'number') return undefined;
  return {
    publicKey: fromHex(publicKey),
    udpPath: { local, localPort, remote, remotePort, relayIndex: 0 },
  };
}
