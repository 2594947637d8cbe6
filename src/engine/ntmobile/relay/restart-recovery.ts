/**
 * Recovery after a restart of the relay, which loses all keys. The relay calls the nodes that were
 * attached before, so that they start a handshake at once instead of after a failed Keep Alive.
 *
 * No RFC: docs/reference/ntmobile.md §10 (a relay that was away)
 *
 * A call is a Tunnel Request, which authenticates the relay. The node does not accept it; instead
 * it sends its own Tunnel Request, with its credential.
 */
import { hex } from '#base/bytes.ts';
import type { JsonValue } from '#base/json.ts';
import { after, earliest, type Monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import { type Timed, TimerHeap } from '#engine/common/timer-heap.ts';
import type { Step } from '#engine/contract/engine.ts';
import type { Session } from '#engine/sealed/session.ts';
import type { Sessions } from '#engine/sealed/sessions.ts';
import { HandshakeUse } from '#wire/ntmobile/datagram.ts';
import type { RelayPurpose } from './request-purposes.ts';
import {
  NODE_PATHS_TABLE,
  nodePathRecord,
  readNodePath,
  type StoredNodePath,
} from './stored-records.ts';

/** A node that does not answer has left, or attaches later without a call. */
const CALL_MS = 5_000;
/** Calls are started in batches, because each costs public key operations. */
const BATCH_SIZE = 50;
const BATCH_INTERVAL_MS = 50;
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
  /** Nodes to call, by node id. */
  readonly #uncalled = new Map<string, StoredNodePath>();
  #nextBatchAt: Monotonic = NEVER;
  readonly #calls = new Map<string, Call>();
  readonly #timers = new TimerHeap<Call>();
  /** The stored record of each node, to avoid writes without a change. */
  readonly #written = new Map<string, string>();

  constructor(sessions: Sessions<RelayPurpose>) {
    this.#sessions = sessions;
  }

  deadline(): Monotonic {
    return earliest(this.#timers.deadline(), this.#nextBatchAt);
  }

  restore(key: string, value: JsonValue): void {
    const stored = readNodePath(value);
    if (stored === undefined || hex(nodeIdOf(stored.publicKey)) !== key) return;
    this.#uncalled.set(key, stored);
    this.#written.set(key, JSON.stringify(nodePathRecord(stored)));
  }

  /** Starts calling; the store was read. */
  start(now: Monotonic): void {
    if (this.#uncalled.size > 0) this.#nextBatchAt = now;
  }

  tick(step: Step): void {
    const { now } = step;
    if (now >= this.#nextBatchAt) {
      for (const [nodeId, stored] of [...this.#uncalled].slice(0, BATCH_SIZE))
        this.#call(step, nodeId, stored);
      this.#nextBatchAt = this.#uncalled.size > 0 ? after(now, BATCH_INTERVAL_MS) : NEVER;
    }
    for (
      let call = this.#timers.takeDue(now);
      call !== undefined;
      call = this.#timers.takeDue(now)
    ) {
      this.#end(call);
      this.nodeDetached(step, call.nodeId);
    }
  }

  #call(step: Step, nodeId: string, { publicKey, udpPath }: StoredNodePath): void {
    this.#uncalled.delete(nodeId);
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

  /** The node is attached on a validated path. */
  nodeAttached({ out }: Step, nodeId: string, attached: StoredNodePath): void {
    const call = this.#calls.get(nodeId);
    if (call !== undefined) this.#end(call);
    this.#uncalled.delete(nodeId);
    const record = nodePathRecord(attached);
    const text = JSON.stringify(record);
    if (this.#written.get(nodeId) === text) return;
    this.#written.set(nodeId, text);
    out.push({ kind: 'persist', table: NODE_PATHS_TABLE, key: nodeId, value: record });
  }

  nodeDetached({ out }: Step, nodeId: string): void {
    if (this.#written.delete(nodeId))
      out.push({ kind: 'persist', table: NODE_PATHS_TABLE, key: nodeId, value: undefined });
  }
}
