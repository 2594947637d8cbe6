/**
 * A node that has a session with a relay.
 *
 * No RFC: docs/reference/ntmobile.md §9
 */
import { hex } from '#base/bytes.ts';
import { type Monotonic, NEVER } from '#base/time.ts';
import { nodeIdOf } from '#crypto/node-credential.ts';
import type { Timed } from '#engine/common/timer-heap.ts';
import type { CredentialHolder } from '#engine/ntmobile/common/credential-verifier.ts';
import type { Session } from '#engine/sealed/session.ts';
import { PeerPath } from './peer-path.ts';

export class AttachedNode implements Timed {
  readonly session: Session;
  /** In hexadecimal digits. */
  readonly nodeId: string;
  readonly path: PeerPath;
  /** According to the node's newest credential. */
  holder: CredentialHolder;
  heardAt: Monotonic = NEVER;
  heapIndex = -1;
  dueAt: Monotonic = NEVER;
  #newestTransaction: number | undefined;

  /** `number` is unique among the nodes of the relay. */
  constructor(made: {
    readonly session: Session;
    readonly holder: CredentialHolder;
    readonly number: number;
  }) {
    this.session = made.session;
    this.nodeId = hex(nodeIdOf(made.session.peer.publicKey));
    this.holder = made.holder;
    this.path = new PeerPath(made.session.udpPath, made.number);
  }

  /** New keys restart the numbers of transactions. */
  resetTransactions(): void {
    this.#newestTransaction = undefined;
  }

  /**
   * Returns whether the transaction is newer than all before (serial number arithmetic). A delayed
   * request does not show where the node is now.
   */
  isNewest(transaction: number): boolean {
    const newest = this.#newestTransaction;
    if (newest !== undefined && (transaction - newest) >>> 0 >= 0x8000_0000) return false;
    this.#newestTransaction = transaction;
    return true;
  }
}
