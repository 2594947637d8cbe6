/**
 * All NTMobile sessions of one end: handshakes either way, sealed control messages, requests and
 * their answers.
 *
 * No RFC: docs/reference/ntmobile.md §3 to §6. A part of an engine: pure, with `receive`, `tick`
 * and `deadline` of its own.
 *
 * A peer's faults are counted by reason and change nothing. What a role has to decide comes to its
 * {@link SessionListener}.
 */
import { encode, isMalformed, Reader } from '#base/bytes.ts';
import { after, earliest, type Monotonic } from '#base/time.ts';
import { receiveInitiation } from '#crypto/handshake.ts';
import { keyPairOf } from '#crypto/primitives.ts';
import { CounterSet } from '#engine/common/counters.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import {
  type NtmobileDatagramOf,
  ntmobileDatagramCodec,
  preferredSuite,
} from '#wire/ntmobile-datagram.ts';
import {
  hasUnknownMandatoryOption,
  type NtmobileMessage,
  type NtmobileMessageType,
  NtmobileStatus,
  ntmobileMessageCodec,
} from '#wire/ntmobile-message.ts';
import type { NtmobileOption } from '#wire/ntmobile-options.ts';
import { PendingRequests, type RequestTiming } from './control-requests.ts';
import { HandshakeGate } from './handshake-gate.ts';
import { HANDSHAKE_RETRANSMISSION_MS, Initiations, type InitiatorIdentity } from './initiations.ts';
import { KEY_END_MS, KeyGeneration, REKEY_MS, Session, type SessionTarget } from './session.ts';
import { SESSION_COUNTERS, type SessionCounter, type SessionListener } from './session-listener.ts';
import { SessionTable } from './session-table.ts';

const UNCONFIRMED_MS = 10_000;

export interface SessionsOptions extends InitiatorIdentity {
  readonly handshakesPerSecond?: number;
}

export class Sessions<P> {
  readonly #options: SessionsOptions;
  readonly #listener: SessionListener<P>;
  readonly #gate: HandshakeGate;
  readonly #initiations: Initiations;
  readonly #requests = new PendingRequests<P | undefined>();
  readonly #timers = new TimerHeap<Session>();
  readonly #table: SessionTable;
  readonly #counters = new CounterSet<SessionCounter>(SESSION_COUNTERS);
  #offsetMs = 0;
  /** Begins anywhere: who was started again must not ask by numbers that were answered before. */
  #transaction: number;

