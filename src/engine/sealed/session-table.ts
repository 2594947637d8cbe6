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
    const offers = [...session.unconfirmed, generation];
    // The initiator may seal with post-quantum keys already.
    const dropped = offers.find(({ postQuantum }) => !postQuantum) ?? offers[0];
    if (offers.length > OFFERS_KEPT && dropped !== undefined) this.#forget(dropped);
    session.unconfirmed =
      offers.length > OFFERS_KEPT ? offers.filter((one) => one !== dropped) : offers;
    this.#add(step, session, generation);
  }

  #add(step: Step, session: Session, generation: KeyGeneration): void {
    generation.session = session;
    this.#bySpi.set(generation.receiveSpi, generation);
    this.#ownSpis.add(generation.receiveSpi);
    this.#ownSpis.tell(step);
  }

  /** Makes keys the current ones. Those that the peer may still seal data with stay. */
  adopt(step: Step, session: Session, generation: KeyGeneration): void {
    const older = session.unconfirmed.slice(0, session.unconfirmed.indexOf(generation) + 1);
    const later = session.unconfirmed.slice(older.length);
    const kept = generation.initiator
      ? keptByInitiator(session)
      : keptByResponder(session, generation, older);
    for (const one of [...older, ...session.formers]) if (!kept.includes(one)) this.#forget(one);
    // Keys that were offered later stay: the initiator may have started another attempt.
    session.unconfirmed = later.length > 0 ? later : NONE;
    session.formers = kept;
    session.current = generation;
    generation.confirmed ||= !generation.initiator;
    this.#add(step, session, generation);
    this.#unconfirmed.delete(session);
  }

  /** Forgets former keys that are due; says whether there were any. */
  retire(now: Monotonic, session: Session): boolean {
    const { formers } = session;
    const isKept = ({ retiresAt, endsAt }: KeyGeneration): boolean => (retiresAt ?? endsAt) > now;
    if (formers.every(isKept)) return false;
    for (const former of formers) if (!isKept(former)) this.#forget(former);
    session.formers = formers.filter(isKept);
    return true;
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

/** Former keys of the initiator, newest first: the responder may not have adopted the newest. */
function keptByInitiator({ current, sealing, formers }: Session): readonly KeyGeneration[] {
  const used = current === undefined ? formers : [current, ...formers];
  const adopted = used.find(({ confirmed }) => confirmed);
  const sealed = used.find(({ confirmed, postQuantum }) => confirmed && postQuantum);
  const newest = used.slice(0, adopted === undefined ? OFFERS_KEPT : used.indexOf(adopted) + 1);
  return used.filter((one) => newest.includes(one) || one === sealed || one === sealing);
}

/**
 * Former keys of the responder, newest first. Post-quantum keys that it offered and the initiator
 * did not confirm before a new handshake may seal the data of the initiator all the same.
 */
function keptByResponder(
  { current, sealing, formers }: Session,
  adopted: KeyGeneration,
  older: readonly KeyGeneration[],
): readonly KeyGeneration[] {
  const offered = [...older.toReversed(), ...formers].filter(
    (one) => one !== adopted && one.postQuantum && !one.confirmed,
  );
  const sealers = adopted.continuesFormers ? offered.slice(0, OFFERS_KEPT) : NONE;
  return [...new Set([...sealers, current, sealing])].filter((one) => one !== undefined);
}
