/**
 * A relay's registrations with its direction coordinators, and the keys of tokens that it gets
 * there.
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
import type { EngineEvent } from '#engine/contract/output.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import { CandidateKind, findNtmobileOption, type NtmobileOption } from '#wire/ntmobile/options.ts';
import type { RelayConfiguration } from './configuration.ts';
import type { RelayCounter } from './reasons.ts';
import type { RelayPurpose } from './request-purposes.ts';

const FIRST_RETRY_MS = 1_000;
/** Of a coordinator that refuses; one that is silent is asked all the time. */
const LONGEST_RETRY_MS = 60_000;
/** A coordinator that was started again knows nothing of us: this is how soon that is found out. */
const KEEPALIVE_MS = 2_000;
const ANSWER_MS = 1_500;
const NO_PATH = new Uint8Array(8);

/** With one coordinator. */
class CoordinatorLink implements Timed {
  readonly coordinator: CoordinatorDescription;
  session: Session | undefined;
  tokenKey: Uint8Array | undefined;
  registeredUntil: Monotonic | undefined;
  registerAt: Monotonic = NEVER;
  retryMs = FIRST_RETRY_MS;
  /** That it is registered. */
  told = false;
  /** Handshakes begun: each goes to the next endpoint. */
  attempts = 0;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(coordinator: CoordinatorDescription) {
    this.coordinator = coordinator;
  }
}

export class CoordinatorLinks {
  readonly #configuration: RelayConfiguration;
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #links: readonly CoordinatorLink[];
  readonly #timers = new TimerHeap<CoordinatorLink>();
  /** How full the relay is, thousandths. */
  readonly #load: () => number;
  readonly #tell: (event: EngineEvent) => void;

  constructor(
    configuration: RelayConfiguration,
    sessions: Sessions<RelayPurpose>,
    counters: CounterSet<RelayCounter>,
    load: () => number,
    tell: (event: EngineEvent) => void,
  ) {
    this.#configuration = configuration;
    this.#sessions = sessions;
    this.#counters = counters;
    this.#load = load;
    this.#tell = tell;
    this.#links = configuration.coordinators.map((coordinator) => new CoordinatorLink(coordinator));
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /** Keys under which a token may be made. */
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
    const asked = { type: 'keep-alive', options: [], attemptMs: ANSWER_MS } as const;
    this.#sessions.request(step, session, asked, { kind: 'keepalive' });
  }

  /** The answer to a Keep Alive; without one new keys are asked for at once. */
  keepaliveAnswered(step: Step, session: Session, answer: NtmobileMessage | undefined): void {
    const link = this.#linkOf(session);
    if (link === undefined) return;
    if (answer !== undefined) {
      this.#rest(step, link);
      return;
    }
    this.#sessions.discard(session);
    this.#lost(link);
    this.#connect(step, link);
  }

  #rest(step: Step, link: CoordinatorLink): void {
    this.#timers.set(link, earliest(after(step.now, KEEPALIVE_MS), link.registerAt));
  }

  established(step: Step, session: Session): void {
    const link = this.#linkOf(session);
    if (link === undefined) return;
    session.current?.forgetDataKeys();
    this.#register(step, link, session);
  }

  answered(step: Step, session: Session, answer: NtmobileMessage | undefined): void {
    const link = this.#linkOf(session);
    if (link === undefined) return;
    const key =
      answer === undefined ? undefined : findNtmobileOption(answer.options, 'token-key')?.key;
    const seconds =
      answer === undefined ? 0 : (findNtmobileOption(answer.options, 'lifetime')?.seconds ?? 0);
    if (
      answer?.type !== 'registration-response' ||
      answer.status !== NtmobileStatus.granted ||
      key === undefined
    ) {
      this.#sessions.discard(session);
      this.#failed(step, link);
      if (answer !== undefined) link.retryMs = Math.min(link.retryMs * 2, LONGEST_RETRY_MS);
      return;
    }
    this.#counters.count('registered');
    if (!link.told) {
      const fields = {
        coordinator: link.coordinator.name,
        remote: session.udpPath.remote,
        lifetimeSeconds: seconds,
      };
      this.#tell({ name: 'registered', level: 'info', fields });
    }
    link.told = true;
    link.tokenKey = key;
    link.retryMs = FIRST_RETRY_MS;
    link.registeredUntil = after(step.now, seconds * 1000);
    link.registerAt = after(step.now, Math.max(seconds * 500, FIRST_RETRY_MS));
    this.#rest(step, link);
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

  /**
   * The key of tokens stays: those that it made are good until they are over, whether the
   * coordinator answers or not.
   */
  #failed(step: Step, link: CoordinatorLink): void {
    this.#counters.count('registration-failed');
    this.#lost(link);
    this.#timers.set(link, after(step.now, link.retryMs));
  }

  #lost(link: CoordinatorLink): void {
    if (link.told)
      this.#tell({
        name: 'coordinator-lost',
        level: 'warn',
        fields: { coordinator: link.coordinator.name },
      });
    link.told = false;
    link.session = undefined;
  }

  #connect(step: Step, link: CoordinatorLink): void {
    const { publicKey, endpoints } = link.coordinator;
    const endpoint = endpoints[link.attempts % endpoints.length];
    if (endpoint === undefined) return;
    link.attempts += 1;
    const local = isIpv6(endpoint.address) ? UNSPECIFIED_V6 : UNSPECIFIED_V4;
    const udpPath: UdpPath = {
      ...{ local, localPort: this.#configuration.port },
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
    // Until its answer comes, or does not.
    this.#timers.remove(link);
    const options: readonly NtmobileOption[] = [
      { type: 'lifetime', seconds: this.#configuration.lifetimeSeconds },
      ...this.#configuration.endpoints.map(
        (endpoint) =>
          ({ type: 'candidate', kind: CandidateKind.host, priority: 0, endpoint }) as const,
      ),
      { type: 'load', thousandths: this.#load() },
    ];
    this.#sessions.request(
      step,
      session,
      { type: 'registration-request', options },
      { kind: 'registration' },
    );
  }
}
