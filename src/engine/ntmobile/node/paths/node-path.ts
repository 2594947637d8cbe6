/**
 * A path to another node: its session, and the UDP path in use. Data goes through the relay at
 * first, directly after a check was answered, and through the relay again when checks fail.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Path Challenge, Path Response); a move is authenticated
 * and the path is checked before data follows
 *
 * A node that moved sends a challenge with its candidates through the relay. Its peer recognizes
 * the move by unknown host candidates, and sends through the relay until a direct path answers
 * again. Transactions increase within a session, so that a delayed challenge changes nothing.
 */
import { hex } from '#base/bytes.ts';
import type { IpAddress } from '#base/ip.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import type { TrafficSample } from '#engine/common/path-watch.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { pathResponse } from '#engine/ntmobile/common/path-response.ts';
import type { ControlRequest } from '#engine/sealed/control-messages.ts';
import type { RequestTiming } from '#engine/sealed/request-timing.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { sameRemoteEndpoint } from '#engine/sealed/udp-path.ts';
import type { NtmobileMessage } from '#wire/ntmobile/message.ts';
import {
  type Endpoint,
  filterNtmobileOptions,
  type NtmobileOption,
  type NtmobileOptionOf,
} from '#wire/ntmobile/options.ts';
import type { PeerNode } from '../peer-node.ts';
import type { NtmobileNodeCounter } from '../reasons.ts';
import type { NodePurpose, PathPurpose } from '../request-purposes.ts';
import type { CheckBudgets } from './check-budgets.ts';
import { type DirectPath, DirectPaths, hostsOf, isValidResponse } from './direct-paths.ts';
import { PathQuestions, QUESTION } from './path-questions.ts';

const CHECK_MS = 2_500;
/** A second transmission only: an endpoint that did not answer the first check may be anybody's. */
const UNPROVED_RETRANSMISSION_MS = 2_000;
/**
 * Interval of checks through the relay while data goes there; longer after a check without an
 * answer.
 */
const RELAYED_LIVENESS_MS = 5_000;
const SILENT_RETRY_MS = 15_000;
/**
 * The relay moves the node's leg when it processes the Keep Alive. A datagram that follows
 * immediately might still be dropped.
 */
const ANNOUNCEMENT_MS = 30;

/** The parts of the node that a path uses. */
export interface PathContext {
  readonly sessions: Sessions<NodePurpose>;
  readonly counters: CounterSet<NtmobileNodeCounter>;
  readonly random: RandomBytes;
  readonly budgets: CheckBudgets;
  /** Undefined where no other node can be, and without a local address of that family. */
  udpPathToPeer(endpoint: Endpoint): UdpPath | undefined;
  /** Endpoints where other nodes may reach this node. */
  candidates(): readonly NtmobileOptionOf<'candidate'>[];
  /** The UDP path or the keys changed. */
  pathChanged(step: Step, path: NodePath): void;
  /** The peer does not answer through the relay: it may have lost the path. */
  pathSilent(step: Step, path: NodePath): void;
}

type CheckOptions = Pick<ControlRequest, 'retransmissionMs' | 'admit'>;

/** The relay of a path; its leg there has an index once the relay granted it. */
interface PathRelay {
  udpPath(): UdpPath | undefined;
  udpPathOfLeg(path: string): UdpPath | undefined;
  attach(step: Step, pathId: Uint8Array, token: Uint8Array): void;
  release(step: Step, pathId: Uint8Array): void;
  /** Asks whether the relay still answers. */
  ask(step: Step): void;
}

export class NodePath {
  readonly pathId: Uint8Array;
  readonly id: string;
  /** The newest credential of the peer. */
  peer: PeerNode;
  readonly initiator: boolean;
  relay: PathRelay | undefined;
  session: Session | undefined;
  /**
   * Keys that the peer may use before the first handshake is complete: its data may overtake its
   * control message.
   */
  unconfirmedSession: Session | undefined;
  /**
   * The peer made another path and may have lost this one. It is used only without a better one,
   * until the peer answers.
   */
  suspect = false;
  /** The last check through the relay had no answer, and nothing else arrived since. */
  silent = false;
  readonly #context: PathContext;
  readonly #directPaths = new DirectPaths();
  readonly #questions = new PathQuestions();
  #hosts = '';
  #newestTransaction: number | undefined;
  #used: UdpPath | undefined;
  #relayedCheckAt: Monotonic = NEVER;

  constructor(context: PathContext, pathId: Uint8Array, other: PeerNode, initiator: boolean) {
    this.#context = context;
    this.pathId = pathId;
    this.id = hex(pathId);
    this.peer = other;
    this.initiator = initiator;
  }

