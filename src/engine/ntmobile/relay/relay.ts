/**
 * The relay engine: joins the two legs of paths between nodes, joins nodes to general nodes, and
 * follows nodes that move.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §7, §9, §10
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject, JsonValue } from '#base/json.ts';
import { earliest, type Monotonic, monotonic, type Wall, wall } from '#base/time.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput, ResolvedInput } from '#engine/contract/input.ts';
import type { RoamingInput } from '#engine/contract/ntmobile.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/ntmobile/common/session-listener.ts';
import { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { sendDatagram } from '#engine/ntmobile/common/udp-path.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import { type AttachedListener, type AttachedNode, AttachedNodes } from './attached-nodes.ts';
import type { RelayConfiguration, RelayLimits } from './configuration.ts';
import { CoordinatorLinks } from './coordinator-links.ts';
import { addressesOf, familiesOf, forwardingPart, linkMtu, routesPart } from './desired-state.ts';
import { Destinations } from './destinations.ts';
import { DirectedNodes } from './directed-nodes.ts';
import { FirstDatagrams } from './first-datagrams.ts';
import { LegRequests } from './leg-requests.ts';
import { Legs } from './legs.ts';
import { RELAY_COUNTERS, type RelayCounter } from './reasons.ts';
import { RelayDirections } from './relay-directions.ts';
import type { RelayPurpose } from './request-purposes.ts';
import { RestartRecovery } from './restart-recovery.ts';
import { Restoration } from './restoration.ts';

export type RelayInput = CommonInput | NetworkInput | ResolvedInput | RoamingInput;

/** Never throws for a peer's fault; `clock` must be the first input. */
export interface Relay extends Engine<RelayInput>, Reconfigurable<RelayConfiguration> {
  readonly counters: Counters;
}

export function createRelay(configuration: RelayConfiguration, random: RandomBytes): Relay {
  return new RelayEngine(configuration, random);
}

class RelayEngine implements Relay, SessionListener<RelayPurpose>, AttachedListener {
  #configuration: RelayConfiguration;
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #coordinators: CoordinatorLinks;
  readonly #legs: Legs;
  readonly #legRequests: LegRequests;
  readonly #firstDatagrams: FirstDatagrams;
  readonly #nodes: AttachedNodes;
  readonly #destinations: Destinations;
  readonly #directed: DirectedNodes;
  readonly #directions: RelayDirections;
  readonly #restartRecovery: RestartRecovery;
  readonly #restoration: Restoration;
  readonly #counters = new CounterSet<RelayCounter>(RELAY_COUNTERS);
  #interfaces: readonly NetworkInterface[] = [];
  #offsetMs = 0;
  #step: Step = { now: monotonic(0), out: [] };

