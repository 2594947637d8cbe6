/**
 * Sealed control messages of all sessions: requests until their answer arrives, and one answer for
 * each request however often it is retransmitted.
 *
 * No RFC: docs/reference/ntmobile.md §5 (request retransmission) and §6
 */
import { encode, isMalformed, Reader } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import {
  hasUnknownMandatoryOption,
  type NtmobileMessage,
  type NtmobileMessageType,
  NtmobileStatus,
  ntmobileMessageCodec,
} from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { type PendingRequest, PendingRequests } from './control-requests.ts';
import type { RequestTiming } from './request-timing.ts';
import type { Session } from './session.ts';
import type { ReceivedMessage, SessionCounter, SessionListener } from './session-listener.ts';
import { sendDatagram } from './udp-path.ts';

/** The word, the sequence number and the tag: docs/reference/ntmobile.md §3. */
const SEALING_OCTETS = 24;

/** A request to send; without `udpPath` it follows the session to where the peer is. */
export interface ControlRequest extends RequestTiming {
  readonly type: NtmobileMessageType;
  readonly options: readonly NtmobileOption[];
  readonly udpPath?: UdpPath;
  /** Asked before each transmission of so many octets; false: this one is left out. */
  readonly admit?: (now: Monotonic, octets: number) => boolean;
}

export class ControlMessages<P> {
  readonly #listener: SessionListener<P>;
  readonly #counters: CounterSet<SessionCounter>;
  readonly #requests = new PendingRequests<P | undefined>();
  /** Starts at random: a restarted peer must not reuse transactions that were already answered. */
  #transaction: number;

  constructor(
    listener: SessionListener<P>,
    counters: CounterSet<SessionCounter>,
    random: RandomBytes,
  ) {
    this.#listener = listener;
    this.#counters = counters;
    this.#transaction = new Reader(random(4)).u32();
  }

  deadline(): Monotonic {
    return this.#requests.deadline();
  }

  /** Sends a request and retransmits it until its answer arrives or the attempt is over. */
  request(step: Step, session: Session, request: ControlRequest, purpose: P | undefined): void {
    const { type, options, udpPath, admit } = request;
    const message = this.compose(type, options);
    this.#requests.add(step.now, { session, message, purpose, udpPath, admit }, request);
    if (isAdmitted(step.now, message, admit))
      sendMessage(step, session, message, udpPath ?? session.udpPath);
  }

  /** Sends a message that has no answer. */
  notify(
    step: Step,
    session: Session,
    type: NtmobileMessageType,
    options: readonly NtmobileOption[],
  ): void {
    sendMessage(step, session, this.compose(type, options), session.udpPath);
  }

  /** A message with a transaction of its own. */
  compose(type: NtmobileMessageType, options: readonly NtmobileOption[]): NtmobileMessage {
    this.#transaction = (this.#transaction + 1) >>> 0;
    return { type, answer: false, status: 0, transaction: this.#transaction, options };
  }

  /** Sends an answer and keeps it for retransmissions of its request. */
  answer(
    step: Step,
    session: Session,
    message: NtmobileMessage,
    udpPath: UdpPath = session.udpPath,
  ): void {
    const octets = encode(ntmobileMessageCodec, message);
    session.answers.store(message.transaction, octets);
    seal(step, session, { message, octets, udpPath });
  }

  /**
   * Handles a decrypted control message; `octets` is the length of its datagram. Returns a message
   * of the ML-KEM exchange, which the caller handles.
   */
  receive(
    step: Step,
    session: Session,
    plaintext: Uint8Array,
    { udpPath, octets }: Pick<ReceivedMessage, 'udpPath' | 'octets'>,
  ): NtmobileMessage | undefined {
    const message = ntmobileMessageCodec.parse(plaintext);
    if (isMalformed(message)) {
      this.#counters.count('message-malformed');
      return undefined;
    }
    step.out.push({ kind: 'message', direction: 'in', udpPath, message });
    const { type, answer } = message;
    if (type === 'encapsulation-request' || type === 'encapsulation-response') return message;
    const received = { message, udpPath, octets };
    if (answer) this.#receiveAnswer(step, session, received);
    else this.#receiveRequest(step, session, received);
    return undefined;
  }

  #receiveAnswer(step: Step, session: Session, answer: ReceivedMessage): void {
    const request = this.#requests.take(session, answer.message.transaction);
    if (request === undefined) this.#counters.count('answer-unexpected');
    else this.#answered(step, request, answer);
  }

