/**
 * Nodes that have a session with a relay, and where they are: believed at once, paid for only after
 * they were heard of there.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Path Challenge, Keep Alive), §9, §10
 *
 * Where a node is: `new` (never proved) → `proved` → `elsewhere` (heard of from another place: legs
 * and tunnel are there, bounded by what came from there; the former place is kept) → `proved`,
 * there or where it was. A Tunnel Response that was answered proves a place as a Path Response
 * does.
 */
import { equalBytes, hex } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { AmplificationLimit } from '#engine/contract/outer-path.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import { REQUEST_RETRANSMISSION_MS } from '#engine/ntmobile/common/control-requests.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { ReceivedMessage } from '#engine/ntmobile/common/session-listener.ts';
import type { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { sameRemoteEndpoint } from '#engine/ntmobile/common/udp-path.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption } from '#wire/ntmobile/options.ts';
import { type Legs, type RelayLeg, setDesiredLeg } from './legs.ts';
import type { RelayCounter } from './reasons.ts';
import type { ChallengePurpose, RelayPurpose } from './request-purposes.ts';

const CHALLENGE_MS = 3_000;
const IDLE_MS = 600_000;
/** To a place that is not proved goes so many times what came from there. */
const AMPLIFICATION_FACTOR = 3;
/**
 * No less than an answer and the Path Challenges of one attempt: what a request has to pay for
 * before it pays for data.
 */
const OWN_OCTETS = 320;
/** Three of them are paid for by the smallest packet of data. */
const PROBE_RETRANSMISSION_MS = 1_000;

/** A request that was opened: where it came from, and how long its datagram was. */
export interface ReceivedRequest {
  readonly transaction: number;
  readonly udpPath: UdpPath;
  readonly octets: number;
}

export class AttachedNode implements Timed {
  readonly session: Session;
  /** In hexadecimal digits. */
  readonly nodeId: string;
  /** As its newest credential says. */
  holder: CredentialHolder;
  readonly legs = new Set<RelayLeg>();
  udpPath: UdpPath;
  validated = false;
  /**
   * Octets that may go to the present place, while it is not validated, beside those that the plane
   * reckons.
   */
  creditOctets = 0;
  /** The last place that was validated, while another one is not yet. */
  previousPath: UdpPath | undefined;
  /** Under way, for the present place. */
  challenge: Uint8Array | undefined;
  /** Under way, where data came from. */
  probe: Uint8Array | undefined;
  newestTransaction: number | undefined;
  heardAt: Monotonic;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  readonly #number: number;

  /** `number`: no other node has it. */
  constructor(now: Monotonic, session: Session, holder: CredentialHolder, number: number) {
    this.#number = number;
    this.session = session;
    this.nodeId = hex(nodeIdOf(session.peer.publicKey));
    this.holder = holder;
    this.udpPath = session.udpPath;
    this.heardAt = now;
  }

  /** Where it was proved to be; undefined before the first time. */
  get validatedPath(): UdpPath | undefined {
    return this.validated ? this.udpPath : this.previousPath;
  }

  /** What bounds what goes to where it is; undefined: it was proved. */
  get amplificationLimit(): AmplificationLimit | undefined {
    return this.validated ? undefined : { number: this.#number, creditOctets: this.creditOctets };
  }
}

/** What a relay does about nodes that come, move and go. */
export interface AttachedListener {
  /** What the session's credential says, where it is valid now. */
  holderOf(now: Monotonic, session: Session): CredentialHolder | undefined;
  /** When the holder's credential ends. */
  expiryOf(holder: CredentialHolder): Monotonic;
  /** It was not there before. */
  nodeAttached(node: AttachedNode): void;
  /** It is there, has new keys, is elsewhere, or more may go there. */
  nodeChanged(step: Step, node: AttachedNode): void;
  nodeGone(step: Step, node: AttachedNode, reason: string): void;
}

export class AttachedNodes {
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #legs: Legs;
  readonly #random: RandomBytes;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #listener: AttachedListener;
  readonly #bySession = new Map<Session, AttachedNode>();
  readonly #byNodeId = new Map<string, AttachedNode>();
  readonly #timers = new TimerHeap<AttachedNode>();
  #lastNumber = 0;

  constructor(
    sessions: Sessions<RelayPurpose>,
    legs: Legs,
    random: RandomBytes,
    counters: CounterSet<RelayCounter>,
    listener: AttachedListener,
  ) {
    this.#sessions = sessions;
    this.#legs = legs;
    this.#random = random;
    this.#counters = counters;
    this.#listener = listener;
  }

  get size(): number {
    return this.#bySession.size;
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#bySession.values()].map(({ nodeId, holder, legs, udpPath, validated }) => ({
      ...{
        name: holder.name,
        nodeId,
        virtualIpv6: holder.virtualIpv6,
        virtualIpv4: holder.virtualIpv4,
      },
      ...{ remote: udpPath.remote, remotePort: udpPath.remotePort, validated, legs: legs.size },
    }));
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  ofSession(session: Session): AttachedNode | undefined {
    return this.#bySession.get(session);
  }

  /** `nodeId` in hexadecimal digits. */
  ofNodeId(nodeId: string): AttachedNode | undefined {
    return this.#byNodeId.get(nodeId);
  }

  /**
   * New keys: a node that is new, or one that may be elsewhere and counts its transactions anew.
   */
  established(step: Step, session: Session): void {
    const holder = this.#listener.holderOf(step.now, session);
    if (holder === undefined) {
      this.#sessions.discard(session);
      this.#end(step, session, 'credential');
      return;
    }
    const known = this.#bySession.get(session);
    const node = known ?? this.#newNode(step, session, holder);
    this.#bySession.set(session, node);
    this.#byNodeId.set(node.nodeId, node);
    node.holder = holder;
    this.#touch(step, node);
    node.newestTransaction = undefined;
    const { respondedTo } = session.current ?? {};
    if (respondedTo !== undefined && sameRemoteEndpoint(respondedTo, session.udpPath))
      this.#validatePath(step, node, session.udpPath);
    else if (known === undefined) this.#challenge(step, node, 0);
    else this.#pathObserved(step, node, session.udpPath, 0);
    if (known === undefined) this.#listener.nodeAttached(node);
    this.#listener.nodeChanged(step, node);
  }

  #newNode(step: Step, session: Session, holder: CredentialHolder): AttachedNode {
    this.#lastNumber += 1;
    return new AttachedNode(step.now, session, holder, this.#lastNumber);
  }

  #touch(step: Step, node: AttachedNode): void {
    node.heardAt = step.now;
    this.#timers.set(
      node,
      earliest(after(step.now, IDLE_MS), this.#listener.expiryOf(node.holder)),
    );
  }

  /**
   * A request of the node that is known to be its own. Older ones than the newest say nothing of
   * where it is now.
   */
  requestReceived(
    step: Step,
    session: Session,
    { transaction, udpPath, octets }: ReceivedRequest,
  ): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    this.#touch(step, node);
    const newest = node.newestTransaction;
    if (newest !== undefined && (transaction - newest) >>> 0 >= 0x8000_0000) return;
    node.newestTransaction = transaction;
    this.#pathObserved(step, node, udpPath, octets);
  }

  /**
   * Data of the node came from there: it may be an old packet that somebody held back, so that
   * nothing moves before the node answers.
   */
  peerRoamed(step: Step, node: AttachedNode, udpPath: UdpPath): void {
    if (node.probe !== undefined || sameRemoteEndpoint(udpPath, node.udpPath)) return;
    const challenge = this.#random(8);
    node.probe = challenge;
    this.#ask(step, node, { kind: 'challenge', challenge, udpPath }, PROBE_RETRANSMISSION_MS);
  }

  /** `octets` came from there. */
  #pathObserved(step: Step, node: AttachedNode, udpPath: UdpPath, octets: number): void {
    const same = sameRemoteEndpoint(udpPath, node.udpPath);
    if (!same) {
      this.#counters.count('node-moved');
      if (node.validated) node.previousPath = node.udpPath;
      node.validated = false;
      node.creditOctets = 0;
    }
    const granted = node.validated ? 0 : Math.max(0, AMPLIFICATION_FACTOR * octets - OWN_OCTETS);
    if (!same || udpPath.local !== node.udpPath.local || granted > 0) {
      node.creditOctets += granted;
      this.#usePath(step, node, udpPath);
      this.#listener.nodeChanged(step, node);
    }
    if (!same || (!node.validated && node.challenge === undefined))
      this.#challenge(step, node, octets);
  }

  #usePath(step: Step, node: AttachedNode, udpPath: UdpPath): void {
    node.udpPath = udpPath;
    node.session.udpPath = udpPath;
    for (const leg of node.legs) setDesiredLeg(leg, step.out);
  }

  #validatePath(step: Step, node: AttachedNode, udpPath: UdpPath): void {
    if (!sameRemoteEndpoint(udpPath, node.udpPath)) this.#counters.count('node-moved');
    if (!node.validated || !sameRemoteEndpoint(udpPath, node.udpPath))
      this.#counters.count('path-validated');
    node.challenge = undefined;
    node.previousPath = undefined;
    node.validated = true;
    this.#usePath(step, node, udpPath);
    this.#listener.nodeChanged(step, node);
  }

  /** Until it is answered, or once where what came does not pay for more. */
  #challenge(step: Step, node: AttachedNode, octets: number): void {
    const challenge = this.#random(8);
    node.challenge = challenge;
    const retransmissionMs =
      AMPLIFICATION_FACTOR * octets < OWN_OCTETS ? CHALLENGE_MS : REQUEST_RETRANSMISSION_MS;
    this.#ask(step, node, { kind: 'challenge', challenge, udpPath: undefined }, retransmissionMs);
  }

  #ask(step: Step, node: AttachedNode, purpose: ChallengePurpose, retransmissionMs: number): void {
    const options = [{ type: 'challenge', challenge: purpose.challenge } as const];
    const asked = {
      type: 'path-challenge',
      options,
      udpPath: purpose.udpPath ?? node.udpPath,
    } as const;
    this.#sessions.request(
      step,
      node.session,
      { ...asked, attemptMs: CHALLENGE_MS, retransmissionMs },
      purpose,
    );
  }

  challenged(
    step: Step,
    session: Session,
    purpose: ChallengePurpose,
    answer: ReceivedMessage | undefined,
  ): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    const { challenge, udpPath } = purpose;
    const from = answer?.udpPath;
    const said =
      answer === undefined
        ? undefined
        : findNtmobileOption(answer.message.options, 'challenge')?.challenge;
    const right =
      answer?.message.status === NtmobileStatus.granted &&
      said !== undefined &&
      equalBytes(said, challenge);
    if (udpPath !== undefined) {
      node.probe = undefined;
      if (right && from !== undefined && sameRemoteEndpoint(from, udpPath))
        this.#validatePath(step, node, from);
      return;
    }
    // One that a newer place has made pointless.
    if (node.challenge !== challenge) return;
    node.challenge = undefined;
    if (right && from !== undefined && sameRemoteEndpoint(from, node.udpPath)) {
      this.#validatePath(step, node, node.udpPath);
      return;
    }
    this.#counters.count('path-validation-failed');
    if (node.previousPath === undefined) return;
    const { previousPath } = node;
    node.previousPath = undefined;
    node.validated = true;
    this.#usePath(step, node, previousPath);
    this.#listener.nodeChanged(step, node);
  }

  ended(step: Step, session: Session): void {
    this.#end(step, session, 'keys');
  }

  /** `reason`: what of it came to its end. */
  #end(step: Step, session: Session, reason: string): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    this.#bySession.delete(session);
    if (this.#byNodeId.get(node.nodeId) === node) this.#byNodeId.delete(node.nodeId);
    this.#timers.remove(node);
    for (const leg of [...node.legs]) this.#legs.remove(step.now, leg, step.out);
    this.#listener.nodeGone(step, node, reason);
  }

  /** Forgets who was not heard of for long, and whose credential is over. */
  tick(step: Step): void {
    for (
      let node = this.#timers.takeDue(step.now);
      node !== undefined;
      node = this.#timers.takeDue(step.now)
    ) {
      const idle = step.now - node.heardAt >= IDLE_MS;
      this.#counters.count(idle ? 'node-idle' : 'credential-expired');
      this.#sessions.discard(node.session);
      this.#end(step, node.session, idle ? 'idle' : 'credential');
    }
  }
}
