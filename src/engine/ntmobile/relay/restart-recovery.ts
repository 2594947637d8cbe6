/**
 * After its restart a relay has no keys: it calls the nodes that it knew, so that they begin anew
 * at once and not with their next Keep Alive.
 *
 * No RFC: docs/reference/ntmobile.md §10 (a relay that was away)
 *
 * The call is a Tunnel Request that no node accepts: it shows that the relay itself calls. The
 * node's own Tunnel Request follows, with its credential.
 */
import { hex } from '#base/bytes.ts';
import type { JsonValue } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Session } from '#engine/ntmobile/common/session.ts';
import type { Sessions } from '#engine/ntmobile/common/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import type { RelayPurpose } from './request-purposes.ts';
import {
  NODE_PATHS_TABLE,
  nodePathRecord,
  readNodePath,
  type StoredNodePath,
} from './stored-records.ts';

/** A node that does not answer for so long has gone, or will come by itself. */
const CALL_MS = 5_000;
/** Calls begun at once, and how long until the next ones: each costs public key operations. */
const CALLS_AT_ONCE = 50;
const PAUSE_MS = 50;
const NO_PATH = new Uint8Array(8);

class Call implements Timed {
  readonly nodeId: string;
  readonly session: Session;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;

  constructor(nodeId: string, session: Session) {
    this.nodeId = nodeId;
    this.session = session;
  }
}

export class RestartRecovery {
  readonly #sessions: Sessions<RelayPurpose>;
  readonly #persist: (table: string, key: string, value: JsonValue | undefined) => void;
  /** To be called. */
  readonly #stored = new Map<string, StoredNodePath>();
  #nextAt: Monotonic = NEVER;
  readonly #calls = new Map<string, Call>();
  readonly #timers = new TimerHeap<Call>();
  /** What the store says of each node, so that it is told only what is new. */
  readonly #kept = new Map<string, string>();

  constructor(
    sessions: Sessions<RelayPurpose>,
    persist: (table: string, key: string, value: JsonValue | undefined) => void,
  ) {
    this.#sessions = sessions;
    this.#persist = persist;
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#nextAt);
  }

  restore(key: string, value: JsonValue): void {
    const place = readNodePath(value);
    if (place === undefined || hex(nodeIdOf(place.publicKey)) !== key) return;
    this.#stored.set(key, place);
    this.#kept.set(key, JSON.stringify(nodePathRecord(place)));
  }

  /** Everything was restored. */
  start(now: Monotonic): void {
    if (this.#stored.size > 0) this.#nextAt = now;
  }

  tick(step: Step): void {
    const { now } = step;
    if (now >= this.#nextAt) {
      for (const [nodeId, place] of [...this.#stored].slice(0, CALLS_AT_ONCE))
        this.#call(step, nodeId, place);
      this.#nextAt = this.#stored.size > 0 ? after(now, PAUSE_MS) : NEVER;
    }
    for (
      let call = this.#timers.takeDue(now);
      call !== undefined;
      call = this.#timers.takeDue(now)
    ) {
      this.#end(call);
      this.nodeGone(call.nodeId);
    }
  }

  #call(step: Step, nodeId: string, { publicKey, udpPath }: StoredNodePath): void {
    this.#stored.delete(nodeId);
    const session = this.#sessions.connect(step, {
      publicKey,
      use: HandshakeUse.relay,
      pathId: NO_PATH,
      udpPath,
    });
    const call = new Call(nodeId, session);
    this.#calls.set(nodeId, call);
    this.#timers.set(call, after(step.now, CALL_MS));
  }

  #end(call: Call): void {
    this.#calls.delete(call.nodeId);
    this.#timers.remove(call);
    this.#sessions.discard(call.session);
  }

  /** The node is there, and this is where. */
  nodeAttached(nodeId: string, place: StoredNodePath): void {
    const call = this.#calls.get(nodeId);
    if (call !== undefined) this.#end(call);
    // It came by itself.
    this.#stored.delete(nodeId);
    const record = nodePathRecord(place);
    const text = JSON.stringify(record);
    if (this.#kept.get(nodeId) === text) return;
    this.#kept.set(nodeId, text);
    this.#persist(NODE_PATHS_TABLE, nodeId, record);
  }

  /** The node is gone. */
  nodeGone(nodeId: string): void {
    if (this.#kept.delete(nodeId)) this.#persist(NODE_PATHS_TABLE, nodeId, undefined);
  }
}
