/**
 * The initiator's side of handshakes: Tunnel Requests, retransmitted with fresh ephemeral keys
 * until one is answered.
 *
 * No RFC: docs/reference/ntmobile.md §4.1, §4.4 (initiator's side), §5 (handshake retransmission,
 * handshake attempt)
 */
import { after, earliest, type Monotonic } from '#base/time.ts';
import { initiate, openCookieReply, type PendingInitiation } from '#crypto/handshake.ts';
import { type KeyPair, keyPairOf } from '#crypto/primitives.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileDatagramOf } from '#wire/ntmobile/datagram.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { COOKIE_MS } from './handshake-gate.ts';
import type { OwnSpis } from './own-spis.ts';
import type { Session } from './session.ts';

export const HANDSHAKE_RETRANSMISSION_MS = 250;
const LONGEST_RETRANSMISSION_MS = 1_000;
const HANDSHAKE_ATTEMPT_MS = 20_000;
/** Tunnel Requests of a paced attempt whose responses count: a responder keeps as many offers. */
const PACED_KEPT = 8;

/** The long-term identity that this end uses in handshakes. */
export interface InitiatorIdentity {
  readonly own: KeyPair;
  readonly suites: number;
  readonly random: RandomBytes;
  /** The present credential in its wire form. */
  credential(): Uint8Array | undefined;
}

interface InitiationAttempt {
  readonly options: readonly NtmobileOption[];
  readonly endsAt: Monotonic;
  /** SPIs of all Tunnel Requests of this attempt. */
  readonly spis: number[];
  waitMs: number;
  nextAt: Monotonic;
  /** The caller decides when and where the next Tunnel Request goes. */
  readonly pacedTo: UdpPath | undefined;
  cookie: Uint8Array | undefined;
  cookieUntil: Monotonic;
}

interface SentInitiation {
  readonly session: Session;
  readonly pending: PendingInitiation;
  /** What it said. */
  readonly options: readonly NtmobileOption[];
}

type FinishedInitiation = NonNullable<ReturnType<PendingInitiation['finish']>> & {
  readonly session: Session;
  readonly requested: readonly NtmobileOption[];
};

function newAttempt(
  now: Monotonic,
  options: readonly NtmobileOption[],
  former: InitiationAttempt | undefined,
): InitiationAttempt {
  return {
    ...{ options, spis: [], waitMs: HANDSHAKE_RETRANSMISSION_MS, nextAt: now, pacedTo: undefined },
    endsAt: after(now, HANDSHAKE_ATTEMPT_MS),
    ...{ cookie: former?.cookie, cookieUntil: former?.cookieUntil ?? now },
  };
}

export class Initiations {
  readonly #identity: InitiatorIdentity;
  readonly #ownSpis: OwnSpis;
  readonly #attempts = new Map<Session, InitiationAttempt>();
  readonly #bySpi = new Map<number, SentInitiation>();
  #timestamp = 0n;

  constructor(identity: InitiatorIdentity, ownSpis: OwnSpis) {
    this.#identity = identity;
    this.#ownSpis = ownSpis;
  }

  /** Whether a pending Tunnel Request uses the SPI. */
  has(spi: number): boolean {
    return this.#bySpi.has(spi);
  }

  /** When the session's next Tunnel Request is due; undefined without an attempt. */
  nextAt(session: Session): Monotonic | undefined {
    return this.#attempts.get(session)?.nextAt;
  }

  /** Starts an attempt; it replaces a former one of the session. */
  start(now: Monotonic, session: Session, options: readonly NtmobileOption[]): void {
    const former = this.#attempts.get(session);
    this.abandon(session);
    this.#attempts.set(session, newAttempt(now, options, former));
  }

  /**
   * One Tunnel Request is due now, to `to`; the caller sends the next one. Responses to the latest
   * ones before it still count.
   */
  pace(now: Monotonic, session: Session, options: readonly NtmobileOption[], to: UdpPath): void {
    const former = this.#attempts.get(session);
    const spis = former?.spis ?? [];
    for (const spi of spis.splice(0, Math.max(0, spis.length - (PACED_KEPT - 1))))
      this.#forget(spi);
    this.#attempts.set(session, { ...newAttempt(now, options, former), spis, pacedTo: to });
  }

