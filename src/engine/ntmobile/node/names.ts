/**
 * Queries of applications for names: answered from directions that are known, or after a Direction
 * Request to the coordinator.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Direction Request, Route Direction to the requester)
 */
import { equalBytes } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { NameAnswer, QueryInput } from '#engine/contract/ntmobile.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  findNtmobileOption,
  isDomainName,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import type { Attachment } from './attachment.ts';
import type { NtmobileNodeConfiguration } from './configuration.ts';
import type { CoordinatorLink } from './coordinator-link.ts';
import { type Direction, Directions, nameAnswer } from './directions.ts';
import type { NtmobileNodeCounter } from './reasons.ts';
import type { DirectionPurpose, NodePurpose } from './request-purposes.ts';
import type { Trust } from './trust.ts';

const DEFAULT_TIME_TO_LIVE_SECONDS = 60;
const LONGEST_TIME_TO_LIVE_SECONDS = 300;
/** T_first-login: applications ask again after 5 s, and most names are not names of the system. */
const FIRST_LOGIN_MS = 2_000;

/** Refusals that may be different soon. */
const PASSING: readonly number[] = [
  NtmobileStatus.peerNotReachable,
  NtmobileStatus.noRelay,
  NtmobileStatus.busy,
];

/** Follows Route Directions. */
interface DirectionFollower {
  /** The addresses for applications; undefined when the direction is not acceptable. */
  followAnswer(
    step: Step,
    requested: { readonly name: string; readonly pathId: Uint8Array },
    answer: Pick<ReceivedMessage, 'message' | 'octets'>,
  ): readonly IpAddress[] | undefined;
  /** The relay of the general node with that name; empty for any other name. */
  relayOf(name: string): readonly NtmobileOptionOf<'relay'>[];
}

/** The parts of the node that names use. */
interface NamesContext {
  readonly configuration: NtmobileNodeConfiguration;
  readonly random: RandomBytes;
  readonly sessions: Sessions<NodePurpose>;
  readonly counters: CounterSet<NtmobileNodeCounter>;
  readonly trust: Trust;
  readonly coordinator: CoordinatorLink;
  readonly directions: DirectionFollower;
  attachment(): Attachment;
}

export class Names {
  readonly #context: NamesContext;
  readonly #directions = new Directions();
  /**
   * Queries before the first login, when the names of the system are not known yet; undefined
   * afterwards.
   */
  #beforeLogin: QueryInput[] | undefined = [];
  #waitForLoginUntil: Monotonic = NEVER;

  constructor(context: NamesContext) {
    this.#context = context;
  }