  #answered(
    step: Step,
    { session, purpose }: PendingRequest<P | undefined>,
    answer: ReceivedMessage | undefined,
  ): void {
    if (purpose !== undefined) this.#listener.answered(step, session, purpose, answer);
  }

  #receiveRequest(step: Step, session: Session, received: ReceivedMessage): void {
    const { message, udpPath } = received;
    this.#listener.requestAuthenticated?.(step, session, received);
    if (message.type === 'keep-alive') {
      if (this.#listener.answersAt?.(session, udpPath) === false) return;
      sendMessage(step, session, { ...message, answer: true, options: [] }, udpPath);
      return;
    }
    const cached = session.answers.get(step.now, message.transaction);
    if (cached === 'answering') return;
    if (cached !== undefined) {
      answerAgain(step, session, cached, udpPath);
      return;
    }
    const answer = hasUnknownMandatoryOption(message)
      ? unknownOptionError(message)
      : this.#listener.handleRequest(step, session, received);
    if (answer !== undefined && answer !== 'later') this.answer(step, session, answer, udpPath);
  }

  /** Retransmits the requests that are due, and reports those whose attempt is over. */
  tick(step: Step): void {
    for (
      let due = this.#requests.takeDue(step.now);
      due !== undefined;
      due = this.#requests.takeDue(step.now)
    ) {
      const { request, over } = due;
      const { session, message, udpPath, admit } = request;
      if (over) this.#answered(step, request, undefined);
      else if (isAdmitted(step.now, message, admit))
        sendMessage(step, session, message, udpPath ?? session.udpPath);
    }
  }

  /** Drops the requests of a session; the listener is not called. */
  forget(session: Session): readonly PendingRequest<P | undefined>[] {
    return this.#requests.takeAll(session);
  }

  /** Reports dropped requests as unanswered. */
  fail(step: Step, requests: readonly PendingRequest<P | undefined>[]): void {
    for (const request of requests) this.#answered(step, request, undefined);
  }
}

function isAdmitted(
  now: Monotonic,
  message: NtmobileMessage,
  admit: ControlRequest['admit'],
): boolean {
  return admit?.(now, ntmobileMessageCodec.size(message) + SEALING_OCTETS) ?? true;
}

function unknownOptionError({ transaction }: NtmobileMessage): NtmobileMessage {
  const status = NtmobileStatus.unknownOption;
  return { type: 'error', answer: true, status, transaction, options: [] };
}

function answerAgain(step: Step, session: Session, octets: Uint8Array, udpPath: UdpPath): void {
  const message = ntmobileMessageCodec.parse(octets);
  if (!isMalformed(message)) seal(step, session, { message, octets, udpPath });
}

export function sendMessage(
  step: Step,
  session: Session,
  message: NtmobileMessage,
  udpPath: UdpPath,
): void {
  seal(step, session, { message, octets: encode(ntmobileMessageCodec, message), udpPath });
}

function seal(
  step: Step,
  { current }: Session,
  {
    message,
    octets,
    udpPath,
  }: {
    readonly message: NtmobileMessage;
    readonly octets: Uint8Array;
    readonly udpPath: UdpPath;
  },
): void {
  if (current === undefined) return;
  step.out.push({ kind: 'message', direction: 'out', udpPath, message });
  sendDatagram(step, udpPath, current.sealer.seal('control', octets));
}
