/**
 * The relay engine: joins the two legs of paths between nodes, and follows nodes that move.
 *
 * No RFC: docs/ntmobile.md §4 to §7
 * Left out: paths to general nodes (a Relay Direction is answered by status 8, "no relay").
 */
import { hex } from '#base/bytes.ts';
import { earliest, type Monotonic, wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { openRelayToken, type RelayToken } from '#crypto/relay-token.ts';
import type { CommonInput, Engine, JsonObject, JsonValue, Output, RandomBytes } from '#engine/contract.ts';
import { CounterSet, type Counters } from '#engine/shared/counters.ts';
import type { ObservedMessage } from '#engine/shared/ntmobile/observed-message.ts';
import type { Session } from '#engine/shared/ntmobile/session.ts';
import type { JudgedInitiation, SessionListener } from '#engine/shared/ntmobile/session-listener.ts';
import { Sessions } from '#engine/shared/ntmobile/sessions.ts';
import type { Way } from '#engine/shared/ntmobile/way.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile-datagram.ts';
import { type NtmobileMessage, type NtmobileMessageType, NtmobileStatus } from '#wire/ntmobile-message.ts';
import { DirectionRole, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile-options.ts';
import { type AttachedNode, AttachedNodes } from './attached-nodes.ts';
import type { RelayConfiguration } from './configuration.ts';
import { CoordinatorLinks } from './coordinator-links.ts';
import { Legs, wish } from './legs.ts';
import type { RelayPurpose } from './purposes.ts';
import { RELAY_COUNTERS, type RelayCounter } from './reasons.ts';

/** Never throws for a peer's fault; `clock` must be the first input. */
export interface Relay extends Engine<CommonInput> {
  readonly counters: Counters;
}

export function createRelay(configuration: RelayConfiguration, random: RandomBytes): Relay {
  return new RelayEngine(configuration, random);
}

class RelayEngine implements Relay, SessionListener<RelayPurpose> {
  readonly #configuration: RelayConfiguration;
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #coordinators: CoordinatorLinks;
  readonly #legs: Legs;
  readonly #nodes: AttachedNodes;
  readonly #counters = new CounterSet<RelayCounter>(RELAY_COUNTERS);
  #offsetMs = 0;
  #out: Output[] = [];

  constructor(configuration: RelayConfiguration, random: RandomBytes) {
    const { own, strangersPerSecond, maximumLegs } = configuration;
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    this.#configuration = configuration;
    this.#sessions = new Sessions({ own, random, suites, strangersPerSecond, credential: () => undefined }, this);
    this.#legs = new Legs(random, this.#counters);
    this.#nodes = new AttachedNodes(this.#sessions, this.#legs, random, this.#counters);
    const load = () => Math.round((1000 * this.#legs.size) / maximumLegs);
    this.#coordinators = new CoordinatorLinks(configuration, this.#sessions, this.#counters, load);
  }

  get counters(): Counters {
    return { ...this.#sessions.counters, ...this.#counters.counters };
  }

  deadline(): Monotonic {
    const parts = [this.#sessions, this.#coordinators, this.#legs, this.#nodes];
    return earliest(...parts.map((part) => part.deadline()));
  }

  step(now: Monotonic, input: CommonInput, out: Output[]): void {
    this.#out = out;
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(now, input.path, input.packet);
        break;
      case 'clock':
        this.#offsetMs = input.offsetMs;
        this.#sessions.clock(input.offsetMs);
        return;
      case 'restored':
        this.#coordinators.start(now);
        break;
      case 'request':
        this.#handleRequest(now, input);
        break;
      default:
    }
    this.#sessions.tick(now);
    this.#coordinators.tick(now);
    this.#nodes.tick(now, out);
    this.#legs.tick(now, out);
  }

  // --- sessions ---

  send({ local, localPort, remote, remotePort, relayIndex }: Way, packet: Uint8Array): void {
    const path = { kind: 'datagram', local, localPort, remote, remotePort, relayIndex } as const;
    this.#out.push({ kind: 'send', path, packet });
  }

  observed(message: ObservedMessage): void {
    this.#out.push(message);
  }

  judge(now: Monotonic, initiation: JudgedInitiation): readonly NtmobileOption[] | undefined {
    const { use, pathId, publicKey, payload, way } = initiation;
    // Paths of nodes go through a relay, not to it.
    if (use !== HandshakeUse.relay || way.relayIndex !== 0 || pathId.some((octet) => octet !== 0)) return undefined;
    const { credential } = payload;
    if (credential === undefined) return undefined;
    return this.#configuration.isCredentialValid(credential, publicKey, wall(now + this.#offsetMs)) ? [] : undefined;
  }

  established(now: Monotonic, session: Session): void {
    if (this.#coordinators.has(session)) {
      this.#coordinators.established(now, session);
      return;
    }
    session.current?.forgetDataKeys();
    this.#nodes.established(now, session, this.#out);
  }

  requested(now: Monotonic, session: Session, request: NtmobileMessage, way: Way): void {
    if (way.relayIndex === 0) this.#nodes.heard(now, session, request, way, this.#out);
  }

  request(now: Monotonic, session: Session, message: NtmobileMessage, way: Way): NtmobileMessage | undefined {
    const node = this.#nodes.of(session);
    if (node !== undefined && message.type === 'relay-attach-request') return this.#attach(now, node, message, way);
    if (node !== undefined && message.type === 'path-challenge') return answerChallenge(message, way);
    if (node !== undefined && message.type === 'release') {
      this.#release(now, node, message);
      return undefined;
    }
    this.#counters.count('message-unexpected');
    if (node === undefined && message.type === 'relay-direction') {
      return answerTo(message, 'relay-direction-response', NtmobileStatus.noRelay);
    }
    return undefined;
  }

  answered(
    now: Monotonic,
    session: Session,
    purpose: RelayPurpose,
    answer: NtmobileMessage | undefined,
    way: Way | undefined,
  ): void {
    if (purpose.kind === 'registration') this.#coordinators.answered(now, session, answer);
    else this.#nodes.challenged(session, purpose.challenge, answer, way, this.#out);
  }

  ended(now: Monotonic, session: Session): void {
    this.#coordinators.ended(now, session);
    this.#nodes.ended(now, session, this.#out);
  }

  // --- legs ---

  #attach(now: Monotonic, node: AttachedNode, request: NtmobileMessage, way: Way): NtmobileMessage {
    const token = this.#tokenOf(now, node, request);
    if (token === undefined) return this.#refuse(request, NtmobileStatus.wrongToken, 'attach-wrong-token');
    const { pathId, role, rateKilobits } = token;
    const known = this.#legs.at(pathId, role);
    if (known !== undefined && known.node !== node) {
      return this.#refuse(request, NtmobileStatus.notAllowed, 'attach-taken');
    }
    const { maximumLegs, maximumLegsOfNode } = this.#configuration;
    if (known === undefined && (this.#legs.size >= maximumLegs || node.legs.size >= maximumLegsOfNode)) {
      return this.#refuse(request, NtmobileStatus.busy, 'attach-limit');
    }
    const leg = known ?? this.#legs.add(now, { pathId, role, node }, rateKilobits, this.#out);
    if (leg.rateKilobits !== rateKilobits) {
      leg.rateKilobits = rateKilobits;
      wish(leg, this.#out);
    }
    this.#counters.count('attached');
    return answerTo(request, 'relay-attach-response', NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      { type: 'relay-index', index: leg.index },
      { type: 'observed-endpoint', endpoint: { address: way.remote, port: way.remotePort } },
    ]);
  }

  /** The token of an attach request, where it is one of a coordinator of ours for this node. */
  #tokenOf(now: Monotonic, { session }: AttachedNode, { options }: NtmobileMessage): RelayToken | undefined {
    const octets = findNtmobileOption(options, 'relay-token')?.token;
    if (octets === undefined) return undefined;
    const nowSeconds = BigInt(Math.floor((now + this.#offsetMs) / 1000));
    const nodeId = hex(nodeIdOf(session.peer.publicKey));
    const { initiator, responder } = DirectionRole;
    for (const key of this.#coordinators.tokenKeys()) {
      const token = openRelayToken(key, octets, nowSeconds);
      if (token === undefined) continue;
      const isEnd = token.role === initiator || token.role === responder;
      return isEnd && hex(token.nodeId) === nodeId ? token : undefined;
    }
    return undefined;
  }

  #release(now: Monotonic, node: AttachedNode, { options }: NtmobileMessage): void {
    const path = hex(findNtmobileOption(options, 'path-id')?.pathId ?? new Uint8Array(0));
    for (const leg of [...node.legs]) {
      if (hex(leg.pathId) !== path) continue;
      this.#counters.count('released');
      this.#legs.remove(now, leg, this.#out);
    }
  }

  #refuse(request: NtmobileMessage, status: number, reason: RelayCounter): NtmobileMessage {
    this.#counters.count(reason);
    return answerTo(request, 'relay-attach-response', status);
  }

  // --- operator ---

  #handleRequest(now: Monotonic, { id, command }: Extract<CommonInput, { kind: 'request' }>): void {
    const answers = new Map<string, () => JsonValue>([
      ['status', () => this.#status(now)],
      ['stats', () => ({ ...this.counters })],
    ]);
    const value = answers.get(command)?.();
    const unknown = `unknown command; known: ${[...answers.keys()].join(', ')}`;
    this.#out.push({ kind: 'reply', id, ok: value !== undefined, value: value ?? unknown });
  }

  #status(now: Monotonic): JsonObject {
    return {
      ...{ role: 'relay', publicKey: `hex:${hex(this.#configuration.own.publicKey)}` },
      ...{ nodes: this.#nodes.size, legs: this.#legs.size, registrations: this.#coordinators.list(now) },
    };
  }
}

function answerTo(
  { transaction }: NtmobileMessage,
  type: NtmobileMessageType,
  status: number,
  options: readonly NtmobileOption[] = [],
): NtmobileMessage {
  return { type, answer: true, status, transaction, options };
}

function answerChallenge(request: NtmobileMessage, { remote, remotePort }: Way): NtmobileMessage {
  const challenge = findNtmobileOption(request.options, 'challenge')?.challenge ?? new Uint8Array(8);
  return answerTo(request, 'path-response', NtmobileStatus.granted, [
    { type: 'challenge', challenge },
    { type: 'observed-endpoint', endpoint: { address: remote, port: remotePort } },
  ]);
}
