/**
 * Sessions by the members of a datagram: the SPI of their keys, or the initiator's public key, use
 * and path id.
 *
 * No RFC: docs/reference/ntmobile.md §3 (SPI) and §4 (use, path id)
 */
import type { OctetText } from '#base/octet-text.ts';
import type { Monotonic } from '#base/time.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import { LARGEST_SPI } from '#wire/ntmobile/datagram.ts';
import type { OwnSpis } from './own-spis.ts';
import { type KeyGeneration, type Session, sessionKey } from './session.ts';

/** Unconfirmed handshakes that are kept: each of them costs memory. */
const UNCONFIRMED_LIMIT = 1024;
/** Shared by all sessions without unconfirmed keys. */
const NONE: readonly never[] = [];
/** Unconfirmed key generations kept for each session. */
const OFFERS_KEPT = 8;

export class SessionTable {
  readonly #random: RandomBytes;
  readonly #ownSpis: OwnSpis;
  readonly #bySpi = new Map<number, KeyGeneration>();
  /** Sessions of this end as responder, by peer, use and path id. */
  readonly #responding = new Map<OctetText, Session>();
  readonly #unconfirmed = new Set<Session>();

  constructor(random: RandomBytes, ownSpis: OwnSpis) {
    this.#random = random;
    this.#ownSpis = ownSpis;
  }

  /** The session and key generation of an SPI. */
  find(spi: number): { readonly session: Session; readonly generation: KeyGeneration } | undefined {
    const generation = this.#bySpi.get(spi);
    const session = generation?.session;
    return generation === undefined || session === undefined ? undefined : { session, generation };
  }

  /** The session that a peer initiated. */
  findByInitiator(publicKey: Uint8Array, use: number, pathId: Uint8Array): Session | undefined {
    return this.#responding.get(sessionKey(publicKey, use, pathId));
  }

  /** Whether the initiator has not used any keys of the session yet. */
  isUnconfirmed(session: Session): boolean {
    return this.#unconfirmed.has(session);
  }

  /**
   * Adds a session that a peer initiated. Returns the session to drop when there are too many
   * unconfirmed ones.
   */
  addResponding(session: Session): Session | undefined {
    this.#responding.set(session.key, session);
    this.#unconfirmed.add(session);
    const [oldest] = this.#unconfirmed;
    return this.#unconfirmed.size > UNCONFIRMED_LIMIT ? oldest : undefined;
  }

  /** Adds keys of the responder; the initiator confirms them by using them. */
  offer(step: Step, session: Session, generation: KeyGeneration): void {
    session.unconfirmed = [...session.unconfirmed, generation];
    const [oldest] = session.unconfirmed;
    if (session.unconfirmed.length > OFFERS_KEPT && oldest !== undefined)
      this.#dropOffersUpTo(session, oldest);
    this.#add(step, session, generation);
  }

  #add(step: Step, session: Session, generation: KeyGeneration): void {
    generation.session = session;
    this.#bySpi.set(generation.receiveSpi, generation);
    this.#ownSpis.add(generation.receiveSpi);
    this.#ownSpis.tell(step);
  }

  /** Makes keys the current ones. Those before, and those that sealed data, still open. */
  adopt(step: Step, session: Session, generation: KeyGeneration): void {
    this.#dropOffersUpTo(session, generation);
    const { current, sealing } = session;
    const kept = [...new Set([current, sealing])].filter((one) => one !== undefined);
    this.#keepFormers(session, (former) => kept.includes(former));
    session.formers = kept;
    session.current = generation;
    this.#add(step, session, generation);
    this.#unconfirmed.delete(session);
  }

  /** Forgets former keys that are due; says whether there were any. */
  retire(now: Monotonic, session: Session): boolean {
    return this.#keepFormers(session, ({ retiresAt, endsAt }) => (retiresAt ?? endsAt) > now);
  }

  #keepFormers(session: Session, isKept: (former: KeyGeneration) => boolean): boolean {
    const { formers } = session;
    if (formers.every(isKept)) return false;
    for (const former of formers) if (!isKept(former)) this.#forget(former);
    session.formers = formers.filter(isKept);
    return true;
  }

  /** Keys that were offered later stay: the initiator may have started another attempt. */
  #dropOffersUpTo(session: Session, generation: KeyGeneration): void {
    const kept = session.unconfirmed.slice(session.unconfirmed.indexOf(generation) + 1);
    for (const offered of session.unconfirmed)
      if (!kept.some(({ receiveSpi }) => receiveSpi === offered.receiveSpi)) this.#forget(offered);
    session.unconfirmed = kept.length > 0 ? kept : NONE;
  }

  remove(session: Session): void {
    this.#unconfirmed.delete(session);
    for (const generation of session.generations()) this.#forget(generation);
    if (this.#responding.get(session.key) === session) this.#responding.delete(session.key);
  }

  #forget({ receiveSpi }: KeyGeneration): void {
    this.#bySpi.delete(receiveSpi);
    this.#ownSpis.remove(receiveSpi);
  }

  /** An SPI that no key generation has; `taken` adds others that are in use. */
  freshSpi(taken: (spi: number) => boolean): number {
    for (;;) {
      const octets = this.#random(4);
      const spi = new DataView(octets.buffer, octets.byteOffset, 4).getUint32(0) & LARGEST_SPI;
      if (spi !== 0 && !this.#bySpi.has(spi) && !taken(spi)) return spi;
    }
  }
}
