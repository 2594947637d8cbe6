/**
 * The NTMobile node: logs in, registers, builds paths to other nodes and to general nodes, and
 * keeps them while it moves.
 *
 * No RFC: docs/reference/ntmobile.md §2 to §6
 * Left out: several coordinators at a time, buffering of packets until a tunnel is established.
 */
import { earliest, type Monotonic, type Wall, wall } from '#base/time.ts';
import { CounterSet, type Counters } from '#engine/common/counters.ts';
import type { DesiredPart } from '#engine/contract/desired-state.ts';
import type { Engine, RandomBytes, Reconfigurable, Step } from '#engine/contract/engine.ts';
import type { CommonInput, NetworkInput, TrafficInput } from '#engine/contract/input.ts';
import type { LoginInput, QueryInput, RoamingInput } from '#engine/contract/ntmobile.ts';
import type { Output } from '#engine/contract/output.ts';
import { Sessions } from '#engine/sealed/sessions.ts';
import { Suite, suiteBit } from '#wire/ntmobile/datagram.ts';
import type { NtmobileOptionOf } from '#wire/ntmobile/options.ts';
import { AttachmentTracker } from './attachment-tracker.ts';
import type { NtmobileNodeConfiguration } from './configuration.ts';
import { CoordinatorLink } from './coordinator-link.ts';
import { uplinkPart, virtualAddressPart } from './desired-state.ts';
import { emitEvent } from './events.ts';
import { LOGIN_TABLE, Login } from './login.ts';
import { Names } from './names.ts';
import {
  type Answer,
  answerOperator,
  chosenInterface,
  localAddressFields,
} from './operator-commands.ts';
import { PathManager } from './paths/path-manager.ts';
import { NTMOBILE_NODE_COUNTERS, type NtmobileNodeCounter } from './reasons.ts';
import type { NodePurpose } from './request-purposes.ts';
import { RouteDirections } from './route-directions.ts';
import { SessionDispatch } from './session-dispatch.ts';
import { Trust } from './trust.ts';

export type NtmobileNodeInput =
  | CommonInput
  | NetworkInput
  | RoamingInput
  | LoginInput
  | QueryInput
  | TrafficInput;

/** Relays to which the node keeps a session before any path needs them. */
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

class NtmobileNode implements NtmobileNodeEngine {
  readonly #configuration: NtmobileNodeConfiguration;
  readonly #sessions: Sessions<NodePurpose>;
  readonly #counters = new CounterSet<NtmobileNodeCounter>(NTMOBILE_NODE_COUNTERS);
  readonly #login = new Login();
  readonly #coordinator: CoordinatorLink;
  readonly #pathManager: PathManager;
  readonly #names: Names;
  readonly #trust: Trust;
  readonly #routeDirections: RouteDirections;
  readonly #attachment: AttachmentTracker;
  #offsetMs = 0;
  /** The published desired state of the local addresses, as text. */
  #uplinks = JSON.stringify({ rules: [], routes: [] });

