/**
 * The keys that follow those of a handshake when both ends share a secret of ML-KEM.
 *
 * RFC 5869  HKDF
 * No RFC: docs/reference/sealed-mobile-ipv6.md §3.1
 *
 * They depend on everything that the handshake's keys depend on, and on the secret: who wants to
 * compute them has to break X25519 and ML-KEM.
 */
import { concatBytes } from '#base/bytes.ts';
import { hkdfExpand, hmacSha256, sha256 } from './primitives.ts';
import { type HandshakeSecrets, type SessionKeys, sessionKeys } from './session-keys.ts';

const label = (text: string): Uint8Array => new TextEncoder().encode(text);
const INITIATOR_LABEL = label('sojourn post-quantum initiator');
const RESPONDER_LABEL = label('sojourn post-quantum responder');
const CONFIRMATION_LABEL = label('sojourn post-quantum confirmation');
const CONFIRMATION_OCTETS = 16;

/** What the two messages of the exchange say. */
interface EncapsulationTranscript {
  readonly initiatorSpi: number;
  readonly encapsulationKey: Uint8Array;
  readonly responderSpi: number;
  readonly ciphertext: Uint8Array;
}

function word(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, value);
  return octets;
}

/** `confirmation` proves to the initiator that the responder has the same keys. */
export function postQuantumKeys(
  { initiatorToResponder, responderToInitiator, handshakeHash }: HandshakeSecrets,
  secret: Uint8Array,
  transcript: EncapsulationTranscript,
  end: { readonly suite: number; readonly initiator: boolean },
): { readonly keys: SessionKeys; readonly confirmation: Uint8Array } {
  const { initiatorSpi, encapsulationKey, responderSpi, ciphertext } = transcript;
  const material = concatBytes(initiatorToResponder, responderToInitiator, secret);
  const key = hmacSha256(handshakeHash, material);
  const digest = sha256(word(initiatorSpi), encapsulationKey, word(responderSpi), ciphertext);
  const derive = (purpose: Uint8Array, octets: number): Uint8Array =>
    hkdfExpand(key, concatBytes(purpose, digest), octets);
  const next = {
    initiatorToResponder: derive(INITIATOR_LABEL, 32),
    responderToInitiator: derive(RESPONDER_LABEL, 32),
  };
  return {
    keys: sessionKeys(next, end.suite, end.initiator),
    confirmation: derive(CONFIRMATION_LABEL, CONFIRMATION_OCTETS),
  };
}
