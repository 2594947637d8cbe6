/**
 * A relay's registrations with its direction coordinators, which give it the keys of their tokens.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Registration Request of a relay), §7 (token key)
 */
import { isIpv6, UNSPECIFIED_V4, UNSPECIFIED_V6 } from '#base/ip.ts';
import type { JsonObject } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { CoordinatorDescription } from '#engine/contract/ntmobile.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { CandidateKind, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import type { RelayConfiguration } from './configuration.ts';
import type { RelayCounter } from './reasons.ts';
import type { RelayPurpose } from './request-purposes.ts';

const FIRST_RETRY_MS = 1_000;
/** Back-off limit for a coordinator that refuses; a silent one is retried without back-off. */
const LONGEST_RETRY_MS = 60_000;
/** Bounds the time until the relay notices that a restarted coordinator lost its registration. */
const KEEPALIVE_MS = 2_000;
const ANSWER_MS = 1_500;
const NO_PATH = new Uint8Array(8);

interface RegistrationGrant {
  readonly tokenKey: Uint8Array;
  readonly lifetimeSeconds: number;
}

/** The registration with one coordinator. */
class CoordinatorLink implements Timed {
  readonly coordinator: CoordinatorDescription;
  session: Session | undefined;
  tokenKey: Uint8Array | undefined;
  registeredUntil: Monotonic | undefined;
  registerAt: Monotonic = NEVER;
  retryMs = FIRST_RETRY_MS;
  /** The event `registered` was emitted, and `coordinator-lost` was not. */
  reported = false;
  /** Number of handshakes; each uses the next endpoint. */
  attempts = 0;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(coordinator: CoordinatorDescription) {
    this.coordinator = coordinator;
  }
}

interface CoordinatorLinksOptions {
  readonly configuration: RelayConfiguration;
  readonly sessions: Sessions<RelayPurpose>;
  readonly counters: CounterSet<RelayCounter>;
  /** How full the relay is, in thousandths. */
  load(): number;
}

export class CoordinatorLinks {
  readonly #options: CoordinatorLinksOptions;
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #links: readonly CoordinatorLink[];
  readonly #timers = new TimerHeap<CoordinatorLink>();

  constructor(options: CoordinatorLinksOptions) {
    const { coordinators } = options.configuration;
    this.#options = options;
    this.#sessions = options.sessions;
    this.#links = coordinators.map((coordinator) => new CoordinatorLink(coordinator));
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** The keys that verify tokens of the coordinators. */
  tokenKeys(): readonly Uint8Array[] {
    return this.#links.flatMap(({ tokenKey }) => (tokenKey === undefined ? [] : [tokenKey]));
  }

  has(session: Session): boolean {
    return this.#linkOf(session) !== undefined;
  }

  start(step: Step): void {
    for (const link of this.#links) this.#connect(step, link);
  }

  tick(step: Step): void {
    for (
      let link = this.#timers.takeDue(step.now);
      link !== undefined;
      link = this.#timers.takeDue(step.now)
    ) {
      if (link.session?.current === undefined) this.#connect(step, link);
      else if (link.registerAt <= step.now) this.#register(step, link, link.session);
      else this.#keepAlive(step, link.session);
    }
  }

  #keepAlive(step: Step, session: Session): void {
    const request = { type: 'keep-alive', options: [], attemptMs: ANSWER_MS } as const;
    this.#sessions.request(step, session, request, { kind: 'keepalive' });
  }

  /** A Keep Alive was answered or timed out. A timeout starts a new handshake at once. */
  keepaliveAnswered(step: Step, session: Session, answer: NtmobileMessage | undefined): void {
    const link = this.#linkOf(session);
    if (link === undefined) return;
    if (answer !== undefined) {
      this.#scheduleKeepAlive(step, link);
      return;
    }
    this.#sessions.discard(session);
    this.#lost(step, link);
    this.#connect(step, link);
  }

  #scheduleKeepAlive(step: Step, link: CoordinatorLink): void {
    this.#timers.set(link, earliest(after(step.now, KEEPALIVE_MS), link.registerAt));
  }

  established(step: Step, session: Session): void {
    const link = this.#linkOf(session);
    if (link === undefined) return;
    session.current?.forgetDataKeys();
    this.#register(step, link, session);
  }

