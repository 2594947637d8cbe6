/**
 * The direction coordinator engine: registers nodes and relays, and directs pairs of them to
 * establish a path.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §7
 * Left out: the name server of the zone, which calls `addressesOf`; several coordinators.
 */
import { hex } from '#base/bytes.ts';
import type { Ipv4Address, Ipv6Address } from '#base/ip.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { earliest, type Monotonic } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput } from '#engine/contract/input.ts';
import type { Output } from '#engine/contract/output.ts';
import { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import type { Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { answerTo, observedEndpointOption } from './answers.ts';
import { AskerBudgets } from './asker-budgets.ts';
import type { CoordinatorConfiguration } from './configuration.ts';
import { DirectionRequests } from './direction-requests.ts';
import { DirectionWriter, type PendingDirection } from './directions.ts';
import { GeneralNodes } from './general-nodes.ts';
import { COORDINATOR_COUNTERS, type CoordinatorCounter } from './reasons.ts';
import { Registrar } from './registrar.ts';
import { Registrations } from './registrations.ts';
import { Relays } from './relays.ts';
import { GENERAL_NODES_TABLE, REGISTRATIONS_TABLE, readGeneralNode } from './stored-records.ts';

/** Never throws for a peer's fault. `clock` must be the first input. */
export interface DirectionCoordinator
  extends Engine<CommonInput>,
    Reconfigurable<CoordinatorConfiguration> {
  readonly counters: Counters;
  /** The virtual addresses of a name, for the name server; undefined if no node has the name. */
  addressesOf(
    name: string,
  ): { readonly ipv6: readonly Ipv6Address[]; readonly ipv4: readonly Ipv4Address[] } | undefined;
}

export function createDirectionCoordinator(
  configuration: CoordinatorConfiguration,
  random: RandomBytes,
): DirectionCoordinator {
  return new DirectionCoordinatorEngine(configuration, random);
}

class DirectionCoordinatorEngine
  implements DirectionCoordinator, SessionListener<PendingDirection>
{
  #configuration: CoordinatorConfiguration;
  readonly #clock = new WallClock();
  readonly #counters = new CounterSet<CoordinatorCounter>(COORDINATOR_COUNTERS);
  readonly #registrations = new Registrations();
  readonly #relays = new Relays();
  readonly #budgets = new AskerBudgets();
  readonly #sessions: Sessions<PendingDirection>;
  readonly #generalNodes: GeneralNodes;
  readonly #writer: DirectionWriter;
  readonly #registrar: Registrar;
  readonly #directionRequests: DirectionRequests;

  constructor(configuration: CoordinatorConfiguration, random: RandomBytes) {
    const { own, handshakesPerSecond, generalIpv4Prefix } = configuration;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    const sessions = new Sessions<PendingDirection>(
      { own, random, suites, handshakesPerSecond, credential: () => undefined },
      this,
    );
    const generalNodes = new GeneralNodes({
      configuration: () => this.#configuration,
      ...{ ipv4Prefix: generalIpv4Prefix, clock: this.#clock, counters: this.#counters },
    });
    const writer = new DirectionWriter(configuration, this.#clock);
    const tables = { registrations: this.#registrations, relays: this.#relays };
    const counters = this.#counters;
    this.#configuration = configuration;
    this.#sessions = sessions;
    this.#generalNodes = generalNodes;
    this.#writer = writer;
    this.#registrar = new Registrar(configuration, { ...tables, counters, clock: this.#clock });
    this.#directionRequests = new DirectionRequests({
      ...{ ...tables, sessions, generalNodes, writer, counters, budgets: this.#budgets },
      zone: () => this.#configuration.zone,
    });
  }

  get counters(): Counters {
    return { ...this.#sessions.counters, ...this.#counters.counters };
  }

  addressesOf(name: string) {
    const holder = this.#registrations.findByName(name)?.holder;
    return holder === undefined
      ? undefined
      : { ipv6: [holder.virtualIpv6], ipv4: [holder.virtualIpv4] };
  }

  deadline(): Monotonic {
    const parts = [this.#sessions, this.#registrar, this.#generalNodes];
    return earliest(...parts.map((part) => part.deadline()));
  }

  reconfigure(now: Monotonic, configuration: CoordinatorConfiguration): void {
    this.#configuration = configuration;
    this.#writer.reconfigure(configuration);
    this.#sessions.setHandshakesPerSecond(configuration.handshakesPerSecond);
    for (const session of this.#registrar.reconfigure(now, configuration)) {
      this.#relays.removeBySession(session);
      this.#sessions.discard(session);
    }
  }

  step(now: Monotonic, input: CommonInput, out: Output[]): void {
    const step = { now, out };
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(step, input.path, input.packet);
        break;
      case 'clock':
        this.#clock.setOffset(input.offsetMs);
        this.#sessions.setClockOffset(input.offsetMs);
        return;
      case 'record':
        this.#restore(step, input);
        return;
      case 'request':
        this.#handleOperatorCommand(step, input);
        break;
      default:
    }
    this.#sessions.tick(step);
    this.#registrar.tick(step);
    this.#generalNodes.tick(step);
    for (const { session } of this.#registrar.recheckCredentials(step))
      if (session !== undefined) this.#sessions.discard(session);
  }

  // --- sessions ---

  authorizeInitiation(
    { now }: Step,
    { use, publicKey, payload: { credential } }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    if (use !== HandshakeUse.coordinator) return undefined;
    return this.#registrar.mayRegister(now, { publicKey, credential }) ? [] : undefined;
  }

  established(step: Step, session: Session): void {
    session.current?.forgetDataKeys();
    this.#directionRequests.established(step, session);
  }

  handleRequest(
    step: Step,
    session: Session,
    request: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    const { message, udpPath } = request;
    const hasRate = ['registration-request', 'address-request'].includes(message.type);
    if (hasRate && !this.#budgets.takeRequest(step.now, session)) {
      this.#counters.count('request-rate');
      return answerTo(message, NtmobileStatus.busy);
    }
    switch (message.type) {
      case 'registration-request':
        return this.#registrar.register(step, session, request);
      case 'address-request':
        return answerTo(message, NtmobileStatus.granted, [observedEndpointOption(udpPath)]);
      case 'direction-request':
        return this.#directionRequests.request(step, session, message);
      default:
        this.#counters.count('message-unexpected');
        return undefined;
    }
  }

  answered(
    step: Step,
    session: Session,
    direction: PendingDirection,
    answer: ReceivedMessage | undefined,
  ): void {
    this.#directionRequests.answered(step, session, direction, answer?.message);
  }

  ended(step: Step, session: Session): void {
    this.#relays.removeBySession(session);
    this.#directionRequests.ended(step, session);
    const registration = this.#registrations.findByNodeId(nodeIdOf(session.peer.publicKey));
    if (registration?.session === session) registration.session = undefined;
  }

  // --- store and operator ---

  #restore(step: Step, { table, key, value }: Extract<CommonInput, { kind: 'record' }>): void {
    if (table === GENERAL_NODES_TABLE)
      this.#generalNodes.restore(step, key, readGeneralNode(value));
    else if (table === REGISTRATIONS_TABLE) this.#registrar.restore(step, key, value);
  }

  #handleOperatorCommand(
    step: Step,
    { id, command, parameters }: Extract<CommonInput, { kind: 'request' }>,
  ): void {
    if (command === 'revoke') {
      step.out.push({ kind: 'reply', id, ...this.#revoke(step, parameters['node']) });
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
    step.out.push({ kind: 'reply', id, ok: value !== undefined, value: value ?? unknown });
  }

  #revoke(
    step: Step,
    node: JsonValue | undefined,
  ): { readonly ok: boolean; readonly value: JsonValue } {
    if (typeof node !== 'string')
      return { ok: false, value: 'node: a name, node id or virtual address is needed' };
    const revoked = this.#registrar.revoke(step, node);
    if (revoked === undefined) return { ok: false, value: `no node ${node} is registered` };
    if (revoked.session !== undefined) this.#sessions.discard(revoked.session);
    return { ok: true, value: { name: revoked.holder.name } };
  }

  #status(): JsonObject {
    const { own, zone } = this.#configuration;
    return {
      role: 'direction-coordinator',
      zone,
      publicKey: `hex:${hex(own.publicKey)}`,
      registrations: this.#registrations.size,
      generalNodes: this.#generalNodes.size,
    };
  }
}