  constructor(options: SessionsOptions, listener: SessionListener<P>) {
    this.#options = options;
    this.#listener = listener;
    this.#gate = new HandshakeGate(
      options.own.publicKey,
      options.random,
      options.handshakesPerSecond,
    );
    this.#initiations = new Initiations(options);
    this.#table = new SessionTable(options.random);
    this.#transaction = new Reader(options.random(4)).u32();
  }

  get counters() {
    return this.#counters.counters;
  }

  /** `wallMs - monotonicMs`, for timestamps. */
  setClockOffset(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  /** Handshakes in a second that are taken without a cookie. */
  setHandshakesPerSecond(handshakesPerSecond: number): void {
    this.#gate.setHandshakesPerSecond(handshakesPerSecond);
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#requests.deadline());
  }

  /**
   * Begins a handshake as initiator; `established` or `ended` follows. What is to be carried waits
   * in `Session.carried` for {@link resumeHandshake}.
   */
  connect(now: Monotonic, to: SessionTarget, options: readonly NtmobileOption[] = []): Session {
    const session = new Session(
      { publicKey: to.publicKey, credential: undefined },
      to.use,
      to.pathId,
      to.udpPath,
    );
    if (to.piggybacked === true) session.piggybackedInitiation = new Uint8Array(0);
    this.#initiations.start(now, session, options);
    this.#initiateIfDue(now, session);
    return session;
  }

  /**
   * There is a way now for a handshake that somebody carried. `passed`: its Tunnel Request is under
   * way, and is sent again when no answer comes.
   */
  resumeHandshake(now: Monotonic, session: Session, udpPath: UdpPath, passed: boolean): void {
    session.udpPath = udpPath;
    session.piggybackedInitiation = undefined;
    this.#initiations.resume(session, passed ? after(now, HANDSHAKE_RETRANSMISSION_MS) : now);
    this.#initiateIfDue(now, session);
  }

  /**
   * Makes new keys ahead of time, as who began the session: the other end sees the present
   * credential.
   */
  rekey(now: Monotonic, session: Session): void {
    if (session.current?.initiator !== true || this.#initiations.nextAt(session) !== undefined)
      return;
    this.#initiations.start(now, session, []);
    this.#initiateIfDue(now, session);
  }

  /** Ends a session without a word to the other end. */
  discard(session: Session): void {
    this.#initiations.abandon(session);
    this.#timers.remove(session);
    this.#table.remove(session);
    this.#requests.takeAll(session);
  }

  /** Sends a request until its answer comes, to where the other end is, or by `way`. */
  request(
    now: Monotonic,
    session: Session,
    asked: RequestTiming & {
      readonly type: NtmobileMessageType;
      readonly options: readonly NtmobileOption[];
      readonly udpPath?: UdpPath;
    },
    purpose: P | undefined,
  ): void {
    const message = {
      type: asked.type,
      answer: false,
      status: 0,
      transaction: this.#nextTransaction(),
      options: asked.options,
    };
    this.#requests.add(now, { session, message, purpose, udpPath: asked.udpPath }, asked);
    this.#sendMessage(session, message, asked.udpPath ?? session.udpPath);
  }

  /** Sends a message that has no answer. */
  notify(
    session: Session,
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
    udpPath: UdpPath = session.udpPath,
  ): void {
    this.#sendMessage(
      session,
      { type, answer: false, status: 0, transaction: this.#nextTransaction(), options },
      udpPath,
    );
  }

  /** Answers a request of which the listener said 'later'. */
  answer(session: Session, message: NtmobileMessage, udpPath: UdpPath = session.udpPath): void {
    const octets = encode(ntmobileMessageCodec, message);
    session.answers.store(message.transaction, octets);
    this.#seal(session, message, octets, udpPath);
  }

  receive(now: Monotonic, udpPath: UdpPath, octets: Uint8Array): void {
    const datagram = ntmobileDatagramCodec.parse(octets);
    if (isMalformed(datagram)) {
      this.#counters.count('datagram-malformed');
      return;
    }
    switch (datagram.type) {
      case 'control':
        this.#receiveControl(now, udpPath, octets, datagram.spi);
        return;
      case 'initiation':
        this.#receiveInitiation(now, udpPath, octets, datagram);
        return;
      case 'response':
        this.#receiveResponse(now, udpPath, datagram);
        return;
      case 'cookie-reply':
        this.#receiveCookie(now, datagram);
        return;
      default:
        this.#counters.count('datagram-malformed');
    }
  }

  tick(now: Monotonic): void {
    for (
      let due = this.#requests.takeDue(now);
      due !== undefined;
      due = this.#requests.takeDue(now)
    ) {
      const { request, over } = due;
      if (!over)
        this.#sendMessage(
          request.session,
          request.message,
          request.udpPath ?? request.session.udpPath,
        );
      else if (request.purpose !== undefined) {
        this.#listener.answered(now, request.session, request.purpose, undefined, undefined);
      }
    }
    for (
      let session = this.#timers.takeDue(now);
      session !== undefined;
      session = this.#timers.takeDue(now)
    ) {
      this.#sessionDue(now, session);
    }
  }

  #sessionDue(now: Monotonic, session: Session): void {
    const { current } = session;
    if (current === undefined ? this.#table.isUnconfirmed(session) : now >= current.endsAt) {
      this.#end(now, session);
      return;
    }
    if (current?.initiator === true && this.#initiations.nextAt(session) === undefined) {
      this.#initiations.start(now, session, []);
    }
    this.#initiateIfDue(now, session);
  }

  #end(now: Monotonic, session: Session): void {
    const confirmed = !this.#table.isUnconfirmed(session);
    const pending = this.#requests.takeAll(session);
    this.discard(session);
    for (const { purpose } of pending) {
      if (purpose !== undefined)
        this.#listener.answered(now, session, purpose, undefined, undefined);
    }
    if (confirmed) this.#listener.ended(now, session);
    else this.#listener.handshakeExpired?.(session);
  }

  #initiateIfDue(now: Monotonic, session: Session): void {
    const nextAt = this.#initiations.nextAt(session);
    if (nextAt !== undefined && nextAt <= now) {
      const wallMicroseconds = BigInt(Math.floor((now + this.#offsetMs) * 1000));
      const datagram = this.#initiations.next(now, session, this.#freshSpi(), wallMicroseconds);
      if (datagram === 'over') {
        this.#initiations.abandon(session);
        if (session.current === undefined) {
          this.#end(now, session);
          return;
        }
      } else if (session.piggybackedInitiation === undefined)
        this.#listener.send(session.udpPath, datagram);
      else session.piggybackedInitiation = datagram;
    }
    this.#arm(now, session);
  }

  /** The session's own timer: the next initiation, the next keys, or the end of these. */
  #arm(now: Monotonic, session: Session): void {
    const { current } = session;
    const initiation = this.#initiations.nextAt(session);
    if (current === undefined) {
      this.#timers.set(session, initiation ?? after(now, UNCONFIRMED_MS));
      return;
    }
    const rekeyAt = after(current.endsAt, REKEY_MS - KEY_END_MS);
    const keysAt = current.initiator && rekeyAt > now ? rekeyAt : current.endsAt;
    this.#timers.set(
      session,
      initiation === undefined ? keysAt : earliest(initiation, current.endsAt),
    );
  }

  #receiveInitiation(
    now: Monotonic,
    udpPath: UdpPath,
    octets: Uint8Array,
    initiation: NtmobileDatagramOf<'initiation'>,
  ): void {
    const gate = this.#gate.admit(now, udpPath, octets, initiation);
    if (gate.kind === 'refused') {
      this.#counters.count('initiation-mac');
      return;
    }
    if (gate.kind === 'cookie') {
      this.#counters.count('cookie-sent');
      this.#listener.send(udpPath, gate.datagram);
      return;
    }
    const received = receiveInitiation(this.#options.own, initiation);
    const suite = preferredSuite(initiation.suites & this.#options.suites);
    if (received === undefined || suite === undefined) {
      this.#counters.count('initiation-unreadable');
      return;
    }
    const { publicKey, payload } = received;
    const { use, pathId } = initiation;
    const known = this.#table.findByInitiator(publicKey, use, pathId);
    if (known !== undefined && payload.timestamp <= known.lastTimestamp) {
      this.#counters.count('initiation-old');
      return;
    }
    const options = this.#listener.authorizeInitiation(now, {
      publicKey,
      use,
      pathId,
      payload,
      udpPath,
    });
    if (options === undefined) {
      this.#counters.count('initiation-refused');
      return;
    }
    const receiveSpi = this.#freshSpi();
    const answer = received.answer(keyPairOf(this.#options.random(32)), {
      spi: receiveSpi,
      suite,
      options,
    });
    if (answer === undefined) {
      this.#counters.count('initiation-unreadable');
      return;
    }
    const session =
      known ??
      this.#newResponding(
        new Session({ publicKey, credential: payload.credential }, use, pathId, udpPath),
      );
    if (known !== undefined)
      known.peer = { publicKey: known.peer.publicKey, credential: payload.credential };
    session.lastTimestamp = payload.timestamp;
    session.peerOptions = payload.options;
    const made = {
      receiveSpi,
      sendSpi: initiation.spi,
      suite,
      keys: answer.keys,
      initiator: false,
    };
    this.#table.offer(session, new KeyGeneration(now, { ...made, answeredTo: udpPath }));
    this.#listener.responseSent?.(now, session);
    if (session.current === undefined) this.#arm(now, session);
    this.#listener.send(udpPath, answer.datagram);
  }

  #newResponding(session: Session): Session {
    const oldest = this.#table.addResponding(session);
    if (oldest !== undefined) this.discard(oldest);
    return session;
  }

  #receiveResponse(
    now: Monotonic,
    udpPath: UdpPath,
    response: NtmobileDatagramOf<'response'>,
  ): void {
    const finished = this.#initiations.finish(response);
    if (finished === 'unexpected' || finished === 'forged') {
      this.#counters.count(finished === 'forged' ? 'response-forged' : 'response-unexpected');
      return;
    }
    const { session, payload, keys } = finished;
    session.udpPath = udpPath;
    session.piggybackedInitiation = undefined;
    session.peerOptions = payload.options;
    const made = {
      receiveSpi: response.spi,
      sendSpi: payload.spi,
      suite: payload.suite,
      keys,
      initiator: true,
    };
    this.#adopt(now, session, new KeyGeneration(now, made));
    // The responder waits for something sealed under the new keys; it is asked until it has heard.
    this.request(now, session, { type: 'keep-alive', options: [] }, undefined);
  }

  #adopt(now: Monotonic, session: Session, generation: KeyGeneration): void {
    this.#table.adopt(session, generation);
    this.#arm(now, session);
    this.#listener.established(now, session);
  }

  #receiveCookie(now: Monotonic, reply: NtmobileDatagramOf<'cookie-reply'>): void {
    const session = this.#initiations.acceptCookie(now, reply);
    if (session === 'unexpected' || session === 'forged') {
      this.#counters.count('cookie-unexpected');
      return;
    }
    this.#initiateIfDue(now, session);
  }

  #receiveControl(now: Monotonic, udpPath: UdpPath, octets: Uint8Array, spi: number): void {
    const found = this.#table.find(spi);
    if (found === undefined || now >= found.generation.endsAt) {
      this.#counters.count('control-unknown-spi');
      return;
    }
    const { session, generation } = found;
    const plaintext = generation.opener.open(octets);
    if (plaintext === 'forged' || plaintext === 'replayed') {
      this.#counters.count(plaintext === 'forged' ? 'control-forged' : 'control-replayed');
      return;
    }
    if (session.unconfirmed.includes(generation)) {
      session.udpPath = udpPath;
      this.#adopt(now, session, generation);
    }
    const message = ntmobileMessageCodec.parse(plaintext);
    if (isMalformed(message)) {
      this.#counters.count('message-malformed');
      return;
    }
    this.#listener.observed?.({ kind: 'message', direction: 'in', udpPath, message });
    if (message.answer) this.#receiveAnswer(now, udpPath, session, message);
    else this.#receiveRequest(now, udpPath, session, message, octets.length);
  }

  #receiveAnswer(
    now: Monotonic,
    udpPath: UdpPath,
    session: Session,
    answer: NtmobileMessage,
  ): void {
    const request = this.#requests.take(session, answer.transaction);
    if (request === undefined) {
      this.#counters.count('answer-unexpected');
      return;
    }
    if (request.purpose !== undefined)
      this.#listener.answered(now, session, request.purpose, answer, udpPath);
  }

  #receiveRequest(
    now: Monotonic,
    udpPath: UdpPath,
    session: Session,
    message: NtmobileMessage,
    octets: number,
  ): void {
    this.#listener.requestAuthenticated?.(now, session, message, udpPath, octets);
    if (message.type === 'keep-alive') {
      this.#sendMessage(session, { ...message, answer: true, options: [] }, udpPath);
      return;
    }
    const known = session.answers.get(now, message.transaction);
    if (known === 'answering') return;
    if (known !== undefined) {
      const again = ntmobileMessageCodec.parse(known);
      if (!isMalformed(again)) this.#seal(session, again, known, udpPath);
      return;
    }
    const answer = this.#answerOf(now, udpPath, session, message);
    if (answer !== undefined && answer !== 'later') this.answer(session, answer, udpPath);
  }

  #answerOf(
    now: Monotonic,
    udpPath: UdpPath,
    session: Session,
    message: NtmobileMessage,
  ): NtmobileMessage | 'later' | undefined {
    const { transaction } = message;
    if (hasUnknownMandatoryOption(message))
      return {
        type: 'error',
        answer: true,
        status: NtmobileStatus.unknownOption,
        transaction,
        options: [],
      };
    return this.#listener.handleRequest(now, session, message, udpPath);
  }

  #sendMessage(session: Session, message: NtmobileMessage, udpPath: UdpPath): void {
    this.#seal(session, message, encode(ntmobileMessageCodec, message), udpPath);
  }

  #seal(
    { current }: Session,
    message: NtmobileMessage,
    octets: Uint8Array,
    udpPath: UdpPath,
  ): void {
    if (current === undefined) return;
    this.#listener.observed?.({ kind: 'message', direction: 'out', udpPath, message });
    this.#listener.send(udpPath, current.sealer.seal(octets));
  }

  #nextTransaction(): number {
    this.#transaction = (this.#transaction + 1) >>> 0;
    return this.#transaction;
  }

  #freshSpi(): number {
    return this.#table.freshSpi((spi) => this.#initiations.has(spi));
  }
}
