/**
 * All NTMobile sessions of one end: handshakes in both directions, rekeying, and expiry of keys.
 *
 * No RFC: docs/reference/ntmobile.md §3 to §6
 *
 * A peer's faults are counted by reason and change nothing. Decisions that depend on the role are
 * made by its {@link SessionListener}.
 */
import { isMalformed } from '#base/bytes.ts';
import { after, earliest, type Monotonic } from '#base/time.ts';
import { CounterSet } from '#engine/common/counters.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { type NtmobileDatagramOf, ntmobileDatagramCodec } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage, NtmobileMessageType } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { ControlMessages, type ControlRequest } from './control-messages.ts';
import { HandshakeResponder } from './handshake-responder.ts';
import { IncomingInitiations } from './incoming-initiations.ts';
import { HANDSHAKE_RETRANSMISSION_MS, Initiations, type InitiatorIdentity } from './initiations.ts';
import { OwnSpis } from './own-spis.ts';
import { postQuantumAgreement } from './post-quantum-agreement.ts';
import { PostQuantumExchanges } from './post-quantum-exchanges.ts';
import {
  isOld,
  KeyGeneration,
  REKEY_PACKETS,
  Session,
  type SessionTarget,
  sessionDueAt,
} from './session.ts';
import { SESSION_COUNTERS, type SessionCounter, type SessionListener } from './session-listener.ts';
import { SessionTable } from './session-table.ts';
import { keptPath, sendDatagram } from './udp-path.ts';

interface SessionsOptions extends InitiatorIdentity {
  readonly handshakesPerSecond?: number;
}

export class Sessions<P> {
  readonly #listener: SessionListener<P>;
  readonly #responder: HandshakeResponder;
  readonly #initiations: Initiations;
  readonly #messages: ControlMessages<P>;
  readonly #incoming: IncomingInitiations;
  readonly #exchanges: PostQuantumExchanges<P>;
  readonly #timers = new TimerHeap<Session>();
  readonly #ownSpis = new OwnSpis();
  readonly #table: SessionTable;
  readonly #counters = new CounterSet<SessionCounter>(SESSION_COUNTERS);
  #offsetMs = 0;

