/**
 * The session of a node with one relay: legs of paths, round trip, recovery after a move or a
 * restart.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Relay Attach, Keep Alive, Release), §7
 *
 * An authenticated message from another address moves everything that the node has at the relay, so
 * that one Keep Alive goes ahead of the data.
 */

import { hex } from '#base/bytes.ts';
import { after, type Monotonic, monotonic } from '#base/time.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import { Timers, type TimerTable } from '#engine/common/timers.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { SHORT_PADDING_OCTETS } from '#engine/sealed/control-requests.ts';
import type { RequestTiming } from '#engine/sealed/request-timing.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { sameRemoteEndpoint } from '#engine/sealed/udp-path.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile/message.ts';
import {
  type Endpoint,
  findNtmobileOption,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import { type Attachment, udpPathTo } from '../attachment.ts';
import { KEEPALIVE_MS } from '../nat-mapping.ts';
import type { NodePurpose, RelayPurpose } from '../request-purposes.ts';
import { endpointKey } from './direct-paths.ts';
import { PathQuestions, QUESTION } from './path-questions.ts';

const ANSWER_MS = 2_000;
/** From a handshake without an answer to the next one; doubled while no endpoint ever answered. */
const RETRY_MS = 500;
const LONGEST_RETRY_MS = 60_000;
/** A restarted relay calls until the node answers: all calls within this time count as one. */
const ONE_CALL_MS = 5_000;
const NO_PATH = new Uint8Array(8);
/**
 * The relay sends at most three times the received octets to an unvalidated address
 * (anti-amplification limit, RFC 9000 §8.1). An ordinary Keep Alive is large enough for the Path
 * Challenges that may follow. The first one from a new address is 1,200 octets long, enough for
 * some packets of data as well.
 */
const PADDING = { type: 'padding', data: new Uint8Array(SHORT_PADDING_OCTETS) } as const;
const LONG_PADDING = { type: 'padding', data: new Uint8Array(1_200 - 35) } as const;

const TIMERS = {
  keepalive: 'The NAT mapping would expire soon, and the round trip may have changed.',
  retry: 'Retry after a handshake without an answer.',
} as const satisfies TimerTable;

interface Leg {
  readonly pathId: Uint8Array;
  readonly token: Uint8Array;
  /** The index at the relay; undefined before the relay answered. */
  index: number | undefined;
}

/** Events of the link for the node. */
interface RelayListener {
  /** The datagram that the relay forwards as soon as it has made the leg. */
  firstDatagram(step: Step, path: string): Uint8Array | undefined;
  /** The leg has its index. `passed`: the relay forwards the first datagram. */
  attached(step: Step, path: string, passed: boolean): void;
  /** The relay refused the leg, or lost it with its keys. */
  detached(step: Step, path: string): void;
  /** The relay is reached at another of its endpoints. */
  rerouted(step: Step): void;
  /** The relay does not answer; the link tries again. */
  unreached(step: Step): void;
}

export class RelayLink {
  readonly publicKey: Uint8Array;
  /** The public key in hexadecimal digits. */
  readonly id: string;
  readonly #sessions: Sessions<NodePurpose>;
  readonly #port: number;
  readonly #listener: RelayListener;
  readonly #timers = new Timers<keyof typeof TIMERS>();
  readonly #legs = new Map<string, Leg>();
  readonly #questions = new PathQuestions();
  #endpoints: readonly Endpoint[];
  /** Endpoints that did not answer, by key; used only without another one. */
  readonly #silent = new Set<string>();
  /** Endpoints at which the relay has answered: a coordinator can name those of anybody. */
  readonly #proved = new Set<string>();
  #unanswered = 0;
  #openAt: Monotonic = monotonic(0);
  #askedUntil: Monotonic = monotonic(0);
  #attachment: Attachment;
  #session: Session | undefined;
  #move = 0;
  /** Timestamp of the newest call, microseconds. */
  #lastCallTimestamp = 0n;
  #restartedAt: Monotonic | undefined;
  /** The last measurement; undefined before the first one. */
  roundTripMs: number | undefined;

  constructor(
    { publicKey, endpoints }: NtmobileOptionOf<'relay'>,
    node: {
      readonly sessions: Sessions<NodePurpose>;
      readonly port: number;
      readonly attachment: Attachment;
    },
    listener: RelayListener,
  ) {
    this.publicKey = publicKey;
    this.id = hex(publicKey);
    this.#endpoints = endpoints;
    this.#sessions = node.sessions;
    this.#port = node.port;
    this.#attachment = node.attachment;
    this.#listener = listener;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  /**
   * The path to the relay, or with an index through its leg; undefined without a local address of a
   * family that the relay has.
   */
  udpPath(relayIndex = 0): UdpPath | undefined {
    const paths = this.#endpoints.flatMap((endpoint) => {
      const udpPath = udpPathTo(this.#attachment, this.#port, endpoint, relayIndex);
      return udpPath === undefined ? [] : [{ key: endpointKey(endpoint), udpPath }];
    });
    return (paths.find(({ key }) => !this.#silent.has(key)) ?? paths[0])?.udpPath;
  }

  /** The tunnel to the relay carried data, or did not; says whether the node asks. */
  carried(step: Step, sample: TrafficSample): boolean {
    if (this.#session?.current === undefined) return false;
    this.#sessions.carried(step, this.#session, sample);
    const asks = this.#questions.sample(step.now, sample);
    if (asks) this.ask(step);
    return asks;
  }

  /** Asks whether the relay still answers, unless a question is under way. */
  ask(step: Step): void {
    if (step.now < this.#askedUntil) return;
    this.#askedUntil = after(step.now, QUESTION.attemptMs);
    this.#keepAlive(step, PADDING, QUESTION);
  }

  /** The path through the leg of a path; undefined without a leg. */
  udpPathOfLeg(path: string): UdpPath | undefined {
    const index = this.#legs.get(path)?.index;
    return index === undefined ? undefined : this.udpPath(index);
  }

  /** The coordinator named the relay again. */
  setEndpoints({ endpoints }: NtmobileOptionOf<'relay'>): void {
    this.#endpoints = endpoints;
  }

  /** Starts a session unless there is one, or the last attempt is too recent. */
  open(step: Step): void {
    const udpPath = this.udpPath();
    if (this.#session !== undefined || udpPath === undefined || step.now < this.#openAt) return;
    const to = { publicKey: this.publicKey, use: HandshakeUse.relay, pathId: NO_PATH, udpPath };
    this.#session = this.#sessions.connect(step, to);
  }

  /**
   * The relay sent a Tunnel Request: it was restarted and lost its keys. `timestamp` is that of the
   * request, so that a replayed call is ignored.
   */
  relayRestarted(step: Step, timestamp: bigint): void {
    const recently = this.#restartedAt !== undefined && step.now - this.#restartedAt < ONE_CALL_MS;
    if (timestamp <= this.#lastCallTimestamp) return;
    this.#lastCallTimestamp = timestamp;
    if (recently || this.#session === undefined) return;
    this.#restart(step);
    this.#loseLegs(step);
  }

  /** The relay must see the new credential before the former one expires. */
  renewed(step: Step): void {
    if (this.#session !== undefined) this.#sessions.rekey(step, this.#session);
  }

  attach(step: Step, pathId: Uint8Array, token: Uint8Array): void {
    const leg = { pathId, token, index: this.#legs.get(hex(pathId))?.index };
    this.#legs.set(hex(pathId), leg);
    if (this.#session?.current === undefined) this.open(step);
    else this.#requestLeg(step, this.#session, leg);
  }

  release(step: Step, pathId: Uint8Array): void {
    const session = this.#session;
    if (this.#legs.delete(hex(pathId)) && session?.current !== undefined) {
      this.#sessions.notify(step, session, 'release', [{ type: 'path-id', pathId }]);
    }
  }

  moved(step: Step, attachment: Attachment): void {
    this.#attachment = attachment;
    this.#silent.clear();
    this.#move += 1;
    this.#openAt = step.now;
    const udpPath = this.udpPath();
    if (udpPath === undefined) return;
    if (this.#session?.current === undefined) {
      this.#restart(step);
      return;
    }
    this.#session.udpPath = udpPath;
    this.#keepAlive(step, LONG_PADDING);
  }

  established(step: Step): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#proved.add(keyOf(session.udpPath));
    for (const leg of this.#legs.values())
      if (leg.index === undefined) this.#requestLeg(step, session, leg);
    this.#keepAlive(step);
  }

  ended(step: Step): void {
    const isProved = this.#session !== undefined && this.#proved.has(keyOf(this.#session.udpPath));
    const waitMs = RETRY_MS * 2 ** (isProved ? 0 : this.#unanswered);
    this.#unanswered = isProved ? 0 : this.#unanswered + 1;
    this.#session = undefined;
    this.#openAt = after(step.now, Math.min(waitMs, LONGEST_RETRY_MS));
    this.#timers.set('retry', this.#openAt);
    this.#loseLegs(step);
    this.#listener.unreached(step);
  }

  #restart(step: Step): void {
    if (this.#session !== undefined) this.#sessions.discard(this.#session);
    this.#session = undefined;
    this.#restartedAt = step.now;
    this.open(step);
  }

  #loseLegs(step: Step): void {
    const paths = [...this.#legs.keys()];
    this.#legs.clear();
    for (const path of paths) this.#listener.detached(step, path);
  }

  #requestLeg(step: Step, session: Session, { pathId, token }: Leg): void {
    const path = hex(pathId);
    const datagram = this.#listener.firstDatagram(step, path);
    const first = datagram === undefined ? [] : [{ type: 'first-datagram', datagram } as const];
    const options = [{ type: 'relay-token', token } as const, ...first];
    const purpose = { part: 'relay', kind: 'attach', relay: this.id, path } as const;
    this.#sessions.request(step, session, { type: 'relay-attach-request', options }, purpose);
  }

  #keepAlive(
    step: Step,
    padding: NtmobileOption = PADDING,
    timing: RequestTiming = { attemptMs: ANSWER_MS },
  ): void {
    if (this.#session?.current === undefined) return;
    const purpose = {
      part: 'relay',
      kind: 'keepalive',
      relay: this.id,
      move: this.#move,
      sentAt: step.now,
    } as const;
    this.#sessions.request(
      step,
      this.#session,
      { type: 'keep-alive', options: [padding], ...timing },
      purpose,
    );
  }

  answered(step: Step, purpose: RelayPurpose, answer: NtmobileMessage | undefined): void {
    if (purpose.kind === 'attach') {
      this.#attached(step, purpose.path, answer);
      return;
    }
    if (purpose.move !== this.#move) return;
    if (answer === undefined) {
      if (this.#tryNextEndpoint(step)) return;
      // The relay may have lost its keys and every leg. Legs need new keys and a new direction.
      this.#restart(step);
      this.#loseLegs(step);
      this.#listener.unreached(step);
      return;
    }
    this.#questions.answered(step.now);
    this.roundTripMs = step.now - purpose.sentAt;
    this.#timers.set('keepalive', after(step.now, KEEPALIVE_MS));
  }

  /** The session and its legs follow to another endpoint of the relay, if it has one. */
  #tryNextEndpoint(step: Step): boolean {
    const silent = this.udpPath();
    if (silent === undefined || this.#session === undefined) return false;
    this.#silent.add(keyOf(silent));
    const next = this.udpPath();
    if (next === undefined || sameRemoteEndpoint(next, silent)) {
      this.#silent.clear();
      return false;
    }
    this.#move += 1;
    this.#session.udpPath = next;
    this.#questions.switched(step.now);
    this.#keepAlive(step, LONG_PADDING, QUESTION);
    this.#listener.rerouted(step);
    return true;
  }

  #attached(step: Step, path: string, answer: NtmobileMessage | undefined): void {
    const leg = this.#legs.get(path);
    if (leg === undefined) return;
    const index =
      answer === undefined ? undefined : findNtmobileOption(answer.options, 'relay-index')?.index;
    if (answer?.status === NtmobileStatus.granted && index !== undefined) {
      leg.index = index;
      this.#listener.attached(
        step,
        path,
        findNtmobileOption(answer.options, 'first-datagram') !== undefined,
      );
      return;
    }
    this.#legs.delete(path);
    this.#listener.detached(step, path);
  }

  tick(step: Step): void {
    for (
      let due = this.#timers.due(step.now);
      due !== undefined;
      due = this.#timers.due(step.now)
    ) {
      if (due === 'keepalive') this.#keepAlive(step);
      else this.open(step);
    }
  }
}

const keyOf = ({ remote, remotePort }: UdpPath): string =>
  endpointKey({ address: remote, port: remotePort });
