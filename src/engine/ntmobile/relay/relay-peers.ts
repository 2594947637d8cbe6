/**
 * The sessions of a relay with its nodes and coordinators, and the parts that depend on them.
 * Dispatches the messages of the sessions to these parts.
 *
 * No RFC: docs/reference/ntmobile.md §4 to §7, §9, §10
 */
import { earliest, type Monotonic } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { EngineEvent } from '#engine/contract/output.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { WallClock } from '#engine/ntmobile/common/wall-clock.ts';
import type { Session } from '#engine/sealed/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/sealed/session-listener.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import type { NtmobileOption } from '#wire/ntmobile/options.ts';
import type { AttachedNode } from './attached-node.ts';
import { type AttachedListener, AttachedNodes, type DetachReason } from './attached-nodes.ts';
import type { RelayConfiguration, RelayLimits } from './configuration.ts';
import { CoordinatorLinks } from './coordinator-links.ts';
import { FirstDatagrams } from './first-datagrams.ts';
import type { Destinations } from './general/destinations.ts';
import type { DirectedNodes } from './general/directed-nodes.ts';
import type { GeneralNodes } from './general/general-nodes.ts';
import { RelayDirections } from './general/relay-directions.ts';
import { LegRequests } from './leg-requests.ts';
import { Legs } from './legs.ts';
import { PeerCredentials } from './peer-credentials.ts';
import type { RelayCounter } from './reasons.ts';
import type { RelayHost } from './relay-host.ts';
import type { RelayPurpose } from './request-purposes.ts';
import { RestartRecovery } from './restart-recovery.ts';

interface RelayPeersOptions {
  readonly configuration: RelayConfiguration;
  readonly random: RandomBytes;
  readonly counters: CounterSet<RelayCounter>;
  readonly clock: WallClock;
  readonly host: RelayHost;
  readonly destinations: Destinations;
  readonly directed: DirectedNodes;
  readonly generalNodes: GeneralNodes;
  /** The limits in force. */
  limits(): RelayLimits;
  /** How full the relay is, in thousandths. */
  load(): number;
}

export class RelayPeers implements SessionListener<RelayPurpose>, AttachedListener {
  readonly sessions: Sessions<RelayPurpose>;
  readonly coordinators: CoordinatorLinks;
  readonly nodes: AttachedNodes;
  readonly legs: Legs;
  readonly directions: RelayDirections;
  readonly restartRecovery: RestartRecovery;
  readonly #firstDatagrams: FirstDatagrams;
  readonly #legRequests: LegRequests;
  readonly #credentials: PeerCredentials;
  readonly #directed: DirectedNodes;
  readonly #counters: CounterSet<RelayCounter>;

