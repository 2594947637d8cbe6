/**
 * Tunnel Requests of peers: admission, the role's decision, and the Tunnel Response.
 *
 * No RFC: docs/reference/ntmobile.md §4.1, §4.2, §4.4 (responder's side)
 */
import type { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { NtmobileDatagramOf } from '#wire/ntmobile/datagram.ts';
import type { HandshakeResponder, ReadInitiation } from './handshake-responder.ts';
import { admitInitiation, hasNeedlessPath } from './initiation-admission.ts';
import { Session } from './session.ts';
import type { IncomingInitiation, SessionCounter, SessionListener } from './session-listener.ts';
import type { SessionTable } from './session-table.ts';
import { sendDatagram } from './udp-path.ts';

interface InitiationOwner {
  readonly responder: HandshakeResponder;
  readonly table: SessionTable;
  readonly counters: CounterSet<SessionCounter>;
  readonly listener: Pick<
    SessionListener<never>,
    'authorizeInitiation' | 'pathIdOf' | 'responseSent'
  >;
  freshSpi(): number;
  /** Sets the session's timer. */
  arm(step: Step, session: Session): void;
  /** Drops a session that was never confirmed. */
  end(step: Step, session: Session): void;
}

export class IncomingInitiations {
  readonly #owner: InitiationOwner;

  constructor(owner: InitiationOwner) {
    this.#owner = owner;
  }

  receive(
    step: Step,
    udpPath: UdpPath,
    octets: Uint8Array,
    datagram: NtmobileDatagramOf<'initiation'>,
  ): void {
    const { responder, counters } = this.#owner;
    const read = responder.read(step.now, udpPath, octets, datagram);
    const check = responder.takeCheck();
    if (check !== undefined) step.out.push({ kind: 'handshake-check', check });
    if (read.kind === 'cookie') {
      counters.count('cookie-sent');
      sendDatagram(step, udpPath, read.datagram);
      return;
    }
    const refusal = read.kind === 'refused' ? read.reason : this.#respond(step, read);
    if (refusal !== undefined) counters.count(refusal);
  }

  /** Sends a Tunnel Response; returns the reason when the handshake is refused. */
  #respond(step: Step, read: ReadInitiation): SessionCounter | undefined {
    const { table, listener } = this.#owner;
    const { publicKey, use, payload, udpPath } = read.initiation;
    if (hasNeedlessPath(read.initiation)) return 'initiation-path';
    const pathId = listener.pathIdOf?.(read.initiation) ?? read.initiation.pathId;
    const known = table.findByInitiator(publicKey, use, pathId);
    const admission = admitInitiation(step.now, read.initiation, known);
    if ('refusal' in admission) return admission.refusal;
    const { until } = admission;
    if (known !== undefined) known.initiationsUntil = until;
    const options = listener.authorizeInitiation(step, read.initiation);
    if (options === undefined) return 'initiation-refused';
    const offer = read.respond(step.now, this.#owner.freshSpi(), options);
    if (offer === undefined) return 'initiation-unreadable';
    const session = this.#sessionOf(step, read.initiation, known, pathId);
    session.lastTimestamp = payload.timestamp;
    session.initiationsUntil = until;
    table.offer(step, session, offer.generation);
    listener.responseSent?.(step, session);
    // The listener may have discarded it.
    if (table.isUnconfirmed(session)) this.#owner.arm(step, session);
    sendDatagram(step, udpPath, offer.datagram);
    return undefined;
  }

  #sessionOf(
    step: Step,
    { publicKey, use, payload, udpPath }: IncomingInitiation,
    known: Session | undefined,
    pathId: Uint8Array,
  ): Session {
    const { credential } = payload;
    if (known !== undefined) {
      known.credential = credential;
      return known;
    }
    const session = new Session({ publicKey, credential }, use, pathId, udpPath);
    const oldest = this.#owner.table.addResponding(session);
    if (oldest !== undefined) this.#owner.end(step, oldest);
    return session;
  }
}
