/**
 * Relay tokens: with one, a direction coordinator authorizes a node to have a leg at a relay.
 *
 * No RFC: docs/reference/ntmobile.md §7
 *
 *    0       1  version, 2
 *    1       1  role: 1 or 2
 *    2       2  reserved
 *    4       4  rate, kilobits a second
 *    8       8  path id
 *   16      16  node id
 *   32      16  node id of the path's other node
 *   48       8  not after, seconds since 1970-01-01
 *   56      16  first 16 octets of HMAC-SHA-256 over the 56 in front, under the key that the
 *           coordinator gave this relay
 */
import { equalSecrets, hmacSha256 } from './primitives.ts';

const VERSION = 2;
const RELAY_TOKEN_OCTETS = 72;
const MAC_AT = 56;
const LABEL = new TextEncoder().encode('sojourn relay token\0');

export interface RelayToken {
  readonly role: number;
  readonly rateKilobits: number;
  readonly pathId: Uint8Array;
  readonly nodeId: Uint8Array;
  /** The path's other node. */
  readonly peerId: Uint8Array;
  readonly notAfterSeconds: bigint;
}

/** The key of one relay's tokens; a coordinator derives it whenever it needs it. */
export function relayTokenKey(secret: Uint8Array, relayNodeId: Uint8Array): Uint8Array {
  return hmacSha256(secret, LABEL, relayNodeId);
}

export function makeRelayToken(key: Uint8Array, token: RelayToken): Uint8Array {
  const octets = new Uint8Array(RELAY_TOKEN_OCTETS);
  const view = new DataView(octets.buffer);
  octets.set([VERSION, token.role], 0);
  view.setUint32(4, token.rateKilobits);
  octets.set(token.pathId, 8);
  octets.set(token.nodeId, 16);
  octets.set(token.peerId, 32);
  view.setBigUint64(48, token.notAfterSeconds);
  octets.set(
    hmacSha256(key, octets.subarray(0, MAC_AT)).subarray(0, RELAY_TOKEN_OCTETS - MAC_AT),
    MAC_AT,
  );
  return octets;
}

/** Verifies a token; undefined if it has another key or is expired at `nowSeconds`. */
export function openRelayToken(
  key: Uint8Array,
  octets: Uint8Array,
  nowSeconds: bigint,
): RelayToken | undefined {
  if (octets.length !== RELAY_TOKEN_OCTETS) return undefined;
  const mac = hmacSha256(key, octets.subarray(0, MAC_AT)).subarray(0, RELAY_TOKEN_OCTETS - MAC_AT);
  if (!equalSecrets(mac, octets.subarray(MAC_AT))) return undefined;
  const view = new DataView(octets.buffer, octets.byteOffset, octets.length);
  const notAfterSeconds = view.getBigUint64(48);
  if (octets[0] !== VERSION || notAfterSeconds < nowSeconds) return undefined;
  return {
    ...{ role: octets[1] ?? 0, rateKilobits: view.getUint32(4), notAfterSeconds },
    pathId: octets.slice(8, 16),
    nodeId: octets.slice(16, 32),
    peerId: octets.slice(32, 48),
  };
}
