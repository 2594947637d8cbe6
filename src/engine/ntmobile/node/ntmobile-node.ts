/**
 * The NTMobile node: logs in, registers, builds paths to other nodes and to general nodes, keeps
 * them while it moves.
 *
 * No RFC: docs/reference/ntmobile.md §2 to §6
 * Left out: several coordinators at a time, packets kept until a tunnel stands.
 */
import { hex } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { earliest, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes, Reconfigurable } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput } from '#engine/contract/input.ts';
import type {
  LoginInput,
  ObservedMessage,
  QueryInput,
  RoamingInput,
} from '#engine/contract/ntmobile.ts';
import type { EngineEvent, Output } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type {
  IncomingInitiation,
  SessionListener,
} from '#engine/ntmobile/common/session-listener.ts';
import { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile-datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile-message.ts';
import {
  DirectionRole,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile-options.ts';
import {
  type AddressRestriction,
  type Attachment,
  addressRestrictionOf,
  attachmentOf,
  haveSingleUplink,
  NOWHERE,
  nextExpiry,
  sameAttachment,
  withPreferredDevice,
} from './attachment.ts';
import type { NtmobileNodeConfiguration } from './configuration.ts';
import { CoordinatorLink } from './coordinator-link.ts';
import { uplinkPart, virtualAddressPart } from './desired-state.ts';
import { LOGIN_TABLE, Login } from './login.ts';
import { Names } from './names.ts';
import type { PeerNode } from './node-path.ts';
import { type Answer, answerOperator, localAddressFields } from './operator-commands.ts';
import { PathManager } from './path-manager.ts';
import { NTMOBILE_NODE_COUNTERS, type NtmobileNodeCounter } from './reasons.ts';
import type { NodePurpose } from './request-purposes.ts';
import { Trust } from './trust.ts';

export type NtmobileNodeInput = CommonInput | NetworkInput | RoamingInput | LoginInput | QueryInput;

/** Relays with which a session is kept before any path needs them. */
const WARM_RELAYS = 2;

export type NtmobileNodeEngine = Engine<NtmobileNodeInput> &
  Reconfigurable<Pick<NtmobileNodeConfiguration, 'interfaces'>> & { readonly counters: Counters };

/** Never throws for a peer's fault; `clock` must be the first input. */
export function createNtmobileNode(
  configuration: NtmobileNodeConfiguration,
  random: RandomBytes,
): NtmobileNodeEngine {
  return new NtmobileNode(configuration, random);
}

class NtmobileNode implements NtmobileNodeEngine, SessionListener<NodePurpose> {
  readonly #configuration: NtmobileNodeConfiguration;
  readonly #sessions: Sessions<NodePurpose>;
  readonly #counters = new CounterSet<NtmobileNodeCounter>(NTMOBILE_NODE_COUNTERS);
  readonly #login = new Login();
  readonly #coordinator: CoordinatorLink;
  readonly #pathManager: PathManager;
  readonly #names: Names;
  readonly #trust: Trust;
  #restriction: AddressRestriction;
  #interfaces: readonly NetworkInterface[] = [];
  #attachment: Attachment = NOWHERE;
  /** The interface that the operator wants to be used. */
  #pinned: string | undefined;
  #lookAgainAt: Monotonic = NEVER;
  /** What the credential says of this node; undefined while there is none. */
  #own: PeerNode | undefined;
  #offsetMs = 0;
  readonly #systemPrefix = () => this.#trust.granted?.systemPrefix;
  #out: Output[] = [];

  constructor(configuration: NtmobileNodeConfiguration, random: RandomBytes) {
    this.#configuration = configuration;
    this.#restriction = addressRestrictionOf(configuration, this.#systemPrefix);
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    this.#sessions = new Sessions(
      { own: configuration.own, random, suites, credential: () => this.#trust.granted?.credential },
      this,
    );
    this.#coordinator = new CoordinatorLink(this.#sessions, this.#counters, configuration.port, {
      registered: (now, relays) => this.#registered(now, relays),
      candidatesChanged: (now) => this.#pathManager.announce(now),
      emitEvent: (event) => this.#out.push({ kind: 'event', event }),
    });
    this.#pathManager = new PathManager({
      ...{ sessions: this.#sessions, counters: this.#counters, random, port: configuration.port },
      attachment: () => this.#attachment,
      candidates: () => this.#coordinator.candidates(),
      setDesired: (key, part) => this.#setDesired(key, part),
      emitEvent: (event) => this.#out.push({ kind: 'event', event }),
      nameLost: (now, name, promising) => this.#names.lost(now, name, promising),
      peerSilent: (now, name) => this.#names.silent(now, name),
    });
    this.#trust = new Trust(configuration.virtualIpv4Prefix, this.#counters);
    this.#names = new Names({
      ...{
        configuration,
        random,
        sessions: this.#sessions,
        counters: this.#counters,
        trust: this.#trust,
      },
      ...{ coordinator: this.#coordinator, pathManager: this.#pathManager },
      attachment: () => this.#attachment,
      wall: (now) => this.#wall(now),
      answer: (id, answer) => this.#out.push({ kind: 'answer', id, answer }),
    });
  }

  reconfigure(now: Monotonic, { interfaces }: Pick<NtmobileNodeConfiguration, 'interfaces'>): void {
    this.#restriction = addressRestrictionOf(
      { ...this.#configuration, interfaces },
      this.#systemPrefix,
    );
    this.#lookAgainAt = now;
  }

  get counters(): Counters {
    return { ...this.#sessions.counters, ...this.#counters.counters };
  }

  deadline(): Monotonic {
    const sessions = earliest(
      this.#sessions.deadline(),
      this.#coordinator.deadline(),
      this.#pathManager.deadline(),
    );
    return earliest(sessions, this.#login.deadline(), this.#names.deadline(), this.#lookAgainAt);
  }

  step(now: Monotonic, input: NtmobileNodeInput, out: Output[]): void {
    this.#out = out;
    this.#take(now, input);
    if (input.kind !== 'record' && input.kind !== 'clock') this.#tick(now);
  }

  #take(now: Monotonic, input: NtmobileNodeInput): void {
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(now, input.path, input.packet);
        break;
      case 'network':
        this.#interfaces = input.interfaces;
        this.#look(now);
        break;
      case 'roaming':
        this.#pathManager.peerRoamed(now, input.tunnel, input.remote, input.remotePort);
        break;
      case 'query':
        this.#names.query(now, input);
        break;
      case 'logged-in':
        this.#loggedIn(now, input);
        break;
      case 'clock':
        this.#offsetMs = input.offsetMs;
        this.#sessions.setClockOffset(input.offsetMs);
        break;
      case 'record':
        if (input.table === LOGIN_TABLE) this.#login.restore(input.value);
        break;
      case 'restored':
        this.#trust.granted = this.#login.valid(this.#wall(now));
        if (this.#trust.granted === undefined) break;
        this.#begin(now);
        this.#names.begin(now);
        break;
      case 'request':
        this.#out.push({ kind: 'reply', id: input.id, ...this.#answerOperator(now, input) });
        break;
      default:
    }
  }

  #tick(now: Monotonic): void {
    if (now >= this.#lookAgainAt) this.#look(now);
    if (this.#login.tick(now, this.#out)) this.#credentialEnded(now);
    this.#sessions.tick(now);
    this.#coordinator.tick(now);
    this.#pathManager.tick(now);
    this.#names.tick(now);
  }

  #wall(now: Monotonic): Wall {
    return wall(now + this.#offsetMs);
  }

  // --- where it is, and who it is ---

  #look(now: Monotonic): void {
    const attachment = attachmentOf(
      now,
      this.#interfaces,
      withPreferredDevice(this.#pinned, this.#restriction),
    );
    this.#lookAgainAt = nextExpiry(now, this.#interfaces);
    if (attachment.ipv6 !== undefined || attachment.ipv4 !== undefined)
      this.#login.begin(now, this.#offsetMs, this.#out);
    if (sameAttachment(attachment, this.#attachment)) return;
    this.#attachment = attachment;
    this.#counters.count('moved');
    if (attachment.ipv6 !== undefined || attachment.ipv4 !== undefined)
      this.#login.moved(this.#out);
    this.#tell('moved', 'info', localAddressFields(attachment));
    // Where main's default is that of the new place, packets need not wait for the rules.
    const rulesLast = haveSingleUplink(this.#interfaces);
    if (!rulesLast) this.#setDesiredUplinks();
    this.#coordinator.place(attachment);
    // First what data depends on.
    this.#pathManager.moved(now);
    if (this.#trust.granted !== undefined) this.#coordinator.begin(now);
    if (rulesLast) this.#setDesiredUplinks();
  }

  #setDesiredUplinks(): void {
    this.#setDesired('ntmobile/places', uplinkPart(this.#attachment, this.#configuration));
  }

  #loggedIn(now: Monotonic, input: LoginInput): void {
    if (!this.#login.take(input, now, this.#offsetMs, this.#out)) {
      this.#counters.count('login-failed');
      this.#names.begin(now);
      return;
    }
    this.#counters.count('login');
    const renewed = this.#trust.granted !== undefined;
    this.#trust.granted = this.#login.valid(this.#wall(now));
    if (renewed) this.#coordinator.renewed(now);
    if (renewed) this.#pathManager.renewed(now);
    this.#begin(now);
    this.#names.begin(now);
    if (this.#own === undefined) return;
    const { name, virtualIpv6, virtualIpv4 } = this.#own;
    const notAfter = this.#trust.granted?.notAfter;
    this.#tell('logged-in', 'info', {
      name,
      virtualIpv6,
      virtualIpv4,
      notAfterWallMs: notAfter,
      renewed,
    });
  }

  #begin(now: Monotonic): void {
    const granted = this.#trust.granted;
    const own =
      granted === undefined
        ? undefined
        : this.#trust.holder(
            this.#wall(now),
            granted.credential,
            this.#configuration.own.publicKey,
          );
    if (granted === undefined || own === undefined) return;
    const { virtualIpv6, virtualIpv4 } = own;
    const { virtualIpv4Prefix } = this.#configuration;
    const addresses = [virtualIpv6, virtualIpv4];
    this.#setDesired(
      'ntmobile/own',
      virtualAddressPart(addresses, [granted.systemPrefix, virtualIpv4Prefix], this.#configuration),
    );
    this.#own = own;
    this.#coordinator.use(now, granted.coordinators[0]);
  }

  /** Whoever is disabled at the account server is at this point at the latest. */
  #credentialEnded(now: Monotonic): void {
    this.#tell('credential-ended', 'warn', { name: this.#own?.name });
    this.#trust.granted = undefined;
    this.#own = undefined;
    this.#coordinator.use(now, undefined);
    this.#pathManager.endAll(now);
    this.#setDesired('ntmobile/own', undefined);
  }

  #registered(now: Monotonic, relays: readonly NtmobileOptionOf<'relay'>[]): void {
    for (const option of relays.slice(0, WARM_RELAYS)) this.#pathManager.relay(option).open(now);
    this.#names.registered(now);
  }

  // --- sessions ---

  send({ local, localPort, remote, remotePort, relayIndex }: UdpPath, packet: Uint8Array): void {
    const path = { kind: 'datagram', local, localPort, remote, remotePort, relayIndex } as const;
    this.#out.push({ kind: 'send', path, packet });
  }

  observed(message: ObservedMessage): void {
    this.#out.push(message);
  }

  authorizeInitiation(
    now: Monotonic,
    { use, publicKey, pathId, payload }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    // After its restart a coordinator calls those that it knows.
    if (use === HandshakeUse.coordinator) return this.#isCoordinator(publicKey) ? [] : undefined;
    // After its own a relay does: the node begins anew by itself, with its credential.
    if (use === HandshakeUse.relay)
      this.#pathManager.relayRestarted(now, publicKey, payload.timestamp);
    if (use !== HandshakeUse.node || payload.credential === undefined) return undefined;
    const holder = this.#trust.holder(this.#wall(now), payload.credential, publicKey);
    return holder !== undefined && this.#pathManager.expectsPeer(publicKey, pathId)
      ? []
      : undefined;
  }

  #isCoordinator(publicKey: Uint8Array): boolean {
    const known = this.#trust.granted?.coordinators[0]?.publicKey;
    return known !== undefined && hex(known) === hex(publicKey);
  }

  responseSent(now: Monotonic, session: Session): void {
    this.#pathManager.offered(now, session);
  }

  established(now: Monotonic, session: Session): void {
    if (this.#coordinator.isSession(session)) this.#coordinator.established(now);
    else this.#pathManager.established(now, session);
  }

  ended(now: Monotonic, session: Session): void {
    if (this.#coordinator.isSession(session)) this.#coordinator.ended(now);
    else this.#pathManager.ended(now, session);
  }

  handleRequest(
    now: Monotonic,
    session: Session,
    message: NtmobileMessage,
    udpPath: UdpPath,
  ): NtmobileMessage | undefined {
    if (session.use === HandshakeUse.coordinator && message.type === 'route-direction')
      return this.#directedTo(now, message);
    if (message.type === 'path-challenge') {
      const path = this.#pathManager.path(session.pathId);
      if (path !== undefined && path.session === session)
        return path.challenged(now, message, udpPath);
      if (session.use === HandshakeUse.relay) return pathResponse(message, udpPath);
    }
    this.#counters.count('message-unexpected');
    return undefined;
  }

  /** As the one who was asked for. */
  #directedTo(now: Monotonic, { options, transaction }: NtmobileMessage): NtmobileMessage {
    const confirm = (status: number, given: readonly NtmobileOption[]): NtmobileMessage => ({
      ...{
        type: 'route-direction-confirmation',
        answer: true,
        status,
        transaction,
        options: given,
      },
    });
    const pathId = findNtmobileOption(options, 'path-id')?.pathId;
    const role = findNtmobileOption(options, 'role')?.role;
    if (pathId === undefined || role !== DirectionRole.responder)
      return confirm(NtmobileStatus.malformed, []);
    const other = this.#trust.verifiedPeer(this.#wall(now), options);
    const former = this.#pathManager.path(pathId);
    const another = other !== undefined && former !== undefined && former.peer.name !== other.name;
    if (other === undefined || another) return confirm(NtmobileStatus.notAllowed, []);
    this.#pathManager.makePath(now, { pathId, other, initiator: false }, options);
    return confirm(NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      ...this.#coordinator.candidates(),
    ]);
  }

  answered(
    now: Monotonic,
    session: Session,
    purpose: NodePurpose,
    answer: NtmobileMessage | undefined,
    udpPath: UdpPath | undefined,
  ): void {
    switch (purpose.part) {
      case 'coordinator':
        this.#coordinator.answered(now, purpose, answer);
        break;
      case 'relay':
        this.#pathManager.relayOf(session)?.answered(now, purpose, answer);
        this.#tellRoundTrips();
        break;
      case 'path':
        this.#pathManager.path(session.pathId)?.answered(now, purpose, answer, udpPath);
        break;
      case 'direction':
        this.#names.answered(now, purpose, answer);
        break;
    }
  }

  #tellRoundTrips(): void {
    this.#coordinator.roundTrips = [...this.#pathManager.relays()].flatMap(
      ({ publicKey, roundTripMs }) =>
        roundTripMs === undefined
          ? []
          : [
              {
                type: 'round-trip',
                nodeId: nodeIdOf(publicKey),
                microseconds: Math.round(roundTripMs * 1000),
              } as const,
            ],
    );
  }

  #setDesired(key: string, part: DesiredPart | undefined): void {
    this.#out.push({ kind: 'set-desired', key, part });
  }

  // --- the operator ---

  #tell(name: EngineEvent['name'], level: EngineEvent['level'], fields: JsonObject): void {
    this.#out.push({ kind: 'event', event: { name, level, fields } });
  }

  #answerOperator(
    now: Monotonic,
    { command, parameters }: Extract<CommonInput, { kind: 'request' }>,
  ): Answer {
    if (command === 'move') {
      const { interface: device } = parameters;
      this.#pinned = typeof device === 'string' ? device : undefined;
      this.#look(now);
      return { ok: true, value: localAddressFields(this.#attachment) };
    }
    const view = {
      ...{ own: this.#own, granted: this.#trust.granted, loginFailure: this.#login.failure },
      ...{ attachment: this.#attachment },
      ...{
        coordinator: this.#coordinator,
        pathManager: this.#pathManager,
        counters: this.counters,
      },
      wallOf: (at: Monotonic) => Math.round(at + this.#offsetMs),
    };
    return answerOperator(now, view, command);
  }
}