  /** A Registration Request was answered or timed out. */
  registrationAnswered(step: Step, session: Session, answer: NtmobileMessage | undefined): void {
    const link = this.#linkOf(session);
    if (link === undefined) return;
    const granted = readGrant(answer);
    if (granted !== undefined) {
      this.#registered(step, link, session, granted);
      return;
    }
    this.#sessions.discard(session);
    this.#failed(step, link);
    if (answer !== undefined) link.retryMs = Math.min(link.retryMs * 2, LONGEST_RETRY_MS);
  }

  #registered(
    step: Step,
    link: CoordinatorLink,
    session: Session,
    { tokenKey, lifetimeSeconds }: RegistrationGrant,
  ): void {
    this.#options.counters.count('registered');
    if (!link.reported) {
      const fields = {
        coordinator: link.coordinator.name,
        remote: session.udpPath.remote,
        lifetimeSeconds,
      };
      step.out.push({ kind: 'event', event: { name: 'registered', level: 'info', fields } });
    }
    link.reported = true;
    link.tokenKey = tokenKey;
    link.retryMs = FIRST_RETRY_MS;
    link.registeredUntil = after(step.now, lifetimeSeconds * 1000);
    link.registerAt = after(step.now, Math.max(lifetimeSeconds * 500, FIRST_RETRY_MS));
    this.#scheduleKeepAlive(step, link);
  }

  ended(step: Step, session: Session): void {
    const link = this.#linkOf(session);
    if (link !== undefined) this.#failed(step, link);
  }

  /** For the operator. */
  list(now: Monotonic): readonly JsonObject[] {
    return this.#links.map(({ coordinator: { name }, session, registeredUntil }) => ({
      ...{ coordinator: name, session: session?.current !== undefined },
      registered: registeredUntil !== undefined && registeredUntil > now,
    }));
  }

  #linkOf(session: Session): CoordinatorLink | undefined {
    return this.#links.find((link) => link.session === session);
  }

  /** Keeps the token key: tokens stay valid until they expire, without the coordinator. */
  #failed(step: Step, link: CoordinatorLink): void {
    this.#options.counters.count('registration-failed');
    this.#lost(step, link);
    this.#timers.set(link, after(step.now, link.retryMs));
  }

  #lost({ out }: Step, link: CoordinatorLink): void {
    if (link.reported) {
      const fields = { coordinator: link.coordinator.name };
      out.push({ kind: 'event', event: { name: 'coordinator-lost', level: 'warn', fields } });
    }
    link.reported = false;
    link.session = undefined;
  }

  #connect(step: Step, link: CoordinatorLink): void {
    const { publicKey, endpoints } = link.coordinator;
    const endpoint = endpoints[link.attempts % endpoints.length];
    if (endpoint === undefined) return;
    link.attempts += 1;
    const local = isIpv6(endpoint.address) ? UNSPECIFIED_V6 : UNSPECIFIED_V4;
    const udpPath: UdpPath = {
      ...{ local, localPort: this.#options.configuration.port },
      ...{ remote: endpoint.address, remotePort: endpoint.port, relayIndex: 0 },
    };
    link.session = this.#sessions.connect(step, {
      publicKey,
      use: HandshakeUse.coordinator,
      pathId: NO_PATH,
      udpPath,
    });
  }

  #register(step: Step, link: CoordinatorLink, session: Session): void {
    // The answer or its timeout sets the timer again.
    this.#timers.remove(link);
    const { lifetimeSeconds, endpoints } = this.#options.configuration;
    const options: readonly NtmobileOption[] = [
      { type: 'lifetime', seconds: lifetimeSeconds },
      ...endpoints.map(
        (endpoint) =>
          ({ type: 'candidate', kind: CandidateKind.host, priority: 0, endpoint }) as const,
      ),
      { type: 'load', thousandths: this.#options.load() },
    ];
    this.#sessions.request(
      step,
      session,
      { type: 'registration-request', options },
      { kind: 'registration' },
    );
  }
}

/** Undefined unless the answer grants a registration. */
function readGrant(answer: NtmobileMessage | undefined): RegistrationGrant | undefined {
  if (answer?.type !== 'registration-response' || answer.status !== NtmobileStatus.granted)
    return undefined;
  const tokenKey = findNtmobileOption(answer.options, 'token-key')?.key;
  const lifetimeSeconds = findNtmobileOption(answer.options, 'lifetime')?.seconds ?? 0;
  return tokenKey === undefined ? undefined : { tokenKey, lifetimeSeconds };
}