  constructor(options: RelayPeersOptions) {
    const { configuration, random, counters, clock, directed } = options;
    const { own, handshakesPerSecond } = configuration;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    const sessions = new Sessions<RelayPurpose>(
      { own, random, suites, handshakesPerSecond, credential: () => undefined },
      this,
    );
    const legs = new Legs(random, counters);
    const credentials = new PeerCredentials(configuration.verifyCredential, clock);
    const nodes = new AttachedNodes({
      ...{ sessions, legs, random, counters, credentials },
      listener: this,
    });
    const coordinators = new CoordinatorLinks({ ...options, sessions });
    const firstDatagrams = new FirstDatagrams(counters);
    this.sessions = sessions;
    this.legs = legs;
    this.nodes = nodes;
    this.coordinators = coordinators;
    this.restartRecovery = new RestartRecovery(sessions);
    this.directions = new RelayDirections({
      ...{ ...configuration, ...options, sessions, nodes },
      families: () => options.host.families,
    });
    this.#legRequests = new LegRequests({
      ...{ ...options, legs, firstDatagrams, counters },
      tokenKeys: () => coordinators.tokenKeys(),
    });
    this.#firstDatagrams = firstDatagrams;
    this.#credentials = credentials;
    this.#directed = directed;
    this.#counters = counters;
  }

  deadline(): Monotonic {
    const parts = [this.sessions, this.coordinators, this.legs, this.nodes];
    const others = [this.#firstDatagrams, this.#directed, this.directions, this.restartRecovery];
    return earliest(...[...parts, ...others].map((part) => part.deadline()));
  }

  tick(step: Step): void {
    this.sessions.tick(step);
    this.coordinators.tick(step);
    this.nodes.tick(step);
    this.legs.tick(step);
    this.#firstDatagrams.tick(step);
    this.#directed.tick(step);
    this.directions.tick(step);
    this.restartRecovery.tick(step);
  }

  // --- attached nodes ---

  nodeAttached(step: Step, { holder: { name }, path }: AttachedNode): void {
    const { local, remote, remotePort } = path.current;
    const fields = { name, local, remote, remotePort };
    emit(step, { name: 'node-attached', level: 'debug', fields });
  }

  nodeChanged(step: Step, node: AttachedNode): void {
    this.#directed.attach(step, node);
    for (const leg of this.legs.ofNode(node)) this.#firstDatagrams.forward(step, leg);
    const udpPath = node.path.lastValidated;
    const { publicKey } = node.session.peer;
    if (udpPath !== undefined)
      this.restartRecovery.nodeAttached(step, node.nodeId, { publicKey, udpPath });
  }

  nodeDetached(step: Step, node: AttachedNode, reason: DetachReason): void {
    const fields = { name: node.holder.name, reason };
    emit(step, { name: 'node-gone', level: 'debug', fields });
    this.#directed.detach(step, node);
    this.restartRecovery.nodeDetached(step, node.nodeId);
  }

  // --- sessions ---

  authorizeInitiation(
    { now }: Step,
    { use, publicKey, payload, udpPath }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    // A handshake through a leg or for a path is between two nodes, not with the relay.
    if (use !== HandshakeUse.relay || udpPath.relayIndex !== 0) return undefined;
    const { credential } = payload;
    const holder = this.#credentials.holderOf(now, { credential, publicKey });
    return holder === undefined ? undefined : [];
  }

  responseSent(step: Step, session: Session): void {
    this.#directed.responseSent(step, session);
  }

  handshakeExpired(step: Step, session: Session): void {
    this.#directed.handshakeExpired(step, session);
  }

  established(step: Step, session: Session): void {
    if (this.coordinators.has(session)) this.coordinators.established(step, session);
    else this.nodes.established(step, session);
  }

  requestAuthenticated(step: Step, session: Session, request: ReceivedMessage): void {
    if (request.udpPath.relayIndex === 0) this.nodes.requestReceived(step, session, request);
  }

  handleRequest(
    step: Step,
    session: Session,
    request: ReceivedMessage,
  ): NtmobileMessage | 'later' | undefined {
    const { message, udpPath } = request;
    const node = this.nodes.ofSession(session);
    if (node !== undefined && message.type === 'relay-attach-request')
      return this.#legRequests.attach(step, node, request);
    if (node !== undefined && message.type === 'path-challenge')
      return pathResponse(message, udpPath);
    if (node !== undefined && message.type === 'release') {
      this.#legRequests.release(step, node, message);
      return undefined;
    }
    if (message.type === 'relay-direction' && this.coordinators.has(session))
      return this.directions.request(step, session, message);
    this.#counters.count('message-unexpected');
    return undefined;
  }

  answered(
    step: Step,
    session: Session,
    purpose: RelayPurpose,
    answer: ReceivedMessage | undefined,
  ): void {
    switch (purpose.kind) {
      case 'registration':
        this.coordinators.registrationAnswered(step, session, answer?.message);
        return;
      case 'keepalive':
        this.coordinators.keepaliveAnswered(step, session, answer?.message);
        return;
      case 'challenge':
        this.nodes.challengeAnswered(step, session, purpose, answer);
    }
  }

  ended(step: Step, session: Session): void {
    this.coordinators.ended(step, session);
    this.nodes.ended(step, session);
  }
}

function emit({ out }: Step, event: EngineEvent): void {
  out.push({ kind: 'event', event });
}