  deadline(): Monotonic {
    return earliest(this.#directions.deadline(), this.#waitForLoginUntil);
  }

  tick(step: Step): void {
    if (step.now >= this.#waitForLoginUntil) this.loginCompleted(step);
    for (const direction of this.#directions.takeDue(step.now))
      this.#requestDirection(step, direction);
  }

  /**
   * The first login succeeded, failed or takes too long: queries that waited for it are answered
   * now.
   */
  loginCompleted(step: Step): void {
    const queries = this.#beforeLogin ?? [];
    this.#beforeLogin = undefined;
    this.#waitForLoginUntil = NEVER;
    for (const query of queries) this.query(step, query);
  }

  /** The node is registered: requests the directions that wait for it. */
  registered(step: Step): void {
    for (const direction of this.#directions.all()) {
      // A request in a session that ended gets no answer.
      if (
        direction.postponed ||
        direction.pendingSession !== undefined ||
        direction.waiting.length > 0
      )
        this.#requestDirection(step, direction);
    }
  }

  /** The path to that name ended. `retrySoon`: it may be available again at once. */
  lost(step: Step, name: string, retrySoon: boolean): void {
    const direction = this.#directions.get(name);
    if (direction === undefined) return;
    if (retrySoon) this.#directions.retryNow(direction);
    this.#directions.lost(step.now, direction);
  }

  /** The peer's credential ends soon: asks for the one that it has now. */
  refresh(step: Step, name: string): void {
    const direction = this.#directions.get(name);
    if (direction !== undefined) this.#requestDirection(step, direction);
  }

  /**
   * The peer of that name does not answer, and both nodes may need new keys. The name counts as in
   * use for a while, whichever node asked for the other.
   */
  silent(step: Step, name: string): void {
    const direction = this.#directions.request(step.now, name, () => this.#context.random(8));
    if (direction.pendingSession === undefined) this.#directions.lost(step.now, direction);
  }

  /** Whether applications used the name recently. */
  isInUse({ now }: Step, name: string): boolean {
    return (this.#directions.get(name)?.inUseUntil ?? now) > now;
  }

  /** Whether a Direction Request of this node has the path id. */
  isRequestedPath(pathId: Uint8Array): boolean {
    for (const direction of this.#directions.all())
      if (equalBytes(direction.pathId, pathId)) return true;
    return false;
  }

  answered(step: Step, { name }: DirectionPurpose, answer: ReceivedMessage | undefined): void {
    const direction = this.#directions.get(name);
    if (direction !== undefined) this.#directionAnswered(step, direction, answer);
  }

  query(step: Step, query: QueryInput): void {
    if (this.#beforeLogin !== undefined) {
      this.#beforeLogin.push(query);
      this.#waitForLoginUntil = earliest(this.#waitForLoginUntil, after(step.now, FIRST_LOGIN_MS));
      return;
    }
    const { id, name, unreachable } = query;
    const answer = (given: NameAnswer): void => {
      step.out.push({ kind: 'answer', id, answer: given });
    };
    if (this.#context.trust.granted === undefined || !this.#isOverlayName(name, unreachable)) {
      const { ipv4, ipv6 } = this.#context.attachment();
      answer({
        outcome: 'forward',
        families: [
          ...(ipv4 === undefined ? [] : [4 as const]),
          ...(ipv6 === undefined ? [] : [6 as const]),
        ],
        virtualPrefixes: this.#context.trust.virtualPrefixes,
      });
      return;
    }
    // No node has the zone's own name or names of services in it.
    if (name === this.#context.trust.granted.zone || !isDomainName(name)) {
      answer({
        outcome: 'addresses',
        addresses: [],
        timeToLiveSeconds: DEFAULT_TIME_TO_LIVE_SECONDS,
      });
      return;
    }
    const direction = this.#directions.request(step.now, name, () => this.#context.random(8));
    if (direction.freshUntil > step.now) {
      answer(nameAnswer(step.now, direction));
      return;
    }
    direction.waiting.push(id);
    this.#requestDirection(step, direction);
  }

  #isOverlayName(name: string, unreachable: boolean): boolean {
    const { generalNames, unreachableNames } = this.#context.configuration;
    const domains = [
      ...generalNames,
      ...(this.#context.trust.granted === undefined ? [] : [this.#context.trust.granted.zone]),
    ];
    if (domains.some((domain) => name === domain || name.endsWith(`.${domain}`))) return true;
    return unreachable && unreachableNames;
  }

  /** Requests the direction now, or as soon as the node is registered. */
  #requestDirection(step: Step, direction: Direction): void {
    const session = this.#context.coordinator.session;
    direction.postponed = session === undefined;
    if (session === undefined || direction.pendingSession === session) return;
    direction.pendingSession = session;
    const options: readonly NtmobileOption[] = [
      { type: 'name', name: direction.name },
      { type: 'path-id', pathId: direction.pathId },
      ...this.#context.coordinator.candidates(),
      ...this.#context.directions.relayOf(direction.name),
    ];
    this.#context.sessions.request(
      step,
      session,
      { type: 'direction-request', options },
      { part: 'direction', name: direction.name },
    );
  }

  #directionAnswered(
    step: Step,
    direction: Direction,
    received: ReceivedMessage | undefined,
  ): void {
    direction.pendingSession = undefined;
    const answer = received?.message;
    const addresses =
      received !== undefined && answer?.status === NtmobileStatus.granted
        ? this.#context.directions.followAnswer(step, direction, received)
        : undefined;
    if (addresses === undefined) {
      this.#context.counters.count('direction-refused');
      // After a wrong direction, another node may have a leg of this path at the relay.
      if (answer?.status === NtmobileStatus.granted) direction.pathId = this.#context.random(8);
      if (answer === undefined || PASSING.includes(answer.status))
        this.#directions.lost(step.now, direction);
      const outcome = answer?.status === NtmobileStatus.noSuchName ? 'no-such-name' : 'failure';
      this.#answerWaiting(step, direction, { outcome });
      return;
    }
    const seconds =
      findNtmobileOption(answer?.options ?? [], 'time-to-live')?.seconds ??
      DEFAULT_TIME_TO_LIVE_SECONDS;
    this.#directions.granted(
      step.now,
      direction,
      addresses,
      Math.min(seconds, LONGEST_TIME_TO_LIVE_SECONDS),
    );
    this.#answerWaiting(step, direction, nameAnswer(step.now, direction));
  }

  #answerWaiting({ out }: Step, { waiting }: Direction, answer: NameAnswer): void {
    for (const id of waiting.splice(0)) out.push({ kind: 'answer', id, answer });
  }
}
