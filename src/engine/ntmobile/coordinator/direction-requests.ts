/**
 * Direction Requests of nodes. The coordinator directs the requested node, or a relay that serves a
 * general node, and then the requester.
 *
 * No RFC: docs/reference/ntmobile.md §6
 */
import { hex } from '#base/bytes.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { Step } from '#engine/contract/engine.ts';
import { NO_PATH, type Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { answerTo } from './answers.ts';
import type { AskerBudgets } from './asker-budgets.ts';
import {
  type DirectionWriter,
  mayReach,
  type PendingDirection,
  statusOfRelay,
} from './directions.ts';
import type { GeneralNode, GeneralNodes } from './general-nodes.ts';
import type { CoordinatorCounter } from './reasons.ts';
import { NodeRegistration, type Registrations } from './registrations.ts';
import type { Relay, Relays } from './relays.ts';

/** Less than half of the requester's timeout of 8 s, so that a second relay can be tried. */
const DIRECTION_ATTEMPT_MS = 3_000;

interface DirectionRequestsOptions {
  readonly sessions: Sessions<PendingDirection>;
  readonly registrations: Registrations;
  readonly relays: Relays;
  readonly generalNodes: GeneralNodes;
  readonly writer: DirectionWriter;
  readonly counters: CounterSet<CoordinatorCounter>;
  readonly budgets: AskerBudgets;
  /** The domain that contains the names of all nodes. */
  zone(): string;
}

type Requested = Omit<PendingDirection, 'relay' | 'target' | 'isRetry' | 'askedFor'>;

export class DirectionRequests {
  readonly #options: DirectionRequestsOptions;
  readonly #sessions: Sessions<PendingDirection>;
  readonly #registrations: Registrations;
  readonly #relays: Relays;
  readonly #writer: DirectionWriter;
  /** Directions that wait for a session that the coordinator started after its restart. */
  readonly #waiting = new Map<Session, PendingDirection[]>();

  constructor(options: DirectionRequestsOptions) {
    this.#options = options;
    this.#sessions = options.sessions;
    this.#registrations = options.registrations;
    this.#relays = options.relays;
    this.#writer = options.writer;
  }

  request(step: Step, session: Session, request: NtmobileMessage): NtmobileMessage | 'later' {
    const requester = this.#registrations.findByNodeId(nodeIdOf(session.peer.publicKey));
    if (requester?.session !== session || !requester.active)
      return this.#refusal(request, NtmobileStatus.notRegistered, 'direction-not-registered');
    const { budgets, zone } = this.#options;
    const excess = budgets.takeDirection(step.now, session, zone(), requester);
    if (excess !== undefined) return this.#refusal(request, NtmobileStatus.busy, excess);
    const pathId = findNtmobileOption(request.options, 'path-id')?.pathId ?? NO_PATH;
    const target = this.#targetOf(request);
    if (target === undefined)
      return this.#refusal(request, NtmobileStatus.noSuchName, 'direction-unknown-name');
    const requested: Requested = { requester, asker: session, request, pathId };
    return target instanceof NodeRegistration
      ? this.#directToNode(step, requested, target)
      : this.#directToGeneral(step, requested, target);
  }

  /** A registered node, or the name of a general node; undefined for an unknown node. */
  #targetOf({ options }: NtmobileMessage): NodeRegistration | string | undefined {
    const address =
      findNtmobileOption(options, 'virtual-ipv6')?.address ??
      findNtmobileOption(options, 'virtual-ipv4')?.address;
    if (address !== undefined) return this.#registrations.findByAddress(address);
    const name = findNtmobileOption(options, 'name')?.name;
    if (name === undefined) return undefined;
    const zone = this.#options.zone();
    const isInZone = name === zone || name.endsWith(`.${zone}`);
    return this.#registrations.findByName(name) ?? (isInZone ? undefined : name);
  }

  // --- to a node ---

  #directToNode(
    step: Step,
    requested: Requested,
    registration: NodeRegistration,
  ): NtmobileMessage | 'later' {
    const { requester, request } = requested;
    if (registration === requester || !mayReach(requester, registration))
      return this.#refusal(request, NtmobileStatus.notAllowed, 'direction-not-allowed');
    if (!registration.active)
      return this.#refusal(request, NtmobileStatus.peerNotReachable, 'direction-unreachable');
    const askedFor = hex(registration.holder.nodeId);
    const excess = this.#begin(step, requested, askedFor);
    if (excess !== undefined) return excess;
    const relay = this.#relays.choose(step.now, [requester.roundTrips, registration.roundTrips]);
    const target = { kind: 'node', registration } as const;
    const direction: PendingDirection = { ...requested, askedFor, relay, target };
    if (registration.session?.current !== undefined)
      this.#directResponder(step, registration.session, direction);
    else this.#callResponder(step, registration, direction);
    return 'later';
  }

  /** Charges the requester for a pending direction; the answer when it has too many. */
  #begin(
    { now }: Step,
    { asker, pathId, request }: Requested,
    target: string,
  ): NtmobileMessage | undefined {
    const excess = this.#options.budgets.begin(now, asker, { target, pathId });
    return excess === undefined ? undefined : this.#refusal(request, NtmobileStatus.busy, excess);
  }

  #directResponder(step: Step, session: Session, direction: PendingDirection): void {
    if (direction.target.kind !== 'node') return;
    const options = this.#writer.toResponder(step.now, direction, direction.target.registration);
    const request = { type: 'route-direction', options, attemptMs: DIRECTION_ATTEMPT_MS } as const;
    this.#sessions.request(step, session, request, direction);
  }

  /** A restored registration has no keys. Starts a handshake with the node on its last path. */
  #callResponder(step: Step, registration: NodeRegistration, direction: PendingDirection): void {
    const { session: pendingSession, publicKey, udpPath } = registration;
    const waiting = pendingSession === undefined ? undefined : this.#waiting.get(pendingSession);
    if (waiting !== undefined) {
      waiting.push(direction);
      return;
    }
    const session = this.#sessions.connect(step, {
      ...{ publicKey, use: HandshakeUse.coordinator, pathId: NO_PATH, udpPath },
    });
    registration.session = session;
    this.#waiting.set(session, [direction]);
  }

  /** A session has keys: directs the nodes that waited for it. */
  established(step: Step, session: Session): void {
    const waiting = this.#waiting.get(session) ?? [];
    this.#waiting.delete(session);
    for (const direction of waiting) this.#directResponder(step, session, direction);
  }

  ended(step: Step, session: Session): void {
    for (const direction of this.#waiting.get(session) ?? [])
      this.#refuse(step, direction, NtmobileStatus.peerNotReachable, 'direction-unreachable');
    this.#waiting.delete(session);
  }

  // --- to a general node ---

  #directToGeneral(step: Step, requested: Requested, name: string): NtmobileMessage | 'later' {
    const { requester, request } = requested;
    // Existing connections of the requester depend on the address of its current relay.
    const current = findNtmobileOption(request.options, 'relay')?.publicKey;
    const relay = this.#relays.choose(step.now, [requester.roundTrips], current);
    if (relay === undefined)
      return this.#refusal(request, NtmobileStatus.noRelay, 'direction-no-relay');
    const excess = this.#begin(step, requested, name);
    if (excess !== undefined) return excess;
    const { generalNodes, budgets } = this.#options;
    const node = generalNodes.reserve(step, name, hex(requester.holder.nodeId));
    if (node === undefined) {
      budgets.end(requested.asker, name);
      return this.#refusal(request, NtmobileStatus.busy, 'direction-names');
    }
    const target = { kind: 'general', node } as const;
    this.#directRelay(step, relay, { ...requested, askedFor: name, relay, target }, node);
    return 'later';
  }

  #directRelay(step: Step, relay: Relay, direction: PendingDirection, node: GeneralNode): void {
    const options = this.#writer.toRelay(direction, node);
    const request = { type: 'relay-direction', options, attemptMs: DIRECTION_ATTEMPT_MS } as const;
    this.#sessions.request(step, relay.session, request, direction);
  }

  /** The relay did not answer. Returns whether another relay was directed instead. */
  #retryOtherRelay(step: Step, direction: PendingDirection, node: GeneralNode): boolean {
    const { relay: silent, requester } = direction;
    if (silent === undefined) return false;
    this.#relays.markSilent(step.now, silent);
    const relay = this.#relays.choose(step.now, [requester.roundTrips]);
    if (relay === undefined || relay.session === silent.session || direction.isRetry === true)
      return false;
    this.#directRelay(step, relay, { ...direction, relay, isRetry: true }, node);
    return true;
  }

  // --- answers ---

  /** The requested node or the relay answered; `answer` is undefined after a timeout. */
  answered(
    step: Step,
    session: Session,
    direction: PendingDirection,
    answer: NtmobileMessage | undefined,
  ): void {
    const { target } = direction;
    if (target.kind === 'general') this.#relayAnswered(step, direction, target.node, answer);
    else this.#responderAnswered(step, session, direction, target.registration, answer);
  }

  #responderAnswered(
    step: Step,
    session: Session,
    direction: PendingDirection,
    registration: NodeRegistration,
    answer: NtmobileMessage | undefined,
  ): void {
    const confirmed =
      answer?.type === 'route-direction-confirmation' && answer.status === NtmobileStatus.granted;
    if (answer !== undefined && confirmed) {
      const options = this.#writer.toInitiator(step.now, direction, registration, answer);
      this.#grant(step, direction, options);
      return;
    }
    // A node that lost its keys is called by the next Direction Request.
    if (answer === undefined && registration.session === session) registration.session = undefined;
    this.#refuse(step, direction, NtmobileStatus.peerNotReachable, 'direction-unreachable');
  }

  #relayAnswered(
    step: Step,
    direction: PendingDirection,
    node: GeneralNode,
    answer: NtmobileMessage | undefined,
  ): void {
    if (answer === undefined && this.#retryOtherRelay(step, direction, node)) return;
    if (answer?.status === NtmobileStatus.addressInUse && this.#retryOtherAddress(step, direction))
      return;
    const granted =
      answer?.type === 'relay-direction-response' && answer.status === NtmobileStatus.granted;
    const { generalNodes } = this.#options;
    if (answer !== undefined && granted) {
      generalNodes.granted(step, node, hex(direction.requester.holder.nodeId));
      this.#grant(step, direction, this.#writer.toGeneral(direction, node, answer));
      return;
    }
    generalNodes.refused(node);
    this.#refuse(step, direction, statusOfRelay(answer), 'direction-relay-refused');
  }

  /** The relay still uses the IPv4 address for a name that the coordinator has forgotten. */
  #retryOtherAddress(step: Step, direction: PendingDirection): boolean {
    const { target, relay, isRetry } = direction;
    if (target.kind !== 'general' || relay === undefined || isRetry === true) return false;
    const node = this.#options.generalNodes.reassign(step, target.node);
    if (node === undefined) return false;
    const again = { ...direction, isRetry: true, target: { kind: 'general', node } } as const;
    this.#directRelay(step, relay, again, node);
    return true;
  }

  #grant(
    step: Step,
    { requester, request, asker, askedFor }: PendingDirection,
    options: readonly NtmobileOption[],
  ): void {
    this.#options.counters.count('directed');
    this.#options.budgets.end(asker, askedFor);
    this.#answerRequester(step, requester, answerTo(request, NtmobileStatus.granted, options));
  }

  #refuse(
    step: Step,
    { requester, request, asker, askedFor }: PendingDirection,
    status: number,
    reason: CoordinatorCounter,
  ): void {
    this.#options.budgets.end(asker, askedFor);
    this.#answerRequester(step, requester, this.#refusal(request, status, reason));
  }

  /** Uses the requester's current session, because it may have registered again with new keys. */
  #answerRequester(step: Step, { holder }: NodeRegistration, message: NtmobileMessage): void {
    const session = this.#registrations.findByNodeId(holder.nodeId)?.session;
    if (session !== undefined) this.#sessions.answer(step, session, message);
  }

  #refusal(request: NtmobileMessage, status: number, reason: CoordinatorCounter): NtmobileMessage {
    this.#options.counters.count(reason);
    return answerTo(request, status);
  }
}
