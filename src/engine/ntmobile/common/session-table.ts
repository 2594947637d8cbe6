/**
 * Which NTMobile sessions there are, by what a datagram names: the SPI of their keys, or who began
 * them.
 *
 * No RFC: docs/reference/ntmobile.md §3 (SPI) and §4 (use, path id)
 */
import { hex } from '#base/bytes.ts';
import type { RandomBytes } from '#engine/contract/engine.ts';
import { LARGEST_SPI } from '#wire/ntmobile/datagram.ts';
import type { KeyGeneration, Session } from './session.ts';

/** Handshakes of initiators that were not heard of again: each of these costs memory. */
const UNCONFIRMED_LIMIT = 1024;
/** As many Tunnel Requests as an attempt has. */
const NONE: readonly never[] = [];
const OFFERS_KEPT = 8;

export class SessionTable {
  readonly #random: RandomBytes;
  readonly #bySpi = new Map<
    number,
    { readonly session: Session; readonly generation: KeyGeneration }
  >();
  /** As responder, by peer, use and path. */
  readonly #responding = new Map<string, Session>();
  readonly #unconfirmed = new Set<Session>();

  constructor(random: RandomBytes) {
    this.#random = random;
  }

  /** The keys of an SPI. */
  find(spi: number) {
    return this.#bySpi.get(spi);
  }

  /** The session that a peer began. */
  findByInitiator(publicKey: Uint8Array, use: number, pathId: Uint8Array): Session | undefined {
    return this.#responding.get(keyOf(publicKey, use, pathId));
  }

  /** Whether its initiator was not heard of again. */
  isUnconfirmed(session: Session): boolean {
    return this.#unconfirmed.has(session);
  }

  /** A session that a peer begins. Gives the one that has to make room for it. */
  addResponding(session: Session): Session | undefined {
    this.#responding.set(keyOf(session.peer.publicKey, session.use, session.pathId), session);
    this.#unconfirmed.add(session);
    const [oldest] = this.#unconfirmed;
    return this.#unconfirmed.size > UNCONFIRMED_LIMIT ? oldest : undefined;
  }

  /** A responder's new keys, which wait for the initiator to use them. */
  offer(session: Session, generation: KeyGeneration): void {
    session.unconfirmed = [...session.unconfirmed, generation];
    const [oldest] = session.unconfirmed;
    if (session.unconfirmed.length > OFFERS_KEPT && oldest !== undefined)
      this.#dropOffersUpTo(session, oldest);
    this.#bySpi.set(generation.receiveSpi, { session, generation });
  }

  /** Makes keys the current ones. */
  adopt(session: Session, generation: KeyGeneration): void {
    this.#dropOffersUpTo(session, generation);
    if (session.previous !== undefined) this.#bySpi.delete(session.previous.receiveSpi);
    session.previous = session.current;
    session.current = generation;
    this.#bySpi.set(generation.receiveSpi, { session, generation });
    this.#unconfirmed.delete(session);
  }

  /** Those that came after it may still be used: the initiator may have begun again. */
  #dropOffersUpTo(session: Session, generation: KeyGeneration): void {
    const kept = session.unconfirmed.slice(session.unconfirmed.indexOf(generation) + 1);
    for (const { receiveSpi } of session.unconfirmed)
      if (!kept.some((one) => one.receiveSpi === receiveSpi)) this.#bySpi.delete(receiveSpi);
    session.unconfirmed = kept.length > 0 ? kept : NONE;
  }

  remove(session: Session): void {
    this.#unconfirmed.delete(session);
    for (const generation of session.generations()) this.#bySpi.delete(generation.receiveSpi);
    const key = keyOf(session.peer.publicKey, session.use, session.pathId);
    if (this.#responding.get(key) === session) this.#responding.delete(key);
  }

  /** One that nobody has; `taken` knows of others. */
  freshSpi(taken: (spi: number) => boolean): number {
    for (;;) {
      const octets = this.#random(4);
      const spi = new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0) & LARGEST_SPI;
      if (spi !== 0 && !this.#bySpi.has(spi) && !taken(spi)) return spi;
    }
  }
}

function keyOf(publicKey: Uint8Array, use: number, pathId: Uint8Array): string {
  return `${use} ${hex(publicKey)} ${hex(pathId)}`;
}
