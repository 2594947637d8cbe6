/**
 * The direction coordinator engine: who is registered, and which path two of them build.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §7
 * Left out: the name server of the zone (it asks `addressesOf`), other coordinators.
 */
import { hex } from '#base/bytes.ts';
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { earliest, type Monotonic, monotonic } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/ntmobile/common/session-listener.ts';
import { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import { answerTo, observedEndpointOption } from './answers.ts';
import type { DirectionCoordinatorConfiguration } from './configuration.ts';
import { DirectionWriter, mayReach, type PendingDirection, statusOfRelay } from './directions.ts';
import { type GeneralNode, GeneralNodes } from './general-nodes.ts';
import { COORDINATOR_COUNTERS, type CoordinatorCounter } from './reasons.ts';
import { Registrar } from './registrar.ts';
import { NodeRegistration, Registrations } from './registrations.ts';
import { type Relay, Relays } from './relays.ts';
import { GENERAL_NODES_TABLE, REGISTRATIONS_TABLE } from './stored-records.ts';

/** How long another may take to answer for the one who asked, who gives up after eight seconds. */
const DIRECTION_ATTEMPT_MS = 3_000;
const NO_PATH = new Uint8Array(8);

/** Never throws for a peer's fault; `clock` must be the first input. */
export interface DirectionCoordinator
  extends Engine<CommonInput>,
    Reconfigurable<DirectionCoordinatorConfiguration> {
  readonly counters: Counters;
  /**
   * For the name server: virtual addresses of a name of the zone; undefined: there is no such node.
   */
  addressesOf(
    name: string,
  ): { readonly ipv6: readonly Ipv6Address[]; readonly ipv4: readonly Ipv4Address[] } | undefined;
}

export function createDirectionCoordinator(
  configuration: DirectionCoordinatorConfiguration,
  random: RandomBytes,
): DirectionCoordinator {
  return new DirectionCoordinatorEngine(configuration, random);
}

class DirectionCoordinatorEngine
  implements DirectionCoordinator, SessionListener<PendingDirection>
{
  #configuration: DirectionCoordinatorConfiguration;
  readonly #sessions: Sessions<PendingDirection>;
  readonly #registrations = new Registrations();
  readonly #relays = new Relays();
  readonly #generalNodes: GeneralNodes;
  readonly #writer: DirectionWriter;
  /** Directions that wait for a session that we began ourselves, after a restart. */
  readonly #waiting = new Map<Session, PendingDirection[]>();
  readonly #counters = new CounterSet<CoordinatorCounter>(COORDINATOR_COUNTERS);
  readonly #registrar: Registrar;
  #step: Step = { now: monotonic(0), out: [] };

  constructor(configuration: DirectionCoordinatorConfiguration, random: RandomBytes) {
    const { own, handshakesPerSecond, secret, systemPrefix, generalIpv4Prefix } = configuration;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    this.#configuration = configuration;
    this.#sessions = new Sessions(
      { own, random, suites, handshakesPerSecond, credential: () => undefined },
      this,
    );
    this.#generalNodes = new GeneralNodes(secret, systemPrefix, generalIpv4Prefix);
    this.#writer = new DirectionWriter(configuration);
    this.#registrar = new Registrar(
      configuration,
      this.#registrations,
      this.#relays,
      this.#counters,
    );
  }

  get counters(): Counters {
    return { ...this.#sessions.counters, ...this.#counters.counters };
  }

  addressesOf(name: string) {
    const holder = this.#registrations.named(name)?.holder;
    return holder === undefined
      ? undefined
      : { ipv6: [holder.virtualIpv6], ipv4: [holder.virtualIpv4] };
  }

  deadline(): Monotonic {
    return earliest(this.#sessions.deadline(), this.#registrar.deadline());
  }

  reconfigure(now: Monotonic, configuration: DirectionCoordinatorConfiguration): void {
    this.#configuration = configuration;
    this.#writer.configuration = configuration;
    this.#sessions.setHandshakesPerSecond(configuration.handshakesPerSecond);
    for (const session of this.#registrar.reconfigure(now, configuration)) {
      this.#relays.removeOf(session);
      this.#sessions.discard(session);
    }
  }

  step(now: Monotonic, input: CommonInput, out: Output[]): void {
    const step = { now, out };
    this.#step = step;
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(step, input.path, input.packet);
        break;
      case 'clock':
        this.#registrar.offsetMs = input.offsetMs;
        this.#writer.offsetMs = input.offsetMs;
        this.#sessions.setClockOffset(input.offsetMs);
        return;
      case 'record':
        this.#restore(now, input);
        return;
      case 'request':
        this.#handleOperatorCommand(input);
        break;
      default:
    }
    this.#sessions.tick(step);
    this.#registrar.endDue(now, this.#step.out);
    for (const { session } of this.#registrar.recheckCredentials(now, this.#step.out)) {
      if (session !== undefined) this.#sessions.discard(session);
    }
  }

  // --- sessions ---

  authorizeInitiation(
    { now }: Step,
    { use, publicKey, payload }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    if (use !== HandshakeUse.coordinator) return undefined;
    return this.#registrar.mayRegister(now, publicKey, payload.credential) ? [] : undefined;
  }

  established(step: Step, session: Session): void {
    session.current?.forgetDataKeys();
    const waiting = this.#waiting.get(session) ?? [];
    this.#waiting.delete(session);
    for (const direction of waiting) this.#askResponder(step, session, direction);
  }

  handleRequest(
    step: Step,
    session: Session,
    { message, udpPath }: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    switch (message.type) {
      case 'registration-request':
        return this.#registrar.register(step.now, session, message, udpPath, step.out);
      case 'address-request':
        return answerTo(message, NtmobileStatus.granted, [observedEndpointOption(udpPath)]);
      case 'direction-request':
        return this.#direct(step, session, message);
      default:
        this.#counters.count('message-unexpected');
        return undefined;
    }
  }

  answered(
    step: Step,
    session: Session,
    direction: PendingDirection,
    received: ReceivedMessage | undefined,
  ): void {
    const answer = received?.message;
    const { target } = direction;
    if (target.kind === 'general') {
      this.#finishGeneral(step, direction, target.node, answer);
      return;
    }
    if (
      answer === undefined ||
      answer.type !== 'route-direction-confirmation' ||
      answer.status !== NtmobileStatus.granted
    ) {
      // Somebody who no longer has its keys is called anew by the next one who asks.
      if (answer === undefined && target.registration.session === session)
        target.registration.session = undefined;
      this.#refuse(step, direction, NtmobileStatus.peerNotReachable, 'direction-unreachable');
      return;
    }
    this.#give(
      step,
      direction,
      this.#writer.toInitiator(step.now, direction, target.registration, answer),
    );
  }

  ended(step: Step, session: Session): void {
    this.#relays.removeOf(session);
    for (const direction of this.#waiting.get(session) ?? []) {
      this.#refuse(step, direction, NtmobileStatus.peerNotReachable, 'direction-unreachable');
    }
    this.#waiting.delete(session);
    const registration = this.#registrations.ofNode(nodeIdOf(session.peer.publicKey));
    if (registration?.session === session) registration.session = undefined;
  }

  // --- directions ---

  #direct(step: Step, session: Session, request: NtmobileMessage): NtmobileMessage | 'later' {
    const requester = this.#registrations.ofNode(nodeIdOf(session.peer.publicKey));
    if (requester?.session !== session || !requester.active) {
      return this.#noDirection(request, NtmobileStatus.notRegistered, 'direction-not-registered');
    }
    const pathId = findNtmobileOption(request.options, 'path-id')?.pathId ?? NO_PATH;
    const target = this.#targetOf(request);
    if (target === undefined)
      return this.#noDirection(request, NtmobileStatus.noSuchName, 'direction-unknown-name');
    if (target instanceof NodeRegistration)
      return this.#directToNode(step, { requester, request, pathId }, target);
    return this.#directToGeneral(step, { requester, request, pathId }, target);
  }

  /** A name or address of a node, or the name of a general node; undefined: nobody's. */
  #targetOf({ options }: NtmobileMessage): NodeRegistration | string | undefined {
    const address =
      findNtmobileOption(options, 'virtual-ipv6')?.address ??
      findNtmobileOption(options, 'virtual-ipv4')?.address;
    if (address !== undefined) return this.#registrations.at(address);
    const name = findNtmobileOption(options, 'name')?.name;
    if (name === undefined) return undefined;
    const { zone } = this.#configuration;
    return (
      this.#registrations.named(name) ??
      (name === zone || name.endsWith(`.${zone}`) ? undefined : name)
    );
  }

  #directToNode(
    step: Step,
    asked: Pick<PendingDirection, 'requester' | 'request' | 'pathId'>,
    registration: NodeRegistration,
  ): NtmobileMessage | 'later' {
    const { requester, request } = asked;
    if (registration === requester || !mayReach(requester, registration)) {
      return this.#noDirection(request, NtmobileStatus.notAllowed, 'direction-not-allowed');
    }
    if (!registration.active)
      return this.#noDirection(request, NtmobileStatus.peerNotReachable, 'direction-unreachable');
    const relay = this.#relays.choose(step.now, [requester.roundTrips, registration.roundTrips]);
    const direction = { ...asked, relay, target: { kind: 'node', registration } } as const;
    if (registration.session?.current !== undefined)
      this.#askResponder(step, registration.session, direction);
    else this.#callResponder(step, registration, direction);
    return 'later';
  }

  #askResponder(step: Step, session: Session, direction: PendingDirection): void {
    if (direction.target.kind !== 'node') return;
    const options = this.#writer.toResponder(step.now, direction, direction.target.registration);
    this.#sessions.request(
      step,
      session,
      { type: 'route-direction', options, attemptMs: DIRECTION_ATTEMPT_MS },
      direction,
    );
  }

  /**
   * After a restart there are registrations without keys: the node is where it was, so it is called
   * there.
   */
  #callResponder(step: Step, registration: NodeRegistration, direction: PendingDirection): void {
    const pending =
      registration.session === undefined ? undefined : this.#waiting.get(registration.session);
    if (pending !== undefined) {
      pending.push(direction);
      return;
    }
    const { publicKey, udpPath } = registration;
    const session = this.#sessions.connect(step, {
      publicKey,
      use: HandshakeUse.coordinator,
      pathId: NO_PATH,
      udpPath,
    });
    registration.session = session;
    this.#waiting.set(session, [direction]);
  }

  #directToGeneral(
    step: Step,
    asked: Pick<PendingDirection, 'requester' | 'request' | 'pathId'>,
    name: string,
  ): NtmobileMessage | 'later' {
    // Connections have the address of the relay that the node reaches it by now.
    const present = findNtmobileOption(asked.request.options, 'relay')?.publicKey;
    const relay = this.#relays.choose(step.now, [asked.requester.roundTrips], present);
    if (relay === undefined)
      return this.#noDirection(asked.request, NtmobileStatus.noRelay, 'direction-no-relay');
    const { node, isNew } = this.#generalNodes.of(name);
    if (isNew) {
      const value = { virtualIpv4: node.virtualIpv4 ?? null };
      this.#step.out.push({ kind: 'persist', table: GENERAL_NODES_TABLE, key: name, value });
    }
    this.#askRelay(step, relay, { ...asked, relay, target: { kind: 'general', node } }, node);
    return 'later';
  }

  #askRelay(step: Step, relay: Relay, direction: PendingDirection, node: GeneralNode): void {
    const options = this.#writer.toRelay(direction, node);
    this.#sessions.request(
      step,
      relay.session,
      { type: 'relay-direction', options, attemptMs: DIRECTION_ATTEMPT_MS },
      direction,
    );
  }

  #finishGeneral(
    step: Step,
    direction: PendingDirection,
    node: GeneralNode,
    answer: NtmobileMessage | undefined,
  ): void {
    if (answer === undefined && this.#asksAnother(step, direction, node)) return;
    const granted =
      answer?.type === 'relay-direction-response' && answer.status === NtmobileStatus.granted;
    if (answer === undefined || !granted)
      this.#refuse(step, direction, statusOfRelay(answer), 'direction-relay-refused');
    else this.#give(step, direction, this.#writer.toGeneral(direction, node, answer));
  }

  /**
   * A relay that left the request unanswered is gone, or will be back: another one may be there
   * now.
   */
  #asksAnother(step: Step, direction: PendingDirection, node: GeneralNode): boolean {
    const { relay: silent, requester } = direction;
    if (silent === undefined) return false;
    this.#relays.silent(step.now, silent);
    const relay = this.#relays.choose(step.now, [requester.roundTrips]);
    if (relay === undefined || relay.session === silent.session || direction.second === true)
      return false;
    this.#askRelay(step, relay, { ...direction, relay, second: true }, node);
    return true;
  }

  #give(
    step: Step,
    { requester, request }: PendingDirection,
    options: readonly NtmobileOption[],
  ): void {
    this.#counters.count('directed');
    this.#answerAsker(step, requester, answerTo(request, NtmobileStatus.granted, options));
  }

  #refuse(
    step: Step,
    { requester, request }: PendingDirection,
    status: number,
    reason: CoordinatorCounter,
  ): void {
    this.#answerAsker(step, requester, this.#noDirection(request, status, reason));
  }

  #answerAsker(step: Step, { holder }: NodeRegistration, message: NtmobileMessage): void {
    // It may have registered anew meanwhile: from somewhere else, under other keys.
    const session = this.#registrations.ofNode(holder.nodeId)?.session;
    if (session !== undefined) this.#sessions.answer(step, session, message);
  }

  #noDirection(
    request: NtmobileMessage,
    status: number,
    reason: CoordinatorCounter,
  ): NtmobileMessage {
    this.#counters.count(reason);
    return answerTo(request, status);
  }

  // --- store and operator ---

  #restore(now: Monotonic, { table, key, value }: Extract<CommonInput, { kind: 'record' }>): void {
    if (table === GENERAL_NODES_TABLE) this.#generalNodes.restore(key, value);
    else if (table === REGISTRATIONS_TABLE)
      this.#registrar.restore(now, key, value, this.#step.out);
  }

  #handleOperatorCommand({
    id,
    command,
    parameters,
  }: Extract<CommonInput, { kind: 'request' }>): void {
    if (command === 'revoke') {
      this.#step.out.push({ kind: 'reply', id, ...this.#revoke(parameters['node']) });
      return;
    }
    const answers = new Map<string, () => JsonValue>([
      ['status', () => this.#status()],
      ['nodes', () => this.#registrar.list()],
      ['registrations', () => this.#registrar.list()],
      ['stats', () => ({ ...this.counters })],
    ]);
    const value = answers.get(command)?.();
    const unknown = `unknown command; known: ${[...answers.keys(), 'revoke'].join(', ')}`;
    this.#step.out.push({ kind: 'reply', id, ok: value !== undefined, value: value ?? unknown });
  }

  #revoke(node: JsonValue | undefined): { readonly ok: boolean; readonly value: JsonValue } {
    if (typeof node !== 'string')
      return { ok: false, value: 'node: a name, node id or virtual address is needed' };
    const revoked = this.#registrar.revoke(node, this.#step.out);
    if (revoked === undefined) return { ok: false, value: `no node ${node} is registered` };
    if (revoked.session !== undefined) this.#sessions.discard(revoked.session);
    return { ok: true, value: { name: revoked.holder.name } };
  }

  #status(): JsonObject {
    const { own, zone } = this.#configuration;
    const registrations = this.#registrations.size;
    return {
      role: 'direction-coordinator',
      zone,
      publicKey: `hex:${hex(own.publicKey)}`,
      registrations,
    };
  }
}