  constructor(configuration: RelayConfiguration, random: RandomBytes) {
    const { own, handshakesPerSecond, systemPrefix, virtualIpv4Prefixes, translatorIpv4Prefix } =
      configuration;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    const counters = this.#counters;
    this.#configuration = configuration;
    const limits = (): RelayLimits => this.#configuration;
    this.#sessions = new Sessions(
      { own, random, suites, handshakesPerSecond, credential: () => undefined },
      this,
    );
    this.#legs = new Legs(random, counters);
    this.#nodes = new AttachedNodes(this.#sessions, this.#legs, random, counters, this);
    const tell = (event: EngineEvent): void => void this.#step.out.push({ kind: 'event', event });
    this.#coordinators = new CoordinatorLinks(
      configuration,
      this.#sessions,
      counters,
      () => this.#load(),
      tell,
    );
    this.#firstDatagrams = new FirstDatagrams(counters, (udpPath, datagram) =>
      sendDatagram(this.#step, udpPath, datagram),
    );
    const tokenKeys = (): readonly Uint8Array[] => this.#coordinators.tokenKeys();
    this.#legRequests = new LegRequests(
      limits,
      this.#legs,
      this.#firstDatagrams,
      counters,
      tokenKeys,
    );
    const virtualPrefixes = [systemPrefix, ...virtualIpv4Prefixes, translatorIpv4Prefix];
    this.#destinations = new Destinations({ ...configuration, virtualPrefixes });
    this.#directed = new DirectedNodes({
      ...{ ...configuration, limits },
      linkMtu: (local) => linkMtu(this.#interfaces, local),
      setDesired: (key, part) => this.#step.out.push({ kind: 'set-desired', key, part }),
      persist: this.#persist,
      usersChanged: (general) => this.#directions.general.arm(general),
    });
    this.#directions = new RelayDirections({
      ...{
        ...configuration,
        limits,
        counters,
        destinations: this.#destinations,
        directed: this.#directed,
      },
      attached: (nodeId) => this.#nodes.ofNodeId(nodeId),
      answer: (session, message) => this.#sessions.answer(this.#step, session, message),
      emit: (output) => this.#step.out.push(output),
    });
    this.#restartRecovery = new RestartRecovery(this.#sessions, this.#persist);
    const parts = {
      directions: this.#directions,
      directed: this.#directed,
      recalls: this.#restartRecovery,
    };
    this.#restoration = new Restoration(parts, this.#persist);
  }

  readonly #persist = (table: string, key: string, value: JsonValue | undefined): void => {
    this.#step.out.push({ kind: 'persist', table, key, value });
  };

  get counters(): Counters {
    return { ...this.#sessions.counters, ...this.#counters.counters };
  }

  deadline(): Monotonic {
    const first = [
      this.#sessions,
      this.#coordinators,
      this.#legs,
      this.#firstDatagrams,
      this.#nodes,
    ];
    const parts = [...first, this.#directed, this.#directions, this.#restartRecovery];
    return earliest(...parts.map((part) => part.deadline()));
  }

  /**
   * Destinations and limits; legs and general nodes that are beyond a new limit stay until they
   * end.
   */
  reconfigure(now: Monotonic, fresh: RelayConfiguration, out: Output[]): void {
    this.#step = { now, out };
    const { deniedDestinations, allowedDestinations, handshakesPerSecond } = fresh;
    const {
      maximumLegs,
      maximumLegsOfNode,
      maximumGeneralNodes,
      maximumGeneralNodesOfNode,
      maximumResolutions,
    } = fresh;
    this.#configuration = {
      ...{ ...this.#configuration, deniedDestinations, allowedDestinations, handshakesPerSecond },
      ...{
        maximumLegs,
        maximumLegsOfNode,
        maximumGeneralNodes,
        maximumGeneralNodesOfNode,
        maximumResolutions,
      },
    };
    this.#sessions.setHandshakesPerSecond(handshakesPerSecond);
    this.#destinations.reconfigure(fresh);
    this.#directions.withdraw((real) => this.#destinations.refuses(real));
  }

  step(now: Monotonic, input: RelayInput, out: Output[]): void {
    const step = { now, out };
    this.#step = step;
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(step, input.path, input.packet);
        break;
      case 'clock':
        this.#offsetMs = input.offsetMs;
        this.#sessions.setClockOffset(input.offsetMs);
        return;
      case 'record':
        this.#restoration.take(now, input);
        return;
      case 'restored':
        this.#begin(step);
        break;
      case 'network':
        this.#network(input.interfaces);
        break;
      case 'resolved':
        this.#directions.resolved(now, input);
        break;
      case 'roaming':
        this.#roamed(step, input);
        break;
      case 'request':
        this.#handleOperatorCommand(now, input);
        break;
      default:
    }
    this.#sessions.tick(step);
    this.#coordinators.tick(step);
    this.#nodes.tick(step);
    this.#legs.tick(now, out);
    this.#firstDatagrams.tick(now);
    this.#directed.tick(now);
    this.#directions.tick(now);
    this.#restartRecovery.tick(step);
  }

  #wall(now: Monotonic): Wall {
    return wall(now + this.#offsetMs);
  }

  /** How full the relay is, thousandths. */
  #load(): number {
    const { maximumLegs, maximumGeneralNodes } = this.#configuration;
    const most = Math.max(
      this.#legs.size / maximumLegs,
      this.#directions.general.size / maximumGeneralNodes,
    );
    return Math.round(1000 * most);
  }

  // --- the host ---

  #begin(step: Step): void {
    this.#step.out.push({
      kind: 'set-desired',
      key: 'relay/routes',
      part: routesPart(this.#configuration),
    });
    this.#restoration.finish(step.now);
    this.#coordinators.start(step);
  }

  #network(interfaces: readonly NetworkInterface[]): void {
    this.#interfaces = interfaces;
    this.#step.out.push({
      kind: 'set-desired',
      key: 'relay/forwarding',
      part: forwardingPart(interfaces, this.#configuration),
    });
    const own = new Set(addressesOf(interfaces));
    this.#destinations.own = own;
    this.#directions.families = familiesOf(interfaces);
    this.#directions.withdraw((real) => own.has(real));
  }

  #roamed(
    step: Step,
    { tunnel, local, localPort, remote, remotePort, relayIndex }: RoamingInput,
  ): void {
    const node = this.#directed.ofTunnel(tunnel)?.attached;
    if (node === undefined || relayIndex !== 0) return;
    this.#nodes.peerRoamed(step, node, { local, localPort, remote, remotePort, relayIndex });
  }

  // --- nodes ---

  holderOf(
    now: Monotonic,
    { peer: { credential, publicKey } }: Session,
  ): CredentialHolder | undefined {
    if (credential === undefined) return undefined;
    return this.#configuration.verifyCredential(credential, publicKey, this.#wall(now));
  }

  expiryOf({ notAfter }: CredentialHolder): Monotonic {
    return monotonic(notAfter - this.#offsetMs);
  }

  nodeAttached({ holder: { name }, udpPath: { local, remote, remotePort } }: AttachedNode): void {
    const fields = { name, local, remote, remotePort };
    this.#step.out.push({
      kind: 'event',
      event: { name: 'node-attached', level: 'debug', fields },
    });
  }

  nodeChanged(step: Step, node: AttachedNode): void {
    this.#directed.attach(node);
    for (const leg of node.legs) this.#firstDatagrams.pass(step.now, leg);
    const { validatedPath } = node;
    if (validatedPath !== undefined)
      this.#restartRecovery.nodeAttached(node.nodeId, {
        publicKey: node.session.peer.publicKey,
        udpPath: validatedPath,
      });
  }

  nodeGone(step: Step, node: AttachedNode, reason: string): void {
    const fields = { name: node.holder.name, reason };
    this.#step.out.push({ kind: 'event', event: { name: 'node-gone', level: 'debug', fields } });
    this.#directed.detach(step.now, node);
    this.#restartRecovery.nodeGone(node.nodeId);
  }

  // --- sessions ---

  authorizeInitiation(
    step: Step,
    initiation: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    const { use, pathId, publicKey, payload, udpPath } = initiation;
    // Paths of nodes go through a relay, not to it.
    if (
      use !== HandshakeUse.relay ||
      udpPath.relayIndex !== 0 ||
      pathId.some((octet) => octet !== 0)
    )
      return undefined;
    const { credential } = payload;
    if (credential === undefined) return undefined;
    return this.#configuration.verifyCredential(credential, publicKey, this.#wall(step.now)) ===
      undefined
      ? undefined
      : [];
  }

  responseSent(_step: Step, session: Session): void {
    this.#directed.responseSent(session);
  }

  handshakeExpired(_step: Step, session: Session): void {
    this.#directed.handshakeExpired(session);
  }

  established(step: Step, session: Session): void {
    if (this.#coordinators.has(session)) this.#coordinators.established(step, session);
    else this.#nodes.established(step, session);
  }

  requestAuthenticated(
    step: Step,
    session: Session,
    { message: { transaction }, udpPath, octets }: ReceivedMessage,
  ): void {
    if (udpPath.relayIndex === 0)
      this.#nodes.requestReceived(step, session, { transaction, udpPath, octets });
  }

  handleRequest(
    { now, out }: Step,
    session: Session,
    { message, udpPath }: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    const node = this.#nodes.ofSession(session);
    if (node !== undefined && message.type === 'relay-attach-request')
      return this.#legRequests.attach(now, this.#wall(now), node, message, udpPath, out);
    if (node !== undefined && message.type === 'path-challenge')
      return pathResponse(message, udpPath);
    if (node !== undefined && message.type === 'release') {
      this.#legRequests.release(now, node, message, out);
      return undefined;
    }
    if (message.type === 'relay-direction' && this.#coordinators.has(session))
      return this.#directions.request(now, session, message);
    this.#counters.count('message-unexpected');
    return undefined;
  }

  answered(
    step: Step,
    session: Session,
    purpose: RelayPurpose,
    answer: ReceivedMessage | undefined,
  ): void {
    if (purpose.kind === 'registration')
      this.#coordinators.answered(step, session, answer?.message);
    else if (purpose.kind === 'keepalive')
      this.#coordinators.keepaliveAnswered(step, session, answer?.message);
    else this.#nodes.challenged(step, session, purpose, answer);
  }

  ended(step: Step, session: Session): void {
    this.#coordinators.ended(step, session);
    this.#nodes.ended(step, session);
  }

  // --- operator ---

  #handleOperatorCommand(
    now: Monotonic,
    { id, command }: Extract<CommonInput, { kind: 'request' }>,
  ): void {
    const answers = new Map<string, () => JsonValue>([
      ['status', () => this.#status(now)],
      ['nodes', () => this.#nodes.list()],
      ['legs', () => this.#legs.list()],
      ['general', () => this.#directions.list()],
      ['tunnels', () => this.#directed.list()],
      ['stats', () => ({ ...this.counters })],
    ]);
    const value = answers.get(command)?.();
    const unknown = `unknown command; known: ${[...answers.keys()].join(', ')}`;
    this.#step.out.push({ kind: 'reply', id, ok: value !== undefined, value: value ?? unknown });
  }

  #status(now: Monotonic): JsonObject {
    const { own, endpoints } = this.#configuration;
    return {
      ...{ role: 'relay', publicKey: `hex:${hex(own.publicKey)}` },
      endpoints: endpoints.map(({ address, port }) => ({ address, port })),
      ...{
        registrations: this.#coordinators.list(now),
        nodes: this.#nodes.size,
        legs: this.#legs.size,
      },
      ...{ generalNodes: this.#directions.general.size, directedNodes: this.#directed.size },
      loadThousandths: this.#load(),
    };
  }
}
