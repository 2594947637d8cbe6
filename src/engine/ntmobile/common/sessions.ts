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
import type { Step } from '#engine/contract/engine.ts';
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
import {
  type ReceivedMessage,
  SESSION_COUNTERS,
  type SessionCounter,
  type SessionListener,
} from './session-listener.ts';
import { SessionTable } from './session-table.ts';
import { sendDatagram } from './udp-path.ts';

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
  connect(step: Step, to: SessionTarget, options: readonly NtmobileOption[] = []): Session {
    const session = new Session(
      { publicKey: to.publicKey, credential: undefined },
      to.use,
      to.pathId,
      to.udpPath,
    );
    if (to.piggybacked === true) session.piggybackedInitiation = new Uint8Array(0);
    this.#initiations.start(step.now, session, options);
    this.#initiateIfDue(step, session);
    return session;
  }

  /**
   * There is a way now for a handshake that somebody carried. `passed`: its Tunnel Request is under
   * way, and is sent again when no answer comes.
   */
  resumeHandshake(step: Step, session: Session, udpPath: UdpPath, passed: boolean): void {
    session.udpPath = udpPath;
    session.piggybackedInitiation = undefined;
    this.#initiations.resume(
      session,
      passed ? after(step.now, HANDSHAKE_RETRANSMISSION_MS) : step.now,
    );
    this.#initiateIfDue(step, session);
  }

  /**
   * Makes new keys ahead of time, as who began the session: the other end sees the present
   * credential.
   */
  rekey(step: Step, session: Session): void {
    if (session.current?.initiator !== true || this.#initiations.nextAt(session) !== undefined)
      return;
    this.#initiations.start(step.now, session, []);
    this.#initiateIfDue(step, session);
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
    step: Step,
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
    this.#requests.add(step.now, { session, message, purpose, udpPath: asked.udpPath }, asked);
    this.#sendMessage(step, session, message, asked.udpPath ?? session.udpPath);
  }

  /** Sends a message that has no answer. */
  notify(
    step: Step,
    session: Session,
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
    udpPath: UdpPath = session.udpPath,
  ): void {
    this.#sendMessage(
      step,
      session,
      { type, answer: false, status: 0, transaction: this.#nextTransaction(), options },
      udpPath,
    );
  }

  /** Answers a request of which the listener said 'later'. */
  answer(
    step: Step,
    session: Session,
    message: NtmobileMessage,
    udpPath: UdpPath = session.udpPath,
  ): void {
    const octets = encode(ntmobileMessageCodec, message);
    session.answers.store(message.transaction, octets);
    this.#seal(step, session, message, octets, udpPath);
  }

  receive(step: Step, udpPath: UdpPath, octets: Uint8Array): void {
    const datagram = ntmobileDatagramCodec.parse(octets);
    if (isMalformed(datagram)) {
      this.#counters.count('datagram-malformed');
      return;
    }
    switch (datagram.type) {
      case 'control':
        this.#receiveControl(step, udpPath, octets, datagram.spi);
        return;
      case 'initiation':
        this.#receiveInitiation(step, udpPath, octets, datagram);
        return;
      case 'response':
        this.#receiveResponse(step, udpPath, datagram);
        return;
      case 'cookie-reply':
        this.#receiveCookie(step, datagram);
        return;
      default:
        this.#counters.count('datagram-malformed');
    }
  }

  tick(step: Step): void {
    for (
      let due = this.#requests.takeDue(step.now);
      due !== undefined;
      due = this.#requests.takeDue(step.now)
    ) {
      const { request, over } = due;
      if (!over)
        this.#sendMessage(
          step,
          request.session,
          request.message,
          request.udpPath ?? request.session.udpPath,
        );
      else if (request.purpose !== undefined) {
        this.#listener.answered(step, request.session, request.purpose, undefined);
      }
    }
    for (
      let session = this.#timers.takeDue(step.now);
      session !== undefined;
      session = this.#timers.takeDue(step.now)
    ) {
      this.#sessionDue(step, session);
    }
  }

  #sessionDue(step: Step, session: Session): void {
    const { current } = session;
    if (current === undefined ? this.#table.isUnconfirmed(session) : step.now >= current.endsAt) {
      this.#end(step, session);
      return;
    }
    if (current?.initiator === true && this.#initiations.nextAt(session) === undefined) {
      this.#initiations.start(step.now, session, []);
    }
    this.#initiateIfDue(step, session);
  }

  #end(step: Step, session: Session): void {
    const confirmed = !this.#table.isUnconfirmed(session);
    const pending = this.#requests.takeAll(session);
    this.discard(session);
    for (const { purpose } of pending) {
      if (purpose !== undefined) this.#listener.answered(step, session, purpose, undefined);
    }
    if (confirmed) this.#listener.ended(step, session);
    else this.#listener.handshakeExpired?.(step, session);
  }

  #initiateIfDue(step: Step, session: Session): void {
    const nextAt = this.#initiations.nextAt(session);
    if (nextAt !== undefined && nextAt <= step.now) {
      const wallMicroseconds = BigInt(Math.floor((step.now + this.#offsetMs) * 1000));
      const datagram = this.#initiations.next(
        step.now,
        session,
        this.#freshSpi(),
        wallMicroseconds,
      );
      if (datagram === 'over') {
        this.#initiations.abandon(session);
        if (session.current === undefined) {
          this.#end(step, session);
          return;
        }
      } else if (session.piggybackedInitiation === undefined)
        sendDatagram(step, session.udpPath, datagram);
      else session.piggybackedInitiation = datagram;
    }
    this.#arm(step, session);
  }

  /** The session's own timer: the next initiation, the next keys, or the end of these. */
  #arm(step: Step, session: Session): void {
    const { current } = session;
    const initiation = this.#initiations.nextAt(session);
    if (current === undefined) {
      this.#timers.set(session, initiation ?? after(step.now, UNCONFIRMED_MS));
      return;
    }
    const rekeyAt = after(current.endsAt, REKEY_MS - KEY_END_MS);
    const keysAt = current.initiator && rekeyAt > step.now ? rekeyAt : current.endsAt;
    this.#timers.set(
      session,
      initiation === undefined ? keysAt : earliest(initiation, current.endsAt),
    );
  }

  #receiveInitiation(
    step: Step,
    udpPath: UdpPath,
    octets: Uint8Array,
    initiation: NtmobileDatagramOf<'initiation'>,
  ): void {
    const gate = this.#gate.admit(step.now, udpPath, octets, initiation);
    if (gate.kind === 'refused') {
      this.#counters.count('initiation-mac');
      return;
    }
    if (gate.kind === 'cookie') {
      this.#counters.count('cookie-sent');
      sendDatagram(step, udpPath, gate.datagram);
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
    const options = this.#listener.authorizeInitiation(step, {
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
    this.#table.offer(session, new KeyGeneration(step.now, { ...made, answeredTo: udpPath }));
    this.#listener.responseSent?.(step, session);
    if (session.current === undefined) this.#arm(step, session);
    sendDatagram(step, udpPath, answer.datagram);
  }

  #newResponding(session: Session): Session {
    const oldest = this.#table.addResponding(session);
    if (oldest !== undefined) this.discard(oldest);
    return session;
  }

  #receiveResponse(step: Step, udpPath: UdpPath, response: NtmobileDatagramOf<'response'>): void {
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
    this.#adopt(step, session, new KeyGeneration(step.now, made));
    // The responder waits for something sealed under the new keys; it is asked until it has heard.
    this.request(step, session, { type: 'keep-alive', options: [] }, undefined);
  }

  #adopt(step: Step, session: Session, generation: KeyGeneration): void {
    this.#table.adopt(session, generation);
    this.#arm(step, session);
    this.#listener.established(step, session);
  }

  #receiveCookie(step: Step, reply: NtmobileDatagramOf<'cookie-reply'>): void {
    const session = this.#initiations.acceptCookie(step.now, reply);
    if (session === 'unexpected' || session === 'forged') {
      this.#counters.count('cookie-unexpected');
      return;
    }
    this.#initiateIfDue(step, session);
  }

  #receiveControl(step: Step, udpPath: UdpPath, octets: Uint8Array, spi: number): void {
    const found = this.#table.find(spi);
    if (found === undefined || step.now >= found.generation.endsAt) {
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
      this.#adopt(step, session, generation);
    }
    const message = ntmobileMessageCodec.parse(plaintext);
    if (isMalformed(message)) {
      this.#counters.count('message-malformed');
      return;
    }
    step.out.push({ kind: 'message', direction: 'in', udpPath, message });
    const received = { message, udpPath, octets: octets.length };
    if (message.answer) this.#receiveAnswer(step, session, received);
    else this.#receiveRequest(step, session, received);
  }

  #receiveAnswer(step: Step, session: Session, answer: ReceivedMessage): void {
    const request = this.#requests.take(session, answer.message.transaction);
    if (request === undefined) {
      this.#counters.count('answer-unexpected');
      return;
    }
    if (request.purpose !== undefined)
      this.#listener.answered(step, session, request.purpose, answer);
  }

  #receiveRequest(step: Step, session: Session, received: ReceivedMessage): void {
    const { message, udpPath } = received;
    this.#listener.requestAuthenticated?.(step, session, received);
    if (message.type === 'keep-alive') {
      this.#sendMessage(step, session, { ...message, answer: true, options: [] }, udpPath);
      return;
    }
    const known = session.answers.get(step.now, message.transaction);
    if (known === 'answering') return;
    if (known !== undefined) {
      const again = ntmobileMessageCodec.parse(known);
      if (!isMalformed(again)) this.#seal(step, session, again, known, udpPath);
      return;
    }
    const answer = this.#answerOf(step, session, received);
    if (answer !== undefined && answer !== 'later') this.answer(step, session, answer, udpPath);
  }

  #answerOf(
    step: Step,
    session: Session,
    received: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    const { transaction } = received.message;
    if (hasUnknownMandatoryOption(received.message))
      return {
        type: 'error',
        answer: true,
        status: NtmobileStatus.unknownOption,
        transaction,
        options: [],
      };
    return this.#listener.handleRequest(step, session, received);
  }

  #sendMessage(step: Step, session: Session, message: NtmobileMessage, udpPath: UdpPath): void {
    this.#seal(step, session, message, encode(ntmobileMessageCodec, message), udpPath);
  }

  #seal(
    step: Step,
    { current }: Session,
    message: NtmobileMessage,
    octets: Uint8Array,
    udpPath: UdpPath,
  ): void {
    if (current === undefined) return;
    step.out.push({ kind: 'message', direction: 'out', udpPath, message });
    sendDatagram(step, udpPath, current.sealer.seal(octets));
  }

  #nextTransaction(): number {
    this.#transaction = (this.#transaction + 1) >>> 0;
    return this.#transaction;
  }

  #freshSpi(): number {
    return this.#table.freshSpi((spi) => this.#initiations.has(spi));
  }
}