  /** Where the next Tunnel Request goes. */
  pathOf(session: Session): UdpPath {
    return this.#attempts.get(session)?.pacedTo ?? session.udpPath;
  }

  /** The highest timestamp that was sent. */
  get timestamp(): bigint {
    return this.#timestamp;
  }

  /** Later timestamps exceed this one, which an earlier run may have sent. */
  exceed(timestamp: bigint): void {
    if (timestamp > this.#timestamp) this.#timestamp = timestamp;
  }

  /** Sets when the session's next Tunnel Request is due, and restarts the back-off. */
  resume(session: Session, at: Monotonic): void {
    const attempt = this.#attempts.get(session);
    if (attempt === undefined) return;
    attempt.nextAt = at;
    attempt.waitMs = HANDSHAKE_RETRANSMISSION_MS;
  }

  abandon(session: Session): void {
    for (const spi of this.#attempts.get(session)?.spis ?? []) this.#forget(spi);
    this.#attempts.delete(session);
  }

  #forget(spi: number): void {
    this.#bySpi.delete(spi);
    this.#ownSpis.remove(spi);
  }

  /**
   * The Tunnel Request that is due now; 'over' at the end of the attempt. `wallMicroseconds` counts
   * from 1970-01-01.
   */
  next(step: Step, session: Session, spi: number, wallMicroseconds: bigint): Uint8Array | 'over' {
    const { now } = step;
    const attempt = this.#attempts.get(session);
    if (attempt === undefined || now >= attempt.endsAt) return 'over';
    const { own, suites, random } = this.#identity;
    this.#timestamp = wallMicroseconds > this.#timestamp ? wallMicroseconds : this.#timestamp + 1n;
    const options = [...session.identity, ...attempt.options];
    const pending = initiate(own, keyPairOf(random(32)), session.peer.publicKey, {
      ...{ spi, use: session.use, suites, pathId: session.pathId },
      payload: {
        timestamp: this.#timestamp,
        credential: this.#identity.credential(),
        options,
      },
      cookie: now < attempt.cookieUntil ? attempt.cookie : undefined,
    });
    if (pending === undefined) return 'over';
    this.#bySpi.set(spi, { session, pending, options });
    this.#ownSpis.add(spi);
    this.#ownSpis.tell(step);
    attempt.spis.push(spi);
    attempt.nextAt =
      attempt.pacedTo === undefined
        ? earliest(after(now, attempt.waitMs), attempt.endsAt)
        : attempt.endsAt;
    attempt.waitMs = Math.min(attempt.waitMs * 2, LONGEST_RETRANSMISSION_MS);
    return pending.datagram;
  }

  /** Derives the keys from a Tunnel Response and ends the attempt. */
  finish(response: NtmobileDatagramOf<'response'>): FinishedInitiation | 'unexpected' | 'forged' {
    const found = this.#bySpi.get(response.spi);
    if (found === undefined) return 'unexpected';
    const finished = found.pending.finish(response);
    if (finished === undefined) return 'forged';
    this.abandon(found.session);
    return { session: found.session, requested: found.options, ...finished };
  }

  /** Accepts a cookie. Returns the session whose next Tunnel Request is due now. */
  acceptCookie(
    now: Monotonic,
    reply: NtmobileDatagramOf<'cookie-reply'>,
  ): Session | 'unexpected' | 'forged' {
    const found = this.#bySpi.get(reply.spi);
    const attempt = found === undefined ? undefined : this.#attempts.get(found.session);
    if (found === undefined || attempt === undefined) return 'unexpected';
    const cookie = openCookieReply(found.session.peer.publicKey, found.pending.mac1, reply);
    if (cookie === undefined) return 'forged';
    const first = attempt.cookie === undefined || now >= attempt.cookieUntil;
    attempt.cookie = cookie;
    attempt.cookieUntil = after(now, COOKIE_MS);
    if (first) attempt.nextAt = now;
    return found.session;
  }
}
