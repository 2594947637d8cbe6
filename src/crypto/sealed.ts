/**
 * Sealed datagrams: one key for one direction.
 *
 * RFC 6618 §6.3, §6.4   type, SPI and sequence number in front of the ciphertext
 * RFC 4303 appendix A   64-bit counter, of which only the low half is sent; anti-replay window
 * docs/reference/ntmobile.md §3
 *
 * Counters are JavaScript numbers: a sender replaces its key long before 2^53.
 */
import { assert } from '#base/assert.ts';
import { concatBytes } from '#base/bytes.ts';
import { type OctetText, octetsOf, octetText } from '#base/octet-text.ts';
import {
  DATAGRAM_TYPES,
  frameWord,
  SEALED_HEADER_OCTETS,
  type SealedType,
  TAG_OCTETS,
} from '#wire/ntmobile/datagram.ts';
import { type AeadName, aeadOpen, aeadSeal } from './primitives.ts';
import { REPLAY_WINDOW, ReplayWindow } from './replay-window.ts';

const WORD = 2 ** 32;
const LAST_COUNTER = 2 ** 50;

function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, Math.floor(counter / WORD));
  view.setUint32(8, counter % WORD);
  return nonce;
}

/** Seals with its own counter. Never create two objects for one key: nonces would repeat. */
export class Sealer {
  readonly #aead: AeadName;
  readonly #key: OctetText;
  readonly #spi: number;
  #counter = 0;

  constructor(aead: AeadName, key: Uint8Array, spi: number) {
    this.#aead = aead;
    this.#key = octetText(key);
    this.#spi = spi;
  }

  /** The whole datagram. All types that a key seals share its counter. */
  seal(type: SealedType, plaintext: Uint8Array): Uint8Array {
    this.#counter += 1;
    assert(this.#counter < LAST_COUNTER, 'a key that was used to its end');
    const header = new Uint8Array(SEALED_HEADER_OCTETS);
    const view = new DataView(header.buffer);
    view.setUint32(0, frameWord(DATAGRAM_TYPES[type], this.#spi));
    view.setUint32(4, this.#counter % WORD);
    return concatBytes(
      header,
      aeadSeal(this.#aead, octetsOf(this.#key), nonceOf(this.#counter), header, plaintext),
    );
  }
}

/**
 * Why a datagram was not opened. One from before the window looks forged, because the receiver
 * derives the next high half for it.
 */
type OpenFailure = 'forged' | 'replayed';

/** Opens datagrams of a `Sealer`, each once. */
export class Opener {
  readonly #aead: AeadName;
  readonly #key: OctetText;
  readonly #window: ReplayWindow;

  constructor(aead: AeadName, key: Uint8Array, window: number = REPLAY_WINDOW.data) {
    this.#window = new ReplayWindow(window);
    this.#aead = aead;
    this.#key = octetText(key);
  }

  /** `datagram` starts with type and SPI, which the caller checked. A failure changes nothing. */
  open(datagram: Uint8Array): Uint8Array | OpenFailure {
    if (datagram.length < SEALED_HEADER_OCTETS + TAG_OCTETS) return 'forged';
    const header = datagram.subarray(0, SEALED_HEADER_OCTETS);
    const view = new DataView(header.buffer, header.byteOffset, header.length);
    const counter = this.#window.counterOf(view.getUint32(4));
    if (counter === undefined) return 'forged';
    if (this.#window.has(counter)) return 'replayed';
    const ciphertext = datagram.subarray(SEALED_HEADER_OCTETS);
    const key = octetsOf(this.#key);
    const plaintext = aeadOpen(this.#aead, key, nonceOf(counter), header, ciphertext);
    if (plaintext === undefined) return 'forged';
    this.#window.add(counter);
    return plaintext;
  }
}
