/**
 * Nodes that have a session with a relay, and where they are: believed at once, paid for only after a Path Challenge was answered there.
 *
 * No RFC: docs/ntmobile.md §6 (Path Challenge, Keep Alive)
 */
import { equalBytes } from '#base/bytes.ts';
import { after, type Monotonic, NEVER } from '#base/time.ts';
import type { Output, RandomBytes } from '#engine/contract.ts';
import type { CounterSet } from '#engine/shared/counters.ts';
import type { Session } from '#engine/shared/ntmobile/session.ts';
import type { Sessions } from '#engine/shared/ntmobile/sessions.ts';
import { sameFarEnd, type Way } from '#engine/shared/ntmobile/way.ts';
import { type Timed, TimerHeap } from '#engine/shared/timer-heap.ts';
import { type NtmobileMessage, NtmobileStatus } from '#wire/ntmobile-message.ts';
import { findNtmobileOption } from '#wire/ntmobile-options.ts';
import { type Legs, type RelayLeg, wish } from './legs.ts';
import type { RelayPurpose } from './purposes.ts';
import type { RelayCounter } from './reasons.ts';

const CHALLENGE_MS = 3_000;
const IDLE_MS = 600_000;

export class AttachedNode implements Timed {
  readonly session: Session;
  readonly legs = new Set<RelayLeg>();
  way: Way;
  validated = false;
  /** The last place that was validated, while another one is not yet. */
  former: Way | undefined;
  /** Under way. */
  challenge: Uint8Array | undefined;
  newestTransaction: number | undefined;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(session: Session) {
    this.session = session;
    this.way = session.way;
  }
}

export class AttachedNodes {
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #legs: Legs;
  readonly #random: RandomBytes;
  readonly #counters: CounterSet<RelayCounter>;
  readonly #bySession = new Map<Session, AttachedNode>();
  readonly #timers = new TimerHeap<AttachedNode>();

  constructor(sessions: Sessions<RelayPurpose>, legs: Legs, random: RandomBytes, counters: CounterSet<RelayCounter>) {
    this.#sessions = sessions;
    this.#legs = legs;
    this.#random = random;
    this.#counters = counters;
  }

  get size(): number {
    return this.#bySession.size;
  }

  deadline(): Monotonic {
    return this.#timers.deadline();
  }

  of(session: Session): AttachedNode | undefined {
    return this.#bySession.get(session);
  }

  /** New keys: a node that is new, or one that may be elsewhere and counts its transactions anew. */
  established(now: Monotonic, session: Session, out: Output[]): void {
    const known = this.#bySession.get(session);
    const node = known ?? new AttachedNode(session);
    this.#bySession.set(session, node);
    this.#timers.set(node, after(now, IDLE_MS));
    node.newestTransaction = undefined;
    if (known === undefined) this.#challenge(now, node);
    else this.#seenAt(now, node, session.way, out);
  }

  /** A request of the node that is known to be its own. Older ones than the newest say nothing of where it is now. */
  heard(now: Monotonic, session: Session, { transaction }: NtmobileMessage, way: Way, out: Output[]): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    this.#timers.set(node, after(now, IDLE_MS));
    const newest = node.newestTransaction;
    if (newest !== undefined && (transaction - newest) >>> 0 >= 0x8000_0000) return;
    node.newestTransaction = transaction;
    this.#seenAt(now, node, way, out);
  }

  #seenAt(now: Monotonic, node: AttachedNode, way: Way, out: Output[]): void {
    const same = sameFarEnd(way, node.way);
    if (same && way.local === node.way.local) {
      if (!node.validated && node.challenge === undefined) this.#challenge(now, node);
      return;
    }
    if (!same) {
      this.#counters.count('node-moved');
      if (node.validated) node.former = node.way;
      node.validated = false;
    }
    this.#place(node, way, out);
    if (!same) this.#challenge(now, node);
  }

  #place(node: AttachedNode, way: Way, out: Output[]): void {
    node.way = way;
    node.session.way = way;
    for (const leg of node.legs) wish(leg, out);
  }

  #challenge(now: Monotonic, node: AttachedNode): void {
    const challenge = this.#random(8);
    node.challenge = challenge;
    const options = [{ type: 'challenge', challenge } as const];
    const asked = { type: 'path-challenge', options, way: node.way, attemptMs: CHALLENGE_MS } as const;
    this.#sessions.request(now, node.session, asked, { kind: 'challenge', challenge });
  }

  challenged(
    session: Session,
    challenge: Uint8Array,
    answer: NtmobileMessage | undefined,
    from: Way | undefined,
    out: Output[],
  ): void {
    const node = this.#bySession.get(session);
    // One that a newer place has made pointless.
    if (node?.challenge !== challenge) return;
    node.challenge = undefined;
    const said = answer === undefined ? undefined : findNtmobileOption(answer.options, 'challenge')?.challenge;
    const right = answer?.status === NtmobileStatus.granted && said !== undefined && equalBytes(said, challenge);
    if (right && from !== undefined && sameFarEnd(from, node.way)) {
      this.#counters.count('place-validated');
      node.validated = true;
      node.former = undefined;
      for (const leg of node.legs) wish(leg, out);
      return;
    }
    this.#counters.count('place-unanswered');
    if (node.former === undefined) return;
    const { former } = node;
    node.former = undefined;
    node.validated = true;
    this.#place(node, former, out);
  }

  ended(now: Monotonic, session: Session, out: Output[]): void {
    const node = this.#bySession.get(session);
    if (node === undefined) return;
    this.#bySession.delete(session);
    this.#timers.remove(node);
    for (const leg of [...node.legs]) this.#legs.remove(now, leg, out);
  }

  /** Forgets who was not heard of for long. */
  tick(now: Monotonic, out: Output[]): void {
    for (let node = this.#timers.takeDue(now); node !== undefined; node = this.#timers.takeDue(now)) {
      this.#counters.count('node-idle');
      this.#sessions.forget(node.session);
      this.ended(now, node.session, out);
    }
  }
}