  constructor(options: SessionsOptions, listener: SessionListener<P>) {
    this.#listener = listener;
    this.#responder = new HandshakeResponder(options, options.handshakesPerSecond);
    this.#initiations = new Initiations(options, this.#ownSpis);
    this.#table = new SessionTable(options.random, this.#ownSpis);
    this.#messages = new ControlMessages(listener, this.#counters, options.random);
    const shared = {
      ...{ table: this.#table, counters: this.#counters, freshSpi: () => this.#freshSpi() },
    };
    this.#incoming = new IncomingInitiations({
      ...{ ...shared, responder: this.#responder, listener },
      arm: (step, session) => this.#arm(step, session),
      end: (step, session) => this.#end(step, session),
    });
    this.#exchanges = new PostQuantumExchanges({
      ...{ ...shared, messages: this.#messages, random: options.random },
      adopt: (step, session, generation) => this.#adopt(step, session, generation),
      offered: (step, session) => listener.keysChanged?.(step, session),
      rekey: (step, session) => this.rekey(step, session),
      failed: (step, session, why) => listener.postQuantumFailed?.(step, session, why),
    });
  }

  get counters() {
    return this.#counters.counters;
  }

  /** `wallMs - monotonicMs`, for timestamps of Tunnel Requests. */
  setClockOffset(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  /** Handshakes in a second that are admitted without a cookie. */
  setHandshakesPerSecond(handshakesPerSecond: number): void {
    this.#responder.setHandshakesPerSecond(handshakesPerSecond);
  }

  deadline(): Monotonic {
    const others = earliest(this.#messages.deadline(), this.#exchanges.deadline());
    return earliest(this.#timers.deadline(), others);
  }

  /**
   * Starts a handshake as initiator; `established` or `ended` follows. A piggybacked Tunnel Request
   * is in `Session.piggybackedInitiation` until {@link resumeHandshake}.
   */
  connect(step: Step, to: SessionTarget, options: readonly NtmobileOption[] = []): Session {
    const session = new Session(
      { publicKey: to.publicKey, credential: undefined },
      to.use,
      to.pathId,
      to.udpPath,
    );
    session.admit = to.admit;
    if (to.identity !== undefined) session.identity = to.identity;
    if (to.piggybacked === true) session.piggybackedInitiation = new Uint8Array(0);
    if (to.paced === true) {
      this.initiate(step, session, options, to.udpPath);
      return session;
    }
    this.#initiations.start(step.now, session, options);
    this.#initiateIfDue(step, session, true);
    return session;
  }

  /** Sends one Tunnel Request of a paced handshake. Keys in use stay until the response. */
  initiate(
    step: Step,
    session: Session,
    options: readonly NtmobileOption[],
    udpPath: UdpPath,
  ): void {
    this.#initiations.pace(step.now, session, options, udpPath);
    this.#initiateIfDue(step, session, true);
  }

  /** The highest timestamp of this end's Tunnel Requests, microseconds. */
  get initiationTimestamp(): bigint {
    return this.#initiations.timestamp;
  }

  /** Tunnel Requests get later timestamps than an earlier run gave them. */
  exceedTimestamp(timestamp: bigint): void {
    this.#initiations.exceed(timestamp);
  }

  /** Sends a control packet of Mobile IPv6; says whether there are keys. */
  sendPacket(step: Step, session: Session, packet: Uint8Array, udpPath: UdpPath): boolean {
    if (session.current === undefined) return false;
    sendDatagram(step, udpPath, session.current.sealer.seal('mobility', packet));
    return true;
  }

  /**
   * Continues a piggybacked handshake on a separate path. `passed`: the Tunnel Request was
   * forwarded, so that it is retransmitted only when no answer comes.
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
   * Makes new keys ahead of time, if this end is the initiator; the peer sees the present
   * credential.
   */
  rekey(step: Step, session: Session): void {
    if (session.current?.initiator !== true || this.#initiations.nextAt(session) !== undefined)
      return;
    this.#initiations.start(step.now, session, []);
    this.#initiateIfDue(step, session);
  }

  /** The tunnel of a session carried data; new keys are made before too much was sealed. */
  carried(step: Step, session: Session, { transmitted, received }: TrafficSample): void {
    const { sealing, current } = session;
    if (sealing === undefined) return;
    sealing.carried += Math.max(transmitted, received);
    // Once only: former keys may go on until the exchange of the new handshake is complete.
    if (sealing.carried >= REKEY_PACKETS && sealing === current) this.rekey(step, session);
    if (session.sealing !== sealing) this.#listener.keysChanged?.(step, session);
  }

  /** Drops a session without a message to the peer. */
  discard(session: Session): void {
    this.#initiations.abandon(session);
    this.#timers.remove(session);
    this.#table.remove(session);
    this.#messages.forget(session);
    this.#exchanges.forget(session);
  }

  /** Sends a request and retransmits it until its answer arrives or the attempt is over. */
  request(step: Step, session: Session, request: ControlRequest, purpose: P | undefined): void {
    this.#messages.request(step, session, request, purpose);
  }

  /** Sends a message that has no answer. */
  notify(
    step: Step,
    session: Session,
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
  ): void {
    this.#messages.notify(step, session, type, options);
  }

  /** Answers a request for which `handleRequest` returned 'later'. */
  answer(step: Step, session: Session, message: NtmobileMessage): void {
    this.#messages.answer(step, session, message);
  }

  receive(step: Step, path: UdpPath, octets: Uint8Array): void {
    const udpPath = keptPath(path);
    const datagram = ntmobileDatagramCodec.parse(octets);
    if (isMalformed(datagram)) {
      this.#counters.count('datagram-malformed');
      return;
    }
    switch (datagram.type) {
      case 'control':
      case 'mobility':
        this.#receiveControl(step, udpPath, octets, { type: datagram.type, spi: datagram.spi });
        return;
      case 'initiation':
        this.#incoming.receive(step, udpPath, octets, datagram);
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
    this.#messages.tick(step);
    this.#exchanges.tick(step);
    for (
      let session = this.#timers.takeDue(step.now);
      session !== undefined;
      session = this.#timers.takeDue(step.now)
    ) {
      this.#sessionDue(step, session);
    }
    this.#ownSpis.tell(step);
  }

  #sessionDue(step: Step, session: Session): void {
    const { current } = session;
    if (current === undefined ? this.#table.isUnconfirmed(session) : step.now >= current.endsAt) {
      this.#end(step, session);
      return;
    }
    if (this.#table.retire(step.now, session)) this.#listener.keysChanged?.(step, session);
    const isDue = current !== undefined && isOld(step.now, current);
    if (isDue && this.#initiations.nextAt(session) === undefined)
      this.#initiations.start(step.now, session, []);
    this.#initiateIfDue(step, session);
  }

  #end(step: Step, session: Session): void {
    const confirmed = !this.#table.isUnconfirmed(session);
    const unanswered = this.#messages.forget(session);
    this.discard(session);
    this.#messages.fail(step, unanswered);
    if (confirmed) this.#listener.ended(step, session);
    else this.#listener.handshakeExpired?.(step, session);
  }

  #initiateIfDue(step: Step, session: Session, isFirst = false): void {
    const nextAt = this.#initiations.nextAt(session);
    if (nextAt !== undefined && nextAt <= step.now) {
      const wallMicroseconds = BigInt(Math.floor((step.now + this.#offsetMs) * 1000));
      const spi = this.#freshSpi();
      const datagram = this.#initiations.next(step, session, spi, wallMicroseconds);
      const isAdmitted =
        datagram === 'over' || (session.admit?.(step.now, datagram.length) ?? true);
      if (datagram === 'over' || (!isAdmitted && !isFirst)) {
        this.#initiations.abandon(session);
        if (session.current === undefined) {
          this.#end(step, session);
          return;
        }
      } else if (session.piggybackedInitiation !== undefined)
        session.piggybackedInitiation = datagram;
      else if (isAdmitted) sendDatagram(step, this.#initiations.pathOf(session), datagram);
    }
    this.#arm(step, session);
  }

  /** Sets the session's timer: next Tunnel Request, next rekey, or key end. */
  #arm(step: Step, session: Session): void {
    this.#timers.set(session, sessionDueAt(step.now, session, this.#initiations.nextAt(session)));
  }

  #receiveResponse(step: Step, udpPath: UdpPath, response: NtmobileDatagramOf<'response'>): void {
    const finished = this.#initiations.finish(response);
    if (finished === 'unexpected' || finished === 'forged') {
      this.#counters.count(finished === 'forged' ? 'response-forged' : 'response-unexpected');
      return;
    }
    const { session, payload, keys, secrets, requested } = finished;
    session.udpPath = udpPath;
    session.piggybackedInitiation = undefined;
    session.admit = undefined;
    const { spi: sendSpi, suite, options } = payload;
    const material = {
      ...{ receiveSpi: response.spi, sendSpi, suite, keys, secrets, initiator: true },
      agreement: postQuantumAgreement(session.use, requested, options),
    };
    this.#adopt(step, session, new KeyGeneration(step.now, material));
    // The responder starts to use the new keys with the first datagram sealed under them.
    this.request(step, session, { type: 'keep-alive', options: [] }, undefined);
    this.#listener.responseReceived?.(step, session, options, udpPath);
  }

  #adopt(step: Step, session: Session, generation: KeyGeneration): void {
    this.#table.adopt(step, session, generation);
    this.#exchanges.adopted(step, session, generation);
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

  #receiveControl(
    step: Step,
    udpPath: UdpPath,
    octets: Uint8Array,
    { type, spi }: { readonly type: 'control' | 'mobility'; readonly spi: number },
  ): void {
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
    generation.confirmed ||= generation.initiator;
    if (session.unconfirmed.includes(generation)) {
      session.udpPath = udpPath;
      this.#adopt(step, session, generation);
    }
    this.#exchanges.heard(step.now, session, generation);
    if (type === 'control') {
      const arrival = { udpPath, octets: octets.length };
      const message = this.#messages.receive(step, session, plaintext, arrival);
      if (message !== undefined)
        this.#exchanges.receive(step, { session, generation, message, udpPath });
    } else if (this.#listener.packetReceived === undefined)
      this.#counters.count('message-malformed');
    else this.#listener.packetReceived(step, session, plaintext, udpPath);
  }

  #freshSpi(): number {
    return this.#table.freshSpi((spi) => this.#initiations.has(spi));
  }
}