  constructor(configuration: NtmobileNodeConfiguration, random: RandomBytes) {
    this.#configuration = configuration;
    this.#attachment = new AttachmentTracker(
      configuration,
      () => this.#trust.granted?.systemPrefix,
    );
    const suites = suiteBit(Suite.aes128Gcm) | suiteBit(Suite.chacha20Poly1305);
    this.#sessions = new Sessions(
      { own: configuration.own, random, suites, credential: () => this.#trust.granted?.credential },
      new SessionDispatch({
        counters: this.#counters,
        coordinator: () => this.#coordinator,
        pathManager: () => this.#pathManager,
        trust: () => this.#trust,
        wall: (now) => this.#wall(now),
        followAsResponder: (step, message) =>
          this.#routeDirections.followAsResponder(step, message),
        directionAnswered: (step, purpose, answer) => this.#names.answered(step, purpose, answer),
      }),
    );
    this.#coordinator = new CoordinatorLink(this.#sessions, this.#counters, configuration.port, {
      registered: (step, relays) => this.#registered(step, relays),
      silent: (step) => this.#login.coordinatorSilent(step, spreadOf(configuration.own.publicKey)),
      candidatesChanged: (step) => this.#pathManager.announce(step),
    });
    this.#pathManager = new PathManager({
      ...{ sessions: this.#sessions, counters: this.#counters, random, port: configuration.port },
      attachment: () => this.#attachment.current,
      candidates: () => this.#coordinator.candidates(),
      nameLost: (step, name, retrySoon) => this.#names.lost(step, name, retrySoon),
      credentialEnding: (step, name) => this.#names.refresh(step, name),
      peerSilent: (step, name) => this.#names.silent(step, name),
    });
    this.#trust = new Trust(configuration.virtualIpv4Prefix);
    this.#routeDirections = new RouteDirections({
      ...{ trust: this.#trust, pathManager: this.#pathManager, counters: this.#counters },
      isRequestedPath: (pathId) => this.#names.isRequestedPath(pathId),
      isInUse: (step, name) => this.#names.isInUse(step, name),
      relayUnknown: (step) => this.#login.renewSoon(step),
      wall: ({ now }) => this.#wall(now),
      candidates: () => this.#coordinator.candidates(),
    });
    this.#names = new Names({
      ...{
        configuration,
        random,
        sessions: this.#sessions,
        counters: this.#counters,
        trust: this.#trust,
      },
      ...{ coordinator: this.#coordinator, directions: this.#routeDirections },
      attachment: () => this.#attachment.current,
    });
  }

  reconfigure(now: Monotonic, { interfaces }: Pick<NtmobileNodeConfiguration, 'interfaces'>): void {
    this.#attachment.reconfigure(now, interfaces);
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
    return earliest(
      sessions,
      this.#login.deadline(),
      this.#names.deadline(),
      this.#attachment.deadline(),
    );
  }

  step(now: Monotonic, input: NtmobileNodeInput, out: Output[]): void {
    const step = { now, out };
    this.#handle(step, input);
    if (input.kind !== 'record' && input.kind !== 'clock') this.#tick(step);
  }

  #handle(step: Step, input: NtmobileNodeInput): void {
    switch (input.kind) {
      case 'datagram':
        if (input.path.kind === 'datagram') this.#sessions.receive(step, input.path, input.packet);
        break;
      case 'network':
        this.#attachment.setInterfaces(input.interfaces);
        this.#updateAttachment(step);
        break;
      case 'roaming':
        this.#pathManager.peerRoamed(step, input.tunnel, input.remote, input.remotePort);
        break;
      case 'traffic':
        this.#pathManager.carried(step, input);
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
        this.#pathManager.setClockOffset(input.offsetMs);
        break;
      case 'record':
        if (input.table === LOGIN_TABLE) this.#login.restore(input.value);
        break;
      case 'restored':
        this.#trust.granted = this.#login.valid(this.#wall(step.now));
        if (this.#trust.granted === undefined) break;
        this.#applyCredential(step);
        this.#names.loginCompleted(step);
        break;
      case 'request':
        step.out.push({ kind: 'reply', id: input.id, ...this.#answerOperator(step, input) });
        break;
      default:
    }
  }

  #tick(step: Step): void {
    if (step.now >= this.#attachment.deadline()) this.#updateAttachment(step);
    if (this.#login.tick(step)) this.#credentialEnded(step);
    this.#sessions.tick(step);
    this.#coordinator.tick(step);
    this.#pathManager.tick(step);
    this.#names.tick(step);
  }

  #wall(now: Monotonic): Wall {
    return wall(now + this.#offsetMs);
  }

  // --- attachment and credential ---

  #updateAttachment(step: Step): void {
    const moved = this.#attachment.update(step.now);
    const attachment = this.#attachment.current;
    if (this.#attachment.attached) this.#login.start(step);
    // Packets from a new local address need its table and rule.
    this.#setDesiredUplinks(step);
    if (!moved) return;
    this.#counters.count('moved');
    if (this.#attachment.attached) this.#login.moved(step);
    emitEvent(step, 'moved', 'info', localAddressFields(attachment));
    this.#coordinator.moved(attachment);
    // Data depends on paths and relays, so they come before the coordinator.
    this.#pathManager.moved(step);
    if (this.#trust.granted !== undefined) this.#coordinator.start(step);
  }

  #setDesiredUplinks(step: Step): void {
    const { current, interfaces } = this.#attachment;
    const part = uplinkPart(current, interfaces, this.#configuration);
    const text = JSON.stringify(part);
    if (text === this.#uplinks) return;
    this.#uplinks = text;
    setDesired(step, 'ntmobile/uplinks', part);
  }

  #loggedIn(step: Step, input: LoginInput): void {
    if (!this.#login.completed(step, input)) {
      this.#counters.count('login-failed');
      this.#names.loginCompleted(step);
      return;
    }
    this.#counters.count('login');
    const renewed = this.#trust.granted !== undefined;
    this.#trust.granted = this.#login.valid(this.#wall(step.now));
    if (renewed) this.#coordinator.renewed(step);
    if (renewed) this.#pathManager.renewed(step);
    this.#applyCredential(step);
    this.#names.loginCompleted(step);
    if (this.#trust.own === undefined) return;
    const { name, virtualIpv6, virtualIpv4 } = this.#trust.own;
    const notAfter = this.#trust.granted?.notAfter;
    emitEvent(step, 'logged-in', 'info', {
      name,
      virtualIpv6,
      virtualIpv4,
      notAfterWallMs: notAfter,
      renewed,
    });
  }

  #applyCredential(step: Step): void {
    const granted = this.#trust.granted;
    const own =
      granted === undefined
        ? undefined
        : this.#trust.holder(
            this.#wall(step.now),
            granted.credential,
            this.#configuration.own.publicKey,
          );
    if (granted === undefined || typeof own !== 'object') return;
    const { virtualIpv6, virtualIpv4 } = own;
    const { virtualIpv4Prefix } = this.#configuration;
    const addresses = [virtualIpv6, virtualIpv4];
    setDesired(
      step,
      'ntmobile/own',
      virtualAddressPart(addresses, [granted.systemPrefix, virtualIpv4Prefix], this.#configuration),
    );
    this.#trust.own = own;
    this.#coordinator.setCoordinator(step, granted.coordinators[0]);
  }

  /** A disabled account reaches this point no later than the expiry of its credential. */
  #credentialEnded(step: Step): void {
    emitEvent(step, 'credential-ended', 'warn', { name: this.#trust.own?.name });
    this.#trust.granted = undefined;
    this.#trust.own = undefined;
    this.#coordinator.setCoordinator(step, undefined);
    this.#pathManager.endAll(step);
    setDesired(step, 'ntmobile/own', undefined);
  }

  #registered(step: Step, relays: readonly NtmobileOptionOf<'relay'>[]): void {
    this.#login.coordinatorAnswers(step);
    const known = relays.filter(({ publicKey }) => this.#trust.isRelay(publicKey));
    for (const _ of relays.slice(known.length)) this.#counters.count('relay-unknown');
    for (const option of known.slice(0, WARM_RELAYS)) this.#pathManager.relay(option).open(step);
    this.#names.registered(step);
  }

  // --- the operator ---

  #answerOperator(
    step: Step,
    { command, parameters }: Extract<CommonInput, { kind: 'request' }>,
  ): Answer {
    if (command === 'move') {
      const device = chosenInterface(this.#attachment.interfaces, parameters);
      if (typeof device === 'object') return device;
      this.#attachment.prefer(device);
      this.#updateAttachment(step);
      return { ok: true, value: localAddressFields(this.#attachment.current) };
    }
    const view = {
      ...{ own: this.#trust.own, granted: this.#trust.granted, loginFailure: this.#login.failure },
      ...{ attachment: this.#attachment.current },
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

/** From 0 to 1, different for each node. */
function spreadOf(publicKey: Uint8Array): number {
  return (publicKey[0] ?? 0) / 256;
}

function setDesired({ out }: Step, key: string, part: DesiredPart | undefined): void {
  out.push({ kind: 'set-desired', key, part });
}
