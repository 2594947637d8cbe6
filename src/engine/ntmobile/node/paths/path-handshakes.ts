/**
 * Handshakes for paths that have no keys yet: through the relay, along with the request for a leg,
 * or to several direct candidates at once.
 *
 * No RFC: docs/reference/ntmobile.md §4, §6 (first datagram)
 */
import { hex } from '#base/bytes.ts';
import type { Monotonic } from '#base/time.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { UdpPath } from '#engine/contract/packet-path.ts';
import type { Session, SessionTarget } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse, LONGEST_FIRST_DATAGRAM } from '#wire/ntmobile/datagram.ts';
import type { NtmobileOptionOf } from '#wire/ntmobile/options.ts';
import type { Attachment } from '../attachment.ts';
import { udpPathToPeer } from '../peer-endpoints.ts';
import type { NodePurpose } from '../request-purposes.ts';
import type { CheckBudgets } from './check-budgets.ts';
import type { NodePath } from './node-path.ts';

/** Direct candidates that get a handshake at once when there is no relay. */
const MAX_DIRECT_HANDSHAKES = 4;

interface HandshakeContext {
  readonly sessions: Sessions<NodePurpose>;
  readonly port: number;
  readonly budgets: CheckBudgets;
  attachment(): Attachment;
}

export class PathHandshakes {
  readonly #context: HandshakeContext;
  /** By path id; the first one that the peer answers is used. */
  readonly #pending = new Map<string, readonly Session[]>();

  constructor(context: HandshakeContext) {
    this.#context = context;
  }

  /** Without a relay only a peer that is not behind a NAT answers. */
  startDirect(
    step: Step,
    path: NodePath,
    candidates: readonly NtmobileOptionOf<'candidate'>[],
  ): void {
    if (path.session?.current !== undefined && !path.silent) return;
    const { sessions, port, budgets } = this.#context;
    const peer = hex(path.peer.publicKey);
    const admit = (now: Monotonic, octets: number): boolean => budgets.take(now, peer, octets);
    const usable = candidates.flatMap(
      ({ endpoint }) => udpPathToPeer(this.#context.attachment(), port, endpoint) ?? [],
    );
    const started = usable
      .slice(0, MAX_DIRECT_HANDSHAKES)
      .map((udpPath) => sessions.connect(step, { ...targetOf(path, udpPath), admit }));
    if (started.length > 0) this.#pending.set(path.id, started);
  }

  /** The Tunnel Request that goes along with the request for a leg, before the leg has an index. */
  firstDatagram(step: Step, path: NodePath): Uint8Array | undefined {
    const udpPath = path.relay?.udpPath();
    if (udpPath === undefined) return undefined;
    if (needsHandshake(path) && !this.#pending.has(path.id)) {
      const target = { ...targetOf(path, udpPath), piggybacked: true };
      this.#pending.set(path.id, [this.#context.sessions.connect(step, target)]);
    }
    const datagram = this.#firstOf(path.id)?.piggybackedInitiation;
    return datagram === undefined || datagram.length > LONGEST_FIRST_DATAGRAM
      ? undefined
      : datagram;
  }

  /** The relay granted the leg. `passed`: it forwards the first datagram. */
  legGranted(step: Step, path: NodePath, udpPath: UdpPath, passed: boolean): void {
    const { sessions } = this.#context;
    const started = this.#firstOf(path.id);
    if (started?.piggybackedInitiation !== undefined)
      sessions.resumeHandshake(step, started, udpPath, passed);
    else if (started === undefined && needsHandshake(path))
      this.#pending.set(path.id, [sessions.connect(step, targetOf(path, udpPath))]);
  }

  /** The relay refused the leg: a Tunnel Request that it should have forwarded is lost. */
  legRefused(path: NodePath): void {
    if (this.#firstOf(path.id)?.piggybackedInitiation !== undefined) this.abandon(path);
  }

  #firstOf(id: string): Session | undefined {
    return this.#pending.get(id)?.[0];
  }

  /** The peer answered in `session`: the other handshakes of the path are not needed. */
  completed(path: NodePath, session: Session): void {
    for (const other of this.#pending.get(path.id) ?? [])
      if (other !== session) this.#context.sessions.discard(other);
    this.#pending.delete(path.id);
  }

  /** A session ended. Returns whether other handshakes of the path continue. */
  failed(path: NodePath, session: Session): boolean {
    const left = (this.#pending.get(path.id) ?? []).filter((one) => one !== session);
    if (left.length > 0) this.#pending.set(path.id, left);
    else this.#pending.delete(path.id);
    return left.length > 0;
  }

  abandon(path: NodePath): void {
    for (const started of this.#pending.get(path.id) ?? []) this.#context.sessions.discard(started);
    this.#pending.delete(path.id);
  }
}

/** The initiator starts it, when there are no keys or the peer may have lost them. */
function needsHandshake({ initiator, session, silent }: NodePath): boolean {
  return initiator && (session?.current === undefined || silent);
}

function targetOf({ peer: { publicKey }, pathId }: NodePath, udpPath: UdpPath): SessionTarget {
  return { publicKey, use: HandshakeUse.node, pathId, udpPath };
}
