/**
 * The NTMobile node: logs in, registers, builds paths to other nodes and to general nodes, keeps
 * them while it moves.
 *
 * No RFC: docs/reference/ntmobile.md §2 to §6
 * Left out: several coordinators at a time, packets kept until a tunnel stands.
 */
import { hex } from '#base/bytes.ts';
import { earliest, type Monotonic, NEVER, type Wall, wall } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { NetworkInterface } from '#engine/common/network-interface.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput } from '#engine/contract/input.ts';
import type { LoginInput, QueryInput, RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type {
  IncomingInitiation,
  ReceivedMessage,
  SessionListener,
} from '#engine/ntmobile/common/session-listener.ts';
import { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { HandshakeUse, Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  DirectionRole,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
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
import { emitEvent } from './events.ts';
import { LOGIN_TABLE, Login } from './login.ts';
import { Names } from './names.ts';
import { type Answer, answerOperator, localAddressFields } from './operator-commands.ts';
import type { PeerNode } from './paths/node-path.ts';
import { PathManager } from './paths/path-manager.ts';
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

  constructor(configuration: NtmobileNodeConfiguration, random: RandomBytes) {
    this.#configuration = configuration;
    this.#restriction = addressRestrictionOf(configuration, this.#systemPrefix);
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    this.#sessions = new Sessions(
      { own: configuration.own, random, suites, credential: () => this.#trust.granted?.credential },
      this,
    );
    this.#coordinator = new CoordinatorLink(this.#sessions, this.#counters, configuration.port, {
      registered: (step, relays) => this.#registered(step, relays),
      candidatesChanged: (step) => this.#pathManager.announce(step),
    });
    this.#pathManager = new PathManager({
      ...{ sessions: this.#sessions, counters: this.#counters, random, port: configuration.port },
      attachment: () => this.#attachment,
      candidates: () => this.#coordinator.candidates(),
      nameLost: (step, name, promising) => this.#names.lost(step, name, promising),
      peerSilent: (step, name) => this.#names.silent(step, name),
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
    const step = { now, out };
    this.#take(step, input);
    if (input.kind !== 'record' && input.kind !== 'clock') this.#tick(step);
  }

  #take(step: Step, input: NtmobileNodeInput): void {
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(step, input.path, input.packet);
        break;
      case 'network':
        this.#interfaces = input.interfaces;
        this.#look(step);
        break;
      case 'roaming':
        this.#pathManager.peerRoamed(step, input.tunnel, input.remote, input.remotePort);
        break;
      case 'query':
        this.#names.query(step, input);
        break;
      case 'logged-in':
        this.#loggedIn(step, input);
        break;
      case 'clock':
        this.#offsetMs = input.offsetMs;
        this.#login.setClockOffset(input.offsetMs);
        this.#sessions.setClockOffset(input.offsetMs);
        break;
      case 'record':
        if (input.table === LOGIN_TABLE) this.#login.restore(input.value);
        break;
      case 'restored':
        this.#trust.granted = this.#login.valid(this.#wall(step.now));
        if (this.#trust.granted === undefined) break;
        this.#begin(step);
        this.#names.begin(step);
        break;
      case 'request':
        step.out.push({ kind: 'reply', id: input.id, ...this.#answerOperator(step, input) });
        break;
      default:
    }
  }

  #tick(step: Step): void {
    if (step.now >= this.#lookAgainAt) this.#look(step);
    if (this.#login.tick(step)) this.#credentialEnded(step);
    this.#sessions.tick(step);
    this.#coordinator.tick(step);
    this.#pathManager.tick(step);
    this.#names.tick(step);
  }

  #wall(now: Monotonic): Wall {
    return wall(now + this.#offsetMs);
  }

  // --- where it is, and who it is ---

  #look(step: Step): void {
    const attachment = attachmentOf(
      step.now,
      this.#interfaces,
      withPreferredDevice(this.#pinned, this.#restriction),
    );
    this.#lookAgainAt = nextExpiry(step.now, this.#interfaces);
    if (attachment.ipv6 !== undefined || attachment.ipv4 !== undefined) this.#login.begin(step);
    if (sameAttachment(attachment, this.#attachment)) return;
    this.#attachment = attachment;
    this.#counters.count('moved');
    if (attachment.ipv6 !== undefined || attachment.ipv4 !== undefined) this.#login.moved(step);
    emitEvent(step, 'moved', 'info', localAddressFields(attachment));
    // Where main's default is that of the new place, packets need not wait for the rules.
    const rulesLast = haveSingleUplink(this.#interfaces);
    if (!rulesLast) this.#setDesiredUplinks(step);
    this.#coordinator.place(attachment);
    // First what data depends on.
    this.#pathManager.moved(step);
    if (this.#trust.granted !== undefined) this.#coordinator.begin(step);
    if (rulesLast) this.#setDesiredUplinks(step);
  }

  #setDesiredUplinks(step: Step): void {
    setDesired(step, 'ntmobile/places', uplinkPart(this.#attachment, this.#configuration));
  }

  #loggedIn(step: Step, input: LoginInput): void {
    if (!this.#login.take(step, input)) {
      this.#counters.count('login-failed');
      this.#names.begin(step);
      return;
    }
    this.#counters.count('login');
    const renewed = this.#trust.granted !== undefined;
    this.#trust.granted = this.#login.valid(this.#wall(step.now));
    if (renewed) this.#coordinator.renewed(step);
    if (renewed) this.#pathManager.renewed(step);
    this.#begin(step);
    this.#names.begin(step);
    if (this.#own === undefined) return;
    const { name, virtualIpv6, virtualIpv4 } = this.#own;
    const notAfter = this.#trust.granted?.notAfter;
    emitEvent(step, 'logged-in', 'info', {
      name,
      virtualIpv6,
      virtualIpv4,
      notAfterWallMs: notAfter,
      renewed,
    });
  }

  #begin(step: Step): void {
    const granted = this.#trust.granted;
    const own =
      granted === undefined
        ? undefined
        : this.#trust.holder(
            this.#wall(step.now),
            granted.credential,
            this.#configuration.own.publicKey,
          );
    if (granted === undefined || own === undefined) return;
    const { virtualIpv6, virtualIpv4 } = own;
    const { virtualIpv4Prefix } = this.#configuration;
    const addresses = [virtualIpv6, virtualIpv4];
    setDesired(
      step,
      'ntmobile/own',
      virtualAddressPart(addresses, [granted.systemPrefix, virtualIpv4Prefix], this.#configuration),
    );
    this.#own = own;
    this.#coordinator.use(step, granted.coordinators[0]);
  }

  /** Whoever is disabled at the account server is at this point at the latest. */
  #credentialEnded(step: Step): void {
    emitEvent(step, 'credential-ended', 'warn', { name: this.#own?.name });
    this.#trust.granted = undefined;
    this.#own = undefined;
    this.#coordinator.use(step, undefined);
    this.#pathManager.endAll(step);
    setDesired(step, 'ntmobile/own', undefined);
  }

  #registered(step: Step, relays: readonly NtmobileOptionOf<'relay'>[]): void {
    for (const option of relays.slice(0, WARM_RELAYS)) this.#pathManager.relay(option).open(step);
    this.#names.registered(step);
  }

  // --- sessions ---

  authorizeInitiation(
    step: Step,
    { use, publicKey, pathId, payload }: IncomingInitiation,
  ): readonly NtmobileOption[] | undefined {
    // After its restart a coordinator calls those that it knows.
    if (use === HandshakeUse.coordinator) return this.#isCoordinator(publicKey) ? [] : undefined;
    // After its own a relay does: the node begins anew by itself, with its credential.
    if (use === HandshakeUse.relay)
      this.#pathManager.relayRestarted(step, publicKey, payload.timestamp);
    if (use !== HandshakeUse.node || payload.credential === undefined) return undefined;
    const holder = this.#trust.holder(this.#wall(step.now), payload.credential, publicKey);
    return holder !== undefined && this.#pathManager.expectsPeer(publicKey, pathId)
      ? []
      : undefined;
  }

  #isCoordinator(publicKey: Uint8Array): boolean {
    const known = this.#trust.granted?.coordinators[0]?.publicKey;
    return known !== undefined && hex(known) === hex(publicKey);
  }

  responseSent(step: Step, session: Session): void {
    this.#pathManager.offered(step, session);
  }

  established(step: Step, session: Session): void {
    if (this.#coordinator.isSession(session)) this.#coordinator.established(step);
    else this.#pathManager.established(step, session);
  }

  ended(step: Step, session: Session): void {
    if (this.#coordinator.isSession(session)) this.#coordinator.ended(step);
    else this.#pathManager.ended(step, session);
  }

  handleRequest(
    step: Step,
    session: Session,
    received: ReceivedMessage,
  ): NtmobileMessage | undefined {
    const { message, udpPath } = received;
    if (session.use === HandshakeUse.coordinator && message.type === 'route-direction')
      return this.#directedTo(step, message);
    if (message.type === 'path-challenge') {
      const path = this.#pathManager.path(session.pathId);
      if (path !== undefined && path.session === session) return path.challenged(step, received);
      if (session.use === HandshakeUse.relay) return pathResponse(message, udpPath);
    }
    this.#counters.count('message-unexpected');
    return undefined;
  }

  /** As the one who was asked for. */
  #directedTo(step: Step, { options, transaction }: NtmobileMessage): NtmobileMessage {
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
    const other = this.#trust.verifiedPeer(this.#wall(step.now), options);
    const former = this.#pathManager.path(pathId);
    const another = other !== undefined && former !== undefined && former.peer.name !== other.name;
    if (other === undefined || another) return confirm(NtmobileStatus.notAllowed, []);
    this.#pathManager.makePath(step, { pathId, other, initiator: false }, options);
    return confirm(NtmobileStatus.granted, [
      { type: 'path-id', pathId },
      ...this.#coordinator.candidates(),
    ]);
  }

  answered(
    step: Step,
    session: Session,
    purpose: NodePurpose,
    answer: ReceivedMessage | undefined,
  ): void {
    switch (purpose.part) {
      case 'coordinator':
        this.#coordinator.answered(step, purpose, answer?.message);
        break;
      case 'relay':
        this.#pathManager.relayOf(session)?.answered(step, purpose, answer?.message);
        this.#tellRoundTrips();
        break;
      case 'path':
        this.#pathManager.path(session.pathId)?.answered(step, purpose, answer);
        break;
      case 'direction':
        this.#names.answered(step, purpose, answer?.message);
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

  // --- the operator ---

  #answerOperator(
    step: Step,
    { command, parameters }: Extract<CommonInput, { kind: 'request' }>,
  ): Answer {
    if (command === 'move') {
      const { interface: device } = parameters;
      this.#pinned = typeof device === 'string' ? device : undefined;
      this.#look(step);
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
    return answerOperator(step.now, view, command);
  }
}

function setDesired({ out }: Step, key: string, part: DesiredPart | undefined): void {
  out.push({ kind: 'set-desired', key, part });
}