  deadline(): Monotonic {
    return this.session?.current === undefined
      ? NEVER
      : earliest(this.#directPaths.deadline(), this.#relayedCheckAt, this.#questions.deadline());
  }

  /**
   * The path of data: the best direct path, else the relay; undefined if there is none at present.
   */
  udpPath(): UdpPath | undefined {
    const best = this.#directPaths.best;
    return (best === undefined ? undefined : this.#udpPathTo(best.endpoint)) ?? this.#leg;
  }

  get direct(): boolean {
    return this.#directPaths.best !== undefined;
  }

  get roundTripMs(): number | undefined {
    return this.#directPaths.best?.roundTripMs;
  }

  #udpPathTo(endpoint: Endpoint): UdpPath | undefined {
    return this.#context.udpPathToPeer(endpoint);
  }

  get #peerId(): string {
    return hex(this.peer.publicKey);
  }

  /** Candidates from a direction or from the peer itself. */
  candidatesReceived(step: Step, candidates: readonly NtmobileOptionOf<'candidate'>[]): void {
    if (candidates.length === 0) return;
    const hosts = hostsOf(candidates);
    const peerMoved = this.#hosts !== '' && hosts !== this.#hosts;
    this.#hosts = hosts;
    if (peerMoved) this.#directPaths.invalidateAll(step.now);
    this.#directPaths.setCandidates(step.now, candidates);
    if (peerMoved) this.updateUdpPath(step);
  }

  established(step: Step, session: Session): void {
    this.session = session;
    this.unconfirmedSession = undefined;
    this.#heardFromPeer(step);
    this.#newestTransaction = undefined;
    this.updateUdpPath(step);
    this.#context.pathChanged(step, this);
    this.tick(step);
  }

  /** Checks whether the peer still has the keys. */
  markSuspect(step: Step): void {
    const udpPath = this.udpPath();
    if (this.session?.current === undefined || udpPath === undefined) return;
    this.suspect = true;
    this.#challenge(step, udpPath, '');
  }

  /** This node moved. The relay was informed before. */
  moved(step: Step): void {
    this.#directPaths.invalidateAll(step.now);
    this.updateUdpPath(step);
    this.announce(step, ANNOUNCEMENT_MS);
    this.tick(step);
  }

  /** Tells the peer through the relay where this node is. */
  announce(step: Step, retransmissionMs?: number): void {
    const udpPath = this.#leg;
    if (udpPath === undefined) return;
    const timing = retransmissionMs === undefined ? {} : { retransmissionMs };
    this.#challenge(step, udpPath, '', timing);
  }

  tick(step: Step): void {
    if (this.session?.current === undefined) return;
    for (const directPath of this.#directPaths.takeDue(step.now)) this.#check(step, directPath);
    if (this.#relayedCheckAt <= step.now) this.#checkRelayed(step);
    if (this.#questions.takeHint(step.now) && this.direct) this.announce(step);
  }

  /** The tunnel carried data by this path, or did not. */
  carried(step: Step, sample: TrafficSample): void {
    const udpPath = this.udpPath();
    if (this.session?.current === undefined || udpPath === undefined) return;
    this.#context.sessions.carried(step, this.session, sample);
    if (!this.#questions.sample(step.now, sample)) return;
    this.#context.counters.count('path-checked');
    if (this.#confirmDirect(step)) return;
    this.#challenge(step, udpPath, '', QUESTION);
    this.relay?.ask(step);
  }

  /** Asks whether the direct path in use still works; says whether there is one. */
  #confirmDirect(step: Step): boolean {
    const best = this.#directPaths.takeBest();
    if (best !== undefined) this.#check(step, best, QUESTION);
    return best !== undefined;
  }

  /** Direct paths have separate checks. */
  #checkRelayed(step: Step): void {
    const udpPath = this.udpPath();
    const relayed = udpPath !== undefined && udpPath.relayIndex !== 0;
    this.#relayedCheckAt = relayed ? NEVER : after(step.now, RELAYED_LIVENESS_MS);
    if (relayed) this.#challenge(step, udpPath, '');
  }

  #heardFromPeer(step: Step): void {
    this.silent = false;
    this.#relayedCheckAt = after(step.now, RELAYED_LIVENESS_MS);
  }

  #check(step: Step, directPath: DirectPath, timing?: RequestTiming): void {
    const to = this.#udpPathTo(directPath.endpoint);
    if (to === undefined) {
      this.#context.counters.count('candidate-skipped');
      this.#directPaths.checkCompleted(step.now, directPath, undefined);
      return;
    }
    const isProved = directPath.roundTripMs !== undefined;
    this.#challenge(step, to, directPath.key, isProved ? timing : this.#unprovedCheck(directPath));
  }

  /** The endpoint did not answer yet: the peer's budget pays for each datagram. */
  #unprovedCheck(directPath: DirectPath): CheckOptions {
    const { budgets, counters } = this.#context;
    directPath.charged = 0;
    return {
      ...(directPath.isFirstCheck ? {} : { retransmissionMs: UNPROVED_RETRANSMISSION_MS }),
      admit: (now, octets) => {
        const paid = budgets.take(now, this.#peerId, octets);
        if (paid) directPath.charged += 1;
        else counters.count('check-unpaid');
        return paid;
      },
    };
  }

  #challenge(step: Step, udpPath: UdpPath, key: string, more: CheckOptions = {}): void {
    const { sessions, random } = this.#context;
    if (this.session?.current === undefined) return;
    const challenge = random(8);
    const options: readonly NtmobileOption[] = [
      { type: 'challenge', challenge },
      ...this.#context.candidates(),
    ];
    const purpose = {
      part: 'path',
      path: this.id,
      endpointKey: key,
      challenge,
      sentAt: step.now,
    } as const;
    sessions.request(
      step,
      this.session,
      { type: 'path-challenge', options, udpPath, attemptMs: CHECK_MS, ...more },
      purpose,
    );
  }

