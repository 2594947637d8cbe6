/**
 * The nodes that have a session with a relay: attachment, path validation and expiry.
 *
 * No RFC: docs/reference/ntmobile.md §6 (Path Challenge, Keep Alive), §9, §10
 */
import { equalBytes } from '#base/bytes.ts';
import type { JsonObject } from '#base/json.ts';
import { after, earliest, type Monotonic } from '#base/time.ts';
import type { CounterSet } from '#engine/common/counters.ts';
import { TimerHeap } from '#engine/common/timer-heap.ts';
import type { RandomBytes, Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import { REQUEST_RETRANSMISSION_MS } from '#engine/sealed/control-requests.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { ReceivedMessage } from '#engine/sealed/session-listener.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { sameRemoteEndpoint } from '#engine/sealed/udp-path.ts';
import { NtmobileStatus } from '#wire/ntmobile/message.ts';
import { findNtmobileOption } from '#wire/ntmobile/options.ts';
import { AttachedNode } from './attached-node.ts';
import type { Legs } from './legs.ts';
import type { PeerCredentials } from './peer-credentials.ts';
import { paysForRetransmission } from './peer-path.ts';
import type { RelayCounter } from './reasons.ts';
import type { ChallengePurpose, RelayPurpose } from './request-purposes.ts';

const CHALLENGE_MS = 3_000;
const IDLE_MS = 600_000;
/** The smallest data packet pays for three of them. */
const PROBE_RETRANSMISSION_MS = 1_000;

/** Reactions of the relay to changes of its attached nodes. */
export interface AttachedListener {
  nodeAttached(step: Step, node: AttachedNode): void;
  /** The node attached, or its keys, path or anti-amplification limit changed. */
  nodeChanged(step: Step, node: AttachedNode): void;
  nodeDetached(step: Step, node: AttachedNode, reason: DetachReason): void;
}

/** Nodes that expired. */
export type DetachReason = 'keys' | 'credential' | 'idle';

interface AttachedNodesOptions {
  readonly sessions: Sessions<RelayPurpose>;
  readonly legs: Legs;
  readonly random: RandomBytes;
  readonly counters: CounterSet<RelayCounter>;
  readonly credentials: PeerCredentials;
  readonly listener: AttachedListener;
}

export class AttachedNodes {
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #legs: Legs;
  readonly #random: RandomBytes;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #credentials: PeerCredentials;
  readonly #listener: AttachedListener;
  readonly #bySession = new Map<Session, AttachedNode>();
  readonly #byNodeId = new Map<string, AttachedNode>();
  readonly #timers = new TimerHeap<AttachedNode>();
  #lastNumber = 0;

  constructor(options: AttachedNodesOptions) {
    this.#sessions = options.sessions;
    this.#legs = options.legs;
    this.#random = options.random;
    this.#counters = options.counters;
    this.#credentials = options.credentials;
    this.#listener = options.listener;
  }

  get size(): number {
    return this.#bySession.size;
  }

  /** For the operator. */
  list(): readonly JsonObject[] {
    return [...this.#bySession.values()].map((node) => {
      const { nodeId, holder, path } = node;
      return {
        name: holder.name,
        nodeId,
        virtualIpv6: holder.virtualIpv6,
        virtualIpv4: holder.virtualIpv4,
        remote: path.current.remote,
        remotePort: path.current.remotePort,
        validated: path.validated,
        legs: this.#legs.countOf(node),
      };
    });
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

  /** A session of a node has new keys. The node is new, or may have moved. */
  established(step: Step, session: Session): void {
    const holder = this.#credentials.holderOf(step.now, session.peer);
    if (holder === undefined) {
      this.#sessions.discard(session);
      this.#detach(step, session, 'credential');
      return;
    }
    const known = this.#bySession.get(session);
    const node = known ?? this.#add(session, holder);
    this.#byNodeId.set(node.nodeId, node);
    node.holder = holder;
    this.#touch(step, node);
    node.resetTransactions();
    const { respondedTo } = session.current ?? {};
    if (respondedTo !== undefined && sameRemoteEndpoint(respondedTo, session.udpPath))
      this.#validate(step, node, session.udpPath);
    else if (known === undefined) this.#challenge(step, node, 0);
    else this.#observe(step, node, session.udpPath, 0);
    if (known === undefined) this.#listener.nodeAttached(step, node);
    this.#listener.nodeChanged(step, node);
  }

  #add(session: Session, holder: CredentialHolder): AttachedNode {
    this.#lastNumber += 1;
    const node = new AttachedNode({ session, holder, number: this.#lastNumber });
    this.#bySession.set(session, node);
    return node;
  }

  #touch(step: Step, node: AttachedNode): void {
    node.heardAt = step.now;
    const expiry = this.#credentials.expiryOf(node.holder);
    this.#timers.set(node, earliest(after(step.now, IDLE_MS), expiry));
  }

  // --- path validation ---

  /** An authenticated request of the node arrived. */
  requestReceived(step: Step, session: Session, request: ReceivedMessage): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    this.#touch(step, node);
    if (!node.isNewest(request.message.transaction)) return;
    this.#observe(step, node, request.udpPath, request.octets);
  }

  /**
   * Data of the node arrived on another path. An attacker may have delayed and redirected it, so
   * the path is probed before the relay uses it.
   */
  dataFromOtherPath(step: Step, node: AttachedNode, udpPath: UdpPath): void {
    if (!node.path.startProbe(udpPath)) return;
    const challenge = this.#random(8);
    this.#request(step, node, { kind: 'challenge', challenge, udpPath }, PROBE_RETRANSMISSION_MS);
  }

  #observe(step: Step, node: AttachedNode, udpPath: UdpPath, octets: number): void {
    const { moved, changed, needsChallenge } = node.path.observe(udpPath, octets);
    if (moved) this.#counters.count('node-moved');
    if (changed) this.#pathChanged(step, node);
    if (needsChallenge) this.#challenge(step, node, octets);
  }

  #validate(step: Step, node: AttachedNode, udpPath: UdpPath): void {
    const { moved, newlyValidated } = node.path.validate(udpPath);
    if (moved) this.#counters.count('node-moved');
    if (newlyValidated) this.#counters.count('path-validated');
    this.#pathChanged(step, node);
  }

  #pathChanged(step: Step, node: AttachedNode): void {
    node.session.udpPath = node.path.current;
    this.#legs.updateDesired(step, node);
    this.#listener.nodeChanged(step, node);
  }

  /** Sent once only if the received octets do not pay for retransmissions. */
  #challenge(step: Step, node: AttachedNode, octets: number): void {
    const challenge = this.#random(8);
    node.path.challengeSent(challenge);
    const retransmissionMs = paysForRetransmission(octets)
      ? REQUEST_RETRANSMISSION_MS
      : CHALLENGE_MS;
    this.#request(
      step,
      node,
      { kind: 'challenge', challenge, udpPath: undefined },
      retransmissionMs,
    );
  }

  #request(
    step: Step,
    node: AttachedNode,
    purpose: ChallengePurpose,
    retransmissionMs: number,
  ): void {
    const request = {
      type: 'path-challenge',
      options: [{ type: 'challenge', challenge: purpose.challenge }],
      udpPath: purpose.udpPath ?? node.path.current,
      attemptMs: CHALLENGE_MS,
      retransmissionMs,
    } as const;
    this.#sessions.request(step, node.session, request, purpose);
  }

  /** A Path Challenge was answered or timed out. */
  challengeAnswered(
    step: Step,
    session: Session,
    purpose: ChallengePurpose,
    answer: ReceivedMessage | undefined,
  ): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    const { challenge, udpPath: probed } = purpose;
    const from = echoes(answer, challenge) ? answer?.udpPath : undefined;
    if (probed !== undefined) {
      node.path.endProbe();
      if (from !== undefined && sameRemoteEndpoint(from, probed)) this.#validate(step, node, from);
      return;
    }
    if (!node.path.isPending(challenge)) return;
    if (from !== undefined && sameRemoteEndpoint(from, node.path.current)) {
      this.#validate(step, node, node.path.current);
      return;
    }
    this.#counters.count('path-validation-failed');
    if (node.path.challengeFailed()) this.#pathChanged(step, node);
  }

  // --- end ---

  ended(step: Step, session: Session): void {
    this.#detach(step, session, 'keys');
  }

  #detach(step: Step, session: Session, reason: DetachReason): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    this.#bySession.delete(session);
    if (this.#byNodeId.get(node.nodeId) === node) this.#byNodeId.delete(node.nodeId);
    this.#timers.remove(node);
    this.#legs.removeAll(step, node);
    this.#listener.nodeDetached(step, node, reason);
  }

  /** Detaches nodes that are idle or whose credential expired. */
  tick(step: Step): void {
    for (
      let node = this.#timers.takeDue(step.now);
      node !== undefined;
      node = this.#timers.takeDue(step.now)
    ) {
      const idle = step.now - node.heardAt >= IDLE_MS;
      this.#counters.count(idle ? 'node-idle' : 'credential-expired');
      this.#sessions.discard(node.session);
      this.#detach(step, node.session, idle ? 'idle' : 'credential');
    }
  }
}

/** Whether a Path Response contains the challenge. */
function echoes(answer: ReceivedMessage | undefined, challenge: Uint8Array): boolean {
  if (answer?.message.status !== NtmobileStatus.granted) return false;
  const echoed = findNtmobileOption(answer.message.options, 'challenge')?.challenge;
  return echoed !== undefined && equalBytes(echoed, challenge);
}
