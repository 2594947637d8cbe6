/**
 * Hands events of sessions to the part of the node that owns the session: the coordinator link, a
 * relay link or a path.
 *
 * No RFC: docs/reference/ntmobile.md §4, §6
 */
import { hex } from '#base/bytes.ts';
import type { Monotonic, Wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import type { CoordinatorLink } from './coordinator-link.ts';
import type { PathManager } from './paths/path-manager.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import type { DirectionPurpose, NodePurpose } from './request-purposes.ts';
import type { Trust } from './trust.ts';

interface SessionDispatchContext {
  readonly counters: CounterSet<NtmobileNodeCounter>;
  coordinator(): CoordinatorLink;
  pathManager(): PathManager;
  trust(): Trust;
  wall(now: Monotonic): Wall;
  /** A Route Direction to the responder of a path. */
  followAsResponder(step: Step, direction: ReceivedMessage): NtmobileMessage;
  /** `answer` is undefined when the coordinator did not answer a Direction Request. */
  directionAnswered(
    step: Step,
    purpose: DirectionPurpose,
    answer: ReceivedMessage | undefined,
  ): void;
}

export class SessionDispatch implements SessionListener<NodePurpose> {
  readonly #context: SessionDispatchContext;

  constructor(context: SessionDispatchContext) {
    this.#context = context;
  }

  authorizeInitiation(
    step: Step,
    { use, publicKey, pathId, payload }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    // A restarted coordinator calls the nodes that are registered with it.
    if (use === HandshakeUse.coordinator) return this.#isCoordinator(publicKey) ? [] : undefined;
    // A restarted relay calls, too; the node answers by starting a handshake itself.
    if (use === HandshakeUse.relay)
      this.#context.pathManager().relayRestarted(step, publicKey, payload.timestamp);
    if (use !== HandshakeUse.node || payload.credential === undefined) return undefined;
    const now = this.#context.wall(step.now);
    const holder = this.#context.trust().holder(now, payload.credential, publicKey);
    if (typeof holder === 'string') return undefined;
    return this.#context.pathManager().expectsPeer(holder, pathId) ? [] : undefined;
  }

  #isCoordinator(publicKey: Uint8Array): boolean {
    const known = this.#context.trust().granted?.coordinators[0]?.publicKey;
    return known !== undefined && hex(known) === hex(publicKey);
  }

  responseSent(step: Step, session: Session): void {
    this.#context.pathManager().responseSent(step, session);
  }

  established(step: Step, session: Session): void {
    const coordinator = this.#context.coordinator();
    if (coordinator.isSession(session)) coordinator.established(step);
    else this.#context.pathManager().established(step, session);
  }

  ended(step: Step, session: Session): void {
    const coordinator = this.#context.coordinator();
    if (coordinator.isSession(session)) coordinator.ended(step);
    else this.#context.pathManager().ended(step, session);
  }

  handleRequest(
    step: Step,
    session: Session,
    request: ReceivedMessage,
  ): NtmobileMessage | undefined {
    const { message, udpPath } = request;
    if (session.use === HandshakeUse.coordinator && message.type === 'route-direction')
      return this.#context.followAsResponder(step, request);
    if (message.type === 'path-challenge') {
      const path = this.#context.pathManager().path(session.pathId);
      if (path !== undefined && path.session === session) return path.challenged(step, request);
      if (session.use === HandshakeUse.relay) return pathResponse(message, udpPath);
    }
    this.#context.counters.count('message-unexpected');
    return undefined;
  }

  answered(
    step: Step,
    session: Session,
    purpose: NodePurpose,
    answer: ReceivedMessage | undefined,
  ): void {
    switch (purpose.part) {
      case 'coordinator':
        this.#context.coordinator().answered(step, purpose, answer?.message);
        break;
      case 'relay':
        this.#context.pathManager().relayOf(session)?.answered(step, purpose, answer?.message);
        this.#reportRoundTrips();
        break;
      case 'path':
        this.#context.pathManager().path(session.pathId)?.answered(step, purpose, answer);
        break;
      case 'direction':
        this.#context.directionAnswered(step, purpose, answer);
        break;
    }
  }

  /** The next registration carries the round trips to relays. */
  #reportRoundTrips(): void {
    const measured = [...this.#context.pathManager().relays()];
    this.#context.coordinator().roundTrips = measured.flatMap(({ publicKey, roundTripMs }) => {
      if (roundTripMs === undefined) return [];
      const microseconds = Math.round(roundTripMs * 1000);
      return [{ type: 'round-trip', nodeId: nodeIdOf(publicKey), microseconds } as const];
    });
  }
}