  /** Answers a challenge of the peer. */
  challenged(step: Step, { message, udpPath, octets }: ReceivedMessage): NtmobileMessage {
    const { options, transaction } = message;
    this.#heardFromPeer(step);
    this.#context.budgets.received(step.now, this.#peerId, octets);
    if (this.#isNewest(transaction))
      this.candidatesReceived(step, filterNtmobileOptions(options, 'candidate'));
    if (udpPath.relayIndex === 0)
      this.peerObservedAt(step, { address: udpPath.remote, port: udpPath.remotePort });
    // The peer asks through the relay: what goes directly may not arrive there.
    else if (this.#directPaths.best?.checking === false) this.#confirmDirect(step);
    return pathResponse(message, udpPath);
  }

  #isNewest(transaction: number): boolean {
    const newest = this.#newestTransaction;
    if (newest !== undefined && (transaction - newest) >>> 0 >= 0x8000_0000) return false;
    this.#newestTransaction = transaction;
    return true;
  }

  /** An authenticated datagram of the peer arrived from there. */
  peerObservedAt(step: Step, endpoint: Endpoint): void {
    const directPath = this.#directPaths.add(step.now, endpoint);
    if (directPath === undefined) return;
    this.#directPaths.checkNow(step.now, directPath);
    this.tick(step);
  }

  answered(step: Step, purpose: PathPurpose, answer: ReceivedMessage | undefined): void {
    if (answer !== undefined) {
      this.#heardFromPeer(step);
      this.#context.budgets.received(step.now, this.#peerId, answer.octets);
    } else if (purpose.endpointKey === '') this.#unanswered(step);
    if (answer !== undefined && purpose.endpointKey === '' && !this.direct)
      this.#questions.answered(step.now);
    if (this.suspect && answer !== undefined) {
      this.suspect = false;
      this.#context.pathChanged(step, this);
    }
    const directPath = this.#directPaths.get(purpose.endpointKey);
    if (directPath === undefined) return;
    const valid = isValidResponse(purpose, answer, directPath);
    if (valid) this.#context.budgets.answered(step.now, this.#peerId, directPath.charged);
    directPath.charged = 0;
    if (valid && directPath.roundTripMs === undefined)
      this.#context.counters.count('direct-path-found');
    if (!valid && directPath.roundTripMs !== undefined)
      this.#context.counters.count('direct-path-lost');
    const used = directPath === this.#directPaths.best;
    const lost = used && !valid;
    if (used && valid) this.#questions.answered(step.now);
    const roundTripMs = valid ? step.now - purpose.sentAt : undefined;
    const switched = this.#directPaths.checkCompleted(step.now, directPath, roundTripMs);
    if (lost) this.#directPaths.bestLost(step.now, this.#leg !== undefined);
    if (switched || lost) this.updateUdpPath(step);
    if (lost) this.tick(step);
  }

  get #leg(): UdpPath | undefined {
    return this.relay?.udpPathOfLeg(this.id);
  }

  #unanswered(step: Step): void {
    this.#relayedCheckAt = after(step.now, SILENT_RETRY_MS);
    if (this.direct || this.udpPath() === undefined) return;
    this.silent = true;
    this.#context.pathSilent(step, this);
  }

  /** The leg at the relay or a direct path became available or failed. */
  updateUdpPath(step: Step): void {
    const udpPath = this.udpPath();
    if (udpPath !== undefined && this.session !== undefined) this.session.udpPath = udpPath;
    const same =
      udpPath !== undefined && this.#used !== undefined && sameRemoteEndpoint(udpPath, this.#used);
    if (same && udpPath.local === this.#used?.local) return;
    if (udpPath === undefined && this.#used === undefined) return;
    this.#used = udpPath;
    this.#questions.switched(step.now);
    this.#context.counters.count('path-switched');
    this.#context.pathChanged(step, this);
  }

  /** The peer's addresses for applications. */
  get addresses(): readonly IpAddress[] {
    return [this.peer.virtualIpv6, this.peer.virtualIpv4];
  }
}
