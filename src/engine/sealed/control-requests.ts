/**
 * Pending requests: retransmitted until their answer arrives or the attempt is over.
 *
 * No RFC: docs/reference/ntmobile.md §5 (request retransmission, request attempt) and §6
 * (transactions)
 */
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import { REQUEST_ATTEMPT_MS, type RequestTiming } from './request-timing.ts';
import type { Session } from './session.ts';

export const REQUEST_RETRANSMISSION_MS = 250;
const LONGEST_RETRANSMISSION_MS = 1_000;

/**
 * Retransmissions carry less padding, so that they pass a path whose MTU is too small for the first
 * transmission.
 */
export const SHORT_PADDING_OCTETS = 80;

function withShortPadding(message: NtmobileMessage): NtmobileMessage {
  const options = message.options.map((option) =>
    option.type === 'padding'
      ? { ...option, data: option.data.subarray(0, SHORT_PADDING_OCTETS) }
      : option,
  );
  return { ...message, options };
}

/**
 * A request without an answer yet. `purpose` belongs to the caller and is returned with the answer.
 */
export interface PendingRequest<P> extends Timed {
  readonly session: Session;
  readonly message: NtmobileMessage;
  readonly purpose: P;
  /** Undefined: the request follows the session to where the peer is at that time. */
  readonly udpPath: UdpPath | undefined;
  readonly admit: ((now: Monotonic, octets: number) => boolean) | undefined;
  readonly endsAt: Monotonic;
  waitMs: number;
}

/** Requests of all sessions, by session and transaction. */
export class PendingRequests<P> {
  readonly #bySession = new Map<Session, Map<number, PendingRequest<P>>>();
  readonly #timers = new TimerHeap<PendingRequest<P>>();

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  add(
    now: Monotonic,
    request: {
      session: Session;
      message: NtmobileMessage;
      purpose: P;
      udpPath: UdpPath | undefined;
      admit: ((now: Monotonic, octets: number) => boolean) | undefined;
    },
    {
      attemptMs = REQUEST_ATTEMPT_MS,
      retransmissionMs = REQUEST_RETRANSMISSION_MS,
    }: RequestTiming = {},
  ): void {
    const pending: PendingRequest<P> = {
      ...{ ...request, message: withShortPadding(request.message) },
      ...{ endsAt: after(now, attemptMs), waitMs: retransmissionMs, heapIndex: -1, dueAt: NEVER },
    };
    const ofSession = this.#bySession.get(request.session) ?? new Map<number, PendingRequest<P>>();
    ofSession.set(request.message.transaction, pending);
    this.#bySession.set(request.session, ofSession);
    this.#timers.set(pending, after(now, pending.waitMs));
  }

  /** Removes and returns the request that an answer belongs to. */
  take(session: Session, transaction: number): PendingRequest<P> | undefined {
    const ofSession = this.#bySession.get(session);
    const pending = ofSession?.get(transaction);
    if (ofSession === undefined || pending === undefined) return undefined;
    ofSession.delete(transaction);
    if (ofSession.size === 0) this.#bySession.delete(session);
    this.#timers.remove(pending);
    return pending;
  }

  /** The next request that is due: for retransmission, or removed because its attempt is over. */
  takeDue(
    now: Monotonic,
  ): { readonly request: PendingRequest<P>; readonly over: boolean } | undefined {
    const request = this.#timers.takeDue(now);
    if (request === undefined) return undefined;
    if (now >= request.endsAt) {
      this.take(request.session, request.message.transaction);
      return { request, over: true };
    }
    request.waitMs = Math.min(request.waitMs * 2, LONGEST_RETRANSMISSION_MS);
    this.#timers.set(request, earliest(after(now, request.waitMs), request.endsAt));
    return { request, over: false };
  }

  /** Removes and returns the requests of a session that ends. */
  takeAll(session: Session): readonly PendingRequest<P>[] {
    const all = [...(this.#bySession.get(session)?.values() ?? [])];
    for (const { message } of all) this.take(session, message.transaction);
    return all;
  }
}
