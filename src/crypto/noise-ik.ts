/**
 * Noise_IK_25519_ChaChaPoly_SHA256: the handshake of NTMobile's sessions.
 *
 * No RFC: the Noise Protocol Framework, revision 34, §5, §7.5 (IK), §12 (25519, ChaChaPoly,
 * SHA256); docs/reference/ntmobile.md §4
 *
 *   IK:
 *     <- s
 *     ...
 *     -> e, es, s, ss
 *     <- e, ee, se
 *
 * A handshake object handles one message in each direction. Every failure to read is `undefined`.
 */
import {
  aeadOpen,
  aeadSeal,
  hmacSha256,
  type KeyPair,
  sha256,
  sharedSecret,
} from './primitives.ts';
import type { HandshakeSecrets } from './session-keys.ts';

const PROTOCOL_NAME = new TextEncoder().encode('Noise_IK_25519_ChaChaPoly_SHA256');
const NOTHING = new Uint8Array(0);
const KEY = 32;
const TAG = 16;

/** SymmetricState of §5.2, with its CipherState. */
class SymmetricState {
  // The name has exactly 32 octets, so it is itself the first h.
  #hash: Uint8Array = PROTOCOL_NAME;
  #chainingKey: Uint8Array = PROTOCOL_NAME;
  #key: Uint8Array = NOTHING;
  #nonce = 0;

  /** A copy that continues independently. */
  copy(): SymmetricState {
    const copy = new SymmetricState();
    copy.#hash = this.#hash;
    copy.#chainingKey = this.#chainingKey;
    copy.#key = this.#key;
    copy.#nonce = this.#nonce;
    return copy;
  }

  mixHash(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data);
  }

  mixKey(material: Uint8Array): void {
    const [chainingKey, key] = expand(this.#chainingKey, material);
    this.#chainingKey = chainingKey;
    this.#key = key;
    this.#nonce = 0;
  }

  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    const ciphertext = aeadSeal(
      'chacha20-poly1305',
      this.#key,
      nonceOf(this.#nonce++),
      this.#hash,
      plaintext,
    );
    this.mixHash(ciphertext);
    return ciphertext;
  }

  decryptAndHash(ciphertext: Uint8Array): Uint8Array | undefined {
    const plaintext = aeadOpen(
      'chacha20-poly1305',
      this.#key,
      nonceOf(this.#nonce++),
      this.#hash,
      ciphertext,
    );
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** Split() of §5.2, and the handshake hash of §11.2. */
  split(): HandshakeSecrets {
    const [initiatorToResponder, responderToInitiator] = expand(this.#chainingKey, NOTHING);
    return { initiatorToResponder, responderToInitiator, handshakeHash: this.#hash };
  }
}

/** HKDF of §4.3 with two outputs. */
function expand(chainingKey: Uint8Array, material: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const temporary = hmacSha256(chainingKey, material);
  const first = hmacSha256(temporary, Uint8Array.of(1));
  return [first, hmacSha256(temporary, first, Uint8Array.of(2))];
}

/** §12.3: 32 zero bits, then the counter, little-endian; a handshake needs one octet of it. */
function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce[4] = counter;
  return nonce;
}

function started(prologue: Uint8Array, responderKey: Uint8Array): SymmetricState {
  const state = new SymmetricState();
  state.mixHash(prologue);
  state.mixHash(responderKey);
  return state;
}

/** Mixes the shared secret of two keys in; false if the public key gives none. */
function mixSecret(state: SymmetricState, pair: KeyPair, publicKey: Uint8Array): boolean {
  const secret = sharedSecret(pair.privateKey, publicKey);
  if (secret !== undefined) state.mixKey(secret);
  return secret !== undefined;
}

/** The first message: ephemeral key, encrypted static key, encrypted payload. */
interface InitiationMessage {
  readonly ephemeral: Uint8Array;
  readonly encryptedStatic: Uint8Array;
  readonly encryptedPayload: Uint8Array;
}

interface ResponseMessage {
  readonly ephemeral: Uint8Array;
  readonly encryptedPayload: Uint8Array;
}

export class NoiseInitiator {
  readonly #state: SymmetricState;
  readonly #own: KeyPair;
  readonly #ephemeral: KeyPair;
  readonly #responderKey: Uint8Array;

  /** `ephemeral` is fresh for each handshake. */
  constructor(own: KeyPair, ephemeral: KeyPair, responderKey: Uint8Array, prologue: Uint8Array) {
    this.#own = own;
    this.#ephemeral = ephemeral;
    this.#responderKey = responderKey;
    this.#state = started(prologue, responderKey);
  }

  /** Undefined only if the responder's key gives no shared secret. */
  write(payload: Uint8Array): InitiationMessage | undefined {
    const state = this.#state;
    state.mixHash(this.#ephemeral.publicKey);
    if (!mixSecret(state, this.#ephemeral, this.#responderKey)) return undefined;
    const encryptedStatic = state.encryptAndHash(this.#own.publicKey);
    if (!mixSecret(state, this.#own, this.#responderKey)) return undefined;
    const encryptedPayload = state.encryptAndHash(payload);
    return { ephemeral: this.#ephemeral.publicKey, encryptedStatic, encryptedPayload };
  }

  /** A response that fails changes nothing, because the right one may still arrive. */
  read(
    message: ResponseMessage,
  ): { readonly payload: Uint8Array; readonly secrets: HandshakeSecrets } | undefined {
    const state = this.#state.copy();
    state.mixHash(message.ephemeral);
    if (!mixSecret(state, this.#ephemeral, message.ephemeral)) return undefined;
    if (!mixSecret(state, this.#own, message.ephemeral)) return undefined;
    const payload = state.decryptAndHash(message.encryptedPayload);
    return payload === undefined ? undefined : { payload, secrets: state.split() };
  }
}

export class NoiseResponder {
  readonly #state: SymmetricState;
  readonly #own: KeyPair;
  #remoteEphemeral: Uint8Array = NOTHING;
  #remoteStatic: Uint8Array = NOTHING;

  constructor(own: KeyPair, prologue: Uint8Array) {
    this.#own = own;
    this.#state = started(prologue, own.publicKey);
  }

  read(
    message: InitiationMessage,
  ): { readonly payload: Uint8Array; readonly publicKey: Uint8Array } | undefined {
    const state = this.#state;
    if (message.encryptedStatic.length !== KEY + TAG) return undefined;
    state.mixHash(message.ephemeral);
    if (!mixSecret(state, this.#own, message.ephemeral)) return undefined;
    const publicKey = state.decryptAndHash(message.encryptedStatic);
    if (publicKey === undefined || !mixSecret(state, this.#own, publicKey)) return undefined;
    const payload = state.decryptAndHash(message.encryptedPayload);
    if (payload === undefined) return undefined;
    this.#remoteEphemeral = message.ephemeral;
    this.#remoteStatic = publicKey;
    return { payload, publicKey: publicKey.slice() };
  }

  /** After `read`. Undefined if the keys give no shared secret. */
  write(
    payload: Uint8Array,
    ephemeral: KeyPair,
  ): { readonly message: ResponseMessage; readonly secrets: HandshakeSecrets } | undefined {
    const state = this.#state;
    state.mixHash(ephemeral.publicKey);
    if (!mixSecret(state, ephemeral, this.#remoteEphemeral)) return undefined;
    if (!mixSecret(state, ephemeral, this.#remoteStatic)) return undefined;
    const encryptedPayload = state.encryptAndHash(payload);
    return {
      message: { ephemeral: ephemeral.publicKey, encryptedPayload },
      secrets: state.split(),
    };
  }
}
