/**
 * The keys of a session: from the secrets of a handshake to one data key and one control key for
 * each direction.
 *
 * No RFC: docs/reference/ntmobile.md §4.3
 */
import { Suite } from '#wire/ntmobile/datagram.ts';
import { hkdfExpand } from './primitives.ts';

const DATA_LABEL = new TextEncoder().encode('sojourn ntmobile data');
const CONTROL_LABEL = new TextEncoder().encode('sojourn ntmobile control');

/** The result of a handshake, 32 octets each. */
export interface HandshakeSecrets {
  readonly initiatorToResponder: Uint8Array;
  readonly responderToInitiator: Uint8Array;
  /** Of everything that both ends sent. */
  readonly handshakeHash: Uint8Array;
}

/** Keys of one direction. */
interface DirectionKeys {
  /** 16 or 32 octets, by suite. */
  readonly data: Uint8Array;
  /** Always for ChaCha20-Poly1305. */
  readonly control: Uint8Array;
}

export interface SessionKeys {
  readonly send: DirectionKeys;
  readonly receive: DirectionKeys;
}

function directionKeys(key: Uint8Array, suite: number): DirectionKeys {
  const octets = suite === Suite.aes128Gcm ? 16 : 32;
  return { data: hkdfExpand(key, DATA_LABEL, octets), control: hkdfExpand(key, CONTROL_LABEL, 32) };
}

/** `initiator`: whether this end is the initiator of the handshake. */
export function sessionKeys(
  {
    initiatorToResponder,
    responderToInitiator,
  }: Pick<HandshakeSecrets, 'initiatorToResponder' | 'responderToInitiator'>,
  suite: number,
  initiator: boolean,
): SessionKeys {
  const forth = directionKeys(initiatorToResponder, suite);
  const back = directionKeys(responderToInitiator, suite);
  return initiator ? { send: forth, receive: back } : { send: back, receive: forth };
}
